"""Appeals: `/v1/appeals/TOKEN`, where an account reads why, and says what it has to say; for people and for
programs."""

import asyncio
import urllib.parse
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from outworks.action import Action, Standing
from outworks.enforcement.desk import lookup
from outworks.enforcement.desk.cases import Appeal
from outworks.enforcement.desk.desk import Desk
from outworks.enforcement.settings import Office
from outworks.enforcement.telling import notices
from outworks.enforcement.telling.appeals import Tokens, appealable, appealed
from outworks.event import Acted, CaseDecided, Notified, RecordError
from outworks.gateway import appeal_page
from outworks.gateway.appeal_page import Told
from outworks.gateway.http import Limits, read_body
from outworks.gateway.problem import Problem
from outworks.gateway.rate import Rate
from outworks.ledger.schema import LedgerError

PATH = "/v1/appeals/{token}"
_LIMITS = Limits(body_bytes=131_072, body_seconds=10.0)
_READS, _WRITES = 60, 6
"""Requests a minute for one token, to read and to appeal."""
_AT_ONCE = 16
"""Requests looked at at once in one worker; beyond it the answer is 503: the public page is not to slow the models."""

_THREADS = 2


class Appeals:
    """The endpoint. A token that is not ours costs one hash, and is answered as one whose action is not there."""

    def __init__(self, desk: Desk, tokens: Tokens, office: Callable[[], Office], clock: Callable[[], float]) -> None:
        self._desk = desk
        self._tokens = tokens
        self._office = office
        self._clock = clock
        self._reads = Rate(_READS, 60.0)
        self._writes = Rate(_WRITES, 60.0)
        self._busy = 0
        # Whoever waits here for another process's lock takes no thread from the lines of defense.
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="appeals")

    async def answer(self, request: Request) -> Response:
        """GET reads, POST appeals; as a page where a browser asks, as JSON otherwise."""
        page = _is_browser(request)
        try:
            if self._busy >= _AT_ONCE:
                raise Problem(503, "overloaded", "Too many people are asking at once. Try again.", retry_after=1.0)
            self._busy += 1
            try:
                return await self._answer(request, page)
            finally:
                self._busy -= 1
        except (RecordError, LedgerError):
            problem = Problem(503, "ledger_unavailable", "This cannot be recorded now. Try again.", retry_after=5.0)
        except Problem as told:
            problem = told
        if page:
            return appeal_page.problem(problem)
        body = {"error": {"code": problem.code, "message": problem.message}}
        return JSONResponse(body, problem.status, {**problem.headers(), **appeal_page.HEADERS})

    async def _answer(self, request: Request, page: bool) -> Response:
        token = str(request.path_params["token"])
        action_id = self._tokens.action(token)
        if action_id is None:
            raise _unknown()
        wait = (self._writes if request.method == "POST" else self._reads).wait(token)
        if wait:
            raise Problem(
                429, "too_many_requests", "This page was asked for too often. Wait a moment.", retry_after=wait
            )
        if request.method != "POST":
            told = await asyncio.get_running_loop().run_in_executor(self._threads, self._told, action_id)
            return appeal_page.page(told) if page else JSONResponse(msgspec.to_builtins(told), 200, appeal_page.HEADERS)
        body = await read_body(request.receive, dict(request.headers), _LIMITS)
        text = _text(request.headers.get("content-type", ""), body, self._office().appeals.text_chars)
        made = await asyncio.get_running_loop().run_in_executor(self._threads, self._appeal, action_id, text)
        if page:
            # Seeing the page anew must not send the appeal again.
            return Response(status_code=303, headers={**appeal_page.HEADERS, "location": token})
        return JSONResponse({"appeal": made, "state": "open"}, 201, appeal_page.HEADERS)

    def _told(self, action_id: str) -> Told:
        desk = self._desk
        action = self._action(action_id)
        taken = lookup.action(desk, action_id)
        appeal = next(iter(lookup.appeals(desk, action=action_id)), None)
        why_not = self._why_not(action, appeal, lifted=taken.undone)
        return Told(
            decision=action.standing.name.lower(),
            text=self._text(action),
            policy=action.policy,
            automated=action.by.startswith("rule:"),
            decided_at=action.at,
            expires=action.expires,
            state=self._state(action, undone=taken.undone),
            appeal=appeal.state if appeal is not None else "none",
            answer=self._answered(appeal),
            can_appeal=not why_not,
            why_not=why_not,
            text_chars=self._office().appeals.text_chars,
        )

    def _state(self, action: Action, *, undone: bool) -> str:
        if not undone and action.expires is not None and self._clock() >= action.expires:
            return "expired"
        return "in force" if notices.holds(self._desk, action) else "lifted"

    def _appeal(self, action_id: str, text: str) -> str:
        """Record the appeal; under the desk's lock, so that of two at once one is taken."""
        with self._desk.change():
            action = self._action(action_id)
            taken = lookup.action(self._desk, action_id)
            appeal = next(iter(lookup.appeals(self._desk, action=action_id)), None)
            why_not = self._why_not(action, appeal, lifted=taken.undone)
            if why_not:
                raise Problem(409, "no_appeal", why_not)
            event = appealed(action, text, self._clock())
            self._desk.record([event])
            return lookup.appeals(self._desk, action=action_id)[0].id

    def _why_not(self, action: Action, appeal: Appeal | None, *, lifted: bool) -> str:
        if appeal is not None:
            return "This decision was appealed already." if appeal.state == "open" else "This appeal was answered."
        if lifted:
            return "This decision was taken back already."
        return appealable(action, self._clock(), self._office().appeals.within_seconds)

    def _action(self, action_id: str) -> Action:
        try:
            body = self._desk.event(lookup.action(self._desk, action_id).seq).event.body
        except LookupError:
            raise _unknown() from None
        if not isinstance(body, Acted) or body.action.shadow or body.action.standing is Standing.GOOD:
            raise _unknown()
        return body.action

    def _text(self, action: Action) -> str:
        """The notice that was sent; worked out here until it has been."""
        for sent in lookup.notices(self._desk, action=action.id, limit=20):
            body = self._desk.event(sent.seq).event.body
            if isinstance(body, Notified) and body.code != "restored":
                return body.text
        return notices.statement(
            self._office(),
            action.standing.name.lower(),
            action,
            reason=action.reason,
            policy=action.policy,
            facts=notices.facts(self._desk, action.evidence),
            automated=action.by.startswith("rule:"),
        ).text

    def _answered(self, appeal: Appeal | None) -> str:
        if appeal is None or not appeal.decision:
            return ""
        body = self._desk.event(lookup.decision(self._desk, appeal.decision).seq).event.body
        return body.reason if isinstance(body, CaseDecided) else ""


def _unknown() -> Problem:
    return Problem(404, "not_found", "There is no such page. Check the link that you were given.")


def _is_browser(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _text(content_type: str, body: bytes, longest: int) -> str:
    kind = content_type.partition(";")[0].strip().lower()
    try:
        if kind == "application/json":
            text = msgspec.json.decode(body, type=_Sent).text
        elif kind == "application/x-www-form-urlencoded":
            fields = urllib.parse.parse_qs(body.decode(), strict_parsing=True, max_num_fields=4, errors="strict")
            (text,) = fields["text"]
        else:
            why = "Send the text as application/json or application/x-www-form-urlencoded."
            raise Problem(415, "unsupported_media_type", why)
    except (msgspec.DecodeError, ValueError, KeyError, RecursionError):
        raise Problem(400, "invalid_appeal", "The appeal cannot be read; expected one `text`.", param="text") from None
    # Browsers send every line's end as two characters.
    text = text.replace("\r\n", "\n").strip()
    if not 0 < len(text) <= longest:
        why = f"An appeal has 1 to {longest} characters; this one has {len(text)}."
        raise Problem(400, "invalid_appeal", why, param="text")
    return text


class _Sent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: str
