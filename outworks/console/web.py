"""Web: what a page is, what it is asked, and how it answers; permissions, forms and errors in one place."""

import logging
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar
from urllib.parse import urlsplit

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from outworks.console.sessions import Session
from outworks.console.show import quoted
from outworks.enforcement.desk.roles import Forbidden, Operation, Reviewer, may
from outworks.event import RecordError
from outworks.ledger import LedgerError

if TYPE_CHECKING:
    from outworks.console.console import Console

T = TypeVar("T", bound=msgspec.Struct)
_log = logging.getLogger(__name__)

FORM_BYTES = 2_000_000
"""The largest form; a bank of fingerprints is imported in one."""

WRITTEN = {
    "text": "Text",
    "note": "Note",
    "reason": "Reason",
    "why": "Why",
    "description": "Why it is there",
    "when": "When",
    "accounts": "Accounts",
    "limits": "Limits",
    "system": "System prompt",
}
"""Fields in which people write at length: whatever refuses a form gives their words back."""


class Refused(Exception):
    """What was asked cannot be done; the page says why."""

    def __init__(self, status: int, message: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}


class Notice(msgspec.Struct, frozen=True):
    """What the next page says of what was just done."""

    text: str
    undo: str = ""
    """A decision that can be taken back from there."""


class Ask:
    """One request of somebody who has signed in (or, on open pages, of anybody)."""

    def __init__(
        self, console: "Console", request: Request, session: Session | None, who: Reviewer | None, form: FormData
    ) -> None:
        self.console = console
        self.request = request
        self.session = session
        self._who = who
        self.form = form
        self.now = time.time()

    @property
    def who(self) -> Reviewer:
        """Who asks. Only pages that anybody may open can be asked by nobody."""
        assert self._who is not None
        return self._who

    @property
    def signed_in(self) -> bool:
        """Whether somebody asks who may be here."""
        return self._who is not None

    @property
    def name(self) -> str:
        """The name under which this is recorded."""
        return self.who.name

    @property
    def address(self) -> str:
        """Where the request comes from."""
        return self.request.client.host if self.request.client else ""

    @property
    def notice(self) -> Notice | None:
        """What was just done, if anything."""
        return self.console.unpack(self.request.cookies.get("outworks_notice", ""))

    @property
    def partial(self) -> bool:
        """Whether htmx asks, for a part of the page."""
        return self.request.headers.get("hx-request") == "true" and "hx-boosted" not in self.request.headers

    def may(self, operation: Operation) -> bool:
        """Whether who asks may do that."""
        return self._who is not None and may(self._who, operation)

    def path(self, name: str) -> str:
        """A parameter of the path."""
        return str(self.request.path_params[name])

    def query(self, kind: type[T]) -> T:
        """The query, as a Struct. Raises `Refused` 422."""
        return _converted(dict(self.request.query_params), kind)

    def read(self, kind: type[T]) -> T:
        """The form, as a Struct; fields that are lists take every value. Raises `Refused` 422."""
        lists = {field.encode_name for field in msgspec.structs.fields(kind) if "tuple" in str(field.type)}
        data: dict[str, Any] = {}
        for key in self.form:
            if key != "csrf":
                values = [value for value in self.form.getlist(key) if isinstance(value, str)]
                data[key] = values if key in lists else values[-1] if values else ""
        return _converted(data, kind)

    @staticmethod
    def convert(data: dict[str, Any], kind: type[T]) -> T:
        """Other data, as a Struct. Raises `Refused` 422."""
        return _converted({key: value for key, value in data.items() if key != "csrf"}, kind)

    def page(self, template: str, status: int = 200, **context: Any) -> Response:
        """A whole page. A notice that it shows is gone with it."""
        response = HTMLResponse(self.console.render(template, ask=self, **context), status)
        if "outworks_notice" in self.request.cookies:
            response.delete_cookie("outworks_notice")
        return response

    def part(self, template: str, status: int = 200, **context: Any) -> Response:
        """A part of a page, for htmx."""
        return HTMLResponse(self.console.render(template, ask=self, **context), status)

    @staticmethod
    def quote(text: str) -> str:
        """A text as a part of an address."""
        return quoted(text)

    def go(self, path: str, *, notice: str = "", undo: str = "") -> Response:
        """Go on to another page of the console, which shows the notice, and offers to take back the decision `undo`."""
        response = RedirectResponse(path, 303)
        if notice:
            response.set_cookie(
                "outworks_notice",
                self.console.pack(Notice(notice[:500], undo)),
                max_age=60,
                httponly=True,
                samesite="strict",
                secure=self.console.secure,
            )
        return response


Handler: TypeAlias = Callable[[Ask], Response]
Streamed: TypeAlias = Callable[[Ask], Coroutine[Any, Any, Response]]


class Page(msgspec.Struct, frozen=True):
    """One page or action: where it is, who may, and what it does (in a thread: it may read and write)."""

    method: str
    path: str
    handler: Handler | None = None
    needs: Operation | None = None
    """None where anybody may who has signed in."""
    open: bool = False
    """Also without signing in."""
    streamed: Streamed | None = None
    """Instead of the handler, and run on the loop."""


def routes(pages: Sequence[Page], console: "Console") -> list[Route]:
    """Routes in the order of the list, each behind its permission."""
    return [Route(page.path, _endpoint(page, console), methods=[page.method], name=_name(page)) for page in pages]


