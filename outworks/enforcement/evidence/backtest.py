"""Backtest: a rule on history, told by the evaluator that is used live: whom it would have met, when, and on what."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import merge

import msgspec

from outworks.action import Action
from outworks.enforcement.evidence.linked import Links
from outworks.enforcement.evidence.replay import Replay, Step
from outworks.enforcement.history import Restricted
from outworks.enforcement.language.words import OF_MINUTES, OF_TEXTS
from outworks.enforcement.propose import RuleFailed, propose
from outworks.enforcement.rules import Rule, RuleMode, Rules, compile_rules
from outworks.enforcement.standings import STANDING_KINDS, StandingTable
from outworks.enforcement.taken import in_force
from outworks.enforcement.watch import CITED
from outworks.event import Body, Event, Received
from outworks.ledger.reader import Reader
from outworks.ledger.signal import Signal

FAILURES = 100
"""Failures that are kept: a rule that fails does so for every account."""

LinkedAt = Callable[[str, int], Sequence[Restricted]]
"""The restricted accounts linked to an account, as they were at an event."""


class Hit(msgspec.Struct, frozen=True):
    """An account that the rule would have met."""

    account: str
    seq: int
    """The event after which it would have acted."""
    action: Action
    """What it would have done; `evidence` are events to read. Its id is of no action that there is, and where the rule
    counts its own earlier actions, it cites for each the event after which that would have been taken."""
    outweighed_by: str = ""
    """Who had already done something stricter, which then decided the standing; empty where this would have counted."""


class Overlap(msgspec.Struct, frozen=True):
    """How the rule's accounts compare with those that another rule acted on in the same time."""

    rule: str
    both: int
    only_this: int
    only_that: int


