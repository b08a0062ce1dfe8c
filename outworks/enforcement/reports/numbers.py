"""Numbers: what happened, by day, kept beside the ledger so that a page can ask for years at once."""

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec
from typing_extensions import override

from outworks.action import Standing
from outworks.enforcement.language.words import SURE
from outworks.enforcement.reports.beside import Beside
from outworks.enforcement.reports.share import Share
from outworks.event import (
    Acted,
    Appealed,
    Body,
    CaseDecided,
    CaseOpened,
    CaseReopened,
    Event,
    Labelled,
    Notified,
    Reported,
    Sampled,
    Undone,
)
from outworks.ledger.signal import DEFENSE_FAILED, PROVIDER_REFUSAL, Signal, signals_of
from outworks.verdict import Decision

DAY = 86_400
_KINDS = (
    "acted",
    "undone",
    "case_opened",
    "case_decided",
    "case_reopened",
    "appealed",
    "notified",
    "reported",
    "sampled",
    "labelled",
)
SERIES = (
    "exchanges",
    "blocked",
    "flagged",
    "shadow",
    "refusals",
    "failed",
    "actions",
    "undone",
    "cases_opened",
    "cases_decided",
    "appeals",
    "overturned",
    "reports",
    "notices",
)
"""What there is a number of for each day. Labels: of verdicts the defense; of actions what was done and by which rule,
or `a person`; of cases the queue or the outcome; of appeals the rule; of notices the code; of reports the category."""


class Day(msgspec.Struct, frozen=True):
    """A day's number."""

    day: str
    """`2026-11-21`, UTC."""
    value: int


class Precision(msgspec.Struct, frozen=True):
    """How often reviewers found a rule right, of the times that they looked."""

    rule: str
    held: int
    failed: int

    @property
    def share(self) -> float | None:
        """0 to 1; None where nobody looked."""
        return Share(self.held, self.held + self.failed).share

    @property
    def low(self) -> float:
        """The lower end of its 95% interval."""
        return Share(self.held, self.held + self.failed).low

    @property
    def high(self) -> float:
        """The upper end."""
        return Share(self.held, self.held + self.failed).high


class Stops(msgspec.Struct, frozen=True):
    """How long it took from an account's first violation until it was suspended or banned."""

    count: int
    median_s: float | None
    p90_s: float | None


class QueueAge(msgspec.Struct, frozen=True):
    """How long the cases of a queue have waited."""

    queue: str
    waiting: int
    oldest_s: float
    median_s: float


class Violating(msgspec.Struct, frozen=True):
    """How many of the answers that were served went against the policy, estimated from those drawn at random."""

    sampled: int
    labelled: int
    violating: int
    per_10_000: float | None
    low: float
    high: float
    """The 95% interval, in answers of 10,000."""


