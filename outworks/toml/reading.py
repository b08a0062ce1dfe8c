"""Reading a TOML file: what it says, and every fault of it."""

import re
import tomllib
from collections.abc import Iterable
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
        self._faults: list[Fault] = []
        self._faulty: list[Path] = []

    def fault(self, at: Path, message: str) -> None:
        """Note that something is wrong there."""
        self._faults.append(Fault(self.lines.of(at), written(at), message))
        self._faulty.append(at)

    def take(self, shape: type[T], *at: str | int) -> T | None:
        """What stands there as a `shape`, or the defaults where nothing does; None, and a fault, where it cannot be."""
        if any(path[: len(at)] == at or at[: len(path)] == path for path in self._faulty):
            return None
        try:
            return msgspec.convert(self._at(at), shape)
        except msgspec.ValidationError as error:
            message, _, place = str(error).partition(" - at `$")
            self.blame((*at, *(int(item) if item else key for key, item in _STEP.findall(place))), message)
            return None

    def blame(self, at: Path, message: str) -> None:
        """Note a fault of the table there; of its key, where the message begins with the name of one."""
        table = self._at(at)
        key = _SUBJECT.match(message)
        self.fault((*at, key[1]) if key and isinstance(table, dict) and key[1] in table else at, message)

    def _at(self, at: Path) -> Any:
        value: Any = self.document
        for step in at:
            value = value.get(step, {}) if isinstance(value, dict) else value[cast(int, step)]
        return value

    def settle(self) -> None:
        """Raise `PolicyError` if anything was wrong."""
        if self._faults:
            raise PolicyError(self.file, self._faults)


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
