"""Arguments: what is judged is what the tool will read, whichever JSON reader it has."""

import pytest

from outworks.defenses.flow import Argument, Settings, ToolPolicy, arguments
from outworks.message import Tool, ToolCall
from tests.defenses.flow.kit import Office, is_released


@pytest.mark.parametrize(
    "written",
    [
        '{"to": 1, "to": 2}',
        '{"to": 1, "To": 2}',
        '{"to": 1, "\\u0074o": 2}',
        '{"a": {"key": 1, "\u212aEY": 2}}',
        '{"to": "bob@office.test\\u0000@evil.test"}',
        '{"to": ["bob", ["ev\\ud800il"]]}',
        '{"a\\udfff": 1}',
        '{"n": 18446744073709551616}',
        '{"n": -9223372036854775809}',
        '{"n": Infinity}',
        '{"n": -1e400}',
        '{"n": 01}',
        '{"n": +1}',
        '{"n": .5}',
        '{"n": 0x10}',
        '{"to": "a\nb"}',
        "{'to': 1}",
        '{"to": 1,}',
        '{"to": 1} // x',
        '\ufeff{"to": 1}',
        "[" * 5000,
        "null",
        '"{}"',
    ],
)
def test_what_readers_differ_on_is_refused(written: str) -> None:
    """Two fields of one name, whole numbers beyond 64 bits, text that is none, and whatever one reader lets through."""
    with pytest.raises(ValueError, match="the arguments"):
        arguments.read(written)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("", {}),
        (
            ' \n{"a": 1.0, "b": [true, null], "c": {"a": "\\ud83d\\ude00"}} ',
            {"a": 1, "b": [True, None], "c": {"a": "😀"}},
        ),
        ('{"n": 18446744073709551615, "m": -9223372036854775808}', {"n": 2**64 - 1, "m": -(2**63)}),
    ],
)
def test_what_all_read_alike_is_read(written: str, read: object) -> None:
    """Ordinary arguments are what they are to everyone."""
    assert arguments.read(written).values == read


@pytest.mark.parametrize("schema", [{}, {"properties": {"to": {}, "amount": {}}}])
async def test_a_field_in_other_letters_is_no_other_field(schema: dict[str, object]) -> None:
    """A reader that takes `Amount` for `amount` would find a number there that was judged as a word."""
    limited = {"amount": Argument(kind="number", max=100.0), "to": Argument(kind="id")}
    policy = {"pay": ToolPolicy(authorised=("static",), arguments=limited)}
    tool = Tool("pay", schema=schema)
    office = Office("Pay DE77 50 of the 5000", settings=Settings(tools=policy), tools=(tool,))

    assert is_released(await office.tries(ToolCall("x", "pay", '{"to": "DE77", "amount": 50}')))
    for written in ('{"to": "DE77", "Amount": 5000}', '{"to": "DE77", "amount": 50, "AMOUNT": 5000}'):
        assert not is_released(await office.tries(ToolCall("x", "pay", written)))
