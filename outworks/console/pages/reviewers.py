"""Reviewers: who they are, how they agree, and, for admins, who may come in."""

from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.responses import Response

from outworks.console import reviewers
from outworks.console.web import Ask, Page, Refused
from outworks.enforcement.desk import golden
from outworks.enforcement.desk.roles import PERMITTED, Operation, Role


class _New(msgspec.Struct, frozen=True):
    name: Annotated[str, Meta(min_length=1, max_length=100)]
    role: Role


class _Role(msgspec.Struct, frozen=True):
    role: Role


def overview(ask: Ask) -> Response:
    """Everybody, and how they answer the cases by which they are measured."""
    desk = ask.console.desk
    return ask.page(
        "reviewers.html",
        people=list(ask.console.reviewers),
        scores=golden.scores(desk, ask.who),
        agreement=golden.agreement(desk, ask.who),
        roles=list(Role),
        operations=list(Operation),
        permitted=PERMITTED,
    )


def add(ask: Ask) -> Response:
    """Let somebody in; the page shows the one-time link once."""
    said = ask.read(_New)
    person = reviewers.add(ask.console.ledger, ask.console.reviewers, said.name, said.role, by=ask.name)
    return _linked(ask, person.name)


def link(ask: Ask) -> Response:
    """A new one-time link for somebody."""
    person = ask.console.reviewers.find(ask.path("name"))
    if person is None:
        raise LookupError(f"There is no reviewer {ask.path('name')!r}.")
    return _linked(ask, person.name)


def _linked(ask: Ask, name: str) -> Response:
    token = ask.console.sessions.link(name)
    base = ask.console.setup().settings.url or f"{ask.request.url.scheme}://{ask.request.headers.get('host', '')}"
    return ask.page("reviewer_link.html", name=name, link=f"{base.rstrip('/')}/start/{token}")


def role(ask: Ask) -> Response:
    """Another role, from the next page on."""
    name = ask.path("name")
    said = ask.read(_Role)
    reviewers.give_role(ask.console.ledger, ask.console.reviewers, name, said.role, by=ask.name)
    return ask.go("/reviewers", notice=f"{name} is {said.role.value}.")


def disable(ask: Ask) -> Response:
    """Shut somebody out, at once."""
    name = ask.path("name")
    if name == ask.name:
        raise Refused(422, "You cannot shut yourself out; ask another admin.")
    reviewers.switch(ask.console.ledger, ask.console.reviewers, name, enabled=False, by=ask.name)
    ask.console.sessions.end_all(name)
    return ask.go("/reviewers", notice=f"{name} is shut out.")


def enable(ask: Ask) -> Response:
    """Let somebody in again."""
    name = ask.path("name")
    reviewers.switch(ask.console.ledger, ask.console.reviewers, name, enabled=True, by=ask.name)
    return ask.go("/reviewers", notice=f"{name} may sign in.")


PAGES = (
    Page("GET", "/reviewers", overview, Operation.SEE_AGREEMENT),
    Page("POST", "/reviewers", add, Operation.MANAGE_REVIEWERS),
    Page("POST", "/reviewers/{name}/link", link, Operation.MANAGE_REVIEWERS),
    Page("POST", "/reviewers/{name}/role", role, Operation.MANAGE_REVIEWERS),
    Page("POST", "/reviewers/{name}/disable", disable, Operation.MANAGE_REVIEWERS),
    Page("POST", "/reviewers/{name}/enable", enable, Operation.MANAGE_REVIEWERS),
)
