"""Settings: a reviewer's own password, and what spares him."""

from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.responses import Response

from outworks.console.passwords import SHORTEST
from outworks.console.web import Ask, Page, Refused
from outworks.console.wellness import Choice
from outworks.enforcement.desk.roles import Operation


class _Password(msgspec.Struct, frozen=True, kw_only=True):
    old: Annotated[str, Meta(max_length=300)] = ""
    new: Annotated[str, Meta(max_length=300)]
    again: Annotated[str, Meta(max_length=300)]


class _Wellness(msgspec.Struct, frozen=True, kw_only=True):
    blur: str = ""
    greyscale: str = ""
    shortcuts: str = ""
    limits: Annotated[str, Meta(max_length=5000)] = ""


def show(ask: Ask) -> Response:
    """The page."""
    console = ask.console
    return ask.page(
        "settings.html",
        choice=console.wellness.choice(ask.name),
        said=console.setup().settings.wellness,
        rooms=console.wellness.rooms(ask.name),
        has_password=console.passwords.has(ask.name),
        shortest=SHORTEST,
    )


def wellness(ask: Ask) -> Response:
    """Keep what was chosen; the policy's own limits stay."""
    said = ask.read(_Wellness)
    choice = Choice(
        blur=bool(said.blur),
        greyscale=bool(said.greyscale),
        shortcuts=bool(said.shortcuts),
        limits=_limits(said.limits),
    )
    ask.console.wellness.choose(ask.name, choice)
    return ask.go("/settings", notice="Kept.")


def _limits(text: str) -> dict[str, int]:
    limits = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        category, _, number = line.rpartition(" ")
        if not category.strip() or not number.isdigit() or len(number) > 6:
            raise Refused(422, f"A daily limit is a category and a number, such as `violence 20`, not {line[:60]!r}.")
        limits[category.strip()] = int(number)
    return limits


def password(ask: Ask) -> Response:
    """A new password. Every other session ends: whoever else knew the old one is out."""
    said = ask.read(_Password)
    console = ask.console
    if console.passwords.has(ask.name):
        if console.attempts.begin(ask.name, ask.address) > 0:
            raise Refused(429, "Too many attempts; try again in a quarter of an hour.")
        if not console.passwords.holds(ask.name, said.old, may=True):
            raise Refused(403, "That is not your present password.")
        console.attempts.succeeded(ask.name, ask.address)
    if said.new != said.again:
        raise Refused(422, "The new password was not written twice the same.")
    console.passwords.set(ask.name, said.new)
    assert ask.session is not None
    console.sessions.end_all(ask.name, but=ask.session.token)
    return ask.go("/settings", notice="The new password holds; you are signed out everywhere else.")


PAGES = (
    Page("GET", "/settings", show, Operation.OWN_SETTINGS),
    Page("POST", "/settings/wellness", wellness, Operation.OWN_SETTINGS),
    Page("POST", "/settings/password", password, Operation.OWN_SETTINGS),
)
