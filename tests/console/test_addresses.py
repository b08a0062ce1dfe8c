"""Addresses: whatever somebody outside calls an account or an entry, its links lead to it and to nothing else."""

import html
import re
from pathlib import Path
from posixpath import normpath
from urllib.parse import unquote, urljoin, urlsplit

import pytest

from outworks.console import show
from outworks.console.console import HERE, Console
from outworks.defenses.entry import Known, added
from outworks.enforcement.desk import lookup, queues
from outworks.enforcement.desk.roles import Reviewer, Role
from outworks.event import Event
from tests.console.kit import HOST, Somebody, text_of
from tools.console_data import exchange

EVA = Reviewer("eva", Role.REVIEWER)
NAMES = (
    "shop:x/../shop:ann",
    "shop:ann/../../reviewers/eva/disable",
    "shop:ann/signs",
    "shop:ann/content",
    "shop:ann/case",
    "shop:/",
    "shop:a//b/.",
    "..",
    "shop:ann?name=shop:ann&before=1",
    "shop:ann&name=shop:ann",
    "shop:ann#x",
    "shop:a%2fb%2e%2e",
    "shop:a+b c",
    "shop:\\..\\ann",
    "shop:é/🦊",
    "shop:<b>\"'",
)


def _seen(console: Console, account: str) -> None:
    events = exchange(account, console.desk.clock() - 60, "WORDS", "", defense="fingerprint", category="known_bad")
    console.ledger.append_now(list(events))


def _found(page: str, pattern: str) -> list[str]:
    """The addresses of that pattern, as the page has them."""
    return [html.unescape(each) for each in re.findall(rf'(?:href|action|hx-get)="({pattern}[^"]*)"', page)]


def _asked(address: str, here: str) -> str:
    """What arrives where a browser takes the address from a page, and a proxy tidies the path (as nginx does)."""
    split = urlsplit(urljoin(HOST + here, address))
    path = normpath(unquote(split.path))
    return f"{path}?{split.query}" if split.query else path


def _heading(page: str) -> str:
    return html.unescape(text_of(re.findall(r"<h1[^>]*>(.*?)</h1>", page, re.DOTALL)[0])).strip()


@pytest.mark.parametrize("name", NAMES)
def test_an_accounts_links_lead_to_it(console: Console, name: str) -> None:
    """From the list to the account, its signs, its content and a case about it, and from the case back: each is about
    the account of that very name, though another's looks like a part of it."""
    for account in ("shop:ann", name):
        _seen(console, account)
    eva = Somebody(console, "eva")
    (link,) = [each for each in _found(eva.get("/accounts").text, "/account") if each.endswith(show.quoted(name))]

    page = eva.get(_asked(link, "/accounts"))

    assert page.status_code == 200
    assert _heading(page.text) == show.words(name)
    signs = eva.get(_asked(_found(page.text, "/account/signs")[0], link))
    (back,) = _found(signs.text, r"/account\?")
    assert _asked(back, "/account/signs") == _asked(link, "/accounts")
    content = eva.post(_asked(_found(page.text, "/account/content")[0], link))
    assert _heading(content.text) == show.words(name)

    opened = eva.post(_asked(_found(page.text, "/account/case")[0], link), {"why": "For tests."})
    case = opened.headers["location"]
    assert lookup.case(console.desk, case.removeprefix("/cases/")).account == name
    there = eva.get(case).text
    assert {_asked(each, case) for each in _found(there, r"/account\?")} == {_asked(link, "/accounts")}
    assert {eva.get(_asked(each, case)).status_code for each in _found(there, "/account/signs")} == {200}
    assert {each.partition("?")[2].partition("&")[0] for each in _found(there, "/account/signs")} == {
        f"name={show.quoted(name)}"
    }


def test_signs_are_those_of_the_account_that_is_named(console: Console) -> None:
    """A case of an account whose name holds another's shows what adds up about its own."""
    _seen(console, "shop:x/../shop:ann")
    case = queues.open_case(console.desk, EVA, "shop:x/../shop:ann", why="For tests.").id
    eva = Somebody(console, "eva")

    part = eva.get(
        _asked(_found(eva.get(f"/cases/{case}").text, "/account/signs")[0], f"/cases/{case}"), hx_request="true"
    )

    assert "stopped" in part.text


def test_a_queue_of_any_name_is_found(console: Console) -> None:
    """A reviewer may call a queue what he likes."""
    _seen(console, "shop:ann")
    queues.open_case(console.desk, EVA, "shop:ann", why="For tests.", queue="a/b c")
    eva = Somebody(console, "eva")
    (link,) = [each for each in _found(eva.get("/").text, "/queues/") if "b" in each]

    page = eva.get(link)

    assert page.status_code == 200
    assert "shop:ann" in page.text


@pytest.mark.parametrize("id", ["../reviewers/eva", "x/../../reviewers/eva", "a/b", "?x#y", '"><b>'])
def test_switching_a_fingerprint_of_any_id_does_that_alone(console: Console, id: str) -> None:
    """An id out of somebody's feed is never a part of the address that a form is sent to."""
    known = Known(text="a text that everybody knows to be bad, and long", source="a feed", reason="r", id=id)
    console.ledger.append_now([Event(body=added(known, by="person:eva"), at=1.0, content=known.text)])
    ada = Somebody(console, "ada.admin")
    page = ada.get("/fingerprints").text
    (action,) = _found(page, "/fingerprints-disable")
    (said,) = re.findall(r'name="id" value="([^"]*)"', page)

    answer = ada.post(_asked(action, "/fingerprints"), {"id": html.unescape(said), "reason": "too broad"})

    assert answer.status_code == 303
    assert not console.known.get(id).enabled
    person = console.reviewers.find("eva")
    assert person is not None
    assert person.enabled


_ATTRIBUTE = re.compile(r'(?:href|src|action|formaction|hx-get|hx-post|sse-connect)="([^"]*)"')
_SAFE = re.compile(r".*\|quoted|'.*|(\w+\.)?seq( [+-] 1)?|item\.path|reveal_at")


@pytest.mark.parametrize("page", sorted((HERE / "templates").rglob("*.html")), ids=lambda page: page.name)
def test_no_template_puts_a_name_into_a_path_as_it_is(page: Path) -> None:
    """Jinja's own `urlencode` leaves `/` as it is; names in paths go through `quoted`."""
    said = page.read_text(encoding="utf-8")
    paths = [address.partition("?")[0] for address in _ATTRIBUTE.findall(said)]
    values = [value for path in paths for value in re.findall(r"\{\{ (.*?) \}\}", path)]

    assert "urlencode" not in said
    assert [value for value in values if not _SAFE.fullmatch(value)] == []
