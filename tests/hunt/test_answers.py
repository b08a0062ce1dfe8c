"""Answers: whatever pieces they left in, and wherever a unit or a file ends, they are hunted through whole."""

from collections.abc import Callable, Iterator
from itertools import chain, zip_longest
from pathlib import Path

import msgspec
import pytest

from outworks.event import Event, Received, Released
from outworks.hunt import sources
from outworks.hunt.answers import Answers
from outworks.hunt.cluster import DaftLook, _look_at_answers
from outworks.hunt.detections import Detections
from outworks.hunt.fingerprints import Fingerprints
from outworks.hunt.found import Found, Hunter
from outworks.hunt.hunt import LookFor
from outworks.hunt.sources import LedgerSource, ParquetSource
from outworks.ledger import Ledger, export, exporting
from outworks.ledger.reader import Spoken
from outworks.message import ToolCall
from tests.enforcement.kit import NOW
from tests.enforcement.texts import content
from tests.hunt.kit import ENTRY, KNOWN, exported, ledger_at

pyarrow = pytest.importorskip("pyarrow", reason="Parquet needs outworks[parquet]")
pytest.importorskip("pyarrow.parquet")
pytest.importorskip("duckdb", reason="hunts over Parquet need outworks[hunt]")

OTHER = "Nothing of the kind: the tide comes in at nine and goes out again at three, and so it did all year."


def stream(name: str, *choices: str, finish: str = "stop", step: int = 12) -> list[Event]:
    """An exchange that was answered in small pieces, one of each choice in turn."""
    fields = {"at": NOW, "exchange": f"ex_{name}", "account": f"shop:{name}"}
    pieces = [
        [
            Event(
                body=Released(choice=n, start=at, end=at + step, finish=finish if at + step >= len(text) else ""),
                content=text[at : at + step],
                **fields,  # type: ignore[arg-type]
            )
            for at in range(0, len(text), step)
        ]
        for n, text in enumerate(choices)
    ]
    asked = Event(body=Received(wire="openai", model="m"), content=content("Go on."), **fields)  # type: ignore[arg-type]
    return [asked, *(event for turn in zip_longest(*pieces) for event in turn if event is not None)]


def together(*streams: list[Event]) -> list[Event]:
    """Exchanges at the same time: an event of each in turn."""
    return [event for turn in zip_longest(*streams) for event in turn if event is not None]


PAST = together(
    stream("ann", OTHER, KNOWN), stream("bob", KNOWN, finish=""), stream("eve", OTHER, OTHER), stream("kim", OTHER)
)
FOUND = {("ex_ann", 1.0, "output"), ("ex_bob", 1.0, "output")}


def in_ledger(hunter: Hunter, path: Path) -> Iterator[Found]:
    source = LedgerSource(path)
    return chain.from_iterable(LookFor(hunter, source)(unit).found for unit in source.units())


def in_file(hunter: Hunter, path: Path) -> Iterator[Found]:
    source = ParquetSource([exported(path)])
    return chain.from_iterable(LookFor(hunter, source)(unit).found for unit in source.units())


def by_daft(hunter: Hunter, path: Path) -> Iterator[Found]:
    pytest.importorskip("daft", reason="hunts by Daft need outworks[cluster]")
    look = DaftLook(hunter, [str(exported(path))])
    return chain.from_iterable(look(unit).found for unit in look.units())


Hunt = Callable[[Hunter, Path], Iterator[Found]]
WHERE = pytest.mark.parametrize("hunt", [in_ledger, in_file, by_daft])


