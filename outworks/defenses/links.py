"""links: takes out images, links and URLs to hosts that neither the policy nor the account named."""

import re
from collections import OrderedDict
from functools import cached_property
from typing import Literal

from typing_extensions import override

from outworks import defense
from outworks.host import Address, canonical
from outworks.hyperlink import Form, Hyperlink, read
from outworks.message import Message, Output, Request, Role, Text
from outworks.verdict import ALLOW, Decision, Edit, Finding, Notice, Span, Verdict

_USER = Role.USER
_REMEMBERED = 32
"""Requests whose account's words are kept folded while they are answered."""
_AROUND = {Form.INLINE: "] {}", Form.DEFINITION: "]: {}", Form.STYLE: "({})"}
"""What of a link's own characters stays around the words that replace it."""


class Settings(defense.Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the policy can say of `links`."""

    allow: tuple[str, ...] = ("example.com", "www.example.com", "example.org", "www.w3.org")
    """Hosts that answers may lead to: `docs.example.com`, or `*.example.com` for every host below it (not itself).
    A host is not allowed because one above it is: its name alone can carry data to whoever owns the zone. `localhost`
    is not among the default ones: an image from there is a request to whatever runs on the reader's machine."""
    schemes: tuple[str, ...] = ()
    """Schemes admitted whatever they name, such as `tel`. Others are denied, web links judged by their host."""
    exact: bool = False
    """Of the hosts that the account wrote, admit only the very URLs that it wrote."""
    action: Literal["remove", "defang", "block"] = "remove"
    """`remove` puts `[link removed]` in its place, `defang` keeps a readable URL that no client opens
    (`hxxps[:]//...`), `block` stops the answer. Images are removed under `defang` too."""


class Links(defense.Defense):
    """An assistant that reads injected text can be made to write a link or an image whose URL carries the conversation
    away; a client that renders it sends the request (Bard and Bing Chat, 2023). Whatever the text, no such request can
    go to a host that nobody named.

    Code blocks are read like all other text: a client may render what the model calls code, and people click in it.
    """

    name = "links"

    def __init__(self, settings: Settings) -> None:
        """Raises ValueError for an allowed host that is none."""
        self._settings = settings
        self._schemes = frozenset(scheme.lower().rstrip(":/") for scheme in settings.schemes)
        if wrong := [entry for entry in settings.allow if not _is_host(entry.removeprefix("*."))]:
            are = "is no host" if len(wrong) == 1 else "are no hosts"
            expected = "expected one such as docs.example.com or *.example.com"
            raise ValueError(f"links.allow: {', '.join(map(repr, wrong))} {are}; {expected}")
        self._hosts = frozenset(canonical(entry) for entry in settings.allow if not entry.startswith("*."))
        self._remembered: OrderedDict[str, _Written] = OrderedDict()
        self._zones = frozenset(canonical(entry[2:]) for entry in settings.allow if entry.startswith("*."))

    @override
    async def check_output(self, request: Request, output: Output) -> Verdict:
        text = output.text
        written = self._written(request)
        reading = read(text, output.released, output.done, lambda address: self._admits(address, written))
        if not reading.links:
            return ALLOW if reading.final == len(text) else Verdict(covered=reading.final)
        findings = tuple(
            Finding("image" if link.form is Form.IMAGE else "link", 1.0, Span(link.start, link.end), link.form.value)
            for link in reading.links
        )
        if self._settings.action == "block":
            return Verdict(
                decision=Decision.BLOCK,
                reason="the answer links to a host that nobody named",
                findings=findings,
                covered=reading.links[0].start,
                notice=Notice(code="links", message="The rest of this answer was held back."),
            )
        return Verdict(
            decision=Decision.MODIFY,
            reason="the answer linked to a host that nobody named",
            findings=findings,
            covered=reading.final,
            edits=tuple(self._edit(text, link) for link in reading.links),
        )

    def _written(self, request: Request) -> "_Written":
        """What the account wrote. An answer is checked many times while it streams, so the last ones are remembered."""
        written = self._remembered.get(request.id)
        if written is None or written.messages is not request.messages:
            written = self._remembered[request.id] = _Written(request.messages)
            while len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)
        return written

    def _admits(self, address: Address, written: "_Written") -> bool:
        if address.scheme in self._schemes:
            return True
        host = address.host
        if not host:
            return False
        if host in self._hosts:
            return True
        _, _, zone = host.partition(".")
        while zone:
            if zone in self._zones:
                return True
            _, _, zone = zone.partition(".")
        if address.scheme == "mailto":
            return written.names(address.url.partition(":")[2])
        if self._settings.exact:
            return written.names(address.url)
        bare = host.removeprefix("www.")
        return any(written.names(name) for name in (bare, f"www.{bare}", _unicode(bare)))

    def _edit(self, text: str, link: Hyperlink) -> Edit:
        words = "[image removed]" if link.form is Form.IMAGE else "[link removed]"
        if self._settings.action == "defang" and link.form is not Form.IMAGE:
            words = _defanged(link.address) or words
        words = _AROUND.get(link.form, "{}").format(words)
        # `[link removed]` must not become the text of a link: a model that is told to could put a destination after it.
        if text[link.end : link.end + 1] in ("(", "[", ":"):
            words += " "
        return Edit(link.start, link.end, words)


