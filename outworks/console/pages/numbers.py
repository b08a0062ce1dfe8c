"""Numbers: what happened over time, and what it is worth; and the random sample that people label."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from starlette.responses import Response

from outworks.console.chart import chart, charts
from outworks.console.web import Ask, Page
from outworks.enforcement.desk import sample
from outworks.enforcement.desk.roles import Operation

_DAY = 86_400.0
PERIODS = (7, 30, 90, 365)


class _Period(msgspec.Struct, frozen=True):
    days: Annotated[int, Meta(ge=1, le=3660)] = 30


class _Draw(msgspec.Struct, frozen=True):
    count: Annotated[int, Meta(ge=1, le=1000)] = 50
    days: Annotated[int, Meta(ge=1, le=3660)] = 7


class _Label(msgspec.Struct, frozen=True):
    violating: Literal["yes", "no"]
    category: Annotated[str, Meta(max_length=64)] = ""


def show(ask: Ask) -> Response:
    """The page, for a period."""
    days = ask.query(_Period).days
    until = ask.now
    since = until - days * _DAY
    numbers = ask.console.numbers()
    appealed = numbers.totals("appeals", since, until)
    overturned = numbers.totals("overturned", since, until)
    exchanges = numbers.series("exchanges", since, until)
    return ask.page(
        "numbers.html",
        days=days,
        periods=PERIODS,
        violating=numbers.violating(since, until),
        stops=numbers.stops(since, until),
        ages=numbers.ages(until),
        exchanges=chart("Exchanges", next(iter(exchanges.values()), ()), since, until),
        blocked=charts(numbers.series("blocked", since, until), since, until),
        actions=charts(numbers.series("actions", since, until), since, until),
        decided=charts(numbers.series("cases_decided", since, until), since, until),
        appeals=[(rule, count, overturned.get(rule, 0)) for rule, count in sorted(appealed.items())],
        rules=[numbers.precision(rule.name) for rule in ask.console.rules()],
        behind=ask.console.behind(),
        waiting=len(numbers.unlabelled(1000)),
    )


def samples(ask: Ask) -> Response:
    """The next answer of the sample that nobody labelled."""
    waiting = ask.console.numbers().unlabelled(200)
    account = ""
    if waiting:
        first = next(iter(ask.console.ledger.events(exchange=waiting[0], limit=1)), None)
        account = first.event.account if first is not None else ""
    return ask.page(
        "samples.html",
        waiting=waiting,
        account=account,
        reveal_at=f"/exchanges/{waiting[0]}/content" if waiting else "",
        policies=ask.console.desk.office.policies,
    )


def draw(ask: Ask) -> Response:
    """Draw answers at random from those that were served."""
    said = ask.read(_Draw)
    count = sample.draw(
        ask.console.ledger, said.count, since=ask.now - said.days * _DAY, until=ask.now, by=f"person:{ask.name}"
    )
    return ask.go("/samples", notice=f"{count} answers were drawn.")


def label(ask: Ask) -> Response:
    """Say whether an answer went against the policy."""
    said = ask.read(_Label)
    sample.label(
        ask.console.ledger,
        ask.path("exchange"),
        by=f"person:{ask.name}",
        violating=said.violating == "yes",
        category=said.category,
    )
    return ask.go("/samples", notice="Kept." if said.violating == "no" else "Kept as a violation.")


PAGES = (
    Page("GET", "/numbers", show, Operation.SEE_NUMBERS),
    Page("GET", "/samples", samples, Operation.LABEL),
    Page("POST", "/samples", draw, Operation.LABEL),
    Page("POST", "/samples/{exchange}", label, Operation.LABEL),
)
