"""Backtest: what it says is what the rule does live on the same events; and it says whom, when and beside what."""

import random
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

from outworks.action import Action, Standing
from outworks.enforcement.evidence.backtest import backtest
from outworks.enforcement.rules import RuleError, RuleMode
from outworks.enforcement.watch import Watch
from outworks.event import Acted, Event
from outworks.ledger import Ledger, erase
from outworks.verdict import Decision, Finding
from tests.enforcement.kit import ANN, NOW, acted, action, exchange, received, rule, rules, undone
from tests.enforcement.texts import TEMPLATE, blocked, said, tried

RULES = [
    'blocked("1h") >= 3',
    'flagged("fingerprint", "30m") >= 2 && age > duration("10m")',
    'requests("10m") >= 7',
    'requests("20m") >= 3 && blocked("20m") >= 2',
    'conversations("1h") >= 4 || refusals("1h") >= 2',
    'insists("1h") >= 2',
    'score("30m") >= 2.0',
    'probes("1h") >= 2 && blocked("1h") >= 2',
    'bursts("1h") >= 1',
    'voices("1h") >= 3',
    'suspicion("jailbreak", "1h") >= 1.0',
    'linked("1d") >= 1 && flagged("1h") >= 1',
    'warnings("1d") >= 1 && standing == good && flagged("10m") >= 1',
]
WORDS = ("tower", "secret", "door", "hidden", "light", "river", "stone", "glass", "paper", "north", "window", "letter")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        yield ledger


def something(chance: random.Random, account: str, at: float) -> list[Event]:
    """What an account may do next."""
    words = TEMPLATE + " ".join(chance.sample(WORDS, 6))
    who = chance.choice(["his old boss", "a neighbour", "the coach", "her sister"])
    weak = [Finding("jailbreak", round(chance.random(), 2))]
    options = [
        lambda: blocked(words, account=account, at=at),
        lambda: said(words, account=account, at=at),
        lambda: said(f"Write to Dana Reyes as {who}: {words}", account=account, at=at),
        lambda: said(words, by="jailbreak", decision=Decision.ALLOW, findings=weak, account=account, at=at),
        lambda: said(words, by="refusal", decision=Decision.ALLOW, account=account, at=at),
        lambda: said(words, by="leak", mode="shadow", account=account, at=at),
        lambda: tried(chance.choice(["top_k", "logit_bias", "min_p"]), account=account, at=at),
        lambda: [received(account=account, at=at + n * 1.5) for n in range(40)],
        lambda: [acted(action(Standing.SUSPENDED, account=account, at=at, expires=at + 600))],
        lambda: [acted(action(Standing.WARNED, account=account, at=at, expires=at + 60))],
        lambda: [acted(action(Standing.GOOD, account=account, at=at))],
    ]
    return chance.choices(options, weights=[6, 6, 3, 4, 2, 2, 3, 1, 1, 2, 1])[0]()


def exchanges(events: list[Event]) -> list[list[Event]]:
    return [list(together) for _, together in groupby(events, key=lambda event: event.exchange)]


def signature(one: Action) -> tuple[object, ...]:
    return one.account, one.standing, one.at, one.expires, one.evidence, one.by


@pytest.mark.parametrize("when", RULES)
def test_a_backtest_says_what_the_rule_does_live(ledger: Ledger, when: str) -> None:
    """Over random histories the backtest's actions are the live ones: whom, when, what, until when, on which events."""
    chance = random.Random(when)
    one = rule(when, expires="20m")
    live = rules(one)
    now = NOW
    watch = Watch(ledger, live, place=None, clock=lambda: now, ticks=lambda: now)
    for _ in range(240):
        now += chance.choice([15.0, 40.0, 400.0])
        account = f"shop:{chance.choice(['ann', 'bob', 'eve'])}"
        for events in exchanges(something(chance, account, now)):
            ledger.append_now(events)
            now = events[-1].at
            looked = watch.look(live)
            ledger.append_now(looked.events)
            watch.done(looked)
    did = [
        signature(recorded.event.body.action)
        for recorded in ledger.events(kinds=("acted",))
        if isinstance(recorded.event.body, Acted) and recorded.event.body.action.by == "rule:repeat"
    ]

    found = backtest(ledger, one)

    assert [signature(hit.action) for hit in found.hits] == did
    assert did, "the histories are such that every rule acts"
    assert not found.failed


