"""URLs that stand by themselves: with a scheme, with two slashes, or with `www.`."""

import re

from outworks.host import SLASHED, Address, address, canonical
from outworks.hyperlink.found import LONGEST, Form, Hyperlink, Open, Place, cut_short

_SLASHLESS = "javascript|vbscript|data|mailto|xmpp|tel|sms|vscode|magnet|blob|view-source|ms-[a-z]{2,9}"
_SLASHED = SLASHED | {"file", "smb"}
_FLAGS = re.IGNORECASE | re.ASCII
_KNOWN = re.compile(rf"(?<![a-z0-9+.-])(?:{'|'.join(sorted(_SLASHED))}|{_SLASHLESS})\Z", _FLAGS)
# What follows a scheme without slashes where it is more than a word before a colon.
_FOLLOWS = re.compile(
    r"data:[\w.+-]+/[\w.+-]+[;,]|(?:mailto|xmpp):[^@\s]+@|(?:tel|sms):\+?\d|(?!data|mailto|xmpp|tel|sms)[\w-]+:[\w/(?%]",
    _FLAGS,
)
# Connection strings of services, and links already made harmless: no client opens them.
_INERT = re.compile(
    r"(?<![a-z0-9+.-])(?:hxxps?|postgres(?:ql)?|mysql|mariadb|mongodb(?:\+srv)?|rediss?|amqps?|sqlite|s3|gs|jdbc|tcp|udp"
    r"|unix|grpc|kafka|hdfs|docker|oci|bolt|neo4j|nats|mqtts?|memcached|zookeeper|inproc|ipc|php)\Z",
    _FLAGS,
)


def _beginnings() -> frozenset[str]:
    names = {*_SLASHED, "www.", *_SLASHLESS.replace("ms-[a-z]{2,9}", "ms-").split("|")}
    return frozenset(name[:n] for name in names for n in range(1, len(name) + 1))


# What a text may end with that can become a trigger, or the word in front of one.
_BEGINNINGS = _beginnings()
_LAST_WORD = re.compile(r"[A-Za-z0-9+.-]*\Z")
_LAST_SIGNS = re.compile(r"(?:!|\]|<|[A-Za-z0-9+.-]*(?<=[A-Za-z0-9]):[/\\]?|(?<![:/\w\\])//?)\Z")
_LONGEST_BEGINNING = 16


def unfinished(text: str, begin: int) -> int:
    """Where the end of the text may be the beginning of something."""
    begin = max(begin, len(text) - _LONGEST_BEGINNING)
    last = text[-1:]
    if last.isalnum() or last in "+.-":
        match = _LAST_WORD.search(text, begin)
        word = match[0].lower() if match else ""
        if word in _BEGINNINGS or word.startswith("ms-"):
            return len(text) - len(word)
        # What has left may have been the beginning of it.
        return max(begin, len(text) - 1) if text[-4:].lower() == "www." else len(text)
    match = _LAST_SIGNS.search(text, begin) if last in "!]<:/\\" else None
    return match.start() if match else len(text)


_REST = re.compile(r"[^\s<>\"'`\[\](){}|\\^]*")
_TOKEN = re.compile(r"(?:\[[0-9A-Fa-f:.%]*\])?" + _REST.pattern)
_EXTENT = re.compile(r"(?:\[[^\s\]]*\]?)?[^\s<>/?#\\\[\]^|]*")
_HEAD = re.compile(r"(\[[^\]]*\]|(?:[\w.%-]|[^\x00-\x7f])*)(?::\d*)?")
# How far the authority reaches for those who end a URL at nothing else. Markdown writes all that a browser would end it
# at as an escape, so that what precedes an `@` is a user name whatever it holds: `https://good.test]@evil.test`.
_AUTHORITY = re.compile(r"[^ \t\n\r</?#]*")
_WORD = re.compile(r"[^\W_]")
_AROUND = ".,;:!?*_~&-、，。；：！？）」』】》”’…"
_DOMAIN = re.compile(
    r"(?:[\w%-]+\.)+(?!(?:js|py|md|rs|sh|rb|ts|go|cs|pl|cc|vb|kt)\b)"
    r"(?:xn--[\w-]+|[a-z]{2}|com|net|org|info|biz|xyz|top|dev|app|site|online|shop|club|live|link|click)(?::\d+)?[^\w(]*\Z"
    r"|\d+(?:\.\d+){3}(?::\d+)?[^\w(]*\Z|\[[0-9a-f:.]+\]",
    re.IGNORECASE,
)


# An autolink in angle brackets (CommonMark 0.31, 6.5); parsers read a null as a character like others.
_ANGLED = re.compile(r"[^\x01-\x20<>]*")


