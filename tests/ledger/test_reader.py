"""Questions to a ledger."""

from pathlib import Path

import pytest

from outworks.ledger import Ledger
from outworks.ledger.schema import EXCHANGES
from tests.ledger.kit import acted, behind, blocked, conversation, judged, received, released


@pytest.fixture
def ledger(tmp_path: Path):
    with Ledger.open(tmp_path / "l.db") as ledger:
        for n in range(400):
            account = ("ann", "bob")[n % 2]
            ledger.append_now([received(f"x{n}", account, at=1000.0 + n), judged(exchange=f"x{n}", account=account)])
            if n % 100 == 0:
                ledger.append_now([acted(account, at=1000.0 + n)])
        yield ledger


def test_events_are_chosen_by_place_kind_account_and_exchange(ledger: Ledger) -> None:
    """Each condition narrows what is returned, all of them together too, always in order."""
    assert len(list(ledger.events())) == 804
    assert [one.seq for one in ledger.events(after=800)] == [801, 802, 803, 804]
    assert len(list(ledger.events(account="bob"))) == 400
    assert [one.event.exchange for one in ledger.events(exchange="x7")] == ["x7", "x7"]
    assert len(list(ledger.events(kinds={"acted", "undone", "changed"}))) == 4
    assert len(list(ledger.events(kinds={"acted", "judged"}, account="ann", after=600))) == 52
    assert list(ledger.events(kinds=())) == []
    assert [one.seq for one in ledger.events(account="ann", exchange="x2")] == [6, 7]
    seqs = [one.seq for one in ledger.events(account="ann")]
    assert seqs == sorted(seqs)


@pytest.mark.parametrize("conditions", [{}, {"account": "ann"}, {"kinds": {"received"}}])
@pytest.mark.parametrize("limit", [0, 1, 300])
def test_a_limit_cuts_the_same_answer_short(ledger: Ledger, conditions: dict, limit: int) -> None:
    """A limit returns the first of what would be returned without it."""
    assert list(ledger.events(limit=limit, **conditions)) == list(ledger.events(**conditions))[:limit]


def test_the_tail_is_the_end_of_the_same_answer(ledger: Ledger) -> None:
    """`tail` returns the last events, in order, under the same conditions."""
    assert ledger.tail(3) == list(ledger.events())[-3:]
    assert ledger.tail(3, account="ann") == list(ledger.events(account="ann"))[-3:]
    assert ledger.tail(2, kinds={"acted"}, with_content=True)[-1].event == acted("ann", at=1300.0)


def test_one_event_comes_with_its_content(ledger: Ledger) -> None:
    """`event` returns one event with what was said, or None."""
    found = ledger.event(1)

    assert found is not None
    assert found.event.content == "hello"
    assert ledger.event(9999) is None


def test_a_kind_that_does_not_exist_is_named(ledger: Ledger) -> None:
    """A misspelt kind is an error that says what there is, rather than an empty answer."""
    with pytest.raises(ValueError, match=r"'actd'.*did you mean 'acted'"):
        list(ledger.events(kinds={"actd"}))


def test_requests_are_counted_from_a_time_on(ledger: Ledger) -> None:
    """Only received events of that account count, from the very second on."""
    assert ledger.requests("ann", 1000.0) == 200
    assert ledger.requests("ann", 1390.0) == 5
    assert ledger.requests("nobody", 0) == 0


def test_first_seen_is_the_earliest_event(ledger: Ledger) -> None:
    """An account is as old as its earliest event, in whatever order events arrived."""
    ledger.append_now([received(account="bob", at=5.0)])

    assert ledger.first_seen("bob") == 5.0
    assert ledger.first_seen("nobody") is None


@pytest.mark.parametrize(
    ("sql", "index"),
    [
        ("SELECT seq FROM event WHERE seq > 9 {changes} AND kind IN ('acted') ORDER BY seq LIMIT 5", "event_rare"),
        ("SELECT count(*) FROM event WHERE account = 'a' AND account <> '' AND at >= 1", "event_account"),
        ("SELECT seq FROM event WHERE seq > 9 AND exchange = 'x' AND exchange <> '' ORDER BY seq", "event_exchange"),
        ("SELECT seq FROM event WHERE content IS NOT NULL AND at < 5 LIMIT 500", "event_content"),
        ("SELECT * FROM signal WHERE (seq, n) > (5, 1) ORDER BY seq, n LIMIT 500", "PRIMARY KEY"),
    ],
)
def test_the_questions_of_every_second_use_an_index(ledger: Ledger, sql: str, index: str) -> None:
    """SQLite answers these from an index, so that they cost the same in a ledger of any size."""
    sql = sql.replace("{changes}", f"AND kind NOT IN {EXCHANGES}")

    plan = behind(ledger.path).execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()

    assert index in " ".join(row[3] for row in plan)


def test_a_reader_holds_nothing_up(ledger: Ledger) -> None:
    """An answer read half-way sees what is written meanwhile, and keeps no transaction open."""
    halfway = ledger.events()
    next(halfway)

    ledger.append_now([released("new")])

    assert behind(ledger.path).execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    assert list(halfway)[-1].event.exchange == "new"


def test_signals_are_chosen_by_account_place_and_time(tmp_path: Path) -> None:
    """Each condition narrows the signals, and pages lose none of several in one event."""
    with Ledger.open(tmp_path / "s.db") as ledger:
        for n in range(600):
            account = ("ann", "bob")[n % 2]
            two = (blocked("one"), blocked("two", defense="leak"))
            ledger.append_now([judged(*two, exchange=f"x{n}", account=account, at=1000.0 + n)])

        assert [one.category for one in ledger.signals()] == ["one", "two"] * 600
        assert len(list(ledger.signals("ann"))) == 600
        assert [one.seq for one in ledger.signals(after=598)] == [599, 599, 600, 600]
        assert len(list(ledger.signals("bob", since=1590.0))) == 10
        assert len(list(ledger.signals("bob", after=598, since=1590.0))) == 2


def test_conversation_comes_back_whole(tmp_path: Path) -> None:
    """Every field of every event survives the way through the file."""
    with Ledger.open(tmp_path / "c.db") as ledger:
        ledger.append_now(conversation())

        assert [one.event for one in ledger.events(with_content=True)] == conversation()
