"""The enforcer: every action exactly once, whatever dies in between, and nothing that a shadow or a fault would do."""

import asyncio
import logging
import os
import random
import signal as signals
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec
import pytest

from outworks.action import GOOD, Action, Standing
from outworks.enforcement.enforcer import Enforcer
from outworks.enforcement.rules import Rules
from outworks.enforcement.standings import StandingTable
from outworks.enforcement.turn import Place, Turn
from outworks.event import Acted, Event, RecordError
from outworks.ledger import Ledger, verify
from outworks.verdict import Decision, Finding
from tests.enforcement.kit import ANN, acted, action, exchange, provider_refused, received, rule, rules, undone

TWICE = rules(rule('blocked("fingerprint", "1h") >= 2', reason="Twice."))
ONCE = rules(rule('blocked("1h") >= 1', "warn"))


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    ledger = Ledger.open(tmp_path / "ledger.db")
    yield ledger
    await ledger.close()


@asynccontextmanager
async def enforcing(ledger: Ledger, each: Rules) -> AsyncIterator[Enforcer]:
    enforcer = Enforcer(ledger, each, interval=0.01)
    task = asyncio.create_task(enforcer.run())
    try:
        yield enforcer
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def now_events(count: int = 1, **fields: object) -> list[Event]:
    return [event for _ in range(count) for event in exchange(at=time.time(), **fields)]  # type: ignore[arg-type]


def actions(ledger: Ledger, account: str | None = None) -> list[Action]:
    found = [each.event.body for each in ledger.events(kinds={"acted"})]
    return [b.action for b in found if isinstance(b, Acted) and account in (None, b.action.account)]


async def until(true: Callable[[], object], *, limit: float = 5.0) -> None:
    deadline = time.monotonic() + limit
    while not true():
        assert time.monotonic() < deadline, "it did not come about in time"
        await asyncio.sleep(0.005)


async def settled() -> None:
    """Long enough for a score of looks."""
    await asyncio.sleep(0.25)


async def test_an_exchange_leads_to_an_action(ledger: Ledger) -> None:
    """Once an account's history calls for it, the action is in the ledger and in every table, with its evidence."""
    table = StandingTable(ledger)
    async with enforcing(ledger, TWICE):
        await ledger.append(now_events())
        await settled()
        assert actions(ledger) == []

        await ledger.append(now_events())
        await until(lambda: actions(ledger))

    (one,) = actions(ledger)
    assert (one.account, one.standing, one.by, one.reason) == (ANN, Standing.SUSPENDED, "rule:repeat", "Twice.")
    assert one.evidence == (2, 4)
    assert [ledger.event(seq).event.account for seq in one.evidence] == [ANN, ANN]  # type: ignore[union-attr]
    table.refresh()
    assert table.of(ANN, time.time()) == one


async def test_it_happens_within_a_second(ledger: Ledger) -> None:
    """From the exchange to a standing that another worker reads takes less than a second at the default pace."""
    table = StandingTable(ledger)
    task = asyncio.create_task(Enforcer(ledger, ONCE).run())
    await asyncio.sleep(0.15)
    began = time.monotonic()

    await ledger.append(now_events())
    while table.of(ANN, time.time()) is GOOD:
        await asyncio.sleep(0.25)
        table.refresh()

    assert time.monotonic() - began < 1.0
    task.cancel()


NOT_ENOUGH: list[list[Event]] = [
    now_events(5, decision=Decision.ALLOW, findings=(Finding("known_bad", 0.4),)),
    now_events(5, mode="shadow"),
    now_events(5, error="raised"),
    now_events(5, defense="standing", findings=(Finding("standing", 1.0),)),
    now_events(1) + now_events(1, account="shop:bob"),
    [provider_refused(at=time.time()) for _ in range(5)],
    exchange(at=time.time() - 7200) * 5,
    now_events(5, account=""),
]


@pytest.mark.parametrize("events", NOT_ENOUGH)
async def test_nobody_is_punished_for_less(ledger: Ledger, events: Sequence[Event]) -> None:
    """Weak findings, shadow verdicts, faults of ours, requests stopped for standing, other accounts' misuse, old misuse
    and misuse without an account lead to nothing."""
    async with enforcing(ledger, TWICE):
        await ledger.append(events)
        await settled()

    assert actions(ledger) == []


async def test_shadow_is_recorded_and_changes_no_standing(ledger: Ledger) -> None:
    """A rule in shadow leaves its actions in the ledger, once each, and nobody's standing changes."""
    table = StandingTable(ledger)
    async with enforcing(ledger, rules(rule('blocked("1h") >= 1', "ban", mode="shadow"))):
        for _ in range(3):
            await ledger.append(now_events())
            await settled()

    (one,) = actions(ledger)
    assert one.shadow
    table.refresh()
    assert table.of(ANN, time.time()) is GOOD


