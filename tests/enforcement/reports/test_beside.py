"""Beside: files derived from a ledger are followed and read from many threads, and closed under them."""

import contextlib
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from outworks.action import Standing
from outworks.enforcement.reports.numbers import Numbers
from outworks.ledger import Ledger, LedgerError
from tests.enforcement.desk.test_desk import spoil
from tests.enforcement.kit import NOW, acted, action, received

CLOSED_UNDER_READERS = """
import sqlite3, threading
from pathlib import Path
from outworks.enforcement.desk.desk import Desk
from outworks.enforcement.evidence.linked import Links
from outworks.enforcement.reports.numbers import Numbers
from outworks.ledger import Ledger

def read(one):
    try:
        while True:
            {read}
    except sqlite3.ProgrammingError:
        told.append(1)

told = []
ledger = Ledger.open(Path({path!r}))
for n in range(200):
    one = {made}(ledger)
    threads = [threading.Thread(target=read, args=(one,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    one.close()
    for thread in threads:
        thread.join(20)
print(len(told))
"""


@pytest.mark.parametrize(
    ("made", "read"),
    [
        ("Desk", "one.mark('followed')"),
        ("Desk", "one.rows('SELECT * FROM cases')"),
        ("Numbers", "one.precision('repeat')"),
        ("Numbers", "one.follow()"),
        ("Links", "one.of('shop:ann')"),
        ("Links", "one.seq"),
    ],
)
def test_it_may_be_closed_while_it_is_read(tmp_path: Path, made: str, read: str) -> None:
    """Threads that a console or a gateway leaves behind when it stops are told so: SQLite itself would end the process
    with a fault. In a process of its own, for that reason."""
    program = CLOSED_UNDER_READERS.format(made=made, read=read, path=str(tmp_path / "l.db"))

    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)

    assert (ended.returncode, ended.stdout) == (0, "400\n"), ended.stderr[-2_000:]


def test_threads_that_follow_at_once_count_once(tmp_path: Path) -> None:
    """A page that reads on what is new, and whoever follows in the background, wait for each other."""
    with Ledger.open(tmp_path / "l.db") as ledger:
        ledger.append_now([received() for _ in range(300)])
        numbers = Numbers(ledger)
        failed: list[BaseException] = []

        def follow() -> None:
            try:
                while numbers.follow(most=5):
                    pass
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=follow) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

        assert failed == []
        assert dict(numbers.totals("exchanges", 0, NOW + 86_400)) == {"": 300}
        numbers.close()


def test_a_page_meets_no_file_that_is_half_made(tmp_path: Path) -> None:
    """Another ledger lies at the path, so everything is read anew: who asks meanwhile is answered."""
    with Ledger.open(tmp_path / "l.db") as ledger:
        ledger.append_now([received() for _ in range(5)])
        numbers = Numbers(ledger)
        numbers.follow()
        failed: list[BaseException] = []
        over = threading.Event()

        def look() -> None:
            try:
                while not over.is_set():
                    numbers.totals("exchanges", 0, NOW + 86_400)
            except BaseException as error:
                failed.append(error)

        reader = threading.Thread(target=look)
        reader.start()
        for _ in range(150):
            with contextlib.closing(sqlite3.connect(numbers.path, timeout=10)) as other, other:
                other.execute("UPDATE place SET hash = 'of another ledger'")
            numbers.follow()
        over.set()
        reader.join(20)

        assert failed == []
        assert dict(numbers.totals("exchanges", 0, NOW + 86_400)) == {"": 5}
        numbers.close()


@pytest.mark.parametrize("how", ["overwritten", "cut off"])
@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("asked", [False, True])
def test_a_file_damaged_in_the_middle_is_made_anew(tmp_path: Path, how: str, again: bool, asked: bool) -> None:
    """What opens well may be damaged further on: whether a page or a follower sees it, before a start or after, nobody
    has to remove it by hand."""
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        for n in range(300):
            ledger.append_now([acted(action(Standing.WARNED, account=f"shop:u{n}"))])
        numbers = Numbers(ledger)
        numbers.follow()
        before = numbers.totals("actions", 0, 1e10)
        if again:
            numbers.close()
        spoil(numbers.path, how)
        if again:
            numbers = Numbers(ledger)

        if asked:
            with contextlib.suppress(LedgerError):
                numbers.totals("actions", 0, 1e10)
        ledger.append_now([received(at=NOW)])
        while numbers.follow():
            pass

        assert numbers.totals("actions", 0, 1e10) == before
        assert numbers.seq == 301
        numbers.close()
