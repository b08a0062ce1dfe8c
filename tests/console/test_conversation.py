"""Conversation: findings at the very characters that they are about, and what never left never shown as said."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from outworks import label
from outworks.console.conversation import Shown, pieces, read_exchange
from outworks.event import Event, Judged, Judgement, Received, Released
from outworks.ledger import Ledger
from outworks.message import Message, Role, Text
from outworks.verdict import Decision, Finding, Span


def _shown(start: int, end: int, decision: int = 3) -> Shown:
    return Shown(defense="d", decision=decision, mode="live", category="c", score=1.0, start=start, end=end)


@given(some.text(max_size=60), some.lists(some.tuples(some.integers(-5, 80), some.integers(-5, 80)), max_size=6))
def test_pieces_are_the_text(text: str, spans: list[tuple[int, int]]) -> None:
    """However findings overlap or miss the text, its pieces are the text, and a character is under exactly its
    findings; each finding that covers some of it ends once."""
    marks = [_shown(start, end) for start, end in spans]
    made = list(pieces(text, marks))

    assert "".join(piece.text for piece in made) == text
    place = 0
    for piece in made:
        for mark in marks:
            inside = max(mark.start, 0) < place + len(piece.text) and mark.end > place and mark.start < mark.end
            assert (mark in piece.findings) == inside or not piece.text
        place += len(piece.text)
    for mark in {mark for piece in made for mark in piece.findings}:
        assert sum(piece.ends.count(mark) for piece in made) >= 1


def test_the_strictest_finding_colours_a_piece() -> None:
    """Where findings overlap, the strictest decision shows."""
    made = list(pieces("abcdef", [_shown(0, 4, 0), _shown(2, 6, 3)]))

    assert [(piece.text, piece.decision) for piece in made] == [("ab", 0), ("cd", 3), ("ef", 3)]


def _request(ledger: Ledger, id: str, words: list[str], finding: Finding | None = None, **more: str) -> None:
    roles = (Role.USER, Role.ASSISTANT)
    labels = (label.USER, label.ASSISTANT)
    messages = [Message(roles[n % 2], (Text(each),), labels[n % 2]) for n, each in enumerate(words)]
    said = msgspec.json.encode({"messages": messages, "tools": [], "parameters": {}}).decode()
    where = {"exchange": id, "account": "shop:ann", "product": "shop", "conversation": "c1"}
    one = Judgement(
        defense="fingerprint",
        decision=Decision.BLOCK if finding else Decision.ALLOW,
        findings=(finding,) if finding else (),
    )
    ledger.append_now(
        [
            Event(body=Received(wire="openai", model="m"), at=1.0, content=said, **where),
            Event(body=Judged(stage="request", judgements=(one,), decision=one.decision), at=1.0, **where),
        ]
    )


def _output(
    ledger: Ledger, id: str, said: str, *, end: int, finding: Finding | None = None, blocks: bool = False
) -> None:
    where = {"exchange": id, "account": "shop:ann", "product": "shop", "conversation": "c1"}
    decision = Decision.BLOCK if blocks else Decision.ALLOW
    one = Judgement(defense="leak", decision=decision, findings=(finding,) if finding else ())
    ledger.append_now(
        [
            Event(body=Judged(stage="output", judgements=(one,), decision=decision, length=end + 5), at=2.0, **where),
            Event(body=Released(choice=0, start=0, end=end), at=2.0, content=said, **where),
        ]
    )


def test_a_finding_stands_in_its_message(tmp_path: Path) -> None:
    """A finding's span marks the characters of the message and part that it names, and no others."""
    with Ledger.open(tmp_path / "l.db") as ledger:
        _request(ledger, "ex_1", ["hello", "hi", "do the bad thing"], Finding("known_bad", 1.0, Span(7, 10, 2, 0)))

        shown = read_exchange(ledger, "ex_1", with_content=True)

    marked = [
        (t, p.text) for t, turn in enumerate(shown.turns) for part in turn.parts for p in part.pieces if p.findings
    ]
    assert marked == [(2, "bad")]
    assert shown.categories == ("known_bad",)
    assert not shown.turns[1].trusted


def test_a_finding_without_a_place_is_told_beside(tmp_path: Path) -> None:
    """A finding whose place is not in what can be shown is listed."""
    with Ledger.open(tmp_path / "l.db") as ledger:
        _request(ledger, "ex_1", ["hello"], Finding("known_bad", 1.0, Span(0, 3, 9, 0)))
        _request(ledger, "ex_2", ["hello"], Finding("parameter", 1.0, detail="temperature"))

        shown = [read_exchange(ledger, id, with_content=True) for id in ("ex_1", "ex_2")]

    assert [[one.category for one in each.unplaced] for each in shown] == [["known_bad"], ["parameter"]]


def test_what_was_held_back_is_said_to_be(tmp_path: Path) -> None:
    """Of a stopped answer what left is shown, and that the rest was held back."""
    with Ledger.open(tmp_path / "l.db") as ledger:
        _request(ledger, "ex_1", ["hello"])
        _output(ledger, "ex_1", "The code is", end=11, finding=Finding("canary", 1.0, Span(12, 20)), blocks=True)

        (answer,) = read_exchange(ledger, "ex_1", with_content=True).answers

    assert answer.held
    assert "".join(piece.text for part in answer.parts for piece in part.pieces) == "The code is"


def test_edited_answers_are_not_marked_at_wrong_places(tmp_path: Path) -> None:
    """Offsets are into what the model said: where that was edited, nothing is marked rather than wrong words."""
    with Ledger.open(tmp_path / "l.db") as ledger:
        _request(ledger, "ex_1", ["hello"])
        _output(ledger, "ex_1", "See [removed].", end=40, finding=Finding("link", 1.0, Span(4, 30)))

        (answer,) = read_exchange(ledger, "ex_1", with_content=True).answers

    assert not any(piece.findings for part in answer.parts for piece in part.pieces)


def test_turns_that_were_shown_before_are_left_out(tmp_path: Path) -> None:
    """A later exchange of a conversation shows only what is new, unless something was found in what is old."""
    with Ledger.open(tmp_path / "l.db") as ledger:
        _request(ledger, "ex_1", ["one"])
        _request(ledger, "ex_2", ["one", "two", "three"])
        _request(ledger, "ex_3", ["one", "two", "three"], Finding("known_bad", 1.0, Span(0, 3, 0, 0)))
        first = read_exchange(ledger, "ex_1", with_content=True)

        second = read_exchange(ledger, "ex_2", with_content=True, after=first)
        third = read_exchange(ledger, "ex_3", with_content=True, after=second)

    assert [part.pieces[0].text for turn in second.turns for part in turn.parts] == ["two", "three"]
    assert second.earlier == 1
    assert [part.pieces[0].text for turn in third.turns for part in turn.parts] == ["one"]


def test_without_content_nothing_is_said(tmp_path: Path) -> None:
    """Reading an exchange without its content gives no words and no events that showed some."""
    with Ledger.open(tmp_path / "l.db") as ledger:
        _request(ledger, "ex_1", ["hello"])

        shown = read_exchange(ledger, "ex_1", with_content=False)

    assert shown.turns == shown.answers == ()
    assert shown.contents == ()


def test_an_unknown_exchange_is_said_to_be(tmp_path: Path) -> None:
    """No exchange, no page."""
    with Ledger.open(tmp_path / "l.db") as ledger, pytest.raises(LookupError, match="ex_9"):
        read_exchange(ledger, "ex_9", with_content=True)
