"""Audit: who did what, event by event, and whether the chain still holds."""

from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.responses import Response

from outworks.console.tell import tell
from outworks.console.web import Ask, Page
from outworks.enforcement.desk import lookup
from outworks.enforcement.desk.fold import KINDS
from outworks.enforcement.desk.roles import Operation

_PAGE = 60


class _Asked(msgspec.Struct, frozen=True):
    by: Annotated[str, Meta(max_length=200)] = ""
    kind: Annotated[str, Meta(max_length=50)] = ""
    account: Annotated[str, Meta(max_length=300)] = ""
    before: Annotated[int, Meta(ge=0, le=1 << 62)] | None = None


def audit(ask: Ask) -> Response:
    """The trail, the latest first."""
    said = ask.query(_Asked)
    entries = lookup.trail(
        ask.console.desk,
        by=said.by.strip() or None,
        kind=said.kind or None,
        account=said.account.strip() or None,
        before=said.before,
        limit=_PAGE,
    )
    told = [tell(ask.console.desk.event(entry.seq)) for entry in entries]
    more = entries[-1].seq if len(entries) == _PAGE else None
    return ask.page("audit.html", said=said, told=told, kinds=sorted(KINDS), more=more, head=ask.console.ledger.head())


def event(ask: Ask) -> Response:
    """One event, as the ledger holds it, without its content."""
    given = ask.path("seq")
    found = ask.console.ledger.event(int(given)) if given.isdigit() and len(given) < 16 else None
    if found is None:
        raise LookupError(f"No event {given!r} is in the ledger.")
    body = msgspec.json.format(msgspec.json.encode(found.event.body), indent=2).decode()
    return ask.page(
        "event.html",
        found=found,
        told=tell(found),
        body=body,
        content=found.event.content is not None,
        head=ask.console.ledger.head().seq,
    )


PAGES = (
    Page("GET", "/audit", audit, Operation.SEE_AUDIT),
    Page("GET", "/events/{seq}", event, Operation.SEE_CASES),
)
