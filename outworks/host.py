"""Hosts: where a browser would connect to, read from a URL as browsers and mail clients read it."""

import html
import ipaddress
import re
import unicodedata
from urllib.parse import unquote

import msgspec

SLASHED = frozenset({"http", "https", "ftp", "ftps", "ws", "wss"})
"""Schemes whose URLs name a host, with any number of slashes before it (WHATWG URL, special schemes)."""
_PLAIN = re.compile(r"(?:[a-z0-9_-]+\.)*[a-z_][a-z0-9_-]*\Z")
_PORT = re.compile(r":\d*\Z")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)
_AUTHORITY = re.compile(r"[^/?#\\]*")
_MAILBOX = re.compile(r"[^@?&,;%\s]+@([^@?&,;%\s]+)\Z")
# Data that a client shows as it is: nothing is fetched, nothing runs (SVG may hold scripts).
_PICTURE = re.compile(r"(?:image/(?!svg)|font/|audio/|video/)", re.IGNORECASE)
# Without a scheme: clients that repair links put one before these. Two-letter endings that are file names are left out.
_TOP = "com|net|org|info|biz|xyz|top|dev|app|site|online|shop|club|live|link|click|io|co|ai|me|ru|cn|uk|de|fr|eu|us|tk"
_BARE = re.compile(rf"(?:www\.|(?:[\w-]+\.)+(?:{_TOP})(?:[:/?#]|\Z))", re.IGNORECASE)
# Characters that URL parsers drop (controls, tab, newline) and that IDNA maps to nothing (zero-width, soft hyphen,
# variation selectors, bidirectional marks, tags).
_DROPPED = re.compile(
    "[\x00-\x20\x7f\xa0\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f"
    "\u205f-\u206f\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]"
)
_DOTS = re.compile("[\u3002\uff0e\uff61]")
# What every address has, once controls are dropped. Text without it is most of what stands between brackets.
_LEADS = re.compile(r"[:.]|[/\\\\]{2}")
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")


class Address(msgspec.Struct, frozen=True):
    """Where a URL leads."""

    scheme: str
    """In lower case; empty where the URL takes the page's own."""
    host: str
    """As `canonical` writes it; empty where it cannot be read with certainty: no policy can then admit it."""
    url: str
    """As it was written."""


def canonical(authority: str) -> str:
    """The host of an authority (`host:port`) in the one form that hosts are compared in: lower case, punycode, no port,
    no trailing dot, IP addresses in full. Empty where it is no host, or where parsers disagree about it: user names in
    front of the host are the oldest trick of all.
    """
    host = _PORT.sub("", authority.lower()) if ":" in authority else authority.lower()
    if host.isascii() and _PLAIN.match(host):
        return host
    if host.startswith("["):
        return _ip6(host)
    host = unicodedata.normalize("NFKC", _DOTS.sub(".", _DROPPED.sub("", unquote(host)))).casefold()
    host = host.removesuffix(".")
    if not host.isascii():
        host = ".".join(map(_punycode, host.split(".")))
    return host if _PLAIN.match(host) else _ip4(host)


def _punycode(label: str) -> str:
    return label if label.isascii() else "xn--" + label.encode("punycode").decode("ascii")


def _ip6(host: str) -> str:
    try:
        return f"[{ipaddress.IPv6Address(host[1:-1]).compressed}]" if host.endswith("]") else ""
    except ValueError:
        return ""


def _ip4(host: str) -> str:
    """IPv4 in any of the forms that browsers take: decimal, octal, hexadecimal, one to four parts (WHATWG URL)."""
    parts = host.split(".")
    if len(parts) > 4 or not all(re.fullmatch(r"0x[0-9a-f]*|\d+", part) for part in parts):
        return ""
    try:
        numbers = [_number(part) for part in parts]
    except ValueError:
        return ""
    last = 256 ** (5 - len(numbers))
    if any(number > 255 for number in numbers[:-1]) or numbers[-1] >= last:
        return ""
    value = numbers[-1] + sum(number * 256 ** (3 - place) for place, number in enumerate(numbers[:-1]))
    return str(ipaddress.IPv4Address(value))


def _number(part: str) -> int:
    if part.startswith("0x"):
        return int(part[2:] or "0", 16)
    return int(part, 8) if len(part) > 1 and part.startswith("0") else int(part)


def address(written: str) -> Address | None:
    """Where a link's destination leads, or None where it stays on the page's own site.

    The destination is decoded as Markdown and HTML do: character references, backslash escapes, dropped controls. A
    backslash is an escape to one and a slash to the other, so one that matters either way leads nowhere certain.
    """
    url = written
    for _ in range(2):
        if "&" in url:
            url = html.unescape(url)
    url = _DROPPED.sub("", url)
    if not _LEADS.search(url):
        return None
    if "\\" not in url:
        return _absolute(url, written)
    escaped = _absolute(_ESCAPED.sub(r"\1", url), written)
    slashed = _absolute(url.replace("\\", "/"), written)
    return escaped if escaped == slashed else Address("", "", written)


def _absolute(url: str, written: str) -> Address | None:
    match = _SCHEME.match(url)
    if match is not None and not _BARE.match(url):
        scheme, rest = match[1].lower(), match[2]
        if scheme == "mailto":
            mailbox = _MAILBOX.match(rest)
            return Address(scheme, canonical(mailbox[1]) if mailbox else "", written)
        if scheme == "data" and _PICTURE.match(rest):
            return None
        if scheme not in SLASHED:
            return Address(scheme, "", written)
        return Address(scheme, canonical(_authority(rest.lstrip("/\\"))), written)
    if url.startswith("//"):
        return Address("", canonical(_authority(url.lstrip("/"))), written)
    if _BARE.match(url):
        return Address("", canonical(_authority(url)), written)
    return None


def _authority(rest: str) -> str:
    match = _AUTHORITY.match(rest)
    return match[0] if match else ""
