"""The ledger: append-only, hash-chained events in one SQLite file, from which everything else is derived."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from typing_extensions import override

from outworks.event import Event, Recorder, RecordError
from outworks.ledger.erasure import erase
from outworks.ledger.journal import Journal
from outworks.ledger.reader import Reader
from outworks.ledger.schema import Synchronous
from outworks.ledger.writer import Writer


class Ledger(Reader, Recorder):
    """A ledger, for one process. Other processes may have the same file open, and write to it too."""

    def __init__(self, path: Path, writer: Writer | None, *, busy_timeout_s: float) -> None:
        super().__init__(path, busy_timeout_s=busy_timeout_s)
        self._writer = writer

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        read_only: bool = False,
        synchronous: Synchronous = "normal",
        busy_timeout_s: float = 5.0,
    ) -> Self:
        """Open a ledger; unless `read_only`, create it where there is none, and bring an old one up to date.

        `normal` survives the death of the process, and `full` the death of the machine, at the price of waiting for
        the disk before each release. `busy_timeout_s` is how long a write waits for another process that keeps the
        file locked. Raises `LedgerError`.
        """
        path = Path(path)
        if synchronous not in ("normal", "full"):
            raise ValueError(f"synchronous is {synchronous!r}; expected 'normal' or 'full'")
        if read_only:
            return cls(path, None, busy_timeout_s=busy_timeout_s)
        journal = Journal(path, synchronous=synchronous, busy_timeout_s=busy_timeout_s)
        return cls(path, Writer(journal, inline=synchronous == "normal"), busy_timeout_s=busy_timeout_s)

    @override
    def append(self, events: Sequence[Event], *, within: float = 0.0) -> asyncio.Future[None]:
        """Start writing, from within an event loop; done once the events are durable.

        What is appended in one turn of the loop is one transaction; what need only be there `within` so many seconds
        goes with the next one. Raises (from the awaitable) `RecordError` for every event of a transaction that failed;
        later ones are tried anew. Nobody has to await it.
        """
        return self._writing.append(events, within)

    def append_now(self, events: Sequence[Event]) -> list[int]:
        """Write, and return the sequence numbers: for programs without an event loop. Raises `RecordError`.

        Events that `append` still holds back may come after these.
        """
        return self._writing.append_now(events)

    def expire(
        self, before: float, *, by: str = "expiry", reason: str = "kept for as long as the policy says"
    ) -> list[int]:
        """Erase all content from before a time (Unix seconds); see `erase`. It waits for the disk, so not on the loop.

        Returns the numbers of the events concerned.
        """
        return erase(self, before=before, by=by, reason=reason)

    async def close(self) -> None:
        """Record what is waiting, then close."""
        super().close_now()  # first: the last connection to go clears the write-ahead log away, if it may write
        if self._writer is not None:
            await self._writer.close()

    @override
    def close_now(self) -> None:
        """Record what is waiting, then close: for programs without an event loop."""
        super().close_now()
        if self._writer is not None:
            self._writer.close_now()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close_now()

    @property
    def _writing(self) -> Writer:
        if self._writer is None:
            raise RecordError(f"the ledger {self.path} is open for reading only")
        return self._writer
