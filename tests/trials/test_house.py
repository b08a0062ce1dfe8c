"""The house: record, rules and standing of a product that runs within a trial, by the trial's clock."""

import time

from outworks.action import Standing
from outworks.enforcement.rules import Measure, Rule, compile_rules
from outworks.event import Event, Judged, Judgement, Received, Released
from outworks.message import Request
from outworks.trials.house import House, Noted
from outworks.verdict import Decision, Finding

LIMIT = Rule(
    name="slow",
    description="One stop slows down.",
    when='blocked("1h") >= 1',
    action=Measure.LIMIT,
    rate_per_minute=2,
    expires="1h",
)
FINDING = Finding("suffix", 0.9)


def event(body: object, *, account: str = "a", exchange: str = "x", content: str | None = None) -> Event:
    return Event(body=body, at=time.time(), account=account, exchange=exchange, content=content)  # type: ignore[arg-type]


def judged(decision: Decision, *, stage: str = "request", mode: str = "live") -> Judged:
    one = Judgement(defense="made", decision=decision, mode=mode, findings=(FINDING,), us=1500)
    return Judged(stage=stage, judgements=(one,), decision=decision)


async def test_a_rule_acts_on_what_was_recorded_and_expires_by_the_trials_clock() -> None:
    """In force at once; an hour of the trial later it is over, however little time has passed here."""
    house = House(compile_rules([LIMIT]))
    house.append([event(Received(wire="", model="m")), event(judged(Decision.BLOCK))])

    assert house.of("a", time.time()).standing is Standing.LIMITED
    assert house.of("b", time.time()).standing is Standing.GOOD
    house.set_clock("a", 3601.0)
    assert house.of("a", time.time()).standing is Standing.GOOD


async def test_requests_are_counted_by_the_trials_clock() -> None:
    """The last minute is the product's, not this machine's."""
    house = House(compile_rules([]))
    for at in (0.0, 50.0, 100.0):
        house.set_clock("a", at)
        house.append([event(Received(wire="", model="m"))])

    assert await house.requests_since("a", time.time() - 60) == 2


async def test_it_tells_what_an_exchange_came_to_once() -> None:
    """Who stopped it, what was found and how long it took; then it is forgotten."""
    house = House(compile_rules([]))
    house.append([event(judged(Decision.BLOCK)), event(judged(Decision.MODIFY, stage="output"))])

    assert house.noted("x") == Noted("made", ("made:suffix",), True, 3.0)
    assert house.noted("x") == Noted()


async def test_a_line_in_shadow_stops_and_alters_nothing() -> None:
    """It is flagged, and that is all."""
    house = House(compile_rules([]))
    house.append(
        [event(judged(Decision.BLOCK, mode="shadow")), event(judged(Decision.MODIFY, stage="output", mode="shadow"))]
    )

    assert house.noted("x") == Noted("", ("made:suffix",), False, 3.0)


async def test_it_remembers_what_an_account_was_given() -> None:
    """An answer that was released may be sent back; nobody else's."""
    house = House(compile_rules([]))
    house.append(
        [
            event(Released(choice=0, start=0, end=2), content="Go"),
            event(Released(choice=0, start=2, end=4), content="od"),
        ]
    )

    assert await house.released(Request(id="y", model="m", messages=(), account="a"), "Good ")
    assert not await house.released(Request(id="y", model="m", messages=(), account="b"), "Good")


async def test_who_leaves_is_forgotten() -> None:
    """An account's standing does not outlast its siege."""
    house = House(compile_rules([LIMIT]))
    house.append([event(judged(Decision.BLOCK))])
    house.forget("a")

    assert house.of("a", 0.0).standing is Standing.GOOD
