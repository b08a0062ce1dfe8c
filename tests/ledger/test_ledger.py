"""Appending, reading back, closing."""

import asyncio
import gc
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from outworks.event import Event, Received, Recorder, RecordError
from outworks.ledger import Head, Ledger, LedgerError, verify
from outworks.ledger.journal import Journal
from tests.ledger.kit import acted, blocked, conversation, judged, received, released


async def test_what_is_awaited_is_there(tmp_path: Path) -> None:
    """Once the awaitable is done, another reader of the file finds the events, in order, as they were."""
    ledger = Ledger.open(tmp_path / "l.db")
    events = conversation()

    await ledger.append(events)

    other = Ledger.open(tmp_path / "l.db", read_only=True)
    assert [one.event for one in other.events(with_content=True)] == events
    assert [one.seq for one in other.events()] == [1, 2, 3, 4]
    assert all(one.event.content is None for one in other.events())
    other.close_now()
    await ledger.close()


async def test_calls_keep_their_order_and_need_no_await(tmp_path: Path) -> None:
    """Events are stored in the order of the calls; the last awaitable is done only when all before it are stored."""
    ledger = Ledger.open(tmp_path / "l.db")

    for n in range(500):
        last = ledger.append([received(f"x{n}")])
        if n % 7 == 0:
            await asyncio.sleep(0)
    await last

    assert [one.event.exchange for one in ledger.events()] == [f"x{n}" for n in range(500)]
    await ledger.close()


async def test_a_large_group_keeps_its_place(tmp_path: Path) -> None:
    """Groups too large for the loop go to the worker; what is appended behind them still comes after them."""
    ledger = Ledger.open(tmp_path / "l.db")

    ledger.append([received("large", said="x" * 400_000)])
    await asyncio.sleep(0)
    ledger.append([received("small")])
    many = ledger.append([received(f"m{n}") for n in range(300)])
    await asyncio.sleep(0)
    await ledger.append([released("last")])

    assert many.done()
    order = [one.event.exchange for one in ledger.events()]
    assert order == ["large", "small", *(f"m{n}" for n in range(300)), "last"]
    await ledger.close()
    assert verify(tmp_path / "l.db").ok


async def test_full_synchronous_works_the_same(tmp_path: Path) -> None:
    """With `synchronous = full` the same events are stored in the same order."""
    ledger = Ledger.open(tmp_path / "l.db", synchronous="full")

    for n in range(20):
        ledger.append([received(f"x{n}")])
        await asyncio.sleep(0)
    await ledger.append([released("last")])

    assert [one.event.exchange for one in ledger.events()] == [*(f"x{n}" for n in range(20)), "last"]
    await ledger.close()


@pytest.mark.parametrize("synchronous", ["normal", "full"])
async def test_closing_drains(tmp_path: Path, synchronous: str) -> None:
    """What was appended before `close` is stored, and its awaitable done, though nobody awaited it."""
    ledger = Ledger.open(tmp_path / "l.db", synchronous=synchronous)  # type: ignore[arg-type]
    futures = [ledger.append([received(f"x{n}")]) for n in range(100)]

    await ledger.close()

    assert all(future.done() and future.exception() is None for future in futures)
    assert not (tmp_path / "l.db-wal").exists()
    assert verify(tmp_path / "l.db").events == 100


async def test_a_closed_ledger_refuses(tmp_path: Path) -> None:
    """Appending after `close` fails with a `RecordError` that names the ledger."""
    ledger = Ledger.open(tmp_path / "l.db")
    await ledger.close()

    with pytest.raises(RecordError, match="is closed"):
        await ledger.append([received()])


async def test_an_event_that_cannot_be_stored_fails_alone(tmp_path: Path) -> None:
    """A finding whose score is no number fails its own call; calls beside it in the same turn are stored."""
    ledger = Ledger.open(tmp_path / "l.db")

    bad = ledger.append([received("bad"), judged(blocked(score=float("nan")))])
    good = ledger.append([received("good")])

    await good
    with pytest.raises(RecordError, match=r"'canary'.*'fingerprint'.*nan"):
        await bad
    assert [one.event.exchange for one in ledger.events()] == ["good"]
    await ledger.close()


async def test_an_ignored_failure_makes_no_noise(tmp_path: Path) -> None:
    """A failed append that nobody awaits does not reach the loop's exception handler."""
    heard: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: heard.append(context))
    ledger = Ledger.open(tmp_path / "l.db")

    ledger.append([Event(body=Received(wire="w", model="m"), at=float("inf"))])
    await ledger.append([received()])
    gc.collect()
    await asyncio.sleep(0)

    assert heard == []
    await ledger.close()


async def test_a_cancelled_waiter_does_not_cancel_the_record(tmp_path: Path) -> None:
    """A client that goes away takes nothing back: the events are stored, and so are those beside them."""
    ledger = Ledger.open(tmp_path / "l.db")
    gone = asyncio.ensure_future(_wait(ledger, "gone"))
    stays = asyncio.ensure_future(_wait(ledger, "stays"))
    await asyncio.sleep(0)

    gone.cancel()
    await stays

    assert [one.event.exchange for one in ledger.events()] == ["gone", "stays"]
    await ledger.close()


