"""The desk: its index says what the ledger says, whatever dies, is lost, or is replaced."""

import contextlib
import functools
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from outworks.action import Standing
from outworks.enforcement import bulk
from outworks.enforcement.desk import decisions, golden, lookup, queues
from outworks.enforcement.desk.cases import Outcome, State
from outworks.enforcement.desk.desk import Desk
from outworks.enforcement.desk.index import open_index
from outworks.enforcement.telling import notices
from outworks.event import Notified, RecordError
from outworks.ledger import Ledger, verify
from outworks.ledger.schema import MIGRATIONS, LedgerError, open_ledger
from tests.enforcement.desk_kit import BEN, EVA, LEA, a_case, by_hand, by_rule, opened, standing, work
from tests.enforcement.kit import ANN, NOW, acted, action, received, undone


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with opened(tmp_path) as desk:
        yield desk


def spoil(path: Path, how: str) -> None:
    """Damage a file of SQLite's behind its first pages, which it reads when it opens it."""
    settled = sqlite3.connect(path)
    settled.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    settled.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(2 * 4096)
        if how == "cut off":
            file.truncate()
        else:
            file.write(os.urandom(size - 2 * 4096))


def everything(desk: Desk) -> list[object]:
    """Every row of every table."""
    desk.refresh()
    db = sqlite3.connect(desk.path)
    names = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]
    rows: list[object] = []
    for name in names:
        if name not in ("mark", "place"):
            rows += [name, sorted(map(repr, db.execute(f"SELECT * FROM {name}")))]
    db.close()
    return rows


def much(desk: Desk) -> None:
    """A little of everything that can happen to cases."""
    case = a_case(desk)
    queues.claim(desk, EVA)
    queues.note(desk, EVA, case.id, "Hm.")
    queues.escalate(desk, EVA, case.id, why="x")
    made = decisions.decide(desk, LEA, case.id, Outcome.SUSPEND, reason="x", lasts=60.0)
    decisions.undo(desk, LEA, made.id, reason="x")
    queues.move(desk, LEA, case.id, queue="again")
    decisions.decide(desk, BEN, case.id, Outcome.BAN, reason="x")
    decisions.decide(desk, EVA, case.id, Outcome.BAN)
    golden.set_golden(desk, LEA, case.id, Outcome.BAN)
    planned = bulk.plan(desk, LEA, [ANN, "shop:bob"], Outcome.WARN, reason="x", lasts=60.0)
    bulk.apply(desk, LEA, planned.bulk.id)
    bulk.undo(desk, LEA, planned.bulk.id, reason="x")
    bulk.redo(desk, LEA, planned.bulk.id, reason="x")
    by_hand(desk)
    queues.skip(desk, EVA, by_hand(desk).id)
    queues.hand_over(desk, EVA, by_hand(desk).id, to="ben", why="x")
    queues.viewed(desk, EVA, [1], category="x")
    work(desk)


@pytest.mark.parametrize("how", ["gone", "damaged", "of another version"])
def test_a_lost_index_is_made_anew(desk: Desk, tmp_path: Path, how: str) -> None:
    """Everything in the index comes from the ledger: without it, it is made again, the same to the last row."""
    much(desk)
    before = everything(desk)
    desk.close()
    if how == "gone":
        for name in tmp_path.glob("*.desk*"):
            name.unlink()
    elif how == "damaged":
        desk.path.write_bytes(b"no database at all" * 1000)
    else:
        other = sqlite3.connect(desk.path)
        other.execute("PRAGMA user_version = 99")
        other.close()

    again = Desk(desk.ledger, clock=desk.clock)

    assert everything(again) == before
    again.close()


@pytest.mark.parametrize("how", ["overwritten", "cut off"])
@pytest.mark.parametrize("when", ["before the start", "while a page asks", "while the clerk works"])
def test_an_index_damaged_in_the_middle_is_made_anew(desk: Desk, how: str, when: str) -> None:
    """What opens well may be damaged further on: it is begun anew, and nobody has to remove it by hand."""
    for n in range(40):
        by_rule(desk, account=f"shop:u{n}")
    much(desk)
    before = everything(desk)
    if when == "before the start":
        desk.close()
    spoil(desk.path, how)

    again = Desk(desk.ledger, clock=desk.clock) if when == "before the start" else desk
    if when == "while the clerk works":
        with contextlib.suppress(LedgerError), again.change():
            pass
    with contextlib.suppress(LedgerError):
        lookup.cases(again)
    lookup.cases(again)

    assert everything(again) == before
    again.close()


