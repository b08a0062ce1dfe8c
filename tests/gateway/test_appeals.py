"""`/v1/appeals/TOKEN`: whoever was told can read why and answer, once; nobody else learns anything."""

import asyncio
import re
import threading
from collections import Counter
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from outworks.action import Action, Standing
from outworks.enforcement.desk import decisions, lookup
from outworks.enforcement.desk.cases import Outcome
from outworks.enforcement.ids import new_id
from outworks.enforcement.settings import AppealSettings, Office
from outworks.event import Appealed, RecordError
from tests.enforcement.desk_kit import BEN, LEA, by_rule, record_action, standing, work
from tests.enforcement.kit import ANN, action
from tests.gateway.public import TOKENS, Public, serving

PAGE = {"accept": "text/html,application/xhtml+xml"}
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&"


@pytest.fixture
async def public(tmp_path: Path) -> AsyncIterator[Public]:
    async with serving(tmp_path) as public:
        yield public


def path(made: Action) -> str:
    return f"/v1/appeals/{TOKENS.token(made.id)}"


async def post(public: Public, made: Action, body: Any = None, **more: Any) -> httpx2.Response:
    return await public.http.post(path(made), json={"text": "It was not me."} if body is None else body, **more)


def appeals(public: Public) -> list[Any]:
    return list(public.desk.ledger.events(kinds={"appealed"}, with_content=True))


async def test_a_program_reads_why(public: Public) -> None:
    """As JSON: what was decided, the statement of reasons, until when, whether it is in force, and whether to
    appeal."""
    made = by_rule(public.desk, case="", policy="use-2")
    early = (await public.http.get(path(made))).json()
    work(public.desk)

    said = (await public.http.get(path(made))).json()

    assert (said["decision"], said["state"], said["appeal"], said["can_appeal"]) == (
        "suspended",
        "in force",
        "none",
        True,
    )
    assert (said["policy"], said["automated"], said["expires"]) == ("use-2", True, made.expires)
    assert said["text"].startswith("This account is suspended")
    assert early == said


async def test_what_a_reinstatement_lifted_is_not_in_force(public: Public) -> None:
    """Nobody reads that a decision is in force which a later reinstatement lifted."""
    made = by_rule(public.desk, case="")
    record_action(public.desk, action(Standing.GOOD, account=ANN, at=made.at))

    said = (await public.http.get(path(made))).json()

    assert said["state"] == "lifted"


