"""Forms: those of another site, of another session, too large, malformed; and what every answer carries."""

import html
import random
import re
from pathlib import Path

import pytest

from outworks.console.console import HERE, Console
from outworks.console.pages import PAGES
from outworks.console.protection import POLICY, hosts_of
from outworks.console.web import FORM_BYTES, WRITTEN, Page
from tests.console.kit import HOST, Somebody

_FORMS = [page for page in PAGES if page.method == "POST" and not page.open]
_IDS = [page.path for page in _FORMS]
_FIELDS = (
    "account",
    "accounts",
    "again",
    "blur",
    "case",
    "category",
    "comment",
    "days",
    "description",
    "expires",
    "file",
    "format",
    "greyscale",
    "lasts",
    "limits",
    "match",
    "mode",
    "name",
    "new",
    "old",
    "outcome",
    "policy",
    "queue",
    "rate",
    "reason",
    "role",
    "rule",
    "source",
    "system",
    "temperature",
    "text",
    "to",
    "token",
    "user",
    "violating",
    "when",
    "why",
    "model",
)
_VALUES = (
    "",
    "x",
    "0",
    "-1",
    "9" * 400,
    "\x00",
    "é\u202e\ud7ff",
    "<script>",
    "[]",
    "{}",
    "ban",
    "live",
    "NaN",
    "7d",
    "a\nb" * 50,
)


def _path(page: Page) -> str:
    named = "?name=nobody:x" if page.path.startswith("/account/") or page.path == "/account" else ""
    return page.path.replace(":path", "").replace("{", "no-").replace("}", "") + named


@pytest.mark.parametrize("page", _FORMS, ids=_IDS)
def test_a_form_needs_the_token_of_its_session(populated: Console, page: Page) -> None:
    """Without the token, or with another session's, a form is refused, whoever sends it."""
    ada = Somebody(populated, "ada.admin")
    other = Somebody(populated, "ada.admin")

    assert ada.post(_path(page), csrf="").status_code == 403
    assert ada.post(_path(page), csrf=other.csrf).status_code == 403


@pytest.mark.parametrize("page", _FORMS, ids=_IDS)
def test_a_form_of_another_site_is_refused(populated: Console, page: Page) -> None:
    """A browser that says where a form comes from is believed, even if the form has the token."""
    ada = Somebody(populated, "ada.admin")

    assert ada.post(_path(page), origin="https://evil.example").status_code == 403
    assert ada.post(_path(page), origin="null").status_code == 403
    assert ada.post(_path(page), sec_fetch_site="cross-site").status_code == 403


def test_the_sign_in_form_of_another_site_is_refused(console: Console) -> None:
    """Nobody is signed in, as somebody else, by a form on another site."""
    answer = Somebody(console).post("/signin", {"name": "x", "password": "y"}, origin="https://evil.example")

    assert answer.status_code == 403


WORDS = "Three of these are <b>the same</b> text.\nI looked at each."


@pytest.mark.parametrize("why", ["no case", "another session", "signed out"])
def test_words_of_a_refused_form_are_given_back(console: Console, why: str) -> None:
    """Whatever refuses it, what somebody wrote is on the page that says so."""
    ada = Somebody(console, "ada.admin")
    if why == "signed out":
        console.sessions.end(ada.client.cookies[console.cookie])

    answer = ada.post("/cases/none/note", {"text": WORDS}, csrf="" if why == "another session" else None)

    assert answer.status_code == {"no case": 404, "another session": 403, "signed out": 401}[why]
    assert f"readonly>{html.escape(WORDS)}</textarea>" in answer.text


def test_every_field_for_words_is_given_back() -> None:
    """A form that is added later, too."""
    templates = (HERE / "templates").rglob("*.html")
    fields = {name for each in templates for name in re.findall(r'<textarea[^>]* name="([^"]+)"', each.read_text())}

    assert len(fields) > 5
    assert fields <= set(WRITTEN)


def test_what_the_playground_refuses_is_given_back(console: Console) -> None:
    """Its field is empty by then, ready for the next words."""
    answer = Somebody(console).post("/playground/say", {"text": WORDS}, hx_request="true")

    assert answer.status_code == 401
    assert html.escape(WORDS) in answer.text


def test_nothing_of_another_site_is_given_back(console: Console) -> None:
    """Nobody else puts words on a page of the console, nor is a password put there."""
    ada = Somebody(console, "ada.admin")
    stranger = Somebody(console)

    answers = [
        each.post("/cases/none/note", {"text": WORDS}, origin="https://evil.example") for each in (ada, stranger)
    ]
    secret = ada.post("/settings/password", {"old": "correct horse", "new": "battery staple", "again": "other words"})

    assert all("<textarea" not in answer.text for answer in answers)
    assert secret.status_code == 422
    assert not re.search("horse|staple|other words", secret.text)