async def test_a_failing_rule_is_logged_and_punishes_nobody(ledger: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    """A rule that comes to no answer is logged once, takes no action, and keeps no other rule from acting."""
    both = rules(
        rule('10 / (blocked("1h") - blocked("1h")) > 0', name="broken"), rule('blocked("1h") > 0', name="sound")
    )
    with caplog.at_level(logging.WARNING):
        async with enforcing(ledger, both):
            await ledger.append(now_events() + now_events(account="shop:bob"))
            await until(lambda: len(actions(ledger)) == 2)

    assert {one.by for one in actions(ledger)} == {"rule:sound"}
    assert [r.message for r in caplog.records if "broken" in r.message] == [
        "rule 'broken' came to no answer: INVALID_ARGUMENT: divide by zero"
    ]


async def test_requests_alone_set_off_a_rule(ledger: Ledger) -> None:
    """A rule over requests needs no defense to note anything, and cites the last of them."""
    flood = rules(rule('requests("1m") > 20', "limit"))
    async with enforcing(ledger, flood):
        await ledger.append([received(at=time.time()) for _ in range(20)])
        await settled()
        assert actions(ledger) == []

        await asyncio.sleep(1.0)
        await ledger.append([received(at=time.time())])
        await until(lambda: actions(ledger))

    (one,) = actions(ledger)
    assert one.standing is Standing.LIMITED
    assert one.evidence == tuple(range(2, 22))


async def test_rules_can_be_replaced(ledger: Ledger) -> None:
    """After a reload the new rules decide, from each account's next noteworthy exchange on."""
    async with enforcing(ledger, Rules()) as enforcer:
        await ledger.append(now_events())
        await settled()
        enforcer.replace_rules(ONCE)
        await settled()
        assert actions(ledger) == []

        await ledger.append(now_events())
        await until(lambda: actions(ledger))

    assert actions(ledger)[0].evidence == (2, 4)


async def test_what_was_undone_is_not_done_again(ledger: Ledger) -> None:
    """After a person has undone an action, the same evidence does not bring it back; fresh evidence may."""
    async with enforcing(ledger, TWICE):
        await ledger.append(now_events(2))
        await until(lambda: actions(ledger))
        await ledger.append([undone(actions(ledger)[0], at=time.time())])
        await ledger.append(now_events())
        await settled()
        assert len(actions(ledger)) == 1

        await ledger.append(now_events())
        await until(lambda: len(actions(ledger)) == 2)


async def test_only_one_of_two_enforces_and_the_other_takes_over(ledger: Ledger, tmp_path: Path) -> None:
    """Two enforcers on one ledger do everything once; when one is gone the other goes on."""
    async with enforcing(ledger, ONCE):
        async with enforcing(ledger, ONCE):
            await ledger.append(now_events())
            await until(lambda: actions(ledger))
            await settled()
            assert len(actions(ledger)) == 1
        await ledger.append(now_events(account="shop:bob"))
        await until(lambda: actions(ledger, "shop:bob"))

    assert len(actions(ledger)) == 2


async def test_what_happened_while_nobody_enforced_is_made_up_for(ledger: Ledger) -> None:
    """Events recorded between two enforcers are evaluated by the second, those older than any window too if noted."""
    async with enforcing(ledger, ONCE):
        await ledger.append(now_events())
        await until(lambda: actions(ledger))
    await ledger.append(now_events(account="shop:bob"))

    async with enforcing(ledger, ONCE):
        await until(lambda: actions(ledger, "shop:bob"))
        await settled()

    assert Counter(one.account for one in actions(ledger)) == {ANN: 1, "shop:bob": 1}


@pytest.mark.parametrize("lost", ["file", "behind", "another ledger's", "ahead"])
async def test_a_lost_note_costs_no_action_and_repeats_none(ledger: Ledger, lost: str) -> None:
    """If how far enforcement came is lost, stale or another ledger's, everything in the windows is gone over again:
    what was done is not done twice, and what was missed is done."""
    async with enforcing(ledger, ONCE):
        await ledger.append(now_events())
        await until(lambda: actions(ledger))
        await settled()
    await ledger.append(now_events(account="shop:bob"))
    note = ledger.path.with_name(f"{ledger.path.name}.enforcer")
    places = {
        "behind": Place(1, ledger.event(1).hash),  # type: ignore[union-attr]
        "another ledger's": Place(ledger.head().seq, "ab" * 32),
        "ahead": Place(10_000, "ab" * 32),
    }
    if lost == "file":
        note.unlink()
    else:
        with Turn.take(ledger.path) as turn:  # type: ignore[union-attr]
            turn.note(places[lost])

    async with enforcing(ledger, ONCE):
        await until(lambda: actions(ledger, "shop:bob"))
        await settled()

    assert Counter(one.account for one in actions(ledger)) == {ANN: 1, "shop:bob": 1}


async def test_an_action_that_could_not_be_recorded_is_tried_again(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """While the ledger takes no writes, actions wait; afterwards each is there once."""
    append, failures = ledger.append, iter(range(3))

    async def failing(events: Sequence[Event]) -> None:
        if any(isinstance(event.body, Acted) for event in events) and next(failures, None) is not None:
            raise RecordError("the disk is full")
        await append(events)

    monkeypatch.setattr(ledger, "append", failing)
    with caplog.at_level(logging.WARNING):
        async with enforcing(ledger, ONCE):
            await ledger.append(now_events())
            await until(lambda: actions(ledger))
            await settled()

    assert len(actions(ledger)) == 1
    assert next(failures, None) is None
    assert "the disk is full" in caplog.text


async def test_one_account_cannot_keep_the_enforcer_busy(ledger: Ledger) -> None:
    """An account with a long history is evaluated less often, and others do not wait for it."""
    never = rules(rule('blocked("1h") > 1000000', name="never"), rule('blocked("leak", "1h") > 0', "warn", name="leak"))
    async with enforcing(ledger, never):
        await ledger.append(now_events(3000))
        await ledger.append(now_events(defense="leak", account="shop:bob"))
        await until(lambda: actions(ledger, "shop:bob"))


CHILD = """
import asyncio, sys
from outworks.enforcement.enforcer import Enforcer
from outworks.ledger import Ledger
from tests.enforcement.test_enforcer import ONCE

async def main():
    ledger = Ledger.open(sys.argv[1])
    print("ready", flush=True)
    await Enforcer(ledger, ONCE, interval=0.002).run()

asyncio.run(main())
"""


def start(path: Path) -> "subprocess.Popen[bytes]":
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    return child


async def test_killed_at_any_moment_it_acts_exactly_once(ledger: Ledger) -> None:
    """Killed with SIGKILL again and again while accounts misbehave, enforcement misses nobody and acts on nobody twice,
    and the ledger stays whole."""
    chance = random.Random(7)
    accounts = [f"shop:{n}" for n in range(200)]
    child = start(ledger.path)
    for n, account in enumerate(accounts):
        await ledger.append(now_events(account=account))
        await asyncio.sleep(chance.uniform(0, 0.01))
        if n % 40 == 39:
            os.kill(child.pid, signals.SIGKILL)
            child.wait()
            child = start(ledger.path)
    os.kill(child.pid, signals.SIGKILL)
    child.wait()

    before = len(actions(ledger))
    async with enforcing(ledger, ONCE):
        await until(lambda: len(actions(ledger)) >= len(accounts), limit=20)
        await settled()

    assert before > 0, "the children must have done something"
    assert Counter(one.account for one in actions(ledger)) == Counter(accounts)
    assert len({one.id for one in actions(ledger)}) == len(accounts)
    assert verify(ledger.path).ok


async def test_the_turn_passes_from_a_killed_process(ledger: Ledger) -> None:
    """While another process enforces this one waits; once that is killed, this one takes over by itself."""
    child = start(ledger.path)
    await settled()
    async with enforcing(ledger, ONCE):
        await ledger.append(now_events())
        await until(lambda: actions(ledger))
        assert Turn.take(ledger.path) is None
        os.kill(child.pid, signals.SIGKILL)
        child.wait()

        await ledger.append(now_events(account="shop:bob"))
        await until(lambda: actions(ledger, "shop:bob"))

    assert len(actions(ledger)) == 2


async def test_a_persons_action_takes_part(ledger: Ledger) -> None:
    """Rules read what people did: a warning by a person counts, a reinstatement clears the slate."""
    harsher = rules(rule('blocked("1h") >= 1 && warnings("1h") >= 1', "suspend"))
    async with enforcing(ledger, harsher):
        await ledger.append(now_events())
        await settled()
        assert actions(ledger) == []
        warned = msgspec.structs.replace(action(Standing.WARNED), at=time.time())
        await ledger.append([acted(warned)])
        await ledger.append(now_events())
        await until(lambda: len(actions(ledger)) == 2)
        await ledger.append([acted(action(Standing.GOOD, at=time.time()))])
        await ledger.append(now_events())
        await settled()

    assert [one.standing.name for one in actions(ledger)] == ["WARNED", "SUSPENDED", "GOOD"]


async def test_a_removed_turn_lets_nobody_enforce_beside_another(ledger: Ledger) -> None:
    """The file of the turn may be lost while two run: still every account is acted upon once."""
    others = [Ledger.open(ledger.path) for _ in range(2)]
    async with enforcing(others[0], TWICE), enforcing(others[1], TWICE):
        await ledger.append(now_events(2))
        await until(lambda: actions(ledger))
        ledger.path.with_name(f"{ledger.path.name}.enforcer").unlink()
        await settled()
        for n in range(40):
            await ledger.append(now_events(2, account=f"shop:u{n}"))
            await asyncio.sleep(0.01)
        await settled()
    for each in others:
        await each.close()

    assert set(Counter(each.account for each in actions(ledger)).values()) == {1}
    assert len(actions(ledger)) == 41