async def _wait(ledger: Recorder, exchange: str) -> None:
    await ledger.append([received(exchange)])


def test_odd_characters_are_kept_or_escaped(tmp_path: Path) -> None:
    """NUL and bidirectional characters come back as they were; lone surrogates come back as their escapes."""
    with Ledger.open(tmp_path / "l.db") as ledger:
        odd = "a\x00b\u202ec\U000e0041"
        ledger.append_now([received(account=odd, said=odd), received(account="\ud800", said="x\udfff")])
        ledger.append_now([Event(body=Received(wire="w", model="m\ud800"), at=1.0)])

        first, second, third = ledger.events(with_content=True)

    assert (first.event.account, first.event.content) == (odd, odd)
    assert (second.event.account, second.event.content) == ("\\ud800", "x\\udfff")
    assert third.event.body == Received(wire="w", model="m\\ud800")
    assert verify(tmp_path / "l.db").ok


def test_append_now_returns_sequence_numbers(tmp_path: Path) -> None:
    """Programs without a loop learn where their events stand; other loops may use the same ledger in turn."""
    ledger = Ledger.open(tmp_path / "l.db")

    assert ledger.append_now([received(), acted()]) == [1, 2]
    asyncio.run(_wait(ledger, "x"))
    asyncio.run(_wait(ledger, "y"))
    assert ledger.append_now([acted()]) == [5]

    ledger.close_now()
    with pytest.raises(RecordError, match="closed"):
        ledger.append_now([acted()])


def test_the_head_moves_with_each_event(tmp_path: Path) -> None:
    """The head is the last event's place and hash; an empty ledger has the place 0."""
    with Ledger.open(tmp_path / "l.db") as ledger:
        assert ledger.head() == Head(0, "0" * 64)

        ledger.append_now(conversation())

        assert ledger.head() == Head(4, list(ledger.events())[-1].hash)
        assert str(ledger.head()) == f"4:{ledger.head().hash}"


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    """A new ledger holds what people said, so nobody else on the machine may read it or its write-ahead log."""
    with Ledger.open(tmp_path / "l.db") as ledger:
        ledger.append_now([received()])

        for name in ("l.db", "l.db-wal"):
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_a_read_only_ledger_refuses_to_write(tmp_path: Path) -> None:
    """A ledger opened for reading creates nothing and refuses to append."""
    with pytest.raises(LedgerError, match="there is no ledger at"):
        Ledger.open(tmp_path / "l.db", read_only=True)
    Ledger.open(tmp_path / "l.db").close_now()

    with Ledger.open(tmp_path / "l.db", read_only=True) as ledger, pytest.raises(RecordError, match="reading only"):
        ledger.append_now([received()])


async def test_the_write_ahead_log_stays_bounded(tmp_path: Path) -> None:
    """Under load that never pauses the log is moved and begun anew, so it does not grow with the ledger."""
    ledger = Ledger.open(tmp_path / "l.db")
    said = "x" * 40_000

    for n in range(2500):
        await ledger.append([received(f"x{n}", said=said)])

    assert (tmp_path / "l.db").stat().st_size + (tmp_path / "l.db-wal").stat().st_size > 100e6
    assert (tmp_path / "l.db-wal").stat().st_size < 80e6
    await ledger.close()


async def test_what_is_written_while_the_log_is_moved_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where moving it is slow, whoever writes waits at the bound, and not a move's worth of pages later."""
    moves: list[bool] = []
    moved = threading.Event()

    def slow(self: Journal, *, restart: bool = False) -> None:
        moves.append(restart)
        if len(moves) > 2:
            moved.wait(30)

    monkeypatch.setattr(Journal, "checkpoint", slow)
    ledger = Ledger.open(tmp_path / "l.db")
    for n in range(2500):
        last = ledger.append([received(f"x{n}", said="x" * 40_000)])
        if not (await asyncio.wait([last], timeout=2.0))[0]:
            break
    size = (tmp_path / "l.db-wal").stat().st_size
    moved.set()
    await last
    await ledger.close()

    assert moves[:3] == [False, False, False]
    assert 48e6 < size < 64e6


def test_a_ledger_may_be_closed_while_it_is_read(tmp_path: Path) -> None:
    """Threads that still read when a gateway stops are told so: SQLite itself would end the process with a fault. In a
    process of its own, for that reason."""
    program = f"""
import asyncio, threading
from outworks.ledger import Ledger, LedgerError

def read(ledger):
    try:
        while True:
            ledger.head()
    except LedgerError:
        told.append(1)

told = []
for n in range(200):
    ledger = Ledger.open({str(tmp_path / "l.db")!r})
    threads = [threading.Thread(target=read, args=(ledger,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    if n % 2:
        ledger.close_now()
    else:
        asyncio.run(ledger.close())
    for thread in threads:
        thread.join(20)
print(len(told))
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)

    assert (ended.returncode, ended.stdout) == (0, "400\n"), ended.stderr[-2_000:]
