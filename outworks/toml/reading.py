"""Reading a TOML file: what it says, and every fault of it."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, cast

import msgspec
from typing_extensions import override

from outworks.toml.lines import Lines, Path, TooDeep, index
from outworks.toml.shape import wrongs

T = TypeVar("T")

LARGEST = 1_048_576
"""The largest file, in bytes."""

_AT = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_STEP = re.compile(r"\.([A-Za-z0-9_]+)|\[(\d+)\]")
_SUBJECT = re.compile(r"(?:[a-z0-9_]+\.)*([a-z0-9_]+)")
_BARE = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Fault(msgspec.Struct, frozen=True, order=True):
    """Something wrong with a file."""

    line: int
    path: str
    """The key, dotted from the top; empty where it is the file itself."""
    message: str

    @override
    def __str__(self) -> str:
        return f"{self.line}: {self.path}: {self.message}" if self.path else f"{self.line}: {self.message}"


class PolicyError(ValueError):
    """A file that cannot be used; its text is every fault, in the order of their lines, ready to print."""

    def __init__(self, file: str, faults: Iterable[Fault]) -> None:
        self.file = file
        self.faults = tuple(sorted(set(faults)))
        super().__init__("\n".join(f"{file}:{fault}" for fault in self.faults))


class Reading:
    """A document that could be parsed. Faults gather in it until `settle`; what is sound can be taken meanwhile."""

    def __init__(self, file: str, document: dict[str, Any], lines: Lines) -> None:
        self.file = file
        self.document = document
        self.lines = lines
        self._faults: dict[Path, Fault] = {}

    def fault(self, at: Path, message: str) -> None:
        """Note that something is wrong there. Of several faults of one key the first is told."""
        self._faults.setdefault(at, Fault(self.lines.of(at), written(at), message))

    def blame(self, at: Path, message: str) -> bool:
        """Note a fault of the table there, or of its key where the message begins with the name of one; whether it was
        a key that was not yet at fault."""
        table = self._at(at)
        key = _SUBJECT.match(message)
        below = (*at, key[1]) if key and isinstance(table, dict) and key[1] in table else at
        is_news = below != at and below not in self._faults
        self.fault(below, message)
        return is_news

    def take(self, shape: type[T], *at: str | int, fill: Mapping[str, Any] | None = None) -> T | None:
        """What stands there as a `shape`, its faulty keys left out, so that the rest can be checked; the defaults where
        nothing stands. None where it cannot be one, even so: that was noted, or is now. `fill` is for missing keys."""
        if any(at[:length] in self._faults for length in range(1, len(at) + 1)):
            return None
        while True:
            try:
                return msgspec.convert({**fill, **self._sound(at)} if fill else self._sound(at), shape)
            except msgspec.ValidationError as error:
                message, _, place = str(error).partition(" - at `$")
                below = (*at, *(int(item) if item else key for key, item in _STEP.findall(place)))
                if any(path[: len(at)] == at for path in self._faults) and message.startswith("Object missing"):
                    return None
                if not self.blame(below, message):
                    return None

    def _at(self, at: Path) -> Any:
        value: Any = self.document
        for step in at:
            value = value.get(step, {}) if isinstance(value, dict) else value[cast(int, step)]
        return value

    def _sound(self, at: Path) -> Any:
        return self._without_faults(self._at(at), at)

    def _without_faults(self, value: Any, at: Path) -> Any:
        if isinstance(value, dict):
            items = ((key, (*at, key)) for key in value)
            return {key: self._without_faults(value[key], path) for key, path in items if path not in self._faults}
        if isinstance(value, list):
            places = ((item, (*at, place)) for place, item in enumerate(value))
            return [self._without_faults(item, path) for item, path in places if path not in self._faults]
        return value

    def settle(self) -> None:
        """Raise `PolicyError` if anything was wrong."""
        if self._faults:
            raise PolicyError(self.file, self._faults.values())


def read(data: bytes, shape: Any, *, file: str) -> Reading:
    """Parse a file, and note every way in which it is not a `shape`. Raises `PolicyError` where it is not TOML."""
    text = _text(data, file)
    try:
        lines = index(text)
        document = tomllib.loads(text)
    except TooDeep as error:
        raise PolicyError(file, [Fault(error.line, "", str(error))]) from None
    except ValueError as error:
        raise PolicyError(file, [_syntax(text, error)]) from None
    reading = Reading(file, document, lines)
    for wrong in wrongs(shape, document):
        reading.fault(wrong.at, wrong.message)
    return reading


def written(path: Path) -> str:
    """A path as one would write it: `rules[0].when`, `models."a.b"`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            shown = step if len(step) <= 64 else f"{step[:61]}..."
            shown = shown if _BARE.fullmatch(step) else ascii(shown)
            text += f".{shown}" if text else shown
    return text


def _text(data: bytes, file: str) -> str:
    if len(data) > LARGEST:
        why = f"the file is too large; expected at most {LARGEST} bytes"
        raise PolicyError(file, [Fault(1, "", why)])
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise PolicyError(file, [Fault(line, "", f"the byte {data[error.start]:#04x} is not UTF-8")]) from None


def _syntax(text: str, error: ValueError) -> Fault:
    """The one fault that `tomllib` finds. It has no place where the document ended too soon or a number is endless."""
    message = str(error)
    found = _AT.search(message)
    last = text.count("\n", 0, -1) + 1
    if found is None:
        number = re.search(r"[0-9A-Fa-f_]{1000}", text)
        line = text.count("\n", 0, number.start()) + 1 if number else 1
        return Fault(line, "", "not TOML: a number too long to be one")
    line = min(int(found[1]), last) if found[1] else last
    what = message[: found.start()]
    if what == "Invalid value":
        what += "; expected a string in quotes, a number, true, false, a list or a table"
    column = f", column {found[2]}" if found[2] else ", at the end"
    return Fault(line, "", f"not TOML{column}: {what[0].lower()}{what[1:]}")
