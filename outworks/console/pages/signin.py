"""Sign-in: password, one-time link, OpenID Connect; and sign-out."""

import msgspec
from starlette.responses import Response

from outworks.console.openid import COOKIE, OpenIdError
from outworks.console.sessions import Session
from outworks.console.web import Ask, Page, Refused
from outworks.enforcement.desk import lookup
from outworks.event import SignedIn


class _Password(msgspec.Struct, frozen=True):
    name: str
    password: str


class _Link(msgspec.Struct, frozen=True):
    token: str


def form(ask: Ask) -> Response:
    """The form; who has signed in goes on."""
    return ask.go("/") if ask.session is not None and ask.signed_in else ask.page("signin.html", error="", name="")


def password(ask: Ask) -> Response:
    """Name and password. Nothing in the answer, nor the time it takes, tells whether the name exists."""
    said = ask.read(_Password)
    console = ask.console
    wait = console.attempts.begin(said.name, ask.address)
    if wait > 0:
        minutes = max(1, round(wait / 60))
        error = f"Too many attempts. Try again in {minutes} minutes, or ask an admin for a link."
        response = ask.page("signin.html", 429, error=error, name=said.name)
        response.headers["retry-after"] = str(int(wait) + 1)
        return response
    person = console.reviewers.find(said.name)
    may = person is not None and person.enabled
    if not console.passwords.holds(said.name, said.password, may=may):
        error = "That name and password do not belong together."
        return ask.page("signin.html", 401, error=error, name=said.name)
    console.attempts.succeeded(said.name, ask.address)
    return _enter(ask, said.name, "password")


def link(ask: Ask) -> Response:
    """Where a one-time link leads. It is used up by the button, not by a program that only looks at the address."""
    return ask.page("link.html", token_value=ask.path("token"))


def take_link(ask: Ask) -> Response:
    """Sign in with a one-time link."""
    name = ask.console.sessions.take_link(ask.read(_Link).token)
    person = ask.console.reviewers.find(name) if name is not None else None
    if person is None or not person.enabled:
        raise Refused(403, "This link was used, or its hour is over. Ask an admin for another.")
    return _enter(ask, person.name, "link", to="/" if lookup.cases(ask.console.desk, limit=1) else "/playground")


async def leave(ask: Ask) -> Response:
    """To the provider."""
    openid = ask.console.openid
    if openid is None:
        raise Refused(404, "No OpenID provider is set up.")
    try:
        return await openid.leave(ask.request, _back(ask), secure=ask.console.secure)
    except OpenIdError as error:
        raise Refused(502, f"You cannot be signed in: {error}.") from None


async def arrive(ask: Ask) -> Response:
    """Back from the provider. Only who was added as a reviewer comes in."""
    openid = ask.console.openid
    if openid is None:
        raise Refused(404, "No OpenID provider is set up.")
    try:
        name = await openid.arrive(ask.request)
    except OpenIdError as error:
        raise Refused(403, f"You are not signed in: {error}.") from None
    person = ask.console.reviewers.find(name)
    if person is None or not person.enabled:
        raise Refused(403, "You are not a reviewer here. Ask an admin to add you under the name your provider gives.")
    # From another site's page no redirect would carry the new cookie: this page leads on by itself.
    response = ask.page("arrived.html")
    _begin(ask, response, name, "openid")
    response.delete_cookie(COOKIE, path="/signin/openid")
    return response


def out(ask: Ask) -> Response:
    """Sign out."""
    assert ask.session is not None
    ask.console.sessions.end(ask.session.token)
    response = ask.go("/signin")
    response.delete_cookie(ask.console.cookie, path="/", secure=ask.console.secure, httponly=True, samesite="strict")
    response.headers["clear-site-data"] = '"cache"'
    return response


def _back(ask: Ask) -> str:
    url = ask.console.setup().settings.url or f"{ask.request.url.scheme}://{ask.request.headers.get('host', '')}"
    return f"{url.rstrip('/')}/signin/openid/callback"


def _enter(ask: Ask, name: str, how: str, *, to: str = "/") -> Response:
    response = ask.go(to)
    _begin(ask, response, name, how)
    return response


def _begin(ask: Ask, response: Response, name: str, how: str) -> None:
    console = ask.console
    old = ask.request.cookies.get(console.cookie, "")
    if old:
        console.sessions.end(old)
    console.record(SignedIn(by=f"person:{name}", how=how))
    session: Session = console.sessions.begin(name, how)
    response.set_cookie(
        console.cookie, session.token, path="/", httponly=True, samesite="strict", secure=console.secure
    )


PAGES = (
    Page("GET", "/signin", form, open=True),
    Page("POST", "/signin", password, open=True),
    Page("GET", "/start/{token}", link, open=True),
    Page("POST", "/start", take_link, open=True),
    Page("GET", "/signin/openid", streamed=leave, open=True),
    Page("GET", "/signin/openid/callback", streamed=arrive, open=True),
    Page("POST", "/signout", out),
)