def _is_host(entry: str) -> bool:
    return bool(canonical(entry)) and not re.search(r"[*\s/@?#%\\]|[^\]]:\d*\Z", entry)


def _unicode(host: str) -> str:
    """The host as people write it."""
    if "xn--" not in host:
        return host
    labels = host.split(".")
    return ".".join(x[4:].encode().decode("punycode") if x.startswith("xn--") else x for x in labels)


class _Written:
    """What the account itself wrote, read once: a megabyte of words and an answer of a thousand links are no reason to
    read it a thousand times.

    Tool results and other third parties' text do not count: the injected text would name its own host.
    """

    def __init__(self, messages: tuple[Message, ...]) -> None:
        self.messages = messages
        self._named: dict[str, bool] = {}
        self._left = _LOOKS

    @cached_property
    def _texts(self) -> list[str]:
        return [
            part.text.casefold()
            for message in self.messages
            if message.role is _USER and message.label.trusted
            for part in message.parts
            if isinstance(part, Text)
        ]

    @cached_property
    def _hosts(self) -> frozenset[str]:
        return frozenset(name for text in self._texts for name in _HOST.findall(text))

    def names(self, wanted: str) -> bool:
        """Whether this stands there, not as a part of a longer name."""
        wanted = wanted.casefold()
        if _HOST.fullmatch(wanted):
            return wanted in self._hosts
        if wanted not in self._named:
            self._named[wanted] = any(self._stands_in(said, wanted) for said in self._texts)
        return self._named[wanted]

    def _stands_in(self, said: str, wanted: str) -> bool:
        at = said.find(wanted)
        while at >= 0 and self._left > 0:
            self._left -= 1
            end = at + len(wanted)
            if not _GOES_ON_BEFORE.match(said[at - 1 : at]) and not _GOES_ON_AFTER.match(said, end):
                return True
            at = said.find(wanted, at + 1)
        return False


_LOOKS = 10_000
"""Places of a request that are looked at for whatever is no plain host: where addresses stand inside of others without
end, one is not found."""
_HOST = re.compile(r"(?<![\w.@-])[\w-]+(?:\.[\w-]+)*")
"""A host as it stands in a text, whole."""
_GOES_ON_BEFORE = re.compile(r"[\w.@-]")
_GOES_ON_AFTER = re.compile(r"[\w-]|\.\w")
_READABLE = re.compile(r"https?://[\w./:?&=%+~#,;-]+\Z", re.IGNORECASE)


def _defanged(address: Address) -> str:
    """The URL in a form that nothing turns into a link; empty where that cannot be promised."""
    if not address.host or not _READABLE.match(address.url):
        return ""
    return "hxxp" + address.url[4:].replace(".", "[.]").replace(":", "[:]")
