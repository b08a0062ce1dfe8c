"""keeping: the suffixes that a search found, so that each is looked for once."""

import os
from pathlib import Path

import msgspec

from outworks.lab.work import Work

_SUFFIXES = "suffixes.json"


class Suffix(msgspec.Struct, frozen=True, kw_only=True):
    """What one search found."""

    text: str
    """The best one."""
    losses: tuple[float, ...]
    """Of the start, then of each step's best candidate: nats a token of the target."""
    matched: bool = False
    """Greedy decoding gave the target, for one of the last candidates; known only where that stops the search."""


class Searches(msgspec.Struct, frozen=True, kw_only=True):
    """The suffixes that were found so far, by behaviour."""

    work: Work
    found: dict[str, Suffix]

    @classmethod
    def of(cls, work: Work, out: Path | None) -> "Searches":
        """Those that this very work kept before; none where it is other work's, or where nothing is kept.

        Raises ValueError for a damaged file.
        """
        path = out / _SUFFIXES if out is not None else None
        if path is not None and path.is_file():
            try:
                kept = msgspec.json.decode(path.read_bytes(), type=cls)
            except (msgspec.DecodeError, msgspec.ValidationError) as error:
                raise ValueError(f"{path}: {error}; expected suffixes that the lab kept, or no such file") from error
            if kept.work == work:
                return kept
        return cls(work=work, found={})

    def keep(self, out: Path | None) -> None:
        """Written whole, or not at all."""
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            _write(out / _SUFFIXES, msgspec.json.encode(self))


def _write(path: Path, data: bytes) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_bytes(data)
    os.replace(fresh, path)
