"""The writer: gathers what is appended in one turn of the event loop and records it before anything is released."""

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Sequence

from outworks.event import Event, RecordError
from outworks.ledger.chain import Salts, Sealed, seal
from outworks.ledger.journal import Journal, is_busy

_LOOP_EVENTS = 256
_LOOP_BYTES = 256 * 1024
"""A larger group is the worker's: hashing and storing it would hold up the loop."""
_EARLY_CHARACTERS = 16 * 1024
"""A larger request is sealed when it is written: many of them at once would hold up the loop."""
_LOOP_PATIENCE = 0.0002
"""Seconds that the loop waits for another process's commit, which takes about a fifth of that."""
_MOVE_PAGES = 4000
"""Pages in the write-ahead log (16 MB) after which the worker moves them into the file, while groups go on."""
_RESTART_PAGES = 14_000
"""Pages (56 MB) after which groups wait for the worker to finish, so that the log starts anew and stops growing, also
while it is being moved already."""
_SOON = 0.5
"""Seconds after the first who waited in vain within which others share his fate."""
_BEHIND_PAGES = 6_000
"""How much may be written while the log is being moved; more waits until it has been."""


class _Group:
    """The events of one call, and who waits for them."""

    __slots__ = ("error", "events", "first", "future", "sealed", "since")

    def __init__(self, events: Sequence[Event], future: "asyncio.Future[None] | None") -> None:
        self.events = events
        self.future = future
        self.since = 0.0
        """When it began to wait for a file that another process kept locked; 0 where it does not."""
        self.sealed: list[Sealed] = []
        self.error: RecordError | None = None
        self.first = 0

    def settle(self) -> None:
        """Tell whoever waits."""
        future = self.future
        if future is None or future.done():
            return
        if self.error is None:
            future.set_result(None)
        else:
            future.set_exception(self.error)
            future.exception()  # nobody has to await it: without this, the loop would complain of one never retrieved


