"""Values: what a word denotes, so that an argument can be looked for among the values that somebody trusted wrote."""

import posixpath
import re
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import cached_property

import msgspec

from outworks.defenses.flow.carried import addresses
from outworks.defenses.flow.policy import Kind

# Only ASCII letters lose their case: `K` (the Kelvin sign) and `ſ` fold to ASCII letters, and would make two addresses
# of one.
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_ODD = re.compile(r"[\x00-\x20\x7f\\]")
_EMAIL = re.compile(r"[^\s<>()\[\]{},;:\"'`@\\|=/]+@[^\s<>()\[\]{},;:\"'`@\\|=/?#&]+")
_URL = re.compile(r"(?:([a-z][a-z0-9+.-]*)://)?([^/?#@]+)([/?#].*)?", re.DOTALL | re.IGNORECASE)
_HOST = re.compile(r"(?:[\w-]+\.)+[\w-]{2,}(?::\d{1,5})?|localhost(?::\d{1,5})?|\[[0-9a-f:.]+\](?::\d{1,5})?", re.I)
_NUMBER = re.compile(r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?", re.ASCII)
_CURRENCIES = "$€£"
_ISO = re.compile(r"(?<![\d/])(\d{4})-(\d\d)-(\d\d)(?!\d)(?:[T ](\d\d:\d\d)(?::00(?:\.0+)?)?(?:Z|\+00:00)?)?", re.ASCII)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = rf"({'|'.join(_MONTHS)})[a-z]*\.?"
_DAY = r"(\d{1,2})(?:st|nd|rd|th)?"
_SAID_DATE = re.compile(rf"\b(?:{_DAY}\s+(?:of\s+)?{_MONTH}|{_MONTH}\s+{_DAY})(?:,?\s+(\d{{4}}))?\b", re.I | re.ASCII)
_SAID_TIME = re.compile(
    r"(?<![\d:.])(\d{1,2})(?::(\d\d))?\s*([ap])\.?m\b|(?<![\d:.])(\d{1,2}):(\d\d)(?![\d:])", re.I | re.ASCII
)
_QUOTED = re.compile(r"\"([^\"\n]{1,200})\"|'([^'\n]{1,200})'|`([^`\n]{1,200})`|“([^”\n]{1,200})”|‘([^’\n]{1,200})’")
_WRAP = "<>()[]{}\"'`“”‘’,;!?*"
_ENDS = re.compile(r"[.,;:!?\"'`”’)\]}>*]*(?:[\s\0]|\Z)")
_MOST_SEARCHED, _TRY = 200_000_000, 2_000
"""Characters of one source that the values of one output may be looked for in, about a second's work; and as how many
each place counts at which a value stands as a part of something longer."""
_APART = "\n\0\n"
"""Between two texts: no value holds a NUL, so that none is found across them."""
_JOINTS = frozenset("-.@/+#%&=~\\")
_JOINT = r"[-.@/+#%&=~\\]"
_ALONE = re.compile(rf"(?<![\w,])(?<!\w{_JOINT})(?<!\d:){_NUMBER.pattern}(?![\w%]|[-./:,]\d|/\w)", re.ASCII)


class Moment(msgspec.Struct, frozen=True):
    """A date, and where it was given a time of that day."""

    date: str
    time: str = ""


Form = str | Decimal | Moment


def form(kind: Kind, value: object) -> Form | None:
    """What a value denotes; None where it cannot be said with certainty, and then nothing is equal to it."""
    # A NUL stands between texts here, and ends one for readers written in C.
    if isinstance(value, bool) or (isinstance(value, str) and "\0" in value):
        return None
    if isinstance(value, int | float):
        return _number(str(value)) if kind == "number" else None if kind == "date" else _FORMS[kind](str(value))
    return _FORMS[kind](value) if isinstance(value, str) else None


def _text(value: str) -> str | None:
    return " ".join(value.split()).translate(_LOWER) or None


def _id(value: str) -> str | None:
    return value.strip(" ") or None


def _email(value: str) -> str | None:
    return value.translate(_LOWER).rstrip(".") if _EMAIL.fullmatch(value) else None


def _url(value: str) -> str | None:
    """Host and what follows, and the scheme where there is one; user names in front of hosts denote nothing certain."""
    match = None if _ODD.search(value) else _URL.fullmatch(value)
    if match is None or not _HOST.fullmatch(match[2]):
        return None
    scheme, host, rest = (match[1] or "").lower(), match[2].translate(_LOWER), match[3] or ""
    port = {"http": ":80", "https": ":443"}.get(scheme, ":")
    rest = "" if rest == "/" else rest
    return f"{scheme}://{host.removesuffix(port)}{rest}"


def _number(value: str) -> Decimal | None:
    given = value.strip().lstrip(_CURRENCIES).strip()
    if not _NUMBER.fullmatch(given) and not re.fullmatch(r"-?\d+(?:\.\d+)?[eE][+-]?\d{1,3}", given, re.ASCII):
        return None
    try:
        return Decimal(given.replace(",", "")).normalize()
    except InvalidOperation:
        return None


def currency(value: object) -> str:
    """The sign in front of a number: 300 is 300 in whatever currency, but `£300` is not `$300`."""
    given = value.strip()[:1] if isinstance(value, str) else ""
    return given if given and given in _CURRENCIES else ""


def _date(value: str) -> Moment | None:
    match = _ISO.fullmatch(value.strip())
    return Moment(f"{match[1]}-{match[2]}-{match[3]}", match[4] or "") if match else None


def _path(value: str) -> str | None:
    if not value.strip() or "\0" in value or "\\" in value or ".." in value.split("/"):
        return None
    return posixpath.normpath(value)


_FORMS: Mapping[Kind, Callable[[str], Form | None]] = {
    "text": _text,
    "id": _id,
    "email": _email,
    "url": _url,
    "number": _number,
    "date": _date,
    "path": _path,
    "phrase": _text,
    "free": _text,
}


class Words:
    """The words of one trusted source, in which values are looked for. Each kind is indexed when it is first asked for;
    nothing is found across two texts."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = tuple(texts)
        self._left = _MOST_SEARCHED

    def hold(self, kind: Kind, value: object) -> bool:
        """Whether somebody wrote just this value, not as a part of a longer one.

        Raises ValueError where too much was asked already: a check is not interrupted, and its worker waits for it.
        """
        said = form(kind, value)
        if said is None:
            return False
        if isinstance(said, Decimal):
            return f"{currency(value)}{said}" in self._numbers
        if isinstance(said, Moment):
            return self._hold_moment(said)
        if kind == "email":
            return said in self._emails
        if kind == "url":
            return said in self._urls
        if kind == "path" and said in self._paths:
            return True
        if kind == "path" and " " not in said:
            return False
        return self._spans(said, self._folded if kind in ("text", "phrase", "free") else self._plain)

    def _spans(self, said: str, text: str) -> bool:
        self._spend(len(text))
        for start in _places(said, text):
            if _stands(text, start, start + len(said)):
                return True
            self._spend(4 * len(said) + _TRY)
        return False

    def _spend(self, characters: int) -> None:
        self._left -= characters
        if self._left < 0:
            raise ValueError("the arguments hold more than can be looked for in what was said")

    @cached_property
    def _plain(self) -> str:
        return _APART.join(self.texts)

    @cached_property
    def _folded(self) -> str:
        return _APART.join(" ".join(text.split()) for text in self.texts).translate(_LOWER)

    @cached_property
    def _tokens(self) -> tuple[str, ...]:
        return tuple(token for text in self.texts for each in text.split() if (token := each.strip(_WRAP).rstrip(".:")))

    @cached_property
    def _emails(self) -> frozenset[Form | None]:
        if "@" not in self._plain:
            return frozenset()
        # Who gives a link names the place that it leads to, and nobody whose address stands in its query.
        words = " ".join(word for word in self._plain.split() if "://" not in word)
        return frozenset(_email(address.rstrip(".!?")) for address in addresses(words))

    @cached_property
    def _urls(self) -> frozenset[Form | None]:
        found: set[Form | None] = set()
        # With brackets around it, or with one at its own end.
        for token in {*self._tokens, *(each.rstrip(".,:;!?") for each in self._plain.split())}:
            if "." not in token and "://" not in token:
                continue
            said = _url(token)
            if said is not None:
                bare = said[said.index("://") :]
                # Who writes a host without a scheme means the web; who writes one means the same place without it.
                found |= {said, bare} if not said.startswith("://") else {bare, f"http{bare}", f"https{bare}"}
        return frozenset(found)

    @cached_property
    def _numbers(self) -> frozenset[str]:
        """Each as it is, and with the sign of its currency where it has one."""
        found: set[str] = set()
        for match in _ALONE.finditer(self._plain):
            said = _number(match[0])
            before = self._plain[max(0, match.start() - 2) : match.start()]
            found |= {f"{said}", f"{currency(before.strip()[-1:])}{said}"}
        return frozenset(found)

    @cached_property
    def _paths(self) -> frozenset[Form | None]:
        quoted = (quote for match in _QUOTED.finditer(self._plain) for quote in match.groups() if quote)
        return frozenset(_path(each) for each in (*self._tokens, *quoted))

    def _hold_moment(self, said: Moment) -> bool:
        """Date and time may stand apart: "on 15 May 2024 at 7 pm". A day without its year denotes it in any year."""
        written = self._moments
        if said.date not in written.dates and said.date[5:] not in written.dates:
            return False
        return said.time in written.times or said.time in ("", "00:00")

    @cached_property
    def _moments(self) -> "_Moments":
        dates: set[str] = set()
        times: set[str] = set()
        for match in _ISO.finditer(self._plain):
            dates.add(match[0][:10])
            times.add(match[4] or "")
        for match in _SAID_DATE.finditer(self._plain):
            day, month = match[1] or match[4], match[2] or match[3]
            place = f"{_MONTHS.index(month[:3].lower()) + 1:02}-{int(day):02}"
            dates.add(f"{match[5]}-{place}" if match[5] else place)
        for match in _SAID_TIME.finditer(self._plain):
            hour = int(match[1] or match[4])
            if match[3]:
                hour = hour % 12 + (12 if match[3] in "pP" else 0)
            times.add(f"{hour:02}:{match[2] or match[5] or '00'}")
        return _Moments(frozenset(dates), frozenset(times))


class _Moments(msgspec.Struct, frozen=True):
    dates: frozenset[str]
    times: frozenset[str]


def spans(said: str, text: str) -> bool:
    """Whether the words stand in a text by themselves: not `bob` in `bob@x.test`, `a.test` in `a.test.evil.test`, or
    `/home/` in `/home/ann`."""
    return any(_stands(text, start, start + len(said)) for start in _places(said, text))


def _places(said: str, text: str) -> Iterator[int]:
    start = text.find(said)
    while start >= 0:
        yield start
        start = text.find(said, start + 1)


def _stands(text: str, start: int, end: int) -> bool:
    """Whether nothing around belongs to what stands there."""
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    if not _in_word(text[start]):
        begins = not before or before[-1].isspace()
    else:
        begins = not before or not (_in_word(before[-1]) or (before[-1] in _JOINTS and _in_word(before[:-1])))
    if not begins or not _in_word(text[end - 1]):
        return begins and _ENDS.match(text, end) is not None
    return not after or not (_in_word(after[0]) or (after[0] in _JOINTS and _in_word(after[1:])))


def _in_word(character: str) -> bool:
    r"""As `\w`; nothing is in no word."""
    return character.isalnum() or character == "_"