@WHERE
@pytest.mark.parametrize("events", [3, 7, 50_000])
def test_streams_are_read_whole(hunt: Hunt, events: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that left a few letters at a time, between those of others, is found once; also where it broke off."""
    monkeypatch.setattr(sources, "EVENTS", events)
    monkeypatch.setattr(exporting, "_BATCH", events)

    found = list(hunt(Fingerprints([ENTRY]), ledger_at(tmp_path / "ledger.db", PAST)))

    assert {(one.exchange, one.score, one.side) for one in found} == FOUND
    assert len(found) == len(FOUND)


@WHERE
def test_calls_are_read_as_the_defense_reads_them(hunt: Hunt, tmp_path: Path) -> None:
    """Also in escapes, and behind words that left before."""
    escaped = "".join(f"\\u{ord(char):04x}" for char in KNOWN)
    called = {"text": "So.", "tool_calls": [ToolCall("c", "note", f'{{"text": "{escaped}"}}')]}
    events = stream("ann", OTHER, finish="")
    last = msgspec.structs.replace(
        events[-1],
        body=Released(choice=0, start=len(OTHER), end=len(OTHER) + 3, tool_calls=1, finish="tool_calls"),
        content=msgspec.json.encode(called).decode(),
    )

    (one,) = hunt(Fingerprints([ENTRY]), ledger_at(tmp_path / "ledger.db", [*events, last]))

    assert (one.account, one.side, one.score) == ("shop:ann", "output", 1.0)


@WHERE
def test_an_answer_in_json_is_words(hunt: Hunt, tmp_path: Path) -> None:
    """An answer that has the form in which tool calls are kept hides nothing in it."""
    text = msgspec.json.encode({"text": "So.", "tool_calls": [], "more": KNOWN}).decode()

    (one,) = hunt(Fingerprints([ENTRY]), ledger_at(tmp_path / "ledger.db", stream("ann", text, step=10_000)))

    assert one.score == 1.0


def test_detectors_read_streams_whole(tmp_path: Path) -> None:
    """What a detector of today says of a streamed answer is what it says of the answer."""
    text = "You are a stupid idiot, and nobody likes you."
    whole = ledger_at(tmp_path / "whole.db", stream("ann", text, step=10_000))
    hunter = Detections("harassment", false_positive_rate=0.01)

    (expected,) = in_ledger(hunter, whole)
    (one,) = in_ledger(hunter, ledger_at(tmp_path / "ledger.db", stream("ann", text, step=5)))

    assert (one.what, one.score) == (expected.what, expected.score)


def test_a_file_that_begins_within_an_answer_is_read_from_there(tmp_path: Path) -> None:
    """What is no longer there cannot be read; what is, is."""
    path = ledger_at(tmp_path / "ledger.db", stream("ann", f"{OTHER} {KNOWN}"))
    with Ledger.open(path, read_only=True) as ledger:
        part = export(ledger, tmp_path / "part.parquet", "parquet", after=5).path
    source = ParquetSource([part])

    (one,) = (one for unit in source.units() for one in LookFor(Fingerprints([ENTRY]), source)(unit).found)

    assert one.seq == 6


def test_a_file_in_another_order_is_refused(tmp_path: Path) -> None:
    """Two exports that were put into one file, the later first: nothing of it may be passed over unsaid."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(exported(ledger_at(tmp_path / "ledger.db", PAST)))
    turned = pa.concat_tables([table.slice(10), table.slice(0, 10)])
    pq.write_table(turned, tmp_path / "turned.parquet", row_group_size=len(table) - 10)

    with pytest.raises(ValueError, match="sort it by seq"):
        ParquetSource([tmp_path / "turned.parquet"]).units()
    assert ParquetSource([tmp_path / "turned.parquet"], ordered=False).units()


def test_a_file_may_have_any_name(tmp_path: Path) -> None:
    """Brackets and asterisks are part of a name: no other file is read in its place."""
    found = exported(ledger_at(tmp_path / "one.db", PAST))
    other = exported(ledger_at(tmp_path / "two.db", PAST[:1]))
    (tmp_path / "past[1].parquet").write_bytes(found.read_bytes())
    (tmp_path / "past1.parquet").write_bytes(other.read_bytes())
    source = ParquetSource([tmp_path / "past[1].parquet"])

    hits = [one for unit in source.units() for one in LookFor(Fingerprints([ENTRY]), source)(unit).found]

    assert {(one.exchange, one.score, one.side) for one in hits} == FOUND


def test_the_order_in_a_file_is_none_of_an_answer(tmp_path: Path) -> None:
    """Other tools write rows as they like."""
    whole = exported(ledger_at(tmp_path / "ledger.db", PAST))
    table = pyarrow.parquet.read_table(whole)
    turned = tmp_path / "turned.parquet"
    pyarrow.parquet.write_table(table.take(list(reversed(range(len(table))))), turned)
    source = ParquetSource([turned])

    found = [one for unit in source.units() for one in LookFor(Fingerprints([ENTRY]), source)(unit).found]

    assert {(one.exchange, one.score, one.side) for one in found} == FOUND


def test_pieces_that_stand_in_two_files_left_once(tmp_path: Path) -> None:
    """Exports overlap; then each piece of an answer comes as often as there are files with it."""
    whole = pyarrow.parquet.read_table(exported(ledger_at(tmp_path / "ledger.db", PAST)))
    columns: dict[str, list[list[object]]] = {}
    for name in ("seq", "at", "kind", "account", "exchange", "body", "content", "hash"):
        rows = zip(whole["kind"].to_pylist(), whole["exchange"].to_pylist(), whole[name].to_pylist(), strict=True)
        columns[name] = [[value for kind, exchange, value in rows if (kind, exchange) == ("released", "ex_ann")] * 2]

    (answer,) = _look_at_answers(Fingerprints([ENTRY]), *({**columns, "exchange": ["ex_ann"]}.values()))

    assert answer is not None
    (one,) = msgspec.json.decode(answer)["found"]
    assert one["score"] == 1.0


def test_an_answer_that_began_with_a_call_is_left_once() -> None:
    """What says nothing yet has begun it all the same."""
    call = msgspec.json.encode({"text": "", "tool_calls": [ToolCall("c", "note", "{}")]})
    pieces = [
        (Released(choice=0, start=0, end=0, tool_calls=1), call),
        (Released(choice=0, start=0, end=9, finish="stop"), b"All done."),
    ]
    answers = Answers(whole=True)

    rows = [
        Spoken(n, NOW, "released", "shop:ann", "ex_ann", msgspec.json.encode(body), text)
        for n, (body, text) in enumerate(pieces)
    ]

    assert [one.text for row in rows for one in answers.take(row)] == [b"All done.", b"{}"]
    assert not answers.open


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"{", b"the tide"),
        (b'{"kind":"released","choice":"?"}', b"the tide"),
        (b"\xff", b"the tide"),
        (None, b"the tide"),
    ],
)
def test_what_cannot_be_read_as_an_answer_is_read_as_words(body: bytes | None, text: bytes) -> None:
    """Another version's event, or a damaged one, ends no hunt, and nothing passes for being odd."""
    answers = Answers(whole=True)

    said = [*answers.take(Spoken(1, NOW, "released", "shop:ann", "ex_ann", body, text)), *answers.rest()]

    assert [one.text for one in said] == [text]


@pytest.mark.parametrize("text", [b"the tide", b'{"text": "the tide"}', b'{"text":"the tide","tool_calls":[{"id":1}]}'])
def test_calls_that_cannot_be_read_are_words(text: bytes) -> None:
    """The same of what should hold tool calls."""
    body = msgspec.json.encode(Released(choice=0, start=0, end=0, tool_calls=1, finish="stop"))

    said = Answers(whole=True).take(Spoken(1, NOW, "released", "shop:ann", "ex_ann", body, text))

    assert [one.text for one in said] == [text]
