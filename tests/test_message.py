"""Messages: what a tool call says, however its JSON spells it."""

import time

import pytest

from outworks.message import Said, ToolCall


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ('{"to": ["ann", {"text": "h\\u0069"}], "n": 1}', Said(["ann", "hi"], ["to", "text", "n"])),
        ('{"text": "h\\u0069", "text": "ok"}', Said(["hi", "ok"], ["text", "text"])),
        ('{"text": "h\\u0069", "half": "\\ud800"}', Said(["hi", "\ufffd"], ["text", "half"])),
        ('{"text" : "h\\u0069\\n", "n": 1e999}', Said(["hi\n"], ["text", "n"])),
        ('{"t\\u0065xt": "\\ud83d\\ude00", "n": NaN}', Said(["\U0001f600"], ["text", "n"])),
        ('{"text": "h\\u0069", "deep": ' + "[" * 5_000 + "]" * 5_000 + "}", Said(["hi"], ["text", "deep"])),
        ('{"text": "h\\u0069 \\"th', Said(['hi "th'], ["text"])),
        ('"h\\', Said(["h"], [])),
        ("no JSON", Said([], [])),
    ],
)
def test_every_string_of_a_call_is_said(arguments: str, said: Said) -> None:
    """Escapes are undone also in what JSON's strictest readers refuse: others, and models, read it."""
    assert ToolCall("c", "f", arguments).said == said


@pytest.mark.parametrize("arguments", ['{"q": "' + '\\"' * 500_000, '"' * 1_000_000, '"" ' * 300_000 + "x"])
def test_what_is_no_json_costs_what_its_length_does(arguments: str) -> None:
    """Quotation marks without end, or escaped ones, are gone over once."""
    began = time.process_time()

    assert ToolCall("c", "f", arguments).said.values

    assert time.process_time() - began < 5
