"""Bulk actions: looked at first, counted, then taken by one id, and taken back by it."""

from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.responses import Response

from outworks.console.web import Ask, Page
from outworks.duration import lasting
from outworks.enforcement import bulk
from outworks.enforcement.desk import lookup
from outworks.enforcement.desk.cases import Outcome
from outworks.enforcement.desk.decisions import STANDINGS
from outworks.enforcement.desk.roles import Operation
from outworks.plural import plural

_SHOWN = 200


class _Plan(msgspec.Struct, frozen=True, kw_only=True):
    accounts: Annotated[str, Meta(min_length=1, max_length=1_900_000)]
    outcome: Outcome
    reason: Annotated[str, Meta(min_length=1, max_length=5000)]
    policy: str = ""
    lasts: str = ""
    rate: float | None = None


class _Reason(msgspec.Struct, frozen=True):
    reason: Annotated[str, Meta(min_length=1, max_length=2000)]


def overview(ask: Ask) -> Response:
    """What was planned and taken, and the form for another one."""
    return ask.page(
        "bulk.html",
        bulks=lookup.bulks(ask.console.desk),
        outcomes=list(STANDINGS),
        policies=ask.console.desk.office.policies,
    )


def plan(ask: Ask) -> Response:
    """Write a plan down; nothing is done yet."""
    data = {key: value for key, value in ask.form.items() if value != ""}
    said = ask.convert(data, _Plan)
    preview = bulk.plan(
        ask.console.desk,
        ask.who,
        said.accounts.splitlines(),
        said.outcome,
        reason=said.reason,
        policy=said.policy,
        lasts=lasting(said.lasts) if said.lasts else None,
        rate_per_minute=said.rate,
    )
    return ask.go(f"/bulk/{preview.bulk.id}")


def show(ask: Ask) -> Response:
    """A plan and whom it would meet, or what was done and how to take it back."""
    preview = bulk.preview(ask.console.desk, ask.path("bulk"))
    return ask.page("bulk_one.html", preview=preview, bulk=preview.bulk, shown=preview.bulk.accounts[:_SHOWN])


def apply(ask: Ask) -> Response:
    """Take it."""
    done = bulk.apply(ask.console.desk, ask.who, ask.path("bulk"))
    return ask.go(f"/bulk/{done.id}", notice=f"Done: {plural(len(done.accounts), 'account')}.")


def undo(ask: Ask) -> Response:
    """Take it back."""
    done = bulk.undo(ask.console.desk, ask.who, ask.path("bulk"), reason=ask.read(_Reason).reason)
    return ask.go(f"/bulk/{done.id}", notice="Taken back.")


def redo(ask: Ask) -> Response:
    """Take the taking back back."""
    done = bulk.redo(ask.console.desk, ask.who, ask.path("bulk"), reason=ask.read(_Reason).reason)
    return ask.go(f"/bulk/{done.id}", notice="Those actions count again.")


PAGES = (
    Page("GET", "/bulk", overview, Operation.BULK),
    Page("POST", "/bulk", plan, Operation.BULK),
    Page("GET", "/bulk/{bulk}", show, Operation.BULK),
    Page("POST", "/bulk/{bulk}/apply", apply, Operation.BULK),
    Page("POST", "/bulk/{bulk}/undo", undo, Operation.BULK),
    Page("POST", "/bulk/{bulk}/redo", redo, Operation.BULK),
)
