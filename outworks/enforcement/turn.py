"""Turn: the right to enforce, or to do the clerk's work, held by one process at a time, and how far whoever held it
had come."""

import fcntl
import os
import re
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec


class Place(msgspec.Struct, frozen=True):
    """An event of one certain ledger."""

    seq: int
    hash: str
    """Another ledger at the same path, or one that lost its last events with the machine, has another hash there."""


class Turn:
    """A lock on a file beside the ledger. The kernel gives it back when the process dies, however it dies."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    @classmethod
    def take(cls, ledger: Path, *, role: str = "enforcer") -> Self | None:
        """The turn in a role, or None while another process has it."""
        path = ledger.with_name(f"{ledger.name}.{role}")
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        return cls(path, descriptor)

    def held(self) -> bool:
        """Whether it still keeps others out: once the file is removed or replaced, the next one locks another."""
        try:
            return os.path.samestat(os.stat(self._path), os.fstat(self._descriptor))
        except FileNotFoundError:
            return False

    def read(self) -> Place | None:
        """Up to where every signal has been evaluated; None where nobody noted it, or the note is damaged."""
        found = re.fullmatch(rb"(\d{20}) ([0-9a-f]{64})\n", os.pread(self._descriptor, 100, 0))
        return Place(int(found[1]), found[2].decode()) if found else None

    def note(self, place: Place) -> None:
        """Note how far everything is evaluated. A note that gets lost costs work, never an action."""
        os.pwrite(self._descriptor, f"{place.seq:020d} {place.hash}\n".encode(), 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)
