"""Carried: the URLs and e-mail addresses inside free text, as far as any client may take each of them."""

import html
import itertools
import re
from collections.abc import Collection, Iterator
from unicodedata import category

import msgspec

from outworks import hyperlink
from outworks.defenses.flow.policy import Kind
from outworks.host import Address

_APART = re.compile(r"[\s<>()\[\]{},;:\"'`\\|=/\0]+")
_AROUND = ".,;:!?*_~'\"`)]}’”"
"""What may stand behind an address and is no part of it."""
_DOTTED = re.compile(
    r"(?:(?<![\w@./-])|(?<=(?<!:)//))"
    r"(?:(?:[\w-]+\.)+([^\W\d_]{2,24}|xn--[\w-]+)(?![^\W_]|[_@-]+[^\W_])|(?:\d{1,3}\.){3}\d{1,3}(?=[:/?#\\]))"
    r"(?:\.(?=[:/?#\\]))?(?::\d+)?([/?#\\][^\s<>]*)?",
    re.IGNORECASE,
)
_NO_LETTER = re.compile(r"[^\x00-\x7f\w\s]")
_LEADS = re.compile(r"[.:]|[/\\]{2}")
"""What every URL has; most texts have none."""
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_INVISIBLE = re.compile("[\xad\u034f\u200b-\u200f\u2060-\u2064\ufe00-\ufe0f\ufeff]")
"""What a renderer of Markdown or HTML leaves out, before it, or a reader, looks for addresses."""
_SPELT = re.compile(r"(?:(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,31}://|www\.)[^\s<>]+", re.IGNORECASE)
_ROOM, _OVER = 1 << 15, 4
"""Characters that the addresses of a text may have together: so many, and so many times those of the text."""
# Endings that are file names far more often than hosts; with a path behind them they are hosts all the same. Those that
# are countries too (`md`, `py`, `rs`, `sh`) are not among them.
_FILE = re.compile(
    "txt|pdf|docx?|xlsx?|pptx?|csv|tsv|json|xml|ya?ml|toml|ini|log|html?|css|js|ts|rb|java|c|h|cpp|go|bat|exe"
    "|jpe?g|png|gif|svg|bmp|mp[34]|gz|tar|rar|ics|eml|odt|rtf",
    re.IGNORECASE,
)


class Carried(msgspec.Struct, frozen=True):
    """An address inside free text."""

    kind: Kind
    value: str


def carried(text: str) -> Collection[Carried]:
    """Every URL and e-mail address in a free text: what a client may turn into a request, or a reader follow.

    Clients end a URL at different characters: `https://a.test/x)y` is two addresses, and both have to be trusted.
    Raises ValueError for a text of addresses inside of addresses, of which each would be read to its end.
    """
    shown = _INVISIBLE.sub("", html.unescape(_ESCAPED.sub(r"\1", text)))
    return dict.fromkeys([*_carried(text), *(_carried(shown) if shown != text else ())]).keys()


def _carried(text: str) -> Iterator[Carried]:
    if "@" in text:
        for address in addresses(text):
            if "." in address.rpartition("@")[2].strip("."):
                yield Carried("email", address.rstrip(".!?"))
    if not _LEADS.search(text):
        return
    for found in _linked(text):
        if found.scheme == "mailto":
            yield Carried("email", found.url.partition(":")[2])
        else:
            yield Carried("url", found.url.rstrip(_AROUND))
    for match in _SPELT.finditer(text):
        # "Awww... so" is no address: no client looks up a host that begins with a dot.
        spelt = match[0].rstrip(_AROUND)
        if spelt.lower() != "www" and not spelt[:5].lower().startswith("www.."):
            yield Carried("url", spelt)
    for match in _DOTTED.finditer(text if text.isascii() else _NO_LETTER.sub(_mark, text)):
        if match[2] or not (match[1] and _FILE.fullmatch(match[1])):
            yield Carried("url", text[match.start() : match.end()].rstrip(_AROUND))


def _mark(found: re.Match[str]) -> str:
    """A mark is a part of the letter before it, and of its host; so is a joiner."""
    return "\u0101" if category(found[0])[0] == "M" or found[0] in "\u200c\u200d" else found[0]


def _linked(text: str) -> list[Address]:
    """Whatever a link leads to. A link that is admitted is read on from inside: a tag can have several addresses, and
    one that is trusted must not hide the next."""
    found: list[Address] = []
    left = _ROOM + _OVER * len(text)

    def note(address: Address) -> bool:
        nonlocal left
        left -= len(address.url)
        if left < 0:
            raise ValueError("the arguments hold addresses inside of addresses")
        found.append(address)
        return True

    hyperlink.read(text, 0, True, note)
    return found


def addresses(text: str) -> Iterator[str]:
    """What may be e-mail addresses, in time linear in the text: in `a@b@c` both."""
    for token in _APART.split(text) if "@" in text else ():
        parts = token.split("@")
        for local, host in itertools.pairwise(parts):
            domain = re.split(r"[?#&]", host, maxsplit=1)[0]
            # Without a name in front it is none, and cannot be trusted, but `"eve"@evil.test` may end in it.
            if domain:
                yield f"{local}@{domain}"