def read_scheme(place: Place) -> Hyperlink | Open | None:
    text, colon = place.text, place.at
    known = _KNOWN.search(text, max(0, colon - _LONGEST_BEGINNING), colon)
    if known is not None and known[0].lower() in _SLASHED and text[known.start() - 1 : known.start()] == "<":
        found = _read_angled(place, known.start())
        if found is not None:
            return found
    after = colon + 1
    while after < len(text) and text[after] in "/\\":
        after += 1
    if after - colon > 2:
        if known is not None:
            return _url(place, known.start(), after, known[0].lower())
        # `://` alone makes any word a scheme; a letter and backslashes are a drive.
        word = text.startswith("//", colon + 1) and text[max(0, colon - 2) : colon].isalnum()
        if not word or _INERT.search(text, max(0, colon - _LONGEST_BEGINNING), colon):
            return None
        name = _LAST_WORD.search(text, max(0, colon - 32), colon)
        return _url(place, colon, after, name[0].lower() if name else "")
    if known is None or known[0].lower() in _SLASHED:
        return None
    start = known.start()
    end = place.match_end(_REST, colon + 1, start)
    if place.open(end, start):
        return Open(start)
    if not _FOLLOWS.match(text, start, end):
        return None
    end = colon + 1 + len(text[colon + 1 : end].rstrip(_AROUND))
    return place.judged(Form.URL, start, end, address(text[start:end]))


def _read_angled(place: Place, start: int) -> Hyperlink | Open | None:
    """`<scheme:...>` from the scheme on: with any number of slashes, and with references decoded."""
    text = place.text
    end = place.match_end(_ANGLED, place.at + 1, start)
    if place.open(end, start):
        return Open(start)
    if end - start < LONGEST and (text[end : end + 1] != ">" or not _WORD.search(text, place.at + 1, end)):
        return None
    return place.judged(Form.URL, start, end, cut_short(text[start:end], end - start >= LONGEST))


def _url(place: Place, start: int, at: int, scheme: str) -> Hyperlink | Open | None:
    """A URL from `start`, whose authority begins at `at`.

    Clients end a URL at different characters. The host counts as read only where all of them would read the same one:
    nothing but punctuation may follow it up to the next slash or space.
    """
    text = place.text
    end, extent_end = place.match_end(_TOKEN, at, start), place.match_end(_EXTENT, at, start)
    authority_end = place.match_end(_AUTHORITY, at, start)
    if place.open(max(end, authority_end), start):
        return Open(start)
    extent = text[at:extent_end]
    spoilt = "@" in text[at:authority_end] or authority_end - start >= LONGEST
    if not spoilt and not _WORD.search(extent):
        return None
    host = "" if spoilt or scheme not in SLASHED else _host(extent)
    if end - start < LONGEST:
        end = max(place.at + 1, at + len(text[at:end].rstrip(_AROUND)))
    return place.judged(Form.URL, start, end, Address(scheme, host, text[min(start, at) : end]))


def _host(extent: str) -> str:
    head = _HEAD.match(extent)
    if head is None or "@" in extent or _WORD.search(extent, head.end()):
        return ""
    return canonical(head[1].rstrip(_AROUND))


def read_slashes(place: Place) -> Hyperlink | Open | None:
    """`//host`, where the host looks like one: in code, two slashes begin a comment."""
    at = place.at + 2
    end = place.match_end(_EXTENT, at, place.at)
    if place.open(end, place.at):
        return Open(place.at)
    return _url(place, place.at, at, "https") if _DOMAIN.match(place.text, at, end) else None


# What a browser may find a host in, where no letter follows `www.`: something, a dot, and the name of a zone.
_ZONED = re.compile(r"[^\s.][.\u3002\uff0e\uff61](?:[\w%-]|[^\x00-\x7f])+[.\u3002\uff0e\uff61]?(?::\d*)?[^\w@]*\Z")
_INSIDE = re.compile(r"(?:(?:https?|ftp)://|[\w.+-]@)[\w.-]*\Z", re.IGNORECASE)
_LONGEST_HOST = 256


def read_www(place: Place) -> Hyperlink | Open | None:
    """`www.`, which some clients take only after a space or punctuation (GFM) and others behind any letter (marked)."""
    text, dot = place.text, place.at
    at = dot - 3
    before = text[at - 1 : at]
    # Where a word begins is not held while a text grows; the dot always is.
    start = dot if before and ((before.isascii() and before.isalnum()) or before in "+.-") else at
    end, authority_end = place.match_end(_EXTENT, at, start), place.match_end(_AUTHORITY, at, start)
    if place.open(max(end, authority_end), start):
        return Open(start)
    names_user = "@" in text[at:authority_end]
    # A part of a URL or of a mailbox, or `pool.d/www.conf`.
    if (before.isalnum() or before in (".", "@", "/", "-")) and (
        _INSIDE.search(text, max(0, at - _LONGEST_HOST), at) or not (names_user or "." in text[dot + 1 : end - 1])
    ):
        return None
    if not (names_user or _WORD.match(text, dot + 1) or _ZONED.search(text, dot + 1, end)):
        return None
    return _url(place, start, at, "https")