class Writer:
    """Writes groups in the order of the calls.

    A commit costs the loop 30-40 microseconds, and handing it to a thread costs more than that in waiting for the
    interpreter lock; so the loop commits. What may take longer goes to the one worker thread, and the groups behind it
    wait their turn: another process in the way, a large group, waits for the disk, so with `synchronous = full` all.
    """

    def __init__(self, journal: Journal, *, inline: bool) -> None:
        self._journal = journal
        self._inline = inline
        self._salts, self._early_salts = Salts(), Salts()  # the worker may use its own at any time
        self._waiting: list[_Group] = []
        self._scheduled = False
        self._later: asyncio.TimerHandle | None = None
        self._working = False
        self._moving = False
        self._restarting = False
        self._moved = 0
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        """Held by whoever uses the journal."""
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._idle: asyncio.Future[None] | None = None

    def append(self, events: Sequence[Event], within: float = 0.0) -> "asyncio.Future[None]":
        """See `Ledger.append`."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._bind(loop)
        future = loop.create_future()
        group = _Group(events, future)
        if self._closed:
            group.error = RecordError(f"the ledger {self._journal.path} is closed")
            group.settle()
            return future
        self._waiting.append(group)
        if self._working:
            group.since = time.monotonic()
        if within and not self._scheduled:
            at = loop.time() + within
            if self._later is None or self._later.when() > at:
                if self._later is not None:
                    self._later.cancel()
                self._later = loop.call_at(at, self._flush_later)
            # By the next turn of the loop the upstream has been asked, and while it thinks there is time.
            loop.call_soon(self._seal_early, group)
        elif not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._flush)
        return future

    def append_now(self, events: Sequence[Event]) -> list[int]:
        """See `Ledger.append_now`."""
        if self._closed:
            raise RecordError(f"the ledger {self._journal.path} is closed")
        group = _Group(events, None)
        with self._lock:
            self._write([group], None)
            if self._journal.unmoved > _MOVE_PAGES and not self._moving:
                self._journal.unmoved = 0
                self._journal.checkpoint()
        if group.error is not None:
            raise group.error
        return list(range(group.first, group.first + len(events)))

    async def close(self) -> None:
        """Record what is waiting, then give the file back."""
        self._closed = True
        self._flush()
        while self._working:
            self._idle = asyncio.get_running_loop().create_future()
            await self._idle
        await asyncio.to_thread(self._finish)

    def close_now(self) -> None:
        """The same, where no loop runs."""
        self._closed = True
        with self._lock:
            waiting, self._waiting = self._waiting, []
            self._write(waiting, None)
        if self._loop is not None and not self._loop.is_closed():
            for group in waiting:
                group.settle()
        self._finish()

    def _bind(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._loop is not None and not self._loop.is_closed() and (self._waiting or self._working):
            raise RuntimeError(
                "a ledger is appended to from one event loop at a time; another one's events are waiting"
            )
        self._loop, self._scheduled, self._working, self._later = loop, False, False, None

    def _flush_later(self) -> None:
        self._later = None
        if not self._scheduled:
            self._flush()

    def _flush(self) -> None:
        """Record everything that is waiting, here if that is quick."""
        self._scheduled = False
        if self._working or not self._waiting:
            return
        groups, self._waiting = self._waiting, []
        # Whoever writes faster than the disk takes it waits for the disk: the log must not outgrow the ledger.
        written = self._journal.unmoved
        behind = self._moving and (
            self._restarting or written > _BEHIND_PAGES or self._moved + written > _RESTART_PAGES
        )
        slow = behind or not self._inline or self._journal.begins_anew or _is_large(groups)
        if slow or not self._lock.acquire(blocking=False):
            self._hand_over(groups)
            return
        try:
            done = self._write(groups, _LOOP_PATIENCE)
        finally:
            self._lock.release()
        if not done:
            self._hand_over(groups)
            return
        for group in groups:
            group.settle()
        if self._journal.unmoved > _MOVE_PAGES:
            self._move()

    def _write(self, groups: list[_Group], patience: float | None) -> bool:
        """Write groups in one transaction; False, with nothing written, where patience ran out and there was a limit.

        Events that can't be stored as they are fail alone; a transaction fails for all.
        """
        sealed: list[Sealed] = []
        for group in groups:
            self._seal(group, self._salts)
            sealed += group.sealed
        if not sealed:
            return True
        try:
            first = self._journal.append(sealed, patience)
        except Exception as error:
            if patience is not None and is_busy(error):
                return False
            for group in groups:
                group.error = group.error or self._journal.reason(error)
        else:
            for group in groups:
                group.first = first
                first += len(group.sealed)
        return True

    def _seal(self, group: _Group, salts: Salts) -> None:
        if group.sealed or group.error is not None:
            return
        try:
            group.sealed = [seal(event, salts) for event in group.events]
        except Exception as error:
            group.error = self._journal.reason(error)

    def _seal_early(self, group: _Group) -> None:
        """Seal a group that is not in a hurry; what is left to do when it is written comes before a client's answer."""
        if self._inline and not self._working and _size([group]) <= _EARLY_CHARACTERS:
            self._seal(group, self._early_salts)

    def _hand_over(self, groups: list[_Group]) -> None:
        """Let the worker write groups; what is appended meanwhile waits."""
        self._working = True
        self._start(lambda: self._work(groups))

    def _work(self, groups: list[_Group]) -> None:
        with self._lock:
            again = self._write_patiently(groups)
        self._tell(lambda: self._resume(groups, again))

    def _write_patiently(self, groups: list[_Group]) -> list[_Group]:
        """Write groups, as long as the first of them can wait; returns those that may wait longer for a locked file."""
        now = time.monotonic()
        for group in groups:
            group.since = group.since or now
        left = max(0.0, groups[0].since + self._journal.busy_timeout_s - now)
        if self._write(groups, left):
            return []
        # Its time is over, and that of whoever came soon after it: they do not wait as long again.
        late = groups[0].since + _SOON
        error = self._journal.locked()
        for group in groups:
            if group.since <= late and group.error is None:
                group.error = error
        return [group for group in groups if group.since > late]

    def _resume(self, groups: list[_Group], again: list[_Group]) -> None:
        self._working = False
        for group in groups[: len(groups) - len(again)]:
            group.settle()
        self._waiting[:0] = again
        self._flush()
        if not self._working and self._journal.unmoved > _MOVE_PAGES:
            self._move()
        if not self._working and self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def _move(self) -> None:
        """Let the worker make the write-ahead log shorter; groups go on beside it."""
        if self._moving:
            return
        self._moving = True
        self._moved += self._journal.unmoved
        self._journal.unmoved = 0
        self._restarting = self._moved > _RESTART_PAGES
        restart = self._restarting
        self._start(lambda: self._checkpoint(restart=restart))

    def _checkpoint(self, *, restart: bool) -> None:
        self._journal.checkpoint(restart=restart)
        if restart and self._journal.begins_anew:
            self._moved = 0
        self._moving = self._restarting = False

    def _start(self, job: Callable[[], None]) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
            self._thread.start()
        self._jobs.put(job)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    def _tell(self, news: Callable[[], None]) -> None:
        """Back to the loop; where it is gone, nobody waits any more."""
        loop = self._loop
        try:
            if loop is not None:
                loop.call_soon_threadsafe(news)
        except RuntimeError:
            self._working = False

    def _finish(self) -> None:
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()
            self._thread = None
        with self._lock:
            self._journal.close()


def _is_large(groups: list[_Group]) -> bool:
    return sum(len(group.events) for group in groups) > _LOOP_EVENTS or _size(groups) > _LOOP_BYTES


def _size(groups: list[_Group]) -> int:
    """Characters of content."""
    return sum(len(event.content) for group in groups for event in group.events if event.content is not None)