def test_an_index_that_another_keeps_locked_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start that cannot have the index in time says so, as whatever cannot read the ledger does."""
    opening = functools.partial(open_index, busy_timeout_s=0.1)
    monkeypatch.setattr("outworks.enforcement.desk.desk.open_index", opening)
    other = sqlite3.connect(desk.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(LedgerError, match=r"ledger\.db\.desk can't be opened: .*locked"):
        Desk(desk.ledger)

    other.close()


def test_an_index_removed_in_use_is_made_anew(desk: Desk) -> None:
    """SQLite goes on with a removed file; two desks would then no longer keep each other out."""
    by_hand(desk)
    for name in desk.path.parent.glob("*.desk*"):
        name.unlink()
    other = Desk(desk.ledger, clock=desk.clock)
    got: list[object] = []
    waiting = threading.Thread(target=lambda: got.append(queues.claim(desk, BEN)))

    with other.change():
        waiting.start()
        time.sleep(0.2)
        assert got == []
        assert queues.claim(other, EVA) is not None
    waiting.join()

    assert got == [None]
    other.close()


def test_an_index_of_another_ledger_is_made_anew(desk: Desk, tmp_path: Path) -> None:
    """An index that was made from another ledger at the same path says nothing of this one."""
    much(desk)
    desk.close()
    desk.ledger.close_now()
    for name in tmp_path.glob("ledger.db*"):
        if not name.name.endswith("desk"):
            name.unlink()
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.append_now([received() for _ in range(500)])
        again = Desk(ledger, clock=desk.clock)

        assert lookup.cases(again) == ()
        again.close()


def test_several_desks_see_each_others_changes(desk: Desk) -> None:
    """A change through one desk is there at the next look through another."""
    other = Desk(desk.ledger, clock=desk.clock)
    case = by_hand(desk)

    decisions.decide(other, EVA, case.id, Outcome.DISMISS)

    assert lookup.case(desk, case.id).state is State.CLOSED
    other.close()


def test_what_cannot_be_recorded_did_not_happen(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the ledger takes nothing, no decision is made: the case waits as before."""
    case = a_case(desk)
    before = standing(desk)

    def broken(events: object) -> list[int]:
        raise RecordError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(desk.ledger, "append_now", broken)
        with pytest.raises(RecordError):
            decisions.decide(desk, EVA, case.id, Outcome.DISMISS)

    assert lookup.case(desk, case.id).state is State.OPEN
    assert standing(desk) == before
    decisions.decide(desk, EVA, case.id, Outcome.DISMISS)


CRASHES = {
    "before the ledger": "ledger.append_now = lambda events: die()",
    "between ledger and index": (
        "record = ledger.append_now\nledger.append_now = lambda events: (record(events), die())"
    ),
    "after the decision": "",
}

CRASHING = """
import os, signal, sys
from pathlib import Path
from outworks.enforcement.desk import decisions
from outworks.enforcement.telling import notices
from outworks.enforcement.desk.cases import Outcome
from outworks.enforcement.desk.desk import Desk
from outworks.enforcement.desk.roles import Reviewer, Role
from outworks.ledger import Ledger

def die():
    os.kill(os.getpid(), signal.SIGKILL)

ledger = Ledger.open(Path(sys.argv[1]))
desk = Desk(ledger)
{crash}
if {notice}:
    notices.send(desk)
else:
    decisions.decide(desk, Reviewer("eva", Role.REVIEWER), sys.argv[2], Outcome.SUSPEND, reason="x", lasts=1e8)
die()
"""


def crash(desk: Desk, how: str, case: str = "", *, notice: bool = False) -> None:
    """Another process dies by SIGKILL at that point of a decision, or of sending notices."""
    code = CRASHING.format(crash=CRASHES[how], notice=notice)
    died = subprocess.run([sys.executable, "-c", code, str(desk.ledger.path), case], env=os.environ, timeout=60)
    assert died.returncode == -signal.SIGKILL


def sent(desk: Desk) -> list[Notified]:
    bodies = [each.event.body for each in desk.ledger.events(kinds={"notified"})]
    return [body for body in bodies if isinstance(body, Notified)]


@pytest.mark.parametrize("how", CRASHES)
def test_a_crash_in_a_decision_leaves_all_of_it_or_nothing(desk: Desk, tmp_path: Path, how: str) -> None:
    """Whoever dies while deciding has decided, with everything that follows, or not at all; exactly one notice goes out
    for what was decided."""
    case = a_case(desk)
    before = len(sent(desk))

    crash(desk, how, case.id)
    work(desk)

    decided = lookup.case(desk, case.id).state is State.CLOSED
    assert decided is (how != "before the ledger")
    assert standing(desk).by == ("person:eva" if decided else "rule:repeat")
    assert len(sent(desk)) - before == (1 if decided else 0)
    if not decided:
        decisions.decide(desk, EVA, case.id, Outcome.SUSPEND, reason="x", lasts=60.0)
        work(desk)
        assert len(sent(desk)) - before == 1
    assert verify(tmp_path / "ledger.db").ok


@pytest.mark.parametrize("how", CRASHES)
def test_a_crash_between_decision_and_notice_sends_exactly_one(desk: Desk, how: str) -> None:
    """Whoever dies while sending a notice has sent it or not; the next one sends what is missing, and nothing twice."""
    made = by_rule(desk, case="")

    crash(desk, how, notice=True)
    for _ in range(3):
        notices.send(desk)

    assert [(body.about, body.code) for body in sent(desk)] == [(made.id, "suspended")]


def test_what_an_older_version_did_is_told_to_nobody(desk: Desk) -> None:
    """Actions from before there were notices lead to none, whoever looks at the ledger years later."""
    old = action(Standing.SUSPENDED, expires=desk.clock() + 60)
    desk.ledger.append_now([acted(old), undone(old)])

    work(desk)

    assert sent(desk) == []


def test_a_ledger_from_before_there_were_cases_opens(tmp_path: Path) -> None:
    """A ledger of the version before keeps its events and standings, gains an index for cases, and works on."""
    old = action(Standing.SUSPENDED, expires=NOW + 60)
    with Ledger.open(tmp_path / "new.db") as new:
        new.append_now([received(at=NOW - 100), acted(old)])
    open_ledger(tmp_path / "ledger.db", read_only=False, busy_timeout_s=1, migrations=MIGRATIONS[:2]).close()
    behind = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    behind.execute("ATTACH ? AS new", (str(tmp_path / "new.db"),))
    behind.execute("INSERT INTO event SELECT * FROM new.event")
    behind.close()

    with opened(tmp_path) as desk:
        assert standing(desk) == old
        work(desk)
        assert sent(desk) == []
        decisions.decide(desk, EVA, by_hand(desk).id, Outcome.REINSTATE, reason="x")
        assert standing(desk).standing is Standing.GOOD
    assert verify(tmp_path / "ledger.db").ok