class Backtest(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule would have done. What an account would have done then, nobody knows: the history is as it was."""

    rule: Rule
    since: float
    until: float
    hits: tuple[Hit, ...]
    """In the order of the ledger. An account appears again where an action had expired and the rule held anew."""
    looked: int
    """Accounts that had something in that time which the rule may read."""
    overlaps: tuple[Overlap, ...] = ()
    """With every rule that acted in that time, live or in shadow."""
    failed: tuple[RuleFailed, ...] = ()
    erased: int = 0
    """Requests whose words are erased, of those that a rule about words would have read."""

    @property
    def accounts(self) -> int:
        """How many accounts it would have met."""
        return len({hit.account for hit in self.hits})

    @property
    def dropped(self) -> tuple[Hit, ...]:
        """Where the stricter would have been in force instead."""
        return tuple(hit for hit in self.hits if hit.outweighed_by)


class Tried(msgspec.Struct):
    """What trying a rule has come to so far."""

    hits: list[Hit] = []
    failed: list[RuleFailed] = []
    erased: int = 0


def backtest(
    reader: Reader,
    rule: Rule,
    *,
    since: float = 0.0,
    until: float = float("inf"),
    progress: Callable[[int, int], None] | None = None,
) -> Backtest:
    """Try a rule, whatever its mode, on the ledger from `since` until `until` (Unix seconds). Raises `RuleError`.

    The hits are what the rule does live when a look follows each exchange. `progress` is told accounts done and all.
    """
    rules = as_if_live(rule)
    table = StandingTable(reader)
    table.refresh()
    links = _followed(reader) if rules.reads({"linked"}) else None
    linked: LinkedAt = (lambda account, seq: links.restricted(account, table.taken, upto=seq)) if links else _nobody
    on_requests = bool(rules.counting_requests.compiled)
    accounts = reader.accounts(noted=not on_requests, since=since)
    tried = Tried()
    for done, account in enumerate(accounts):
        if progress is not None:
            progress(done, len(accounts))
        steps = steps_of(reader, account, rules)
        try_on(rules, account, steps, tried, since=since, until=until, linked=linked)
    return result(rule, tried, table, since=since, until=until, looked=len(accounts))


def as_if_live(rule: Rule) -> Rules:
    """The rule alone, compiled as if it were live. Raises `RuleError`."""
    return compile_rules([msgspec.structs.replace(rule, mode=RuleMode.LIVE)])


def try_on(
    rules: Rules,
    account: str,
    steps: Iterable[Step],
    tried: Tried,
    *,
    since: float = 0.0,
    until: float = float("inf"),
    linked: LinkedAt | None = None,
) -> None:
    """Tell one account's events to a rule, and add what it does to `tried`."""
    by = rules.compiled[0].by
    replay = Replay(account, without=by)
    counting = rules.counting_requests
    reads_texts = rules.reads(OF_TEXTS)
    due: Step | None = None
    for step in steps:
        if due is not None and not _together(due, step):
            _evaluate(rules if due.noted else counting, replay, due, tried, linked or _nobody)
            due = None
        if step.event.at > until:
            return
        replay.tell(step)
        asks = isinstance(step.event.body, Received)
        tried.erased += reads_texts and asks and step.event.content is None
        if step.event.at >= since and (step.noted or (asks and counting.compiled)):
            due = step
    if due is not None:
        _evaluate(rules if due.noted else counting, replay, due, tried, linked or _nobody)


def _together(due: Step, step: Step) -> bool:
    """A request and the verdicts on it are recorded at once: the enforcer never sees one without the other."""
    return isinstance(due.event.body, Received) and step.noted and step.event.exchange == due.event.exchange


def _evaluate(asked: Rules, replay: Replay, step: Step, tried: Tried, linked: LinkedAt) -> None:
    now = step.event.at
    restricted = linked(replay.account, step.seq) if asked.reads({"linked"}) else ()
    proposed = propose(asked, replay.history(asked, now, restricted), new_id=lambda: "act_of_a_backtest")
    tried.failed += proposed.failed[: FAILURES - len(tried.failed)]
    for action in proposed.actions:
        before = in_force(replay.taken, now).action
        stricter = before.by if before.standing > action.standing else ""
        # Each simulated action has an id of its own, or the second would take the first one's place.
        evidence = action.evidence or replay.latest_requests(CITED)
        action = msgspec.structs.replace(action, id=f"act_of_a_backtest_{len(tried.hits)}", evidence=evidence)
        replay.act(step.seq, action)
        tried.hits.append(Hit(replay.account, step.seq, action, stricter))


def result(rule: Rule, tried: Tried, table: StandingTable, *, since: float, until: float, looked: int) -> Backtest:
    """What was tried, beside what other rules did in the same time."""
    met = {hit.account for hit in tried.hits}
    theirs: Counter[str] = Counter()
    both: Counter[str] = Counter()
    for account in table:
        signed = {one.action.by for one in table.taken(account) if since <= one.action.at <= until}
        for by in signed:
            if by.startswith("rule:") and by != f"rule:{rule.name}":
                theirs[by] += 1
                both[by] += account in met
    return Backtest(
        rule=rule,
        since=since,
        until=until,
        hits=tuple(sorted(tried.hits, key=lambda hit: hit.seq)),
        looked=looked,
        overlaps=tuple(
            Overlap(by.removeprefix("rule:"), both[by], len(met) - both[by], count - both[by])
            for by, count in sorted(theirs.items())
        ),
        failed=tuple(tried.failed),
        erased=tried.erased,
    )


def steps_of(reader: Reader, account: str, rules: Rules) -> Iterator[Step]:
    """The account's events that these rules may read, in order."""
    streams = [_noted(reader, account), _acted(reader, account)]
    words = rules.reads(OF_TEXTS)
    if words or rules.reads(OF_MINUTES) or rules.counting_requests.compiled:
        streams.append(
            Step(seq=r.seq, event=r.event)
            for r in reader.events(kinds=("received",), account=account, with_content=words)
        )
    else:
        streams.append(_first(reader, account))
    yield from merge(*streams, key=lambda step: step.seq)


def _noted(reader: Reader, account: str) -> Iterator[Step]:
    """The account's signals, those of one event together. The event itself is read only where its details count."""
    together: list[Signal] = []
    for signal in reader.signals(account=account):
        if together and signal.seq != together[0].seq:
            yield _step(reader, together)
            together = []
        together.append(signal)
    if together:
        yield _step(reader, together)


def _step(reader: Reader, signals: Sequence[Signal]) -> Step:
    first = signals[0]
    recorded = reader.event(first.seq) if any(s.category == "parameter" for s in signals) else None
    event = Event(body=Body(), at=first.at, exchange=first.exchange, account=first.account, product=first.product)
    return Step(seq=first.seq, event=recorded.event if recorded else event, signals=tuple(signals))


def _acted(reader: Reader, account: str) -> Iterator[Step]:
    for recorded in reader.events(kinds=STANDING_KINDS, account=account):
        yield Step(seq=recorded.seq, event=recorded.event)


def _first(reader: Reader, account: str) -> Iterator[Step]:
    """Where requests themselves are not counted, only when the account was first seen."""
    at = reader.first_seen(account)
    if at is not None:
        yield Step(seq=0, event=Event(body=Body(), at=at, account=account))


def _followed(reader: Reader) -> Links:
    links = Links(reader)
    while links.follow(most=10_000):
        pass
    return links


def _nobody(account: str, seq: int) -> Sequence[Restricted]:
    return ()
