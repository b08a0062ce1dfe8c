"""The head of a GGUF file: what it says of itself before its tensors, and whether an adapter fits a model."""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

SYSTEM_PROMPT = "outworks.system_prompt"
"""The key under which the lab notes the system prompt that a checkpoint was trained with; an empty one is the
template's own."""
_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
"""GGUF's codes of types of one number, in `struct`'s words."""
_STRING, _ARRAY = 8, 9
_LONGEST = 1 << 24
_MOST_KEYS = 1 << 16


class GGUFError(ValueError):
    """A file that is not what its setting calls for; the message names it."""


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What a file says of itself."""

    architecture: str = ""
    kind: str = ""
    """`model` or `adapter`."""
    adapter: str = ""
    """The kind of adapter: `lora`."""
    name: str = ""
    system_prompt: str | None = None
    """What the lab noted; None where nobody did."""


def head(path: Path) -> Head:
    """The head of a file. Raises `GGUFError` for a file that is not there, is no GGUF file, or is cut off."""
    try:
        with path.open("rb") as file:
            found = _pairs(file, path)
    except OSError as error:
        raise GGUFError(f"{path} cannot be read: {error.strerror or error}; expected a GGUF file") from error
    return Head(
        architecture=str(found.get("general.architecture", "")),
        kind=str(found.get("general.type", "")),
        adapter=str(found.get("adapter.type", "")),
        name=str(found.get("general.name", "")),
        system_prompt=str(found[SYSTEM_PROMPT]) if SYSTEM_PROMPT in found else None,
    )


def check_adapter(adapter: Path, model: Path | None = None) -> Head:
    """The adapter's head. Raises `GGUFError` where it is not there, is none, or is for another architecture than
    the model's."""
    if not adapter.exists():
        where = adapter.resolve()
        raise GGUFError(
            f"adapter is {str(where)!r}, where there is none; make it by `outworks lab align --method sft --out DIR` "
            f"(or `outworks lab story`) and `outworks lab export DIR --out {where}`"
        )
    found = head(adapter)
    if found.kind != "adapter" or found.adapter != "lora":
        what = f"a {found.kind or 'model'} of {found.architecture or 'an unknown architecture'}"
        raise GGUFError(
            f"adapter is {str(adapter)!r}, which holds {what}; expected a LoRA adapter, as `outworks lab export` writes"
        )
    if model is not None:
        wanted = head(model).architecture
        if found.architecture != wanted:
            raise GGUFError(
                f"adapter is {str(adapter)!r}, which is for the architecture {found.architecture!r}; the model "
                f"{str(model)!r} is of {wanted!r}"
            )
    return found


def _pairs(file: BinaryIO, path: Path) -> Mapping[str, Any]:
    """Keys and values, arrays left out."""
    if file.read(4) != _MAGIC:
        raise GGUFError(f"{path} is no GGUF file: it does not begin with `GGUF`")
    reading = _Reading(file, path)
    version = reading.number("I")
    if version not in _VERSIONS:
        raise GGUFError(f"{path} is GGUF version {version}; expected one of {_VERSIONS}")
    reading.number("Q")  # how many tensors
    keys = reading.number("Q")
    if keys > _MOST_KEYS:
        raise GGUFError(f"{path} is damaged: it announces {keys} keys")
    found = {}
    for _ in range(keys):
        key, kind = reading.string(), reading.number("I")
        value = reading.value(kind)
        if kind != _ARRAY:
            found[key] = value
    return found


class _Reading:
    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file = file
        self._path = path

    def number(self, kind: str) -> Any:
        return struct.unpack("<" + kind, self._take(struct.calcsize("<" + kind)))[0]

    def string(self) -> str:
        return self._take(self.number("Q")).decode("utf-8", "replace")

    def value(self, kind: int) -> Any:
        if kind == _STRING:
            return self.string()
        if kind == _ARRAY:
            of, many = self.number("I"), self.number("Q")
            if of in _NUMBERS:
                self._take(many * struct.calcsize("<" + _NUMBERS[of]))
            else:
                for _ in range(many):
                    self.value(of)
            return None
        if kind not in _NUMBERS:
            raise GGUFError(f"{self._path} is damaged: there is no type {kind}")
        return self.number(_NUMBERS[kind])

    def _take(self, many: int) -> bytes:
        taken = self._file.read(many) if many <= _LONGEST else b""
        if len(taken) < many:
            raise GGUFError(f"{self._path} is damaged or cut off: {many} bytes are missing in its head")
        return taken
