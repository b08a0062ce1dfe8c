"""The fold: what each event of the ledger changes in the desk's index; nothing else ever changes it."""

import sqlite3

import msgspec

from outworks.enforcement.desk.cases import Outcome, State
from outworks.event import (
    Acted,
    Appealed,
    Begun,
    Body,
    BulkApplied,
    BulkPlanned,
    BulkRestored,
    BulkUndone,
    CaseClaimed,
    CaseDecided,
    CaseJoined,
    CaseMoved,
    CaseNoted,
    CaseOpened,
    CaseReopened,
    Delivered,
    Event,
    GoldenSet,
    Notified,
    Reported,
    Restored,
    Undone,
    Viewed,
)
from outworks.ledger.chain import kind_of

KINDS = (
    "acted",
    "undone",
    "restored",
    "case_opened",
    "case_joined",
    "case_claimed",
    "case_moved",
    "case_noted",
    "case_decided",
    "case_reopened",
    "notified",
    "reported",
    "appealed",
    "viewed",
    "bulk_planned",
    "bulk_applied",
    "bulk_undone",
    "bulk_restored",
    "golden_set",
    "delivered",
    "begun",
    "changed",
    "erased",
)
"""What the desk follows."""

_encode = msgspec.json.Encoder().encode


def fold(db: sqlite3.Connection, seq: int, event: Event) -> None:
    """Take in one event, within a transaction. The order is the ledger's; whether something was allowed was asked
    before it was recorded."""
    _Fold(db, seq, event).take(event.body)
    row = (seq, kind_of(type(event.body)), _by(event.body), event.account, event.at)
    db.execute("INSERT OR IGNORE INTO trail VALUES (?, ?, ?, ?, ?)", row)


def _by(body: Body) -> str:
    """Who did it, where somebody did."""
    by = body.action.by if isinstance(body, Acted) else getattr(body, "by", "")
    return str(by).removeprefix("person:")


