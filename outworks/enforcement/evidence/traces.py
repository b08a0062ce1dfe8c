"""Traces: what rules keep of an account's own words, to tell variants of one request, and words for one target."""

import hashlib
import re
from collections.abc import Iterator

import msgspec
import numpy as np

from outworks.defenses.shingles import keys
from outworks.event import Event, Judged, Received
from outworks.normalise import normalise

KEPT = 100
"""Texts of one account that are compared, the latest."""
_SKETCH = 64
_READ = 20_000
"""Characters of a text that are looked at, from its beginning: nobody makes enforcement read a megabyte a request."""

ALIKE = 0.25
"""The resemblance (Jaccard, estimated: Broder 1997) from which two texts of one account are variants of one request.
Measured in docs/design/hunting.md."""
_FEWEST = 6
"""Shingles in common below which nothing is a variant, whatever their share."""


class Trace(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is kept of the words that a request brought: the turn of the account that the model was to answer."""

    seq: int
    at: float
    exchange: str
    conversation: str
    digest: int
    """Of the normal form: equal texts have equal ones."""
    keys: frozenset[int]
    """The least keys of its shingles."""
    size: int
    """Bytes of the normal form."""
    targets: frozenset[str]
    """Whom it is aimed at, as far as the words tell: addresses and full names, in normal form."""
    voice: str
    """In whose voice words were asked for, in normal form; empty where in nobody's."""


class Probe(msgspec.Struct, frozen=True, gc=False):
    """Parameters that one request tried and was refused."""

    seq: int
    at: float
    names: tuple[str, ...]


class _Part(msgspec.Struct, frozen=True):
    type: str
    text: str = ""


class _Turn(msgspec.Struct, frozen=True):
    role: str
    parts: tuple[_Part, ...] = ()


class _Said(msgspec.Struct, frozen=True):
    messages: tuple[_Turn, ...] = ()


_decode = msgspec.json.Decoder(_Said).decode


def own_words(content: str) -> str:
    """The turn of the user that a request asks to have answered; empty where it goes on from something else.

    Earlier turns come again with each request of a conversation, and a tool's results are not the account's words.
    """
    try:
        turns = _decode(content).messages
    except msgspec.DecodeError:
        return ""
    words: list[str] = []
    for turn in reversed(turns):
        if turn.role in ("system", "developer"):
            continue
        if turn.role != "user":
            break
        words[:0] = [part.text for part in turn.parts if part.type == "text"]
    return "\n".join(words)


def trace_of(seq: int, event: Event) -> Trace | None:
    """The trace of a request; None for other events, for erased content, and where the account said nothing new."""
    if type(event.body) is not Received or event.content is None:
        return None
    words = own_words(event.content)[:_READ]
    data = normalise(words).data
    if not data:
        return None
    hashed = np.unique(keys(data))[:_SKETCH]
    voice = voice_of(words)
    return Trace(
        seq=seq,
        at=event.at,
        exchange=event.exchange,
        conversation=event.conversation,
        digest=hash_of(data),
        keys=frozenset(hashed.tolist()),
        size=len(data),
        targets=frozenset(targets_of(words)) if voice else frozenset(),
        voice=voice,
    )


def hash_of(data: bytes) -> int:
    """Eight bytes of a digest, as a signed number: what SQLite holds."""
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little", signed=True)


def probe_of(seq: int, event: Event) -> Probe | None:
    """The parameters that a request was refused for; None where there are none."""
    body = event.body
    if type(body) is not Judged:
        return None
    names = [
        finding.detail
        for one in body.judgements
        if one.defense == "parameter_lock" and one.mode == "live" and not one.error
        for finding in one.findings
        if finding.category == "parameter"
    ]
    return Probe(seq, event.at, tuple(dict.fromkeys(names))) if names else None


def resemblance(one: Trace, other: Trace) -> float:
    """The estimated share of shingles that two texts have in common; 0 where those are too few to tell."""
    common = one.keys & other.keys
    if len(common) < _FEWEST:
        return 0.0
    least = sorted(one.keys | other.keys)[:_SKETCH]
    return sum(key in common for key in least) / len(least)


# Somebody else's voice, as people ask for it. English alone: other languages are a limit, told in the documentation.
_FORMATS = (
    "list|table|json|csv|xml|yaml|markdown|poem|haiku|song|letter|e-?mail|essay|paragraph|bullet|summary|report|story|file|"
    "text|note|tweet|post|blog|script|function|class|string|number|percentage|single|short|brief|numbered|whole|result|way"
)
_VOICE = re.compile(
    rf"""\b(?:
        (?:pretend|imagine|act|speak|pose|writ(?:e|ten)|sign(?:ed)?|post|reply|comment|compose|draft|say)(?:ing)?\s+
            (?:[\w'’,@.-]+\s+){{0,12}}?(?:as|like)(?:\s+if\s+(?:you|it)\s+(?:were|was|came\s+from))?
      | pretend(?:ing)?\s+(?:that\s+)?(?:to\s+be|you(?:['’]re|\s+are))
      | in\s+the\s+(?:voice|style|role|name|words)\s+of
      | from\s+the\s+(?:view(?:point)?|point\s+of\s+view|perspective)\s+of
    )\s+(?:an?|the|her|his|their|my|some|another|one\s+of)\s+(?P<who>(?!(?:{_FORMATS})\b)[\w'’-]+(?:\s+[\w'’-]+)?)""",
    re.VERBOSE | re.IGNORECASE,
)
_ADDRESS = re.compile(
    r"(?<![\w@])@[A-Za-z0-9_.]{3,30}|[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+|\+?\d(?:[ ()-]?\d){7,14}"
)
_PLAIN = "I|A|An|The|Write|Please|Dear|Now|Make|Pretend|Imagine|Act|Speak|Compose|Draft|Post|Reply|Comment|Say|As|In|To"
_NAME = re.compile(rf"\b(?!(?:{_PLAIN})\b)[A-Z][a-z-]{{1,30}}(?:\s+[A-Z][a-z-]{{1,30}}){{1,2}}\b")


def voice_of(words: str) -> str:
    """In whose voice the words ask to write, in normal form: `her old boss`, without the article."""
    found = _VOICE.search(words)
    return normalise(found["who"]).text if found else ""


def targets_of(words: str) -> Iterator[str]:
    """The addresses and full names in the words, in normal form."""
    for pattern in (_ADDRESS, _NAME):
        for match in pattern.findall(words):
            yield normalise(match).text
