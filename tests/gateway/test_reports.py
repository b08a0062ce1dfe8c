"""`POST /v1/reports`: taken from products about their own users, and nothing else is."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from outworks.enforcement.settings import Office, ReportSettings
from outworks.event import Reported
from tests.enforcement.kit import ANN
from tests.gateway.public import Public, serving

GOOD = {"account": "ann", "reason": "She bullies me.", "category": "bullying", "reporter": "kim"}


@pytest.fixture
async def public(tmp_path: Path) -> AsyncIterator[Public]:
    async with serving(tmp_path) as public:
        yield public


async def send(public: Public, body: Any, *, product: str = "shop", **headers: str) -> httpx2.Response:
    given: dict[str, Any] = {"content": body} if isinstance(body, bytes) else {"json": body}
    return await public.http.post("/v1/reports", headers={**public.authorised(product), **headers}, **given)


async def test_a_report_is_recorded(public: Public) -> None:
    """It is in the ledger, under the account, before it is answered; what was written is content."""
    exchange = next(iter(public.desk.ledger.events())).event.exchange

    answer = await send(public, {**GOOD, "exchange": exchange})

    (recorded,) = public.desk.ledger.events(kinds={"reported"}, with_content=True)
    body = recorded.event.body
    assert isinstance(body, Reported)
    assert (answer.status_code, answer.json()) == (202, {"id": body.id, "status": "received"})
    assert (body.category, body.reporter) == ("bullying", "kim")
    event = recorded.event
    assert (event.account, event.product, event.exchange) == (ANN, "shop", exchange)
    assert event.content == "She bullies me."
    assert "bullies" not in body.__repr__()


BAD: dict[str, tuple[Any, int, str]] = {
    "no JSON": (b"<html>", 400, "invalid_report"),
    "no UTF-8": (b'{"account": "\xff"}', 400, "invalid_report"),
    "a list": ([], 400, "invalid_report"),
    "nothing": (b"", 400, "invalid_report"),
    "deep": (b"[" * 100_000, 400, "invalid_report"),
    "a wrong type": ({**GOOD, "account": 7}, 400, "invalid_report"),
    "an unknown key": ({**GOOD, "acount": "ann"}, 400, "invalid_report"),
    "no reason": ({"account": "ann"}, 400, "invalid_report"),
    "an empty reason": ({**GOOD, "reason": " \n"}, 400, "invalid_report"),
    "a long reason": ({**GOOD, "reason": "x" * 5001}, 400, "invalid_report"),
    "a long category": ({**GOOD, "category": "x" * 201}, 400, "invalid_report"),
    "control characters": ({**GOOD, "reporter": "kim\x1b[2J"}, 400, "invalid_report"),
    "an account that is none": ({**GOOD, "account": "an\x00n"}, 400, "invalid_request"),
    "too large": ({**GOOD, "reason": "x" * 200_000}, 413, "request_too_large"),
    "an unknown account": ({**GOOD, "account": "nobody"}, 404, "account_not_found"),
    "an unknown exchange": ({**GOOD, "exchange": "ex_0"}, 404, "exchange_not_found"),
    "no account": ({**GOOD, "account": ""}, 404, "account_not_found"),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_input_is_refused(public: Public, name: str) -> None:
    """Whatever cannot be a report is refused with a reason, and leaves no trace."""
    body, status, code = BAD[name]
    head = public.desk.ledger.head()

    answer = await send(public, body)

    assert (answer.status_code, answer.json()["error"]["outworks"]["code"]) == (status, code)
    assert public.desk.ledger.head() == head


async def test_a_product_reports_its_own_users_alone(public: Public) -> None:
    """Another product's user, and another account's exchange, are as unknown as any; so is a key that is none."""
    assert (await send(public, GOOD, product="other")).status_code == 404
    bobs = next(iter(public.desk.ledger.events(account="shop:bob"))).event.exchange
    assert (await send(public, {**GOOD, "exchange": bobs})).status_code == 404
    assert (await send(public, GOOD, authorization="Bearer none")).status_code == 401
    assert (await public.http.get("/v1/reports")).status_code == 405
    assert list(public.desk.ledger.events(kinds={"reported"})) == []


async def test_floods_are_held_off(tmp_path: Path) -> None:
    """One reporter, and one product, send so many and no more; others are not held up."""
    async with serving(tmp_path, Office(reports=ReportSettings(per_minute=8, per_reporter=3))) as public:
        reporter = [(await send(public, GOOD)).status_code for _ in range(5)]
        others = [(await send(public, {**GOOD, "reporter": f"r{n}"})).status_code for n in range(5)]
        answer = await send(public, GOOD)

        assert reporter == [202, 202, 202, 429, 429]
        assert others == [202, 202, 202, 429, 429]
        assert answer.json()["error"]["outworks"]["code"] == "too_many_reports"
        assert 0 < int(answer.headers["retry-after"]) <= 60
        assert (await send(public, GOOD, product="other")).status_code == 404


async def test_a_policy_may_take_none(tmp_path: Path) -> None:
    """With 0 a minute every report is refused."""
    async with serving(tmp_path, Office(reports=ReportSettings(per_minute=0))) as public:
        assert (await send(public, GOOD)).status_code == 429