async def test_who_waits_for_the_index_takes_no_thread_from_the_defenses(
    public: Public, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another process keeps the index locked, readers of the page wait for it, and nobody else does."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(4))
    made = by_rule(public.desk, case="")
    held = threading.Event()
    monkeypatch.setattr(public.desk, "refresh", lambda: held.wait(10))
    reading = [asyncio.create_task(public.http.get(path(made))) for _ in range(8)]
    await asyncio.sleep(0.1)

    await asyncio.wait_for(asyncio.to_thread(int), 2)

    held.set()
    monkeypatch.undo()
    await asyncio.gather(*reading)


async def test_a_person_reads_a_page(public: Public) -> None:
    """A browser gets a page without scripts, from which nothing is fetched, and which says whom to trust with
    nothing."""
    made = by_rule(public.desk, case="", reason=HOSTILE)

    answer = await public.http.get(path(made), headers=PAGE)

    policy = answer.headers["content-security-policy"]
    assert answer.headers["content-type"].startswith("text/html")
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert not re.search(r"<script|<img|<link|onerror=\"|src=\"|http-equiv", answer.text.replace("&lt;", "("))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in answer.text
    assert '<form method="post">' in answer.text
    assert ANN not in answer.text


async def test_an_appeal_is_taken_once(public: Public) -> None:
    """It is recorded with the words as content; a second one is refused, whichever way it comes."""
    made = by_rule(public.desk, case="")

    first = await post(public, made)
    second = await post(public, made)

    assert (first.status_code, first.json()["state"]) == (201, "open")
    assert (second.status_code, second.json()["error"]["code"]) == (409, "no_appeal")
    (recorded,) = appeals(public)
    assert isinstance(recorded.event.body, Appealed)
    assert (recorded.event.account, recorded.event.content) == (ANN, "It was not me.")
    assert recorded.event.body.id == first.json()["appeal"]
    work(public.desk)
    assert lookup.cases(public.desk, queue="appeals")[0].action == made.id


async def test_a_form_works_without_a_script(public: Public) -> None:
    """The page's own form is taken, and leads back to the page, where sending it again does nothing."""
    made = by_rule(public.desk, case="")

    answer = await public.http.post(path(made), data={"text": "Line one.\r\nLine two. \u00e9\u4f60"}, headers=PAGE)
    page = await public.http.get(answer.url.join(answer.headers["location"]), headers=PAGE)

    assert answer.status_code == 303
    assert appeals(public)[0].event.content == "Line one.\nLine two. \u00e9\u4f60"
    assert "Your appeal was received" in page.text
    assert "<form" not in page.text


async def test_the_answer_is_there_to_read(public: Public) -> None:
    """Whoever appealed finds the answer, and its words, at the same address."""
    made = by_rule(public.desk, case="")
    await post(public, made)
    work(public.desk)
    case = lookup.cases(public.desk, queue="appeals")[0]
    decisions.decide(public.desk, BEN, case.id, Outcome.OVERTURN, reason=HOSTILE)

    said = (await public.http.get(path(made))).json()
    page = (await public.http.get(path(made), headers=PAGE)).text

    assert (said["appeal"], said["answer"], said["state"], said["can_appeal"]) == (
        "overturned",
        HOSTILE,
        "lifted",
        False,
    )
    assert "the decision is taken back" in page
    assert "<script" not in page
    assert standing(public.desk).standing is Standing.GOOD


UNKNOWN = {
    "another secret": "0" * 36,
    "too short": "abc",
    "of letters": "z" * 36,
    "with a path": "..%2f..%2fetc",
    "long": "a" * 5000,
    "with bytes": "%ff%00",
    "an id": "act_7k3mq9tzxw4p",
}


@pytest.mark.parametrize("name", UNKNOWN)
async def test_a_token_that_is_none_leads_nowhere(public: Public, name: str) -> None:
    """Whatever is asked for, the answer is the same, for reading and for writing, and nothing is recorded."""
    head = public.desk.ledger.head()

    answers = [
        await public.http.get(f"/v1/appeals/{UNKNOWN[name]}"),
        await public.http.post(f"/v1/appeals/{UNKNOWN[name]}", json={"text": "x"}),
        await public.http.get(f"/v1/appeals/{UNKNOWN[name]}", headers=PAGE),
    ]

    assert [answer.status_code for answer in answers] == [404] * 3
    assert public.desk.ledger.head() == head


async def test_what_was_never_in_force_is_unknown_too(public: Public) -> None:
    """A true token of an action that is not there, in shadow, or no restriction, tells nothing."""
    shadow = action(Standing.BANNED, shadow=True, id=new_id("act"))
    free = action(Standing.GOOD, id=new_id("act"))
    for made in (shadow, free):
        record_action(public.desk, made)

    for made in (shadow, free, action(Standing.BANNED, id=new_id("act"))):
        assert (await public.http.get(path(made))).status_code == 404


BAD: dict[str, tuple[dict[str, Any], int, str]] = {
    "no JSON": ({"content": b"{", "headers": {"content-type": "application/json"}}, 400, "invalid_appeal"),
    "no UTF-8": (
        {"content": b'{"text": "\xff"}', "headers": {"content-type": "application/json"}},
        400,
        "invalid_appeal",
    ),
    "deep": ({"content": b"[" * 90_000, "headers": {"content-type": "application/json"}}, 400, "invalid_appeal"),
    "a list": ({"json": ["x"]}, 400, "invalid_appeal"),
    "a number": ({"json": {"text": 7}}, 400, "invalid_appeal"),
    "another key": ({"json": {"text": "x", "token": "y"}}, 400, "invalid_appeal"),
    "empty": ({"json": {"text": "  "}}, 400, "invalid_appeal"),
    "too long": ({"json": {"text": "x" * 5001}}, 400, "invalid_appeal"),
    "far too long": ({"json": {"text": "x" * 200_000}}, 413, "request_too_large"),
    "two texts": (
        {"content": b"text=a&text=b", "headers": {"content-type": "application/x-www-form-urlencoded"}},
        400,
        "invalid_appeal",
    ),
    "a form without": (
        {"content": b"tekst=a", "headers": {"content-type": "application/x-www-form-urlencoded"}},
        400,
        "invalid_appeal",
    ),
    "a form of bytes": (
        {"content": b"text=%ff\xff", "headers": {"content-type": "application/x-www-form-urlencoded"}},
        400,
        "invalid_appeal",
    ),
    "a file": ({"files": {"text": b"x"}}, 415, "unsupported_media_type"),
    "no type": ({"content": b"text=x"}, 415, "unsupported_media_type"),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_input_is_refused(public: Public, name: str) -> None:
    """Whatever cannot be an appeal is refused with a reason, records nothing, and takes no right to appeal away."""
    given, status, code = BAD[name]
    made = by_rule(public.desk, case="")
    head = public.desk.ledger.head()

    answer = await public.http.post(path(made), **given)

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert public.desk.ledger.head() == head
    assert (await post(public, made)).status_code == 201


async def test_other_methods_are_not_there(public: Public) -> None:
    """Nothing but reading and appealing."""
    made = by_rule(public.desk, case="")

    for method in ("PUT", "DELETE", "PATCH"):
        assert (await public.http.request(method, path(made))).status_code == 405


async def test_what_cannot_be_appealed_says_why(tmp_path: Path) -> None:
    """After the time, and after it was taken back, an appeal is refused, and the page says so."""
    async with serving(tmp_path, Office(appeals=AppealSettings(within="10d"))) as public:
        undone = by_rule(public.desk, case="")
        decisions.undo_action(public.desk, LEA, undone.id, reason="x")
        old = by_rule(public.desk, case="", expires=None, standing=Standing.BANNED)
        public.clock.now += 10 * 86_400 + 1

        for made, why in ((undone, "taken back already"), (old, "has passed")):
            assert why in (await post(public, made)).json()["error"]["message"]
            assert why in (await public.http.get(path(made), headers=PAGE)).text
        assert appeals(public) == []


async def test_of_many_at_once_one_is_taken(public: Public) -> None:
    """However many arrive at the same moment, the ledger holds one appeal."""
    made = by_rule(public.desk, case="")

    answers = await asyncio.gather(*(post(public, made) for _ in range(6)))

    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 5}
    assert len(appeals(public)) == 1


async def test_floods_are_held_off(public: Public) -> None:
    """One token may be asked for so often and no more; another one's owner is not held up."""
    made, other = by_rule(public.desk, case=""), by_rule(public.desk, case="", account="shop:bob")

    reads = Counter([(await public.http.get(path(made))).status_code for _ in range(65)])
    writes = Counter([(await post(public, made, {"text": ""})).status_code for _ in range(10)])

    assert reads == {200: 60, 429: 5}
    assert writes == {400: 6, 429: 4}
    assert int((await public.http.get(path(made))).headers["retry-after"]) <= 60
    assert (await public.http.get(path(other))).status_code == 200


async def test_a_crowd_is_turned_away_for_a_moment(public: Public) -> None:
    """Beyond what is looked at at once, people are asked to try again: models are served first."""
    mades = [by_rule(public.desk, case="", account=f"shop:u{n}") for n in range(60)]

    answers = await asyncio.gather(*(public.http.get(path(made)) for made in mades))

    codes = Counter(answer.status_code for answer in answers)
    assert codes[200] >= 16
    assert set(codes) <= {200, 503}


async def test_an_appeal_that_cannot_be_recorded_is_not_taken(public: Public, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the ledger takes nothing the answer says so, and the right to appeal stays."""
    made = by_rule(public.desk, case="")

    def broken(events: object) -> list[int]:
        raise RecordError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(public.desk.ledger, "append_now", broken)
        answer = await post(public, made)
        page = await post(public, made, headers=PAGE)

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "ledger_unavailable")
    assert "disk" not in page.text
    assert (await post(public, made)).status_code == 201