def _name(page: Page) -> str:
    return f"{page.method} {page.path}"


def _endpoint(page: Page, console: "Console") -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        try:
            return await _answer(page, console, request)
        except Refused as refused:
            form = getattr(request.state, "form", FormData())
            ask = Ask(console, request, *await run_in_threadpool(_signed_in, console, request), form)
            response = _refusal(ask, refused.status, refused.message)
            response.headers.update(refused.headers)
            return response
        except Exception as error:
            return await _fault(console, request, error)

    return endpoint


async def _answer(page: Page, console: "Console", request: Request) -> Response:
    session, who = await run_in_threadpool(_signed_in, console, request)
    if not page.open and who is None:
        if page.method == "GET" and "hx-request" not in request.headers:
            return RedirectResponse("/signin", 303)
        if page.method == "POST":
            with suppress(Refused):
                _check_origin(console, request)
                await _form(request)  # so that the words in it are given back
        raise Refused(401, "You are signed out. Sign in again, then repeat what you did.")
    if page.needs is not None and (who is None or not may(who, page.needs)):
        role = who.role.value if who is not None else "nobody"
        raise Refused(403, f"A {role} may not do this ({page.needs.value.replace('_', ' ')}).")
    form = FormData()
    if page.method == "POST":
        _check_origin(console, request)
        form = await _form(request)
        csrf = form.get("csrf", "")
        if session is not None and not page.open and not session.matches(csrf if isinstance(csrf, str) else ""):
            raise Refused(403, "This form is not of your session. Load the page again, then repeat what you did.")
    ask = Ask(console, request, session if who is not None else None, who, form)
    console.desk.office = console.setup().office
    try:
        if page.streamed is not None:
            return await page.streamed(ask)
        assert page.handler is not None
        return await run_in_threadpool(page.handler, ask)
    except Refused:
        raise
    except LookupError as error:
        raise Refused(404, str(error.args[0]) if error.args else "There is nothing here.") from None
    except (ValueError, OverflowError) as error:
        raise Refused(422, str(error)) from None
    except Forbidden as error:
        raise Refused(403, str(error)) from None
    except (RecordError, LedgerError) as error:
        raise Refused(503, f"The ledger cannot be used: {error}") from None


def _signed_in(console: "Console", request: Request) -> "_SignedIn":
    token = request.cookies.get(console.cookie, "")
    session = console.sessions.find(token) if token else None
    person = console.reviewers.find(session.name) if session is not None else None
    if person is None or not person.enabled:
        return _SignedIn(session, None)
    return _SignedIn(session, person.reviewer)


class _SignedIn(NamedTuple):
    session: Session | None
    who: Reviewer | None


def _check_origin(console: "Console", request: Request) -> None:
    """A browser says which page a form comes from: from another site it is refused, whatever it carries."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin", "")
    own = (request.headers.get("host", ""), urlsplit(console.setup().settings.url).netloc)
    same = not origin or urlsplit(origin).netloc in filter(None, own)
    if site not in ("same-origin", "none") or not same:
        raise Refused(403, "This form comes from another site.")


async def _form(request: Request) -> FormData:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("application/x-www-form-urlencoded", "multipart/form-data"):
        raise Refused(415, "Send a form (application/x-www-form-urlencoded or multipart/form-data).")
    try:
        # Starlette turns what cannot be parsed into a 400 only for its own endpoints.
        form = await request.form(max_files=1, max_fields=3000, max_part_size=FORM_BYTES)
    except HTTPException as error:
        raise Refused(error.status_code, str(error.detail)) from None
    except (UnicodeDecodeError, ValueError):
        raise Refused(400, "The form cannot be read.") from None
    request.state.form = form
    return form


def _converted(data: dict[str, Any], kind: type[T]) -> T:
    try:
        return msgspec.convert(data, kind, strict=False)
    except msgspec.ValidationError as error:
        raise Refused(422, f"The form does not fit: {error}") from None


def _refusal(ask: Ask, status: int, message: str) -> Response:
    template = "part/refused.html" if ask.partial else "refused.html"
    wrote = [(label, said) for name, label in WRITTEN.items() if isinstance(said := ask.form.get(name), str) and said]
    return HTMLResponse(ask.console.render(template, ask=ask, status=status, message=message, wrote=wrote), status)


def refuse_unknown(console: "Console") -> Callable[[Request, Exception], Any]:
    """What is answered where no page is."""

    async def unknown(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        session, who = await run_in_threadpool(_signed_in, console, request)
        words = {404: "There is no such page.", 405: "This page is not asked in that way."}
        return _refusal(
            Ask(console, request, session, who, FormData()), status, words.get(status, "That did not work.")
        )

    return unknown


async def _fault(console: "Console", request: Request, error: Exception) -> Response:
    """What is answered at a fault of ours, here and in the log: never what it was about, which may be content."""
    tail = error.__traceback__
    while tail is not None and tail.tb_next is not None:
        tail = tail.tb_next
    where = f"{tail.tb_frame.f_code.co_filename}:{tail.tb_lineno}" if tail is not None else "?"
    _log.error("%s %s: %s in %s", request.method, request.url.path, type(error).__name__, where)
    session, who = await run_in_threadpool(_signed_in, console, request)
    return _refusal(
        Ask(console, request, session, who, FormData()), 500, "The console is at fault; its log says where."
    )
