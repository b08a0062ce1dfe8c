"""keeping: measurements on disk, each answer in a line of its own, and which of them need not be taken again."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from outworks.lab import card as cards
from outworks.lab.checkpoint import ADAPTER, EMBEDDED

_LARGE = (".safetensors", ".bin", ".gguf")


class _Counted(msgspec.Struct):
    rows: int | None = None
    """None in files of before it was kept."""


H = TypeVar("H", bound=msgspec.Struct)
R = TypeVar("R", bound=msgspec.Struct)


def keep(folder: Path, name: str, head: msgspec.Struct, rows: Sequence[msgspec.Struct]) -> None:
    """Write `name.jsonl`, a row a line, then `name.json`, which says how many: a measurement that has both is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / f"{name}.jsonl", b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    said = {**msgspec.to_builtins(head), "rows": len(rows)}
    _write(folder / f"{name}.json", msgspec.json.format(msgspec.json.encode(said), indent=1) + b"\n")


def kept_head(folder: Path, name: str, of: type[H]) -> H | None:
    """What `name.json` says; None where there is none, or it was written by another version of the lab."""
    try:
        return msgspec.json.decode((folder / f"{name}.json").read_bytes(), type=of)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def kept_rows(folder: Path, name: str, of: type[R]) -> tuple[R, ...] | None:
    """The lines of `name.jsonl`; None where they are not there or cannot be read, or where some are missing."""
    try:
        lines = (folder / f"{name}.jsonl").read_bytes().splitlines()
        counted = msgspec.json.decode((folder / f"{name}.json").read_bytes(), type=_Counted).rows
        found = tuple(msgspec.json.decode(line, type=of) for line in lines)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    return found if counted in (None, len(found)) else None


def digest(*parts: object) -> str:
    """What tells one configuration from another."""
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:16]


def identity(where: str | Path) -> str:
    """What tells one checkpoint from another: its card and configuration by their words, large files by their sizes.

    A checkpoint that was made again has another card, since that says how long it took.
    """
    if str(where) == EMBEDDED:
        return EMBEDDED
    path = Path(where)
    if not path.exists():
        return digest(str(where))
    if path.is_file():
        return digest(path.name, path.stat().st_size, path.stat().st_mtime_ns)
    parts: list[object] = []
    for file in sorted(path.iterdir()):
        if file.name in (cards.FILE, "config.json", ADAPTER):
            parts.append((file.name, file.read_text("utf-8")))
        elif file.suffix in _LARGE:
            parts.append((file.name, file.stat().st_size))
            if not (path / cards.FILE).is_file():
                parts.append(file.stat().st_mtime_ns)
    card = cards.read(path)
    stands_on = identity(card.base) if card is not None and Path(card.base).exists() else ""
    return digest(parts, stands_on)


def label(where: str | Path) -> str:
    """How a checkpoint is called: the name of its folder."""
    return str(where) if str(where) == EMBEDDED else Path(where).resolve().name


def folder_of(out: Path, where: str | Path, scale: float = 1.0) -> Path:
    """Where the measurements of a checkpoint are kept; of its adapter times `scale`."""
    scaled = "" if scale == 1.0 else f"-x{scale:g}"
    return out / f"{label(where)}-{identity(where)[:8]}{scaled}"


def _write(path: Path, content: bytes) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.write_bytes(content)
    os.replace(fresh, path)
