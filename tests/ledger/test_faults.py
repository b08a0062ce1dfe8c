"""What may happen to a ledger's file in use: nothing hangs, and nothing is said to be recorded that is not."""

import asyncio
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from threading import current_thread

import pytest

from outworks.event import RecordError
from outworks.ledger import Ledger, verify, writer
from outworks.ledger.chain import seal
from outworks.ledger.schema import Synchronous
from tests.ledger.kit import behind, received


async def test_a_locked_ledger_fails_in_time_and_recovers(tmp_path: Path) -> None:
    """While another program keeps the file locked, appends fail after the busy timeout; once it lets go, they work."""
    ledger = Ledger.open(tmp_path / "l.db", busy_timeout_s=0.3)
    other = behind(tmp_path / "l.db")
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    first, second = ledger.append([received("a")]), ledger.append([received("b")])

    for future in (first, second):
        with pytest.raises(RecordError, match=r"l\.db could not record: another process has kept it locked.* 0\.3 s"):
            await future
    assert 0.2 < time.monotonic() - began < 3

    other.execute("ROLLBACK")
    await ledger.append([received("c")])
    assert [one.event.exchange for one in ledger.events()] == ["c"]
    await ledger.close()


async def test_a_short_lock_is_waited_for_off_the_loop(tmp_path: Path) -> None:
    """A lock that ends within the busy timeout only delays; the loop goes on meanwhile, and the order is kept."""
    ledger = Ledger.open(tmp_path / "l.db", busy_timeout_s=5)
    other = behind(tmp_path / "l.db")
    other.execute("BEGIN IMMEDIATE")
    asyncio.get_running_loop().call_later(0.3, other.execute, "ROLLBACK")
    first = ledger.append([received("a")])
    longest, last = 0.0, time.monotonic()

    while not first.done():
        await asyncio.sleep(0.005)
        if not first.done():
            second = ledger.append([received("b")])
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
    await second

    exchanges = [one.event.exchange for one in ledger.events()]
    assert exchanges[0] == "a"
    assert set(exchanges[1:]) == {"b"}
    assert longest < 0.2
    await ledger.close()


async def test_whoever_waits_behind_the_first_does_not_wait_as_long_again(tmp_path: Path) -> None:
    """While the file stays locked, each append fails when its own time is over, and not one batch after another."""
    ledger = Ledger.open(tmp_path / "l.db", busy_timeout_s=1.0)
    other = behind(tmp_path / "l.db")
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    took: list[float] = []

    async def append(after: float) -> None:
        await asyncio.sleep(after)
        asked = time.monotonic()
        with pytest.raises(RecordError, match="kept it locked"):
            await ledger.append([received(f"x{after}")])
        took.append(time.monotonic() - asked)

    await asyncio.gather(*(append(n * 0.2) for n in range(6)))

    assert max(took) < 1.4
    assert time.monotonic() - began < 2.6
    other.execute("ROLLBACK")
    await ledger.append([received("y")])
    assert [one.event.exchange for one in ledger.events()] == ["y"]
    await ledger.close()


async def test_what_may_wait_goes_with_the_next_and_not_later_than_it_may(tmp_path: Path) -> None:
    """An append `within` some time is written with the next one, before it; alone, when its time is over."""
    ledger = Ledger.open(tmp_path / "l.db")
    patient = ledger.append([received("a")], within=5.0)
    await asyncio.sleep(0.05)
    assert not patient.done()

    await ledger.append([received("b")])
    assert patient.done()
    alone = ledger.append([received("c")], within=0.05)
    began = time.monotonic()
    await alone

    assert 0.03 < time.monotonic() - began < 2
    assert [one.event.exchange for one in ledger.events()] == ["a", "b", "c"]
    last = ledger.append([received("d")], within=5.0)
    await ledger.close()
    assert last.done()


@pytest.mark.parametrize(
    ("said", "synchronous", "early"),
    [("hello", "normal", True), ("x" * (1 << 15), "normal", False), ("hello", "full", False)],
)
async def test_what_may_wait_is_sealed_early_where_that_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, synchronous: Synchronous, early: bool
) -> None:
    """A small request by the loop, while its upstream thinks; a large one, and all where the disk is waited for, when
    they are written. It is recorded either way, and once."""
    threads: list[str] = []
    monkeypatch.setattr(writer, "seal", lambda *given: threads.append(current_thread().name) or seal(*given))
    ledger = Ledger.open(tmp_path / "l.db", synchronous=synchronous)
    written = ledger.append([received("a", said=said)], within=0.2)
    await asyncio.sleep(0.01)

    assert threads == (["MainThread"] if early else [])
    await written

    assert len(threads) == 1
    await ledger.close()
    assert [one.event.content for one in Ledger.open(tmp_path / "l.db").events(with_content=True)] == [said]
    assert verify(tmp_path / "l.db").ok


def _limit(ledger: Ledger, pages: int) -> None:
    """A disk that is full sooner. The limit is the connection's own: only the ledger's can have it."""
    ledger._writing._journal._connection.execute(f"PRAGMA max_page_count = {pages}").fetchone()


async def test_a_full_disk_fails_and_recovers(tmp_path: Path) -> None:
    """Where SQLite finds no room the whole group fails, and later ones are tried anew: with room they succeed."""
    ledger = Ledger.open(tmp_path / "l.db")
    await ledger.append([received("before")])
    _limit(ledger, 25)

    with pytest.raises(RecordError, match="full"):
        await ledger.append([received("small"), received("large", said="x" * 100_000)])
    with pytest.raises(RecordError, match="full"):
        await ledger.append([received("too large for the loop", said="x" * 400_000)])

    await ledger.append([received("fits")])
    _limit(ledger, 10_000)
    await ledger.append([received("large", said="x" * 100_000)])
    assert [one.event.exchange for one in ledger.events()] == ["before", "fits", "large"]
    await ledger.close()
    assert verify(tmp_path / "l.db").ok


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(mount, capture_output=True).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("no right to mount a small disk here; the limit on pages stands for it")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


async def test_a_disk_that_is_really_full_fails_and_recovers(small_disk: Path) -> None:
    """The same with a disk that is full: what was awaited stays, and writing goes on once there is room again."""
    ledger = Ledger.open(small_disk / "l.db")
    (small_disk / "other").write_bytes(bytes(300_000))
    recorded: list[str] = []

    async def fill() -> None:
        for n in range(2000):
            await ledger.append([received(f"x{n}", said="x" * 2000)])
            recorded.append(f"x{n}")

    with pytest.raises(RecordError, match="could not record"):
        await fill()

    (small_disk / "other").unlink()
    await ledger.append([received("after")])

    assert len(recorded) > 20
    assert [one.event.exchange for one in ledger.events()] == [*recorded, "after"]
    await ledger.close()
    assert verify(small_disk / "l.db").ok


@pytest.mark.parametrize("end", ["", "-wal", "-shm"])
async def test_a_removed_file_is_noticed(tmp_path: Path, end: str) -> None:
    """SQLite would write on into a file that is gone, and nothing of it would ever be found: it is an error. So it is
    with the log, where events are first, and with its index, by which processes keep out of each other's way."""
    ledger = Ledger.open(tmp_path / "l.db")
    await ledger.append([received()])
    (tmp_path / f"l.db{end}").unlink()
    await asyncio.sleep(1.1)

    with pytest.raises(RecordError, match="removed or replaced"):
        await ledger.append([received()])
    await ledger.close()