class Numbers(Beside):
    """Daily counters, decisions on rules, appeals, waiting cases and labelled samples of one ledger."""

    suffix = "numbers"
    version = 1
    tables = (
        "CREATE TABLE daily (name TEXT NOT NULL, day INTEGER NOT NULL, label TEXT NOT NULL, n INTEGER NOT NULL,"
        " PRIMARY KEY (name, day, label)) WITHOUT ROWID",
        "CREATE TABLE action (id TEXT PRIMARY KEY, by TEXT NOT NULL) WITHOUT ROWID",
        "CREATE TABLE slate (account TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID",
        "CREATE TABLE stop (seq INTEGER PRIMARY KEY, at REAL NOT NULL, by TEXT NOT NULL, seconds REAL NOT NULL)",
        "CREATE INDEX stop_at ON stop (at)",
        "CREATE TABLE ruling (decision TEXT PRIMARY KEY, at REAL NOT NULL, rule TEXT NOT NULL, holds INTEGER NOT NULL,"
        " outcome TEXT NOT NULL) WITHOUT ROWID",
        "CREATE INDEX ruling_rule ON ruling (rule)",
        "CREATE TABLE waiting (id TEXT PRIMARY KEY, queue TEXT NOT NULL, at REAL NOT NULL, done REAL) WITHOUT ROWID",
        "CREATE INDEX waiting_open ON waiting (queue, at) WHERE done IS NULL",
        "CREATE TABLE sample (exchange TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID",
        "CREATE INDEX sample_at ON sample (at)",
        "CREATE TABLE label (exchange TEXT NOT NULL, by TEXT NOT NULL, violating INTEGER NOT NULL,"
        " category TEXT NOT NULL, PRIMARY KEY (exchange, by)) WITHOUT ROWID",
    )

    @override
    def fold(self, after: int, until: int) -> None:
        for tally in self._reader.tally(after, until):
            if tally.kind == "received":
                self._count("exchanges", tally.day, "", tally.count)
        self._fold_signals(after, until)
        for recorded in self._reader.events(after, kinds=_KINDS):
            if recorded.seq > until:
                break
            self._take(recorded.seq, recorded.event)

    def _fold_signals(self, after: int, until: int) -> None:
        """Verdicts by defense. An exchange counts once, though the slices that are read may cut it."""
        seen: set[tuple[str, str, str]] = set()
        begun: dict[str, bool] = {}
        for signal in self._reader.signals(after=after):
            if signal.seq > until:
                return
            for name in _names(signal):
                key = (name, signal.defense, signal.exchange or str(signal.seq))
                if key in seen:
                    continue
                seen.add(key)
                if signal.exchange not in begun:
                    begun[signal.exchange] = 0 < self._reader.begun(signal.exchange) <= after
                if not (begun[signal.exchange] and self._counted(key, after)):
                    self._count(name, int(signal.at // DAY), signal.defense)

    def _counted(self, key: tuple[str, str, str], after: int) -> bool:
        """Whether an exchange was counted in what was read before."""
        name, defense, exchange = key
        for recorded in self._reader.events(exchange=exchange):
            if recorded.seq > after:
                return False
            signals = signals_of(recorded.event, recorded.seq)
            if any(name in _names(signal) for signal in signals if signal.defense == defense):
                return True
        return False

    def _take(self, seq: int, event: Event) -> None:
        body, day = event.body, int(event.at // DAY)
        match body:
            case Acted() if not body.action.shadow:
                self._acted(seq, body, day)
            case Undone():
                self._count("undone", day, _signed(self._by(body.action)))
            case CaseOpened() if not body.source.startswith("golden:"):
                self._count("cases_opened", day, body.queue)
                self._run("INSERT OR IGNORE INTO waiting VALUES (?, ?, ?, NULL)", body.case, body.queue, event.at)
            case CaseDecided() if not body.golden:
                self._decided(body, event.at)
            case CaseReopened():
                self._run("DELETE FROM ruling WHERE decision = ?", body.decision)
                self._run("UPDATE waiting SET done = NULL WHERE id = ?", body.case)
            case Appealed():
                self._count("appeals", day, _signed(self._by(body.action)))
            case Reported():
                self._count("reports", day, body.category)
            case Notified():
                self._count("notices", day, body.code)
            case _:
                self._sampled(event, body)

    def _sampled(self, event: Event, body: Body) -> None:
        if isinstance(body, Sampled):
            found = next(iter(self._reader.events(exchange=event.exchange, limit=1)), None)
            at = found.event.at if found is not None else event.at
            self._run("INSERT OR IGNORE INTO sample VALUES (?, ?)", event.exchange, at)
        elif isinstance(body, Labelled):
            values = (event.exchange, body.by, int(body.violating), body.category)
            self._run("INSERT OR REPLACE INTO label VALUES (?, ?, ?, ?)", *values)

    def _acted(self, seq: int, body: Acted, day: int) -> None:
        action = body.action
        self._run("INSERT OR IGNORE INTO action VALUES (?, ?)", action.id, action.by)
        self._count("actions", day, f"{action.standing.name.lower()} by {_signed(action.by)}")
        slate = self._rows("SELECT at FROM slate WHERE account = ?", action.account)
        if action.standing >= Standing.SUSPENDED:
            first = self._reader.first_violation(action.account, slate[0][0] if slate else 0.0)
            if first is not None and first <= action.at:
                self._run("INSERT INTO stop VALUES (?, ?, ?, ?)", seq, action.at, action.by, action.at - first)
        if action.standing >= Standing.SUSPENDED or action.standing is Standing.GOOD:
            self._run("INSERT OR REPLACE INTO slate VALUES (?, ?)", action.account, action.at)

    def _decided(self, body: CaseDecided, at: float) -> None:
        if body.pending:
            return
        day = int(at // DAY)
        self._count("cases_decided", day, body.outcome)
        self._run("UPDATE waiting SET done = ? WHERE id = ?", at, body.case)
        if body.outcome == "overturn":
            self._count("overturned", day, body.rule or "a person")
        if body.rule and body.holds is not None:
            values = (body.id, at, body.rule, int(body.holds), body.outcome)
            self._run("INSERT OR REPLACE INTO ruling VALUES (?, ?, ?, ?, ?)", *values)

    def _by(self, action: str) -> str:
        found = self._rows("SELECT by FROM action WHERE id = ?", action)
        return str(found[0][0]) if found else ""

    def _run(self, sql: str, *values: object) -> None:
        self._db.execute(sql, values)

    def _count(self, name: str, day: int, label: str, by: int = 1) -> None:
        self._run(
            "INSERT INTO daily VALUES (?, ?, ?, ?) ON CONFLICT (name, day, label) DO UPDATE SET n = n + excluded.n",
            name,
            day,
            label,
            by,
        )

    def series(self, name: str, since: float, until: float) -> Mapping[str, Sequence[Day]]:
        """A number for each day by label, days without one left out. Raises ValueError for a name not in `SERIES`."""
        if name not in SERIES:
            raise ValueError(f"there is no number {name!r}; there are {', '.join(SERIES)}")
        found: dict[str, list[Day]] = defaultdict(list)
        for label, day, n in self._rows(
            "SELECT label, day, n FROM daily WHERE name = ? AND day >= ? AND day <= ? ORDER BY label, day",
            name,
            int(since // DAY),
            int(min(until, 1e11) // DAY),
        ):
            found[label].append(Day(datetime.fromtimestamp(day * DAY, UTC).strftime("%Y-%m-%d"), n))
        return found

    def totals(self, name: str, since: float, until: float) -> Mapping[str, int]:
        """The sum by label."""
        return {label: sum(day.value for day in days) for label, days in self.series(name, since, until).items()}

    def precision(self, rule: str) -> Precision:
        """How often reviewers found the rule's evidence right. A decision that was taken back does not count."""
        rows = dict(self._rows("SELECT holds, count(*) FROM ruling WHERE rule = ? GROUP BY holds", rule))
        return Precision(rule, rows.get(1, 0), rows.get(0, 0))

    def stops(self, since: float, until: float) -> Stops:
        """From first violation to stop, of the accounts that were stopped in that time."""
        rows = self._rows("SELECT seconds FROM stop WHERE at >= ? AND at < ? ORDER BY seconds", since, until)
        seconds = [row[0] for row in rows]
        if not seconds:
            return Stops(0, None, None)
        return Stops(len(seconds), seconds[len(seconds) // 2], seconds[min(len(seconds) - 1, len(seconds) * 9 // 10)])

    def ages(self, now: float | None = None) -> list[QueueAge]:
        """How long what waits has waited, by queue."""
        moment = time.time() if now is None else now
        by_queue: dict[str, list[float]] = defaultdict(list)
        for queue, at in self._rows("SELECT queue, at FROM waiting WHERE done IS NULL ORDER BY queue, at"):
            by_queue[queue].append(max(0.0, moment - at))
        return [QueueAge(queue, len(ages), ages[0], ages[len(ages) // 2]) for queue, ages in by_queue.items()]

    def unlabelled(self, limit: int = 50) -> list[str]:
        """Exchanges that were drawn and wait for a label, the oldest first."""
        sql = "SELECT exchange FROM sample WHERE exchange NOT IN (SELECT exchange FROM label) ORDER BY at LIMIT ?"
        return [row[0] for row in self._rows(sql, limit)]

    def was_sampled(self, exchange: str) -> bool:
        """Whether an exchange was drawn."""
        return bool(self._rows("SELECT 1 FROM sample WHERE exchange = ?", exchange))

    def violating(self, since: float, until: float) -> Violating:
        """Of the answers served in that time, how many in 10,000 went against the policy. Where two people say
        differently of one, it counts as violating unless more say that it is not."""
        rows = self._rows(
            "SELECT sample.exchange, sum(violating), count(by) FROM sample LEFT JOIN label USING (exchange) "
            "WHERE at >= ? AND at < ? GROUP BY sample.exchange",
            since,
            until,
        )
        labelled = [row for row in rows if row[2]]
        bad = sum(2 * violating >= said for _, violating, said in labelled)
        share = Share(bad, len(labelled))
        each = None if share.share is None else 10_000 * share.share
        return Violating(len(rows), len(labelled), bad, each, 10_000 * share.low, 10_000 * share.high)


def _signed(by: str) -> str:
    return by.removeprefix("rule:") if by.startswith("rule:") else "a person"


def _names(signal: Signal) -> list[str]:
    """The numbers that a verdict counts in."""
    if signal.category == DEFENSE_FAILED:
        return ["failed"]
    if signal.defense == "gateway":
        return []
    if signal.category == PROVIDER_REFUSAL or signal.defense == "refusal":
        return ["refusals"] if signal.score >= SURE else []
    noteworthy = signal.decision > Decision.ALLOW or signal.score >= SURE
    if signal.mode == "shadow":
        return ["shadow"] if noteworthy else []
    return ["flagged", "blocked"] if signal.decision >= Decision.ESCALATE else ["flagged"] if noteworthy else []
