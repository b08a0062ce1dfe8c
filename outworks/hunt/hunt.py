"""A hunt: every unit of the past looked through once, noted when it is done, and gone on with after any stop."""

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import msgspec

from outworks.hunt.found import Found, Hunter, Looked, Unit
from outworks.hunt.sources import Source

Progress = Callable[[int, int, int], None]
"""Told units done, all units, and bytes looked through."""


class Look(Protocol):
    """Looks through one unit, in whatever process."""

    def __call__(self, unit: Unit) -> Looked: ...


class LookFor:
    """A hunter at a source."""

    def __init__(self, hunter: Hunter, source: Source) -> None:
        self._hunter = hunter
        self._source = source

    def __call__(self, unit: Unit) -> Looked:
        """Everything that the hunter finds in the unit."""
        found: list[Found] = []
        size = 0
        for contents in self._source.contents(unit):
            found += self._hunter.look(contents)
            size += sum(len(content.text) for content in contents)
        return Looked(unit=unit, found=tuple(found), bytes=size)


class _Job(msgspec.Struct, frozen=True):
    """The first line of a checkpoint."""

    job: str
    units: tuple[Unit, ...]


_HEADER = b'{"job":"'


class Checkpoint:
    """A file beside the results in which each unit stands when it is done. It goes when the hunt is over."""

    def __init__(self, path: Path, job: str, units: Callable[[], Sequence[Unit]]) -> None:
        """`job` says what is hunted where. `units` is asked only for a hunt that begins. Raises ValueError where the
        file was left by another hunt, or by none, and BlockingIOError where one is at it."""
        self.path = path
        self.done: dict[Unit, Looked] = {}
        self.units: tuple[Unit, ...] = ()
        self._file = _opened(path)
        try:
            self._go_on(hashlib.sha256(job.encode()).hexdigest(), units)
        except BaseException:
            if not os.fstat(self._file).st_size:
                path.unlink()
            os.close(self._file)
            raise

    def _go_on(self, digest: str, units: Callable[[], Sequence[Unit]]) -> None:
        data = self.path.read_bytes()
        # The last line may have been cut by what stopped the hunt.
        lines = [line for line in data.splitlines(keepends=True) if line.endswith(b"\n")]
        if not lines and _HEADER.startswith(data[: len(_HEADER)]):
            self.units = tuple(units())
            os.ftruncate(self._file, 0)
            _write(self._file, _Job(digest, self.units))
            return
        try:
            begun = msgspec.json.decode(lines[0] if lines else data, type=_Job)
            looked = [msgspec.json.decode(line, type=Looked) for line in lines[1:]]
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise ValueError(
                f"{self.path} is no checkpoint of a hunt: move it elsewhere, or give another --out"
            ) from None
        if begun.job != digest:
            raise ValueError(
                f"{self.path} was left by another hunt, which was not finished: finish that one with its own command, "
                "remove the file, or give another --out"
            )
        # What is appended would be torn with a torn line.
        os.ftruncate(self._file, sum(map(len, lines)))
        self.units = begun.units
        self.done = {one.unit: one for one in looked}

    def note(self, looked: Looked) -> None:
        """A unit is done."""
        self.done[looked.unit] = looked
        _write(self._file, looked)

    def left(self) -> list[Unit]:
        """What is still to be looked through."""
        return [unit for unit in self.units if unit not in self.done]

    def finish(self) -> None:
        """The results are elsewhere now."""
        self.path.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)


def hunt(look: Look, checkpoint: Checkpoint, *, jobs: int = 1, progress: Progress | None = None) -> list[Found]:
    """Look through what is left, in `jobs` processes, and return everything found, in the order of the units."""
    size = sum(looked.bytes for looked in checkpoint.done.values())
    for looked in _looks(look, checkpoint.left(), jobs):
        checkpoint.note(looked)
        size += looked.bytes
        if progress is not None:
            progress(len(checkpoint.done), len(checkpoint.units), size)
    # Exports may overlap: what two of them hold was found once.
    return list(dict.fromkeys(found for unit in checkpoint.units for found in checkpoint.done[unit].found))


def write(found: Iterable[Found], path: Path) -> None:
    """Write what was found as JSON lines, for its owner alone; the file appears when it is whole."""
    whole = path.resolve()  # a link goes on leading where it led
    unfinished = whole.with_name(f"{whole.name}.part")
    with open(os.open(unfinished, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
        for one in found:
            file.write(_encode(one))
    os.replace(unfinished, whole)


def _looks(look: Look, units: Sequence[Unit], jobs: int) -> Iterator[Looked]:
    if jobs == 1:
        yield from map(look, units)
        return
    # Not forked: a copy of a process with threads, which readers and numpy have, may stand still for good.
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting = iter(units)
        running: set[Future[Looked]] = {pool.submit(look, unit) for unit in islice(waiting, 2 * jobs)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            running |= {pool.submit(look, unit) for unit in islice(waiting, len(done))}
            for future in done:
                yield future.result()


def _encode(one: object) -> bytes:
    return msgspec.json.encode(one) + b"\n"


def _write(descriptor: int, one: object) -> None:
    line = memoryview(_encode(one))
    while line:
        line = line[os.write(descriptor, line) :]
    os.fsync(descriptor)


def _opened(path: Path) -> int:
    """The file, for this hunt alone: two at once would each do all the work, and undo each other's file."""
    while True:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise BlockingIOError(f"another hunt is writing {path}: wait for it, or give another --out") from None
        except BaseException:
            os.close(descriptor)
            raise
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)  # another hunt ended meanwhile, and removed it
