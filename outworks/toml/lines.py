"""Where each key of a TOML document stands: the positions that `tomllib` does not give."""

import re
import tomllib
from bisect import bisect_left
from contextlib import suppress
from typing import TypeAlias

Path: TypeAlias = tuple[str | int, ...]
"""Keys, and places in lists, from the top of the document."""

DEEPEST = 32
"""Levels of a document. `tomllib` takes memory with the square of a dotted key's parts, and stack with the brackets."""

_BLANK = re.compile(r"(?:[ \t\n]++|#[^\n]*+)*+")
_SPACE = re.compile(r"[ \t]*+")
_KEY = re.compile(r"""[ \t]*+(?:([A-Za-z0-9_-]++)|("(?:[^"\\\n]++|\\.)*+"|'[^'\n]*+'))[ \t]*+""")
_STRING = re.compile(
    r'''"""(?:[^"\\]++|\\.|"(?!""))*+"{3,5}|"(?:[^"\\\n]++|\\.)*+"|'''
    r"""'''(?:[^']++|'(?!''))*+'{3,5}|'[^'\n]*+'""",
    re.DOTALL,
)
_WORD = r"[^\s,\[\]{}#\"'=]++"
_SCALAR = re.compile(rf"{_WORD}(?: (?=[0-9]{{2}}:){_WORD})?")


class TooDeep(ValueError):
    """A key or a value with more than DEEPEST levels."""

    def __init__(self, line: int) -> None:
        super().__init__(f"nested too deeply; expected at most {DEEPEST} levels")
        self.line = line


class Lines:
    """The line on which each key and each list item begins, from 1."""

    def __init__(self, begins: dict[Path, int], last: int) -> None:
        self._begins = begins
        self.last = last

    def of(self, path: Path) -> int:
        """The line of the path, or of the nearest table around it that is written down; 1 for the whole."""
        while path and path not in self._begins:
            path = path[:-1]
        return self._begins.get(path, 1)

    def __contains__(self, path: Path) -> bool:
        return path in self._begins


def index(text: str) -> Lines:
    """The lines of a document with `\\n` ends. What is not TOML ends the index there, and is left to `tomllib` to name.

    Raises `TooDeep`.
    """
    scan = _Scan(text)
    with suppress(_NotToml):
        scan.document()
    return Lines(scan.begins, text.count("\n", 0, -1) + 1)


class _NotToml(Exception):
    """The scan met what cannot be TOML."""


class _Scan:
    """One pass over the text. It may take more than TOML allows, never less."""

    def __init__(self, text: str) -> None:
        self.begins: dict[Path, int] = {}
        self._text = text
        self._at = 0
        self._breaks = [found.start() for found in re.finditer("\n", text)]
        self._last_item: dict[Path, int] = {}

    def document(self) -> None:
        table: Path = ()
        while self._skip(_BLANK):
            if self._is("["):
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> Path:
        """`[a.b]`, or `[[a.b]]`: each such header is the next item of the list. Names on the way to it that are lists
        mean their last item."""
        line = self._line
        is_item = self._text.startswith("[[", self._at)
        self._at += 1 + is_item
        path: Path = ()
        keys = self._keys()
        for place, key in enumerate(keys, 1):
            path = self._deeper(path, key)
            self.begins.setdefault(path, line)
            if path in self._last_item and not (is_item and place == len(keys)):
                path = (*path, self._last_item[path])
        if is_item:
            self._last_item[path] = item = self._last_item.get(path, -1) + 1
            path = (*path, item)
        self.begins[path] = line
        self._expect("]]" if is_item else "]")
        return path

    def _pair(self, table: Path) -> None:
        line = self._line
        path = table
        for key in self._keys():
            path = self._deeper(path, key)
            self.begins.setdefault(path, line)
        self._expect("=")
        self._skip(_SPACE)
        self._value(path)

    def _value(self, path: Path) -> None:
        if self._is("["):
            self._list(path)
        elif self._is("{"):
            self._table(path)
        else:
            self._take(_STRING if self._is('"') or self._is("'") else _SCALAR)

    def _list(self, path: Path) -> None:
        self._expect("[")
        item = 0
        while self._skip(_BLANK) and not self._is("]"):
            below = self._deeper(path, item)
            self.begins[below] = self._line
            self._value(below)
            item += 1
            self._skip(_BLANK)
            if not self._is("]"):
                self._expect(",")
        self._expect("]")

    def _table(self, path: Path) -> None:
        self._expect("{")
        while self._skip(_BLANK) and not self._is("}"):
            self._pair(path)
            self._skip(_BLANK)
            if not self._is("}"):
                self._expect(",")
        self._expect("}")

    def _keys(self) -> list[str]:
        keys = []
        while True:
            found = self._take(_KEY)
            keys.append(found[1] if found[1] is not None else _unquoted(found[2]))
            if not self._is("."):
                return keys
            self._at += 1

    def _deeper(self, path: Path, key: str | int) -> Path:
        if len(path) >= DEEPEST:
            raise TooDeep(self._line)
        return (*path, key)

    @property
    def _line(self) -> int:
        return bisect_left(self._breaks, self._at) + 1

    def _is(self, text: str) -> bool:
        return self._text.startswith(text, self._at)

    def _expect(self, text: str) -> None:
        if not self._is(text):
            raise _NotToml
        self._at += len(text)

    def _skip(self, pattern: re.Pattern[str]) -> bool:
        """Go past the pattern; whether anything is left."""
        found = pattern.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return self._at < len(self._text)

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str]:
        found = pattern.match(self._text, self._at)
        if found is None:
            raise _NotToml
        self._at = found.end()
        return found


def _unquoted(key: str) -> str:
    try:
        return str(tomllib.loads(f"key = {key}")["key"])
    except tomllib.TOMLDecodeError:
        raise _NotToml from None
