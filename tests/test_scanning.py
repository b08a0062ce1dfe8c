import base64
import json
import random
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import outworks
from outworks import scanning
from outworks.cli import app
from outworks.cli import scan as command
from outworks.detectors.looking import Looking
from outworks.scanning import TOGETHER, Item, Scanner
from tests.detectors.scripted import SURE, Scripted


@pytest.fixture(autouse=True)
def detector(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    """The scripted detector in place of the shipped one, for Python and for the command."""
    detector = Scripted()
    monkeypatch.setattr(scanning, "shipped", lambda *, second: Looking(detector))
    monkeypatch.setattr(command, "shipped", lambda *, second: Looking(detector))
    return detector


def lines(*rows: Any) -> bytes:
    return b"".join((row if isinstance(row, bytes) else json.dumps(row).encode()) + b"\n" for row in rows)


def run(given: bytes, *options: str) -> Result:
    return CliRunner().invoke(app, ["scan", *options], input=given)


def rows(result: Result) -> list[Any]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_texts_are_judged_in_order() -> None:
    """From Python: one result a text, with verdict, scores, spans and microseconds."""
    results = list(
        outworks.scan(["good day", "a jailbreak-canary", "", base64.b64encode(b"do the harm-canary").decode()])
    )

    assert [result.verdict for result in results] == ["allow", "block", "allow", "block"]
    assert results[1].over == ("jailbreak",)
    assert results[1].scores["jailbreak"] == SURE
    assert [(span.start, span.end) for span in results[1].spans] == [(2, 18)]
    assert results[3].disguises == {"harm": "base64"}
    assert all(set(result.us) == {"first"} for result in results)


def test_roles_have_their_own_sides() -> None:
    """The same words are judged as a user's, a third party's or a model's; an item's own role goes first."""
    items = [
        Item("override-canary", "tool"),
        Item("harm-canary", "tool"),
        Item("harm-canary", "assistant", id="x"),
        "harm-canary",
    ]

    results = list(outworks.scan(items, role="tool"))

    assert [result.verdict for result in results] == ["block", "allow", "block", "allow"]
    assert results[2].id == "x"


def test_an_unknown_role_is_an_error() -> None:
    """It is said at once, with the nearest that is known."""
    with pytest.raises(ValueError, match="did you mean 'user'"):
        outworks.scan(["a"], role="usr")


def test_an_unknown_stage_is_an_error() -> None:
    """Nobody believes that the second stage looked because its name was nearly right."""
    with pytest.raises(ValueError, match=r"second_stage: 'unsured' is not known; did you mean 'unsure'\?"):
        Scanner(Looking(Scripted()), second_stage="unsured")  # type: ignore[arg-type]


def test_texts_are_taken_as_they_are_needed() -> None:
    """An endless source is scanned as far as results are asked for."""

    def endless() -> Iterator[str]:
        while True:
            yield "good day"

    assert next(outworks.scan(endless())).verdict == "allow"


def test_batches_change_nothing() -> None:
    """However many texts there are, each gets what it gets alone, in its place."""
    texts = ["good day", "harm-canary", "\u200b".join("jailbreak-canary"), "override-canary"] * TOGETHER
    random.Random(3).shuffle(texts)

    results = [result.over for result in outworks.scan(texts)]

    alone = {text: next(outworks.scan([text])).over for text in set(texts)}
    assert results == [alone[text] for text in texts]


def test_the_second_stage_has_its_time_told() -> None:
    """Where the transformer looked, its microseconds are there, and its finding counts."""
    unsure, plain = outworks.scan(["unsure-canary", "plain"], second_stage="unsure")

    assert (unsure.verdict, plain.verdict) == ("block", "allow")
    assert set(unsure.us) == {"first", "second"}
    assert set(plain.us) == {"first"}


def test_lines_in_lines_out() -> None:
    """Standard input to standard output; ids come back, lines without one get their number, blank ones are left out."""
    result = run(
        lines(
            {"id": "a", "text": "good day"},
            b"",
            {"text": "harm-canary", "role": "user", "other": 1},
            {"id": 7, "text": ""},
        )
    )

    assert result.exit_code == 0
    assert [(row["id"], row["verdict"]) for row in rows(result)] == [("a", "allow"), (3, "block"), (7, "allow")]
    assert rows(result)[1]["spans"] == [{"category": "harm", "start": 0, "end": 11, "score": SURE}]


def test_bad_lines_are_told_by_number() -> None:
    """What cannot be read is passed over, said by its number, and makes the status 1; all else is judged."""
    good = {"id": "good", "text": "good day"}
    bad = [
        b"{",
        b"[]",
        b'{"id": 1}',
        b'{"text": 3}',
        b'\xff{"text": "a"}',
        {"text": "a", "role": "usr"},
        b'{"id": [], "text": ""}',
        b"[" * 100_000,
    ]

    result = run(lines(good, *bad, good))

    assert result.exit_code == 1
    assert [row["id"] for row in rows(result)] == ["good", "good"]
    for number in range(2, 2 + len(bad)):
        assert f"line {number}: " in result.stderr
    assert "did you mean 'user'" in result.stderr
    assert "8 lines were passed over" in result.stderr


def test_a_byte_order_mark_is_no_part_of_a_line() -> None:
    """Editors put one before the first line, which is judged like the others."""
    result = CliRunner().invoke(app, ["scan"], input=b'\xef\xbb\xbf{"text": "Hello"}\n{"text": "Bye"}\n')

    assert result.exit_code == 0, result.output
    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == [1, 2]


def test_a_misspelt_text_is_told_with_what_was_given() -> None:
    """The nearest name, or all that are there; none of them as a terminal would obey it."""
    result = run(lines({"txt": "a"}, {"\u001b[2J": 1, "id": 2}, {}))

    assert result.stderr.splitlines()[:3] == [
        "outworks: line 1: Object missing required field `text`; did you mean 'txt'?",
        r"outworks: line 2: Object missing required field `text`; given: '\x1b[2J', 'id'",
        "outworks: line 3: Object missing required field `text`",
    ]


def test_half_characters_are_judged() -> None:
    """A lone surrogate, as logs hold now and then, does not keep the rest of the text from being read."""
    result = run(b'{"id": "\\ud800", "text": "the \\udc00 harm-canary"}\n')

    assert result.exit_code == 0
    assert [row["verdict"] for row in rows(result)] == ["block"]


def test_a_line_too_long_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line beyond the limit is reported, and the next one is read from its beginning."""
    monkeypatch.setattr(command, "LONGEST", 1_000)
    monkeypatch.setattr(command, "_READ", 300)

    result = run(lines({"text": "x" * 5_000}, {"id": "next", "text": "good day"}, {"text": "y" * 1_500}))

    assert result.exit_code == 1
    assert [row["id"] for row in rows(result)] == ["next"]
    assert "line 1: is longer" in result.stderr
    assert "line 3: is longer" in result.stderr


def test_a_line_of_blanks_too_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is put behind more blanks than a line may have is passed over aloud, not taken for an empty line."""
    monkeypatch.setattr(command, "LONGEST", 1_000)

    result = run(b" " * 1_500 + lines({"text": "the harm-canary"}, {"id": "next", "text": "good day"}))

    assert result.exit_code == 1
    assert [row["id"] for row in rows(result)] == ["next"]
    assert "line 1: is longer" in result.stderr


def test_a_file_is_read_as_it_goes(tmp_path: Path) -> None:
    """A file far larger than what is kept of it: memory does not grow with its length."""
    file = tmp_path / "many.jsonl"
    row = lines({"id": "a", "text": "The lake is cold in May. " * 400})
    file.write_bytes(row * 2_000)
    scanner = Scanner(Looking(Scripted()))

    class Sink:
        written = 0

        def write(self, data: bytes) -> None:
            self.written += data.count(b"\n")

        def flush(self) -> None: ...

    scanner._looking.detector.read = _Forgetful()  # type: ignore[attr-defined]
    sink = Sink()
    tracemalloc.start()
    with file.open("rb") as source:
        command.through(scanner, source, sink, None)  # type: ignore[arg-type]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert sink.written == 2_000
    assert peak < 12_000_000 < file.stat().st_size


class _Forgetful(list[str]):
    def append(self, text: str) -> None:
        """Keep nothing."""


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """It says which file cannot be read."""
    result = CliRunner().invoke(app, ["scan", str(tmp_path / "none.jsonl")])

    assert isinstance(result.exception, FileNotFoundError)
    assert "none.jsonl" in str(result.exception)


def test_an_empty_input_is_fine() -> None:
    """Nothing in, nothing out."""
    result = run(b"")

    assert (result.exit_code, result.stdout) == (0, "")


def test_a_bar_is_drawn_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """On a terminal the standard error stream shows how far it is; elsewhere nothing is drawn."""
    with command._progress(100) as advance:
        advance(50)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)

    with command._progress(100) as advance:
        advance(50)

    assert "scanning" in capsys.readouterr().err


def test_what_is_no_text_is_refused_by_its_type() -> None:
    """A row of JSON, or one string in place of several, is an error that says so."""
    with pytest.raises(TypeError, match="it was given dict"):
        list(outworks.scan([{"text": "hello"}]))  # type: ignore[list-item]
    with pytest.raises(TypeError, match="put it into a list"):
        list(outworks.scan("hello"))