@pytest.mark.parametrize("page", _FORMS, ids=_IDS)
def test_malformed_forms_never_hurt(populated: Console, page: Page) -> None:
    """Whatever stands in a form, the answer is a page that says so, or the form was good: never a fault of ours."""
    chance = random.Random(page.path)
    for _ in range(12):
        ada = Somebody(populated, "ada.admin")
        fields = {name: chance.choice(_VALUES) for name in chance.sample(_FIELDS, 8)}
        fields.pop("role", None)
        if page.path in ("/reviewers", "/settings/password"):
            fields.pop("new", None), fields.pop("name", None)
        answer = ada.post(_path(page), fields)
        assert answer.status_code < 500, (fields, answer.text[-400:])


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", b"{}", 415),
        ("", b"csrf=x", 415),
        ("text/plain", b"csrf=x", 415),
        ("multipart/form-data", b"nothing", 400),
        ("multipart/form-data; boundary=x", b"--x\r\nbroken", 403),
        ("application/x-www-form-urlencoded", b"%ff%fe=%zz&&&=", 403),
        ("application/x-www-form-urlencoded", b"a=" + b"x" * (2 * FORM_BYTES + 1), 413),
        ("application/x-www-form-urlencoded", b"&".join(b"a=1" for _ in range(5000)), 400),
    ],
)
def test_bodies_that_are_no_forms(populated: Console, kind: str, body: bytes, status: int) -> None:
    """Other media types, broken ones, too large ones and those of too many fields are refused as what they are."""
    ada = Somebody(populated, "ada.admin")
    headers = {"content-type": kind} if kind else {}

    answer = ada.client.post("/settings/wellness", content=body, headers=headers)

    assert answer.status_code == status, answer.text[-300:]


@pytest.mark.parametrize(
    "path",
    [
        "/?x=%ff",
        "/queues/%00",
        "/queues/x?before=nan&state=zzz",
        "/queues/x?before=abc",
        "/cases/case_x",
        "/account?name=%F0%9F%A6%8A&before=1e400",
        "/account",
        "/account?name=%00",
        "/account/signs?name=x&at=nan",
        "/accounts?q=" + "a" * 301,
        "/accounts?q=%00",
        "/events/0",
        "/events/-1",
        "/events/99999999999999999999",
        "/events/x",
        "/exchanges/%00",
        "/audit?before=x",
        "/audit?before=99999999999999999999999",
        "/audit?kind=zzz&by=%00",
        "/bulk/blk_x",
        "/rules/zzz",
        "/rules/zzz/progress",
        "/fingerprints?page=-1",
        "/fingerprints?page=1e9",
        "/fingerprints-export?format=zzz",
        "/playground?user=%00",
        "/playground?user=" + "a" * 200,
        "/start/zzz",
        "/appeals?state=zzz",
        "/signin/openid",
        "/signin/openid/callback?state=x&code=y",
        "/static/../console.py",
        "/static/%2e%2e/web.py",
        "/nope",
    ],
)
def test_malformed_addresses_never_hurt(populated: Console, path: str) -> None:
    """Addresses that nobody would write by hand get a page that says so."""
    answer = Somebody(populated, "ada.admin").get(path)

    assert answer.status_code < 500
    assert b"class Console" not in answer.content


@pytest.mark.parametrize("path", ["/", "/signin", "/nope", "/static/console.css", "/accounts", "/fingerprints-export"])
def test_every_answer_is_protected(populated: Console, path: str) -> None:
    """Pages, files and refusals all forbid foreign scripts, frames and requests."""
    headers = Somebody(populated, "ada.admin").get(path).headers

    assert headers["content-security-policy"] == POLICY
    assert "unsafe" not in POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == ("public, no-cache" if path.startswith("/static/") else "no-store")


def test_scripts_are_asked_for_again_only_where_they_changed(populated: Console) -> None:
    """After an upgrade no page runs with the scripts of before."""
    somebody = Somebody(populated, "ada.admin")
    tag = somebody.get("/static/console.js").headers["etag"]

    assert somebody.get("/static/console.js", if_none_match=tag).status_code == 304
    assert somebody.get("/static/console.js", if_none_match='"before"').status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8601", "127.0.0.1.evil.example", "", "[::2]:8601"])
def test_other_hosts_are_not_answered(populated: Console, host: str) -> None:
    """A name that somebody else made point here gets nothing, not even the sign-in form."""
    answer = Somebody(populated).client.get(f"{HOST}/signin", headers={"host": host})

    assert answer.status_code == 421
    assert "password" not in answer.text


def test_loopback_has_three_names() -> None:
    """A console on one loopback address answers for the others; one elsewhere does not."""
    assert hosts_of(["127.0.0.1:8601"]) == {"127.0.0.1", "localhost", "[::1]"}
    assert hosts_of(["10.0.0.5:8601", "https://review.example.com"]) == {"10.0.0.5", "review.example.com"}


def test_a_fault_of_ours_tells_nothing(populated: Console, monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    """Neither the page nor the log quotes what the fault was about: it may be content."""

    def broken(*_: object) -> None:
        raise RuntimeError("what somebody said")

    monkeypatch.setattr(populated, "restricted", broken)
    answer = Somebody(populated, "eva").get("/accounts")

    assert answer.status_code == 500
    assert "what somebody said" not in answer.text + caplog.text
    assert "RuntimeError" in caplog.text


@pytest.mark.parametrize("template", sorted((HERE / "templates").rglob("*.html")), ids=lambda path: path.name)
def test_enter_presses_no_button_of_several(template: Path) -> None:
    """A browser presses a form's first button when Enter is pressed in a field: of several it must not be one that
    decides something."""
    for form in re.findall(r"<form.*?</form>", template.read_text("utf-8"), re.DOTALL):
        fields = re.search(r"<input (?![^>]*type=.?(?:hidden|radio|checkbox))", form)
        buttons = re.findall(r'<button(?! type="button")', form)
        if fields and len(buttons) > 1:
            assert form.index("m.no_enter()") < form.index("<button")
