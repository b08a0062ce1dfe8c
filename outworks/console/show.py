"""Show: how values appear on a page; other people's words never as anything but words."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from outworks.action import Standing
from outworks.ledger.chain import kind_of
from outworks.plural import plural
from outworks.verdict import Decision

_KEPT = "\n\t"


def words(text: object) -> str:
    """Other people's text: control and formatting characters (those that turn the line around, too) as escapes."""
    said = str(text)
    if said.isprintable():
        return said
    return "".join(
        one if one.isprintable() or one in _KEPT else one.encode("unicode_escape", "surrogatepass").decode()
        for one in said
    )


def quoted(text: object) -> str:
    """A name as a part of an address; it holds neither `/` nor anything else that leads to another page."""
    return quote(str(text), safe="")


def moment(unix: float | None) -> str:
    """A point in time, UTC: reviewers in different places speak of the same one."""
    return "never" if unix is None else datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%d %H:%M:%S")


def day(unix: float) -> str:
    """Its day, UTC."""
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%d")


def clock(unix: float) -> str:
    """Its time of day, UTC."""
    return datetime.fromtimestamp(unix, UTC).strftime("%H:%M:%S")


def iso(unix: float) -> str:
    """For `<time datetime>`."""
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def ago(unix: float, now: float | None = None) -> str:
    """How long ago, or in how long, in one unit."""
    passed = (time.time() if now is None else now) - unix
    said = span(abs(passed))
    return f"{said} ago" if passed >= 0 else f"in {said}"


def span(length: float) -> str:
    """A length of time, in one unit."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if length >= size:
            return f"{length / size:.0f} {unit}"
    return f"{length:.0f} s"


def number(value: float) -> str:
    """A number, its thousands apart."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"


def percent(share: float | None) -> str:
    """A share of 1."""
    return "-" if share is None else f"{100 * share:.1f}%"


def decision(value: int) -> str:
    """A decision's name, in small letters."""
    return Decision(value).name.lower()


def standing(value: int) -> str:
    """A standing's name, in small letters."""
    return Standing(value).name.lower()


def kind(body: Any) -> str:
    """An event's kind."""
    return kind_of(type(body)).replace("_", " ")


def person(by: str) -> str:
    """Who did it, without the prefix that the ledger keeps."""
    return by.partition(":")[2] or by


def source(said: str) -> str:
    """Who or what did it: `rule warn`, `eva`."""
    return person(said) if said.startswith("person:") else said.replace(":", " ", 1)


FILTERS: Mapping[str, Callable[..., Any]] = {
    "words": words,
    "quoted": quoted,
    "moment": moment,
    "day": day,
    "clock": clock,
    "iso": iso,
    "ago": ago,
    "span": span,
    "number": number,
    "percent": percent,
    "plural": plural,
    "decision": decision,
    "standing": standing,
    "kind": kind,
    "person": person,
    "source": source,
}