def test_a_draft_is_tried_as_if_it_were_live(ledger: Ledger) -> None:
    """A rule is tried before it is switched on."""
    ledger.append_now(exchange())

    found = backtest(ledger, rule('blocked("1h") >= 1', mode=RuleMode.DRAFT))

    assert [(hit.account, hit.seq, hit.action.standing) for hit in found.hits] == [(ANN, 2, Standing.SUSPENDED)]
    assert found.accounts == found.looked == 1


def test_a_request_and_its_verdict_are_seen_together(ledger: Ledger) -> None:
    """They are recorded at once, so a rule that reads both never acts on a request before its verdict is there."""
    for ago in (30, 20, 10):
        ledger.append_now(exchange(at=NOW - ago))

    (hit,) = backtest(ledger, rule('requests("1h") >= 3 && blocked("1h") >= 2')).hits

    assert (hit.seq, hit.action.evidence) == (6, (2, 4, 6))


def test_what_the_rule_did_before_is_left_out(ledger: Ledger) -> None:
    """A rule that has acted already, in an earlier form say, is tried as if it had not."""
    ledger.append_now([acted(action(Standing.SUSPENDED, by="rule:repeat", at=NOW - 9, expires=NOW + 900)), *exchange()])

    assert backtest(ledger, rule('blocked("1h") >= 1')).accounts == 1


def test_the_time_is_kept_to(ledger: Ledger) -> None:
    """Only what would have happened in the time asked about is told, on all that came before."""
    for ago in (500, 300, 100):
        ledger.append_now(exchange(at=NOW - ago))
    one = rule('blocked("1h") >= 2', expires="1m")

    assert [hit.seq for hit in backtest(ledger, one).hits] == [4]
    assert [hit.seq for hit in backtest(ledger, one, since=NOW - 200).hits] == [6]
    assert not backtest(ledger, one, until=NOW - 400).hits


def test_what_other_rules_did_is_laid_beside_it(ledger: Ledger) -> None:
    """With each rule that acted in the time: how many accounts both met, and only one of them."""
    for account in ("shop:ann", "shop:bob", "shop:eve"):
        ledger.append_now(exchange(account=account))
    for account in ("shop:eve", "shop:max"):
        ledger.append_now([acted(action(Standing.WARNED, account=account, by="rule:other", expires=NOW + 9))])

    (overlap,) = backtest(ledger, rule('blocked("1h") >= 1')).overlaps

    assert (overlap.rule, overlap.both, overlap.only_this, overlap.only_that) == ("other", 1, 2, 1)


def test_the_stricter_holds_and_the_drop_is_shown(ledger: Ledger) -> None:
    """Where something stricter was in force already, the hit says whose it was; where that was undone, it does not."""
    ban = action(Standing.BANNED, at=NOW - 5)
    ledger.append_now([acted(ban), *exchange()])

    (hit,) = backtest(ledger, rule('blocked("1h") >= 1')).dropped
    ledger.append_now([undone(ban), *exchange(account="shop:bob")])

    assert hit.outweighed_by == "person:eva"
    assert len(backtest(ledger, rule('blocked("1h") >= 1')).dropped) == 1


def test_a_rule_that_fails_is_told(ledger: Ledger) -> None:
    """A condition that comes to no answer meets nobody, and says so."""
    ledger.append_now(exchange())

    found = backtest(ledger, rule('1 / (blocked("1h") - 1) > 0'))

    assert not found.hits
    assert found.failed


def test_words_that_are_erased_are_counted(ledger: Ledger) -> None:
    """What was erased cannot be read again, and the backtest says how much that was."""
    ledger.append_now([*blocked(TEMPLATE + "one two three"), *blocked(TEMPLATE + "one two four")])
    before = backtest(ledger, rule('insists("1h") >= 1'))
    erase(ledger, account=ANN, by="eva", reason="asked")

    after = backtest(ledger, rule('insists("1h") >= 1'))

    assert (len(before.hits), before.erased) == (1, 0)
    assert (len(after.hits), after.erased) == (0, 2)


def test_a_bad_rule_is_refused(ledger: Ledger) -> None:
    """A rule that could not be loaded cannot be tried either."""
    with pytest.raises(RuleError, match="did you mean 'blocked'"):
        backtest(ledger, rule('bloked("1h") >= 1'))


def test_progress_is_told(ledger: Ledger) -> None:
    """Whoever waits sees how far it is."""
    ledger.append_now([event for n in range(5) for event in exchange(account=f"shop:a{n}")])
    seen: list[tuple[int, int]] = []

    backtest(ledger, rule('blocked("1h") >= 9'), progress=lambda done, all: seen.append((done, all)))

    assert seen == [(n, 5) for n in range(5)]