class _Fold:
    """One event at its place."""

    def __init__(self, db: sqlite3.Connection, seq: int, event: Event) -> None:
        self._db = db
        self._seq = seq
        self._event = event

    def take(self, body: Body) -> None:
        match body:
            case Acted():
                self._acted(body)
            case Undone():
                self._run("UPDATE action SET undone = ? WHERE id = ? AND undone = 0", self._seq, body.action)
                if body.notify and self._knows(body.action):
                    self._owe(f"undo:{self._seq}")
            case Restored():
                self._run("UPDATE action SET undone = 0 WHERE id = ?", body.action)
                if self._knows(body.action):
                    self._restored(body)
            case CaseOpened():
                self._opened(body)
            case CaseJoined():
                self._joined(body)
            case CaseClaimed():
                self._entry(body.case)
                self._run("UPDATE cases SET lease_by = ?, lease_until = ? WHERE id = ?", body.by, body.until, body.case)
            case CaseMoved():
                self._moved(body)
            case CaseNoted():
                self._entry(body.case)
            case CaseDecided():
                self._decided(body)
            case CaseReopened():
                self._reopened(body)
            case _:
                self._apart(body)

    def _apart(self, body: Body) -> None:
        """What is no case's own."""
        event, seq = self._event, self._seq
        row: tuple[object, ...]
        match body:
            case Reported():
                row = (body.id, seq, event.account, event.exchange, body.category, body.reporter, event.at)
                self._run("INSERT OR IGNORE INTO report VALUES (?, ?, ?, ?, ?, ?, ?, '')", *row)
                self._due(body.id)
            case Appealed():
                columns = "(id, seq, action, account, at)"
                values = (body.id, seq, body.action, event.account, event.at)
                if not self._knows(body.action):
                    return
                self._run(f"INSERT OR IGNORE INTO appeal {columns} VALUES (?, ?, ?, ?, ?)", *values)  # noqa: S608
                self._due(body.id)
                self._tell(f"msg_{body.id}", "appeal.received")
            case Notified():
                row = (body.about, body.id, seq, event.account, body.action, body.code, event.at)
                self._run("INSERT OR IGNORE INTO notice VALUES (?, ?, ?, ?, ?, ?, ?)", *row)
                self._run("DELETE FROM owed WHERE about = ?", body.about)
                self._tell(f"msg_{body.id}", "notice")
            case Viewed():
                row = (body.by, event.at, seq, body.category, len(body.events))
                self._run("INSERT OR IGNORE INTO look VALUES (?, ?, ?, ?, ?)", *row)
                if body.case:
                    self._entry(body.case)
            case BulkPlanned():
                row = (body.id, seq, body.by, event.at)
                self._run("INSERT OR IGNORE INTO bulk (id, seq, by, at, state) VALUES (?, ?, ?, ?, 'planned')", *row)
            case BulkApplied():
                change = "UPDATE bulk SET state = 'applied', applied_by = ?, applied_at = ? WHERE id = ?"
                self._run(change, body.by, event.at, body.id)
            case BulkUndone():
                change = "UPDATE bulk SET state = 'undone', undone_by = ?, undone_at = ? WHERE id = ?"
                self._run(change, body.by, event.at, body.id)
            case BulkRestored():
                change = "UPDATE bulk SET state = 'applied', undone_by = '', undone_at = NULL WHERE id = ?"
                self._run(change, body.id)
            case GoldenSet() if body.outcome:
                self._run("INSERT OR REPLACE INTO golden VALUES (?, ?, ?)", body.case, body.outcome, body.by)
            case GoldenSet():
                self._run("DELETE FROM golden WHERE case_id = ?", body.case)
            case Begun():
                self._run("INSERT OR IGNORE INTO mark VALUES (?, ?)", body.what, seq)
            case Delivered():
                row = (body.webhook, body.message, seq, body.ok, body.attempts, body.status, event.at)
                self._run("INSERT OR IGNORE INTO delivery VALUES (?, ?, ?, ?, ?, ?, ?)", *row)

    def _acted(self, body: Acted) -> None:
        action = body.action
        columns = "id, seq, account, standing, by, at, expires, shadow, decision, bulk"
        row = (action.id, self._seq, action.account, int(action.standing), action.by, action.at, action.expires)
        self._run(
            f"INSERT OR IGNORE INTO action ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            *row,
            action.shadow,
            body.decision,
            body.bulk,
        )
        if body.notify:
            self._owe(action.id)
        if action.case:
            self._due(action.id)

    def _opened(self, body: CaseOpened) -> None:
        event = self._event
        origin, _, of = body.source.partition(":")
        as_of = self._one("SELECT opened_at FROM cases WHERE id = ?", of) if origin == "golden" else None
        columns = "id, seq, queue, priority, state, account, product, exchange, opened_at, source, action, appeal"
        appeal = of if origin == "appeal" else ""
        golden = of if origin == "golden" else ""
        row = (
            body.case,
            self._seq,
            body.queue,
            body.priority,
            State.OPEN,
            event.account,
            event.product,
            event.exchange,
        )
        self._run(
            f"INSERT OR IGNORE INTO cases ({columns}, not_for, only_for, as_of, golden) "  # noqa: S608
            f"VALUES ({', '.join('?' * 16)})",
            *row,
            event.at,
            body.source,
            body.action,
            appeal,
            _encode(body.not_for).decode(),
            body.only_for,
            as_of,
            golden,
        )
        self._entry(body.case)
        self._rests_on(body)

    def _joined(self, body: CaseJoined) -> None:
        self._entry(body.case)
        self._run("UPDATE cases SET priority = max(priority, ?) WHERE id = ?", body.priority, body.case)
        if body.action:
            self._run("UPDATE cases SET action = ? WHERE id = ?", body.action, body.case)
        self._rests_on(body)

    def _rests_on(self, body: CaseOpened | CaseJoined) -> None:
        """Its evidence; and whatever it came from waits for no case any more."""
        self._db.executemany(
            "INSERT OR IGNORE INTO evidence VALUES (?, ?)", [(body.case, seq) for seq in body.evidence]
        )
        if body.action:
            self._run("INSERT OR IGNORE INTO reviewed VALUES (?, ?)", body.case, body.action)
        origin, _, of = body.source.partition(":")
        if origin in ("report", "appeal"):
            self._run(f"UPDATE {origin} SET case_id = ? WHERE id = ?", body.case, of)  # noqa: S608
        self._run("DELETE FROM due WHERE about IN (?, ?)", of, body.action)

    def _moved(self, body: CaseMoved) -> None:
        self._entry(body.case)
        self._run("UPDATE cases SET lease_by = '', lease_until = 0 WHERE id = ?", body.case)
        match body.how:
            case "skipped":
                self._run("INSERT OR REPLACE INTO skip VALUES (?, ?, ?)", body.case, body.by, body.until or 0.0)
            case "handed_over":
                change = "UPDATE cases SET assigned_to = ?, assigned_until = ? WHERE id = ?"
                self._run(change, body.to, body.until or 0.0, body.case)
                self._run("DELETE FROM skip WHERE case_id = ? AND reviewer = ?", body.case, body.to)
            case "escalated":
                change = "UPDATE cases SET escalated = 1, assigned_to = '', assigned_until = 0 WHERE id = ?"
                self._run(change, body.case)
            case "queued":
                change = "UPDATE cases SET queue = ?, escalated = 0, assigned_to = '', assigned_until = 0 WHERE id = ?"
                self._run(change, body.to, body.case)

    def _decided(self, body: CaseDecided) -> None:
        event, seq = self._event, self._seq
        self._entry(body.case)
        before = self._one("SELECT pending FROM cases WHERE id = ?", body.case) or ""
        row = (body.id, seq, body.case, event.account, body.by, event.at, _encode(body).decode(), body.golden, before)
        self._run("INSERT OR IGNORE INTO decision VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)", *row)
        change = (
            "UPDATE cases SET lease_by = '', lease_until = 0, assigned_to = '', assigned_until = 0, escalated = 0 "
            "WHERE id = ?"
        )
        self._run(change, body.case)
        if body.pending:
            self._run("UPDATE cases SET state = ?, pending = ? WHERE id = ?", State.PENDING, body.id, body.case)
            return
        change = (
            "UPDATE cases SET state = ?, pending = '', decision = ?, outcome = ?, decided_by = ?, decided_at = ?, "
            "closed_seq = ? WHERE id = ?"
        )
        self._run(change, State.CLOSED, body.id, body.outcome, body.by, event.at, seq, body.case)
        if body.golden:
            return
        if body.outcome in (Outcome.UPHOLD, Outcome.OVERTURN):
            state = "upheld" if body.outcome == Outcome.UPHOLD else "overturned"
            change = "UPDATE appeal SET state = ?, decision = ?, answered_at = ? WHERE case_id = ?"
            self._run(change, state, body.id, event.at, body.case)
            self._owe(body.id)
        elif body.action or body.undid:
            self._owe(body.id)
        for (report,) in self._db.execute("SELECT id FROM report WHERE case_id = ?", (body.case,)).fetchall():
            self._tell(f"msg_{body.id}_{report}", "report.decided")

    def _reopened(self, body: CaseReopened) -> None:
        self._entry(body.case)
        self._run("UPDATE decision SET undone = ? WHERE id = ?", self._seq, body.decision)
        # It waits as before: for a second person, where a ban had been proposed.
        before = self._one("SELECT before FROM decision WHERE id = ?", body.decision) or ""
        self._run(
            "UPDATE cases SET state = ?, pending = ?, decision = '', outcome = '', decided_by = '', decided_at = 0, "
            "closed_seq = 0, lease_by = '', lease_until = 0 WHERE id = ?",
            State.PENDING if before else State.OPEN,
            before,
            body.case,
        )
        change = "UPDATE appeal SET state = 'open', decision = '', answered_at = NULL WHERE decision = ?"
        self._run(change, body.decision)
        undone = self._made(body.decision)
        # Where another decision had lifted it before, this one lifts nothing.
        if undone is not None and self._one("SELECT undone FROM action WHERE id = ?", undone.action) == 0:
            self._owe(f"reopen:{self._seq}")

    def _restored(self, body: Restored) -> None:
        """It is told with the reopening of its case, where that is told; else by itself."""
        undone = self._made(body.decision)
        if undone is None:
            self._owe(f"restore:{self._seq}")
            return
        reopened = int(self._one("SELECT undone FROM decision WHERE id = ?", body.decision) or 0)
        about = f"reopen:{reopened}"
        if self._one("SELECT 1 FROM owed WHERE about = ?", about) is not None:
            return
        if not undone.action and undone.undid[:1] == (body.action,):
            # The notice of a reopening speaks of the first action that the decision had undone.
            self._owe(about, reopened)
        else:
            self._owe(f"restore:{self._seq}")

    def _made(self, decision: str) -> CaseDecided | None:
        """The decision of that id, as it was made."""
        made = self._one("SELECT body FROM decision WHERE id = ?", decision)
        return msgspec.json.decode(made, type=CaseDecided) if isinstance(made, str) else None

    def _entry(self, case: str) -> None:
        self._run("INSERT OR IGNORE INTO entry VALUES (?, ?)", case, self._seq)

    def _knows(self, action: str) -> bool:
        """Whether there is such an action: what speaks of none must not hold up what comes after it."""
        return self._one("SELECT 1 FROM action WHERE id = ?", action) is not None

    def _owe(self, about: str, seq: int = 0) -> None:
        """A notice is due, of this event or of one before it."""
        self._run("INSERT OR IGNORE INTO owed VALUES (?, ?)", about, seq or self._seq)

    def _due(self, about: str) -> None:
        """It may open a case; the clerk decides."""
        self._run("INSERT OR IGNORE INTO due VALUES (?, ?)", about, self._seq)

    def _tell(self, message: str, kind: str) -> None:
        """Webhooks are due a message."""
        row = (message, self._seq, kind, self._event.account, self._event.at)
        self._run("INSERT OR IGNORE INTO message VALUES (?, ?, ?, ?, ?)", *row)

    def _run(self, sql: str, *values: object) -> None:
        self._db.execute(sql, values)

    def _one(self, sql: str, *values: str) -> str | float | None:
        row: tuple[str | float | None, ...] | None = self._db.execute(sql, values).fetchone()
        return row[0] if row else None
