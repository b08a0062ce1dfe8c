"""Reports: `POST /v1/reports`, where a product says that one of its users reported another."""

import time
from collections.abc import Callable, Mapping

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from outworks.enforcement.ids import new_id
from outworks.enforcement.settings import Office
from outworks.event import Event, Recorder, RecordError, Reported
from outworks.gateway.http import Limits, read_body
from outworks.gateway.problem import Problem
from outworks.gateway.rate import Rate
from outworks.gateway.wires.reading import check_user
from outworks.ledger.reader import Reader

PATH = "/v1/reports"
_NAME_CHARS = 200
_HOUR = 3600.0
_LIMITS = Limits(body_bytes=131_072, body_seconds=10.0)


class Report(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a product sends."""

    account: str
    """The end user who is reported, as the product names him in requests."""
    reason: str
    """What the reporter wrote."""
    exchange: str = ""
    """The exchange that it is about: the `x-request-id` of an answer."""
    category: str = ""
    """The product's own word for the kind of misuse."""
    reporter: str = ""
    """Who reports, in the product's words."""


class Reports:
    """The endpoint. It records, and the clerk opens the case: nothing here waits for anything but the ledger."""

    def __init__(
        self,
        office: Callable[[], Office],
        reader: Reader,
        recorder: Callable[[], Recorder],
        product: Callable[[Mapping[str, str]], str],
        problem: Callable[[Problem], bytes],
    ) -> None:
        """`product` is whose key a request carries, or raises `Problem`; `problem` puts one into words."""
        self._office = office
        self._reader = reader
        self._recorder = recorder
        self._product = product
        self._problem = problem
        self._limits: tuple[int, int] | None = None
        self._limit(office())

    def _limit(self, office: Office) -> None:
        limits = (office.reports.per_minute, office.reports.per_reporter)
        if limits != self._limits:
            self._limits = limits
            self._by_product = Rate(limits[0], 60.0)
            self._by_reporter = Rate(limits[1], _HOUR)

    async def take(self, request: Request) -> Response:
        """Take a report: 202 with its id."""
        try:
            return await self._take(request)
        except Problem as problem:
            return Response(self._problem(problem), problem.status, problem.headers(), "application/json")

    async def _take(self, request: Request) -> Response:
        product = self._product(dict(request.headers))
        office = self._office()
        self._limit(office)
        wait = self._by_product.wait(product)
        if wait:
            raise Problem(429, "too_many_reports", "this product sends too many reports", retry_after=wait)
        report = _read(await read_body(request.receive, dict(request.headers), _LIMITS), office.appeals.text_chars)
        account = f"{product}:{check_user(report.account, 'account')}"
        if report.reporter:
            wait = self._by_reporter.wait(f"{product}:{report.reporter}")
            if wait:
                raise Problem(429, "too_many_reports", "this reporter reports too often", retry_after=wait)
        self._check_known(account, report.exchange)
        body = Reported(id=new_id("rep"), category=report.category, reporter=report.reporter)
        event = Event(
            body=body,
            at=time.time(),
            account=account,
            product=product,
            exchange=report.exchange,
            content=report.reason.strip(),
        )
        try:
            await self._recorder().append([event])
        except RecordError:
            raise Problem(503, "ledger_unavailable", "the report could not be recorded", retry_after=5.0) from None
        return JSONResponse({"id": body.id, "status": "received"}, 202, {"cache-control": "no-store"})

    def _check_known(self, account: str, exchange: str) -> None:
        """A product reports its own users, for what they did with it: another's are as unknown as any."""
        if self._reader.first_seen(account) is None:
            why = "no request of this account was ever received"
            raise Problem(404, "account_not_found", why, param="account")
        if not exchange:
            return
        first = next(iter(self._reader.events(exchange=exchange, limit=1)), None)
        if first is None or first.event.account != account:
            raise Problem(404, "exchange_not_found", "this account had no such exchange", param="exchange")


def _read(body: bytes, longest: int) -> Report:
    try:
        report = msgspec.json.decode(body, type=Report)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        why = f"the report cannot be read: {str(error)[:200]}; expected an object with account and reason"
        raise Problem(400, "invalid_report", why) from None
    for name in ("exchange", "category", "reporter"):
        given = getattr(report, name)
        if len(given) > _NAME_CHARS or (given and not given.isprintable()):
            why = f"{name} is printable and has at most {_NAME_CHARS} characters"
            raise Problem(400, "invalid_report", why, param=name)
    if not 0 < len(report.reason.strip()) <= longest:
        raise Problem(400, "invalid_report", f"the reason has 1 to {longest} characters", param="reason")
    return report
