"""Permissions: every page, every role, cell by cell; what the table does not allow, the server refuses."""

import pytest

from outworks.console.console import Console
from outworks.console.pages import PAGES
from outworks.console.web import Page
from outworks.enforcement.desk.roles import PERMITTED, Operation, Role
from tests.console.kit import PEOPLE, Somebody

_GUARDED = [page for page in PAGES if page.needs is not None]
_IDS = [f"{page.method} {page.path}" for page in _GUARDED]


def _path(page: Page) -> str:
    named = "?name=nobody:x" if page.path.startswith("/account/") or page.path == "/account" else ""
    return page.path.replace(":path", "").replace("{", "no-").replace("}", "") + named


def _ask(somebody: Somebody, page: Page, **headers: str) -> int:
    path = _path(page)
    answer = somebody.get(path, **headers) if page.method == "GET" else somebody.post(path, **headers)
    return int(answer.status_code)


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("page", _GUARDED, ids=_IDS)
def test_a_page_answers_exactly_the_roles_of_its_operation(populated: Console, page: Page, role: Role) -> None:
    """A role gets 403 from a page exactly where the table does not give it the page's operation."""
    status = _ask(Somebody(populated, PEOPLE[role]), page)

    assert page.needs is not None
    if page.needs in PERMITTED[role]:
        assert status not in (401, 403), status
        assert status < 500, status
    else:
        assert status == 403


@pytest.mark.parametrize("page", _GUARDED, ids=_IDS)
def test_nobody_gets_in_without_signing_in(populated: Console, page: Page) -> None:
    """Without a session a page leads to the sign-in, and a form or a part of a page is refused."""
    expected = 303 if page.method == "GET" else 401

    assert _ask(Somebody(populated), page) == expected
    assert _ask(Somebody(populated), page, hx_request="true") == 401


def test_every_page_says_what_it_needs() -> None:
    """Only signing in and out needs no operation: a page that says nothing would be open to every role."""
    without = {f"{page.method} {page.path}" for page in PAGES if page.needs is None}

    assert without == {
        "GET /signin",
        "POST /signin",
        "GET /start/{token}",
        "POST /start",
        "GET /signin/openid",
        "GET /signin/openid/callback",
        "POST /signout",
    }
    assert {f"{page.method} {page.path}" for page in PAGES if page.open} == without - {"POST /signout"}


def test_every_operation_of_the_console_has_a_page() -> None:
    """What the table speaks of can be done somewhere; confirming a ban is a decision, and the desk checks it there."""
    used = {page.needs for page in PAGES}
    checked_by_the_desk = {Operation.CONFIRM, Operation.TAKE_ESCALATED, Operation.ANSWER_APPEAL}

    assert set(Operation) - used <= checked_by_the_desk


def test_a_role_that_changes_counts_from_the_next_page_on(console: Console) -> None:
    """Somebody who becomes an auditor can no longer decide, in the session that is open."""
    eva = Somebody(console, "eva")
    ada = Somebody(console, "ada.admin")
    assert eva.post("/cases/next").status_code == 303

    assert ada.post("/reviewers/eva/role", {"role": "auditor"}).status_code == 303

    assert eva.post("/cases/next").status_code == 403


def test_who_is_shut_out_is_out_at_once(console: Console) -> None:
    """A disabled reviewer's open session answers nothing any more."""
    eva = Somebody(console, "eva")
    assert eva.get("/").status_code == 200

    assert Somebody(console, "ada.admin").post("/reviewers/eva/disable").status_code == 303

    assert eva.get("/").headers["location"] == "/signin"
    assert eva.post("/cases/next").status_code == 401


def test_navigation_shows_only_what_may_be_opened(populated: Console) -> None:
    """No entry of the menu leads a role to a refusal."""
    for role, name in PEOPLE.items():
        somebody = Somebody(populated, name)
        page = somebody.get("/").text
        paths = [
            part.split('"')[0]
            for part in page.split('<nav aria-label="Main">')[1].split("</nav>")[0].split('href="')[1:]
        ]

        assert paths
        for path in paths:
            assert somebody.get(path).status_code == 200, (role, path)
