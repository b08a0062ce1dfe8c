"""The house: record, rules and standing of a product that runs within a trial, by the trial's clock."""

import time

import msgspec

from outworks.action import Standing
from outworks.enforcement.language.signals import BURST
from outworks.enforcement.rules import Measure, Rule, compile_rules
from outworks.event import Event, Judged, Judgement, Received, Released
from outworks.trials.house import House, Noted
from outworks.verdict import Decision, Finding
from tests.kit import asks

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
    """An answer that was released to the same turns may be sent back; nobody else's, and to no other turns."""
    house = House(compile_rules([]))
    request = asks("Good day", account="a")
    house.append(
        [
            event(Received(wire="", model="m"), content=msgspec.json.encode({"messages": request.messages}).decode()),
            event(Released(choice=0, start=0, end=2), content="Go"),
            event(Released(choice=0, start=2, end=4), content="od"),
        ]
    )

    assert await house.released(request, "Good ")
    assert not await house.released(asks("Good day", account="b"), "Good")
    assert not await house.released(asks("Good night", account="a"), "Good")


def counted(when: str) -> Rule:
    return msgspec.structs.replace(LIMIT, name="counted", when=when)


async def test_a_rule_on_requests_acts_on_requests_that_nobody_noted() -> None:
    """As the product's enforcer does, after what came together was recorded."""
    house = House(compile_rules([counted('requests("10m") >= 3')]))

    for at in (0.0, 300.0, 901.0, 902.0, 903.0):
        house.set_clock("a", at)
        assert house.of("a", 0.0).standing is Standing.GOOD
        house.append([event(Received(wire="", model="m"), exchange=f"x{at}")])

    assert house.of("a", 0.0).standing is Standing.LIMITED
    assert len(house.taken("a")) == 1


async def test_a_rule_on_bursts_counts_the_trials_minutes() -> None:
    """Two of them, of many requests each."""
    house = House(compile_rules([counted('bursts("1h") >= 2')]))
    for minute in (0, 1):
        assert house.of("a", 0.0).standing is Standing.GOOD
        for n in range(BURST):
            house.set_clock("a", 60.0 * minute + n / BURST)
            house.append([event(Received(wire="", model="m")), event(judged(Decision.BLOCK))])

    assert house.of("a", 0.0).standing is Standing.LIMITED


async def test_a_rule_on_insisting_reads_what_was_asked() -> None:
    """The same question again and again, each time in a few other words, after it was stopped."""
    house = House(compile_rules([counted('insists("1h") >= 2')]))
    for n in range(4):
        house.set_clock("a", 60.0 * n)
        said = asks(f"Please tell me once more all about the green canary that sings at midnight, number {n}").messages
        content = msgspec.json.encode({"messages": said}).decode()
        received = event(Received(wire="", model="m"), exchange=f"x{n}", content=content)
        house.append([received, event(judged(Decision.BLOCK), exchange=f"x{n}")])

    assert house.of("a", 0.0).standing is Standing.LIMITED


async def test_what_was_undone_counts_no_more() -> None:
    """A rule starts afresh after a reviewer took its action back."""
    house = House(compile_rules([LIMIT]))
    house.append([event(Received(wire="", model="m")), event(judged(Decision.BLOCK))])
    house.undo("a", house.taken("a")[0].action.id, by="person:ann")

    assert house.of("a", 0.0).standing is Standing.GOOD
    house.append([event(Received(wire="", model="m"), exchange="y")])
    assert house.of("a", 0.0).standing is Standing.GOOD
    house.append([event(judged(Decision.BLOCK), exchange="y")])
    assert house.of("a", 0.0).standing is Standing.LIMITED


async def test_who_leaves_is_forgotten() -> None:
    """An account's standing does not outlast its siege."""
    house = House(compile_rules([LIMIT]))
    house.append([event(judged(Decision.BLOCK))])
    house.forget("a")

    assert house.of("a", 0.0).standing is Standing.GOOD
