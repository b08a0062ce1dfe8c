"""Appeals: what accounts appealed against, and what became of it."""

import msgspec
from starlette.responses import Response

from outworks.console.web import Ask, Page
from outworks.enforcement.desk import lookup
from outworks.enforcement.desk.roles import Operation


class _Asked(msgspec.Struct, frozen=True):
    state: str = "open"


def appeals(ask: Ask) -> Response:
    """Appeals by state, the latest first."""
    state = ask.query(_Asked).state
    state = state if state in ("open", "upheld", "overturned") else "open"
    found = lookup.appeals(ask.console.desk, state=state, limit=100)
    return ask.page("appeals.html", found=found, state=state)


PAGES = (Page("GET", "/appeals", appeals, Operation.SEE_CASES),)
