"""Several processes, and processes that die: one chain, and nothing lost that was awaited."""

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from outworks.ledger import Ledger, verify
from tests.ledger.kit import behind, received

_APPENDS = """
import asyncio, sys
from outworks.event import Event, Received
from outworks.ledger import Ledger

async def append(ledger, task, count):
    for n in range(count):
        name = f"{sys.argv[2]}-{task}-{n}"
        await ledger.append([Event(body=Received(wire="w", model="m"), at=1.0, exchange=name, content=name * 40)])
        print(name, flush=True)

async def main():
    ledger = Ledger.open(sys.argv[1])
    print("ready", flush=True)
    sys.stdin.readline()
    await asyncio.gather(*(append(ledger, task, int(sys.argv[3])) for task in range(8)))
    await ledger.close()

asyncio.run(main())
"""


def start(path: Path, *names: str, count: int) -> list[subprocess.Popen[str]]:
    """Processes that append to a ledger from eight tasks each, all at once, and print what was recorded."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _APPENDS, str(path), name, str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in names
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    return processes


@pytest.mark.parametrize("delay", [0.3, 0.5, 0.7])
def test_what_was_awaited_survives_kill_9(tmp_path: Path, delay: float) -> None:
    """A process killed in the middle of its work leaves every event that it was told is recorded, in a sound chain."""
    (process,) = start(tmp_path / "l.db", "p", count=1_000_000)
    told: list[str] = []
    reading = threading.Thread(target=lambda: told.extend(process.stdout))
    told.append(process.stdout.readline())
    reading.start()

    time.sleep(delay)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    reading.join()

    assert len(told) > 100
    assert verify(tmp_path / "l.db").ok
    with Ledger.open(tmp_path / "l.db") as ledger:
        there = {one.event.exchange for one in ledger.events()}
        whole = [line.strip() for line in told if line.endswith("\n")]
        assert [name for name in whole if name not in there] == []
        ledger.append_now([received()])
    assert verify(tmp_path / "l.db").ok


def test_two_processes_write_one_chain(tmp_path: Path) -> None:
    """Two processes at once lose nothing, keep each its own order, take turns, and leave one valid chain."""
    both = start(tmp_path / "l.db", "one", "two", count=400)

    for process in both:
        process.communicate(timeout=60)

    assert [process.returncode for process in both] == [0, 0]
    found = verify(tmp_path / "l.db")
    assert (found.ok, found.events) == (True, 6400)
    with Ledger.open(tmp_path / "l.db") as ledger:
        names = [one.event.exchange for one in ledger.events()]
    for own in ("one-0", "two-7"):
        assert [name for name in names if name.startswith(f"{own}-")] == [f"{own}-{n}" for n in range(400)]
    turns = sum(a[:3] != b[:3] for a, b in itertools.pairwise(names))
    assert turns > 5


async def test_another_ledger_in_between_is_linked_to(tmp_path: Path) -> None:
    """A writer whose head is old, because another has appended since, links its events anew."""
    here, there = Ledger.open(tmp_path / "l.db"), Ledger.open(tmp_path / "l.db")

    for n in range(20):
        await here.append([received(f"here {n}")])
        there.append_now([received(f"there {n}")])
        await asyncio.gather(here.append([received("both")]), there.append([received("both")]))

    await here.close()
    await there.close()
    assert (verify(tmp_path / "l.db").ok, verify(tmp_path / "l.db").events) == (True, 80)


def test_verification_beside_a_writer_is_quiet(tmp_path: Path) -> None:
    """Verifying a ledger that is being written finds no fault in it."""
    (process,) = start(tmp_path / "l.db", "p", count=1500)
    process.stdout.readline()
    drain = threading.Thread(target=process.stdout.read)
    drain.start()

    found = [verify(tmp_path / "l.db") for _ in range(8)]

    assert [fault for one in found for fault in one.faults] == []
    process.wait(60)
    drain.join()
    assert found[0].events < verify(tmp_path / "l.db").events == 12_000


def test_many_processes_may_create_one_ledger(tmp_path: Path) -> None:
    """Workers that start at once on a new file all open it, and it is created once."""
    all_of_them = start(tmp_path / "l.db", *(f"p{n}" for n in range(4)), count=2)

    for process in all_of_them:
        process.communicate(timeout=60)

    assert [process.returncode for process in all_of_them] == [0] * 4
    assert verify(tmp_path / "l.db").events == 64
    assert behind(tmp_path / "l.db").execute("PRAGMA journal_mode").fetchone() == ("wal",)
