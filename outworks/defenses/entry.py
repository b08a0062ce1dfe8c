"""Entry: one known bad text, as a bank holds it, as the ledger keeps it, and as files exchange it."""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any, Literal

import msgspec

from outworks.defenses.shingles import Print, fingerprint
from outworks.event import Changed
from outworks.normalise import normalise

Match = Literal["exact", "near", "both"]

CONTAINED_FROM = 20
"""Bytes of normal form from which an exact entry is found inside a longer text; a shorter one must be all of it."""
NEAR_FROM = 150
"""Characters of normal form from which an entry can have near-duplicates: of a one-line question, the harmless
questions beside it are near-duplicates too."""


class Known(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One entry as it is written in an exchange file, and as `outworks fingerprints add` builds it."""

    text: str | None = None
    """The known bad text; absent where it was erased, and then `print` stands for it."""
    source: str
    """Where it comes from: an incident, a feed, a paper."""
    reason: str
    """Why it is here."""
    category: str = "known_bad"
    """The category that findings carry, and that the policy gives an action."""
    match: Match = "both"
    """`exact` (after normalisation), `near` (near-duplicates), or `both`."""
    id: str = ""
    """Made from the text where it is not given, so that the same text is not added twice."""
    enabled: bool = True
    """False: kept, but never matched."""
    print: Print | None = None
    """The fingerprint, where the text itself is gone."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A known bad text as a bank holds it: by its fingerprint. The text stays in the ledger, where it can be erased."""

    id: str
    source: str
    reason: str
    category: str
    match: Match
    enabled: bool
    print: Print
    size: int
    """Shingles in its sketch."""

    @property
    def is_exact(self) -> bool:
        return self.match != "near"

    @property
    def is_near(self) -> bool:
        return self.match != "exact" and self.print.characters >= NEAR_FROM


class _Detail(msgspec.Struct, frozen=True):
    """What an `add` event says."""

    match: Match
    source: str
    reason: str
    category: str
    enabled: bool = True
    print: Print | None = None


def from_event(changed: Changed, content: str | None) -> Entry:
    """The entry that an `add` event makes; `content` is its text, where that is not erased.

    Raises ValueError where the event cannot be read.
    """
    try:
        detail = msgspec.convert(changed.detail, _Detail)
    except msgspec.ValidationError as error:
        raise ValueError(f"fingerprint {changed.name!r}: {error}") from error
    taken = detail.print or (fingerprint(normalise(content).data) if content is not None else None)
    if taken is None:
        raise ValueError(f"fingerprint {changed.name!r}: neither its text nor its print is there")
    return Entry(
        id=changed.name,
        source=detail.source,
        reason=detail.reason,
        category=detail.category,
        match=detail.match,
        enabled=detail.enabled,
        print=taken,
        size=len(taken.sketch) // 16,
    )


def added(line: Known, *, by: str) -> Changed:
    """The event that adds an entry. Its text is the event's content; the print in the detail outlives that.

    Raises ValueError where the line cannot be an entry.
    """
    if line.text is not None:
        taken = fingerprint(normalise(line.text).data)
    elif line.print is not None:
        taken = line.print
    else:
        raise ValueError("text: is missing, and there is no print of an erased text either")
    for field in ("source", "reason", "category"):
        if not getattr(line, field).strip():
            raise ValueError(f"{field}: is empty")
    if not taken.length:
        raise ValueError("text: nothing of it is left after normalisation")
    if line.match == "near" and taken.characters < NEAR_FROM:
        raise ValueError(
            f"match: 'near' needs {NEAR_FROM} characters of normalised text or more, not {taken.characters}"
        )
    detail: dict[str, Any] = {
        "op": "add",
        "match": line.match,
        "source": line.source,
        "reason": line.reason,
        "category": line.category,
        "enabled": line.enabled,
        "print": msgspec.to_builtins(taken),
    }
    return Changed(what="fingerprint", name=line.id or f"fp_{taken.digest[:16]}", by=by, detail=detail)


def switched(name: str, *, enabled: bool, by: str, reason: str = "") -> Changed:
    """The event that switches an entry on or off. Nothing is lost: what is off can be switched on again."""
    op = "enable" if enabled else "disable"
    return Changed(what="fingerprint", name=name, by=by, detail={"op": op, "reason": reason})


def imported(lines: Iterable[str]) -> list[Known]:
    """Entries from JSON lines; blank lines are skipped. The whole is validated before any of it is used.

    Raises ValueError that names every line and field at fault.
    """
    read: list[Known] = []
    faults: list[str] = []
    seen: dict[str, int] = {}
    for number, raw in enumerate(lines, 1):
        if not raw.strip():
            continue
        try:
            line = msgspec.json.decode(raw, type=Known)
            name = added(line, by="").name
        except (ValueError, msgspec.DecodeError) as error:
            faults.append(f"line {number}: {_explained(str(error))}")
            continue
        if name in seen:
            faults.append(f"line {number}: id: {name!r} is on line {seen[name]} already")
        seen.setdefault(name, number)
        read.append(line)
    if faults:
        raise ValueError("\n".join(faults))
    return read


def exported(entries: Iterable[Entry], texts: dict[str, str]) -> Iterator[str]:
    """JSON lines that `imported` reads; an entry without a text in `texts` goes by its print."""
    for entry in entries:
        text = texts.get(entry.id)
        line = Known(
            id=entry.id,
            text=text,
            source=entry.source,
            reason=entry.reason,
            category=entry.category,
            match=entry.match,
            enabled=entry.enabled,
            print=entry.print if text is None else None,
        )
        yield msgspec.json.encode(line).decode()


def _explained(error: str) -> str:
    """A decoding error with the nearest valid name."""
    for wrong, known in (
        ("unknown field `", Known.__struct_fields__),
        ("Invalid enum value '", ("exact", "near", "both")),
    ):
        if wrong in error:
            given = error.split(wrong)[1].split("`")[0].split("'")[0]
            near = get_close_matches(given, known, n=1, cutoff=0.5)
            return f"{error}; did you mean {near[0]!r}?" if near else f"{error}; known are {', '.join(known)}"
    return error
