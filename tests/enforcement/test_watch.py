"""Watch: what is not evaluated yet is never passed over by whoever goes on from its place."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from outworks.enforcement.rules import Rules
from outworks.enforcement.watch import Watch
from outworks.event import Acted
from outworks.ledger import Ledger, LedgerError, Recorded
from outworks.ledger.reader import Reader
from tests.enforcement.kit import ANN, NOW, exchange, received, rule, rules

ONCE = rules(rule('blocked("1h") >= 1', "warn"))
TWICE = rules(rule('blocked("1h") >= 2', "warn"))


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.append_now([received(at=NOW)])
        yield ledger


def watch(ledger: Ledger, clock: Clock, each: Rules = ONCE) -> Watch:
    return Watch(ledger, each, place=None, clock=clock, ticks=clock)


@contextmanager
def closing_now(reader: Reader) -> Iterator[Reader]:
    try:
        yield reader
    finally:
        reader.close_now()


def test_an_account_rests_and_its_place_is_kept(ledger: Ledger) -> None:
    """An account that was just evaluated rests; until it is evaluated again, the place stays before its event."""
    clock = Clock()
    made = watch(ledger, clock, TWICE)
    ledger.append_now(exchange())
    looked = made.look(TWICE)
    first = made.done(looked)
    ledger.append_now(exchange())

    resting = made.look(TWICE)
    place = made.done(resting)

    assert looked.accounts == (ANN,)
    assert resting.accounts == ()
    assert first is not None
    assert place is not None
    assert place.seq == ledger.head().seq - 1
    clock.now += 60
    (event,) = made.look(TWICE).events
    assert isinstance(event.body, Acted)


def test_what_is_not_done_is_looked_at_again(ledger: Ledger) -> None:
    """Actions that could not be recorded are called for again; once done, they are not."""
    clock = Clock()
    made = watch(ledger, clock)
    ledger.append_now(exchange())

    first = made.look(ONCE)
    clock.now += 60
    second = made.look(ONCE)
    made.done(second)
    clock.now += 60

    assert [len(looked.events) for looked in (first, second, made.look(ONCE))] == [1, 1, 0]


def test_an_account_with_many_signals_is_kept_up_with(ledger: Ledger) -> None:
    """What comes after a long history counts like what came before, though the history is not read again."""
    clock = Clock()
    many = rules(rule('blocked("1h") >= 302', "warn"))
    made = watch(ledger, clock, many)
    ledger.append_now([event for _ in range(301) for event in exchange()])
    made.done(made.look(many))
    ledger.append_now(exchange())
    clock.now += 600

    (event,) = made.look(many).events

    assert isinstance(event.body, Acted)
    assert ledger.head().seq in event.body.action.evidence


def test_requests_are_looked_at_once_a_second(ledger: Ledger) -> None:
    """An account that only sends requests is evaluated at most once a second, by the rules over requests alone."""
    clock = Clock()
    flood = rules(rule('requests("1m") > 1'), rule('blocked("1h") >= 0', name="other"))
    made = watch(ledger, clock, flood)
    evaluated = 0
    for _ in range(30):
        ledger.append_now([received(at=clock.now)])
        looked = made.look(flood)
        made.done(looked)
        evaluated += len(looked.accounts)
        assert {e.body.action.by for e in looked.events if isinstance(e.body, Acted)} <= {"rule:repeat"}
        clock.now += 0.1

    assert evaluated == 3


def test_requests_cost_nothing_without_a_rule_over_them(ledger: Ledger) -> None:
    """Where no rule counts requests, an account that is never noted is never evaluated."""
    made = watch(ledger, Clock())
    ledger.append_now([received(at=NOW) for _ in range(10)])

    assert made.look(ONCE).accounts == ()


def test_without_a_place_everything_in_the_windows_is_read(ledger: Ledger) -> None:
    """A first start reads what lies in the rules' windows, and no older."""
    ledger.append_now(exchange(at=NOW - 10) + exchange(at=NOW - 7200, account="shop:bob"))

    assert watch(ledger, Clock()).look(ONCE).accounts == (ANN,)


@pytest.mark.parametrize("when", ['requests("1h") > 5', 'bursts("1h") > 0', 'voices("1h") > 2'])
def test_without_a_place_requests_in_the_windows_are_read_too(ledger: Ledger, when: str) -> None:
    """By rules over requests, which no defense need have noted; accounts with none lately are left out."""
    flood = rules(rule(when))
    ledger.append_now([received(at=NOW - 60 - n) for n in range(40)])
    ledger.append_now([received(at=NOW - 7200, account="shop:bob")])

    looked = watch(ledger, Clock(), flood).look(flood)

    assert looked.accounts == (ANN,)
    assert bool(looked.events) == (not when.startswith("voices"))


def test_an_event_that_comes_while_others_are_read_is_not_passed_over(ledger: Ledger) -> None:
    """Two readings of the ledger make one look: what is recorded between them belongs to the next, signals too."""
    both = rules(rule('blocked("1h") >= 1', "warn"), rule('requests("1h") > 99', name="flood"))

    class Racing(Reader):
        armed = True

        def events(self, *args: Any, **kwargs: Any) -> Iterator[Recorded]:
            if self.armed and kwargs.get("kinds") == ("received",):
                self.armed = False
                ledger.append_now([*exchange(account="shop:evil"), received(account="shop:bob")])
            return super().events(*args, **kwargs)

    reader = Racing(ledger.path)
    with closing_now(reader):
        ticks = Clock()
        made = Watch(reader, both, place=None, clock=Clock(), ticks=ticks)
        ledger.append_now([received(account="shop:bob")])
        looked = made.look(both)
        made.done(looked)
        ticks.now += 60
        found = [event.account for event in (*looked.events, *made.look(both).events)]

    assert not reader.armed
    assert found == ["shop:evil"]


def test_a_clock_that_is_set_back_lets_nobody_rest_longer(ledger: Ledger) -> None:
    """Accounts rest by a clock that only goes forward."""
    clock, ticks = Clock(), Clock()
    made = Watch(ledger, TWICE, place=None, clock=clock, ticks=ticks)
    ledger.append_now(exchange())
    made.done(made.look(TWICE))

    clock.now -= 3600
    ticks.now += 60
    ledger.append_now(exchange(at=clock.now) + exchange(at=clock.now))

    assert len(made.look(TWICE).events) == 1


def test_one_accounts_fault_does_not_stop_the_others(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an account's history cannot be read for a fault of ours, the others are evaluated and the log is told."""
    first_seen = ledger.first_seen
    monkeypatch.setattr(ledger, "first_seen", lambda account: 1 / 0 if account == ANN else first_seen(account))
    made = watch(ledger, Clock())
    ledger.append_now(exchange() + exchange(account="shop:bob"))

    looked = made.look(ONCE)

    assert [event.account for event in looked.events] == ["shop:bob"]
    assert looked.failures == ("an account could not be evaluated: ZeroDivisionError: division by zero",)


def test_a_ledger_that_cannot_be_read_is_no_account_s_fault(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the ledger cannot be read, nothing is taken for done."""

    def unreadable(account: str) -> float:
        raise LedgerError("the disk is gone")

    made = watch(ledger, Clock())
    ledger.append_now(exchange())
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "first_seen", unreadable)
        with pytest.raises(LedgerError):
            made.look(ONCE)

    assert len(made.look(ONCE).events) == 1
