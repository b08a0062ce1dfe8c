"""The console in a real browser: hostile content, accessibility, keys, a phone, and the playground live."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from outworks import label
from outworks.event import CaseDecided, Event, Judged, Judgement, Received, Released, Reported, Viewed
from outworks.ledger import Ledger, Reader
from outworks.message import Message, Role, Text, ToolCall
from outworks.verdict import Decision, Finding, Span
from tests.e2e.browser import ConsoleProcess, Watched, launched
from tests.e2e.kit import Gateway, free_port, wait_for

pytest.importorskip("jinja2", reason="the console needs the extra `console`")

from tools.console_data import made

PAYLOAD = (
    "<script>window.hit=1;fetch('http://127.0.0.1:9/x')</script><img src=http://127.0.0.1:9/y onerror=window.hit=1>"
    "<svg/onload=window.hit=1><a href=javascript:window.hit=1>x</a></textarea></script><style>*{display:none}</style>"
    "\" onmouseover=window.hit=1 x=\" ' onfocus=window.hit=1 autofocus ' {{7*7}} {%x%} <!-- --> &lt; "
    "\u202egnp.exe\u2066"
    "<hx-partial hx-target=body hx-get=http://127.0.0.1:9/z></hx-partial><div hx-get=/signout hx-trigger=load></div>"
)
HOSTILE = f"shop:{PAYLOAD}"


def hostile(ledger: Ledger) -> None:
    """Events in which everything that somebody else may choose is an attack on the page."""
    where = {"exchange": "ex_<b>", "account": HOSTILE, "product": "shop", "conversation": PAYLOAD}
    messages = (
        Message(Role.SYSTEM, (Text(PAYLOAD),), label.SYSTEM),
        Message(Role.USER, (Text(PAYLOAD * 3),), label.USER),
        Message(Role.ASSISTANT, (ToolCall("c", PAYLOAD, PAYLOAD),), label.ASSISTANT),
    )
    said = {"messages": messages, "tools": [], "parameters": {PAYLOAD: PAYLOAD}}
    finding = Finding(PAYLOAD, 0.9, Span(5, 200, 1, 0), detail=PAYLOAD)
    one = Judgement(defense="fingerprint", decision=Decision.BLOCK, reason=PAYLOAD, findings=(finding,))
    now = time.time()
    ledger.append_now(
        [
            Event(
                body=Received(wire=PAYLOAD, model=PAYLOAD), at=now, content=msgspec.json.encode(said).decode(), **where
            ),
            Event(body=Judged(stage="request", judgements=(one,), decision=Decision.BLOCK), at=now, **where),
            Event(body=Released(choice=0, start=0, end=len(PAYLOAD)), at=now, content=PAYLOAD, **where),
            Event(body=Reported(id="rep_x", category=PAYLOAD, reporter=PAYLOAD), at=now, content=PAYLOAD, **where),
        ]
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a policy and a realistic ledger, in which one account is hostile to the page."""
    path = tmp_path_factory.mktemp("console")
    policy = made(path)
    with Ledger.open(path / "outworks.db") as ledger:
        hostile(ledger)
        from outworks.enforcement.desk import queues
        from outworks.enforcement.desk.desk import Desk
        from outworks.enforcement.desk.roles import Reviewer
        from outworks.enforcement.desk.roles import Role as Desks
        from tools.console_data import OFFICE

        desk = Desk(ledger, OFFICE)
        rows = list(ledger.tail(3, account=HOSTILE))
        queues.open_case(
            desk,
            Reviewer("lena.lead", Desks.LEAD),
            HOSTILE,
            queue="hostile",
            evidence=[r.seq for r in rows],
            why=PAYLOAD,
        )
        desk.close()
    return policy


@pytest.fixture(scope="module")
def console(folder: Path) -> Iterator[ConsoleProcess]:
    """The console of that folder."""
    process = ConsoleProcess(folder)
    try:
        yield process
    finally:
        process.stop()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """One browser for all tests."""
    with launched() as found:
        yield found


def _signed_in(chromium: Any, console: ConsoleProcess, name: str, **how: Any) -> Watched:
    watched = Watched(chromium, console.base, **how)
    watched.sign_in(console.link(name))
    return watched


def _case(console: ConsoleProcess, queue: str, watched: Watched) -> str:
    watched.go(f"/queues/{queue}")
    path = watched.page.locator("tbody a[href^='/cases/']").first.get_attribute("href")
    assert path is not None
    return str(path)


PAGES = (
    "/",
    "/queues/attacks",
    "CASE",
    "/appeals",
    "/samples",
    "/accounts",
    "/account?name=shop:marlow",
    "/account/signs?name=shop:marlow",
    "EXCHANGE",
    "/events/40",
    "/numbers",
    "/audit",
    "/reviewers",
    "/rules",
    "/rules-new",
    "/rules/suspend",
    "/fingerprints",
    "/bulk",
    "BULK",
    "/playground",
    "/settings",
    "/nope",
)


def _path(name: str, console: ConsoleProcess, watched: Watched) -> str:
    if name == "CASE":
        return _case(console, "attacks", watched)
    if name == "EXCHANGE":
        watched.go("/account?name=shop:marlow")
        return str(watched.page.locator("a[href^='/exchanges/']").first.get_attribute("href"))
    if name == "BULK":
        watched.go("/bulk")
        return str(watched.page.locator("a[href^='/bulk/']").first.get_attribute("href"))
    return name


def test_no_page_has_a_serious_accessibility_fault(chromium: Any, console: ConsoleProcess) -> None:
    """axe finds nothing serious or critical on any page; contrast is WCAG AA, light and dark."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python").Axe()
    watched = _signed_in(chromium, console, "ada.admin")
    found: list[str] = []
    for name in PAGES:
        path = _path(name, console, watched)
        watched.go(path)
        found += _serious(axe, watched, path)
        if name == "CASE":
            _take_and_show(watched)
            found += _serious(axe, watched, f"{path}, taken and shown")
            watched.page.get_by_role("button", name="Put back").click()
    watched.context.clear_cookies()
    watched.go("/signin")
    found += _serious(axe, watched, "/signin")

    assert found == []


def _take_and_show(watched: Watched) -> None:
    watched.press("t")
    watched.page.get_by_text("yours until").wait_for()
    watched.press("v")
    watched.page.locator(".revealed").wait_for()
    watched.settle()


def _serious(axe: Any, watched: Watched, path: str) -> list[str]:
    """What is wrong in the light, and with the colours in the dark: nothing else differs."""
    results = list(axe.run(watched.page).response["violations"])
    watched.page.emulate_media(color_scheme="dark")
    results += axe.run(watched.page, options={"runOnly": ["color-contrast"]}).response["violations"]
    watched.page.emulate_media(color_scheme="light")
    return [
        f"{path}: {each['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
        for each in results
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"][:3]
    ]


def test_hostile_content_stays_words(chromium: Any, console: ConsoleProcess) -> None:
    """On every page that shows what somebody else chose, no script runs, nothing is asked of another host, and the
    browser has nothing to refuse: it all arrives as words."""
    watched = _signed_in(chromium, console, "ada.admin")
    case = _case(console, "hostile", watched)
    watched.go(case)
    _take_and_show(watched)
    watched.page.locator(".revealed mark").first.wait_for()
    assert "<script>window.hit=1" in watched.page.inner_text(".revealed")
    assert "\\u202e" in watched.page.inner_text(".revealed")
    assert (
        watched.page.evaluate("document.querySelectorAll('.revealed script, .revealed img, .revealed svg').length") == 0
    )
    _unhurt(watched)

    account = str(watched.page.locator("h1 a").get_attribute("href"))
    for path in (
        account,
        account.replace("/account?", "/account/signs?"),
        "/exchanges/ex_%3Cb%3E",
        "/accounts",
        "/accounts?q=shop%3A%3C",
        "/audit",
        "/",
        "/queues/hostile",
        "/numbers",
        "/playground?user=%3Cimg%20src%3Dx%20onerror%3Dwindow.hit%3D1%3E",
    ):
        watched.go(path)
        button = watched.page.get_by_role("button", name="Show the content")
        if button.count():
            button.first.click()
            watched.page.locator(".revealed").wait_for()
        _unhurt(watched)
    with _Reading(console) as reader:
        for recorded in reader.tail(6, account=HOSTILE):
            watched.go(f"/events/{recorded.seq}")
            _unhurt(watched)


def _unhurt(watched: Watched) -> None:
    assert watched.page.evaluate("window.hit") is None
    assert watched.foreign == []
    assert watched.faults == []
    assert watched.page.locator("header.bar").is_visible()


def test_every_page_fits_a_phone(chromium: Any, console: ConsoleProcess) -> None:
    """At 390 pixels no page is wider than the screen, and the menu opens."""
    watched = _signed_in(chromium, console, "ada.admin", width=390, height=844)
    for name in PAGES:
        watched.go(_path(name, console, watched))
        width = watched.page.evaluate("document.scrollingElement.scrollWidth")
        assert width <= 390, f"{name}: {width}"
    watched.go("/")
    watched.page.get_by_text("Menu").click()
    watched.page.get_by_role("link", name="Rules", exact=True).click()
    assert watched.page.url == f"{console.base}/rules"


def test_a_case_is_decided_with_single_keys(chromium: Any, console: ConsoleProcess) -> None:
    """Take, show, decide, and the next case is there; one key takes the decision back. No pointer is touched."""
    watched = _signed_in(chromium, console, "eva")
    watched.go(_case(console, "attacks", watched))
    first = watched.page.url
    _take_and_show(watched)
    # Whoever has just looked the keys up presses one at once.
    watched.press("?")
    watched.page.get_by_role("button", name="Close").click()
    watched.press("w")
    watched.page.wait_for_url(lambda url: url != first)
    assert "warn" in watched.page.inner_text(".notice")
    watched.press("z")
    watched.page.wait_for_url(first)
    assert "taken back" in watched.page.inner_text(".notice")
    watched.press("?")
    assert watched.page.locator("dialog[open]").is_visible()
    watched.press("Escape")
    watched.press("g")
    watched.press("r")
    watched.page.wait_for_url(f"{console.base}/rules")
    watched.settle()

    assert watched.faults == []
    with _Reading(console) as reader:
        mine = [e.event.body for e in reader.events(kinds=("viewed", "case_decided")) if e.event.body.by == "eva"]
    assert any(isinstance(body, Viewed) for body in mine)
    assert any(isinstance(body, CaseDecided) and body.outcome == "warn" for body in mine)


def test_keys_do_nothing_while_somebody_writes(chromium: Any, console: ConsoleProcess) -> None:
    """Letters in a field are letters: nobody decides a case by writing a note; and keys can be switched off."""
    watched = _signed_in(chromium, console, "ben")
    watched.go("/")
    watched.press("n")
    watched.page.wait_for_url(re.compile("/cases/"))
    here = watched.page.url
    watched.page.focus("#reason")
    watched.page.keyboard.type("dwsb: because")
    assert watched.page.url == here
    assert watched.page.input_value("#reason") == "dwsb: because"
    watched.go("/settings")
    watched.page.uncheck("input[name=shortcuts]")
    watched.page.get_by_role("button", name="Keep").click()
    watched.settle()
    watched.page.goto(here)
    watched.press("d")
    watched.settle()
    assert watched.page.url == here
    watched.page.get_by_role("button", name="Put back").click()


def test_nothing_is_decided_by_a_slip(chromium: Any, console: ConsoleProcess) -> None:
    """Enter in a field decides nothing, with a script or without; a key that is held decides one case, not also the
    next ones that nobody has seen; and what was sent twice is done once."""
    watched = _signed_in(chromium, console, "lena.lead")
    watched.go(_case(console, "rules", watched))
    watched.press("t")
    watched.page.wait_for_selector("#lasts")
    here = watched.page.url
    for field in ("#lasts", "#rate", "#why"):
        for key in ("Enter", "Control+Enter"):
            watched.page.fill(field, "3")
            watched.page.press(field, key)
            watched.settle()
            assert watched.page.url == here
    watched.page.fill("#note", "seen")
    watched.page.press("#note", "Control+Enter")
    watched.page.wait_for_selector(".notice")
    before = _decided(console, "lena.lead")

    watched.page.locator("h1").click(position={"x": 900, "y": 5}, force=True)
    for _ in range(10):
        watched.page.keyboard.down("k")
        time.sleep(0.1)
    watched.page.keyboard.up("k")
    watched.settle()

    assert _decided(console, "lena.lead") == before + 1
    watched.go("/")
    watched.press("n")
    watched.page.wait_for_selector("#reason")
    watched.page.evaluate(
        "document.querySelectorAll('[data-key=d], [data-key=u]').forEach(e => { e.click(); e.click() })"
    )
    watched.page.wait_for_selector(".notice")
    assert _decided(console, "lena.lead") == before + 2
    assert watched.faults == []


def _decided(console: ConsoleProcess, name: str) -> int:
    with _Reading(console) as reader:
        return sum(each.event.body.by == name for each in reader.events(kinds=("case_decided",)))  # type: ignore[union-attr]


def test_it_works_without_scripts(chromium: Any, console: ConsoleProcess) -> None:
    """A browser that runs no script can take a case, show its content and decide it."""
    context = chromium.new_context(java_script_enabled=False)
    context.set_default_timeout(15_000)
    page = context.new_page()
    page.goto(console.link("lena.lead"))
    page.get_by_role("button", name="Open the console").click()
    page.goto(console.base + "/")
    page.get_by_role("button", name=re.compile("^Take the next case")).first.click()
    assert "/cases/" in page.url
    page.get_by_role("button", name="Show the content").click()
    assert page.locator(".turn").count() > 0
    page.get_by_role("button", name=re.compile("Skip")).click()
    assert "Skipped." in page.inner_text(".notice")
    context.close()


def test_a_rule_goes_from_draft_to_live(chromium: Any, console: ConsoleProcess) -> None:
    """A rule that is written in the browser is refused with its fault, kept as a draft, tried on the past, runs in
    shadow and goes live; each step only after the one before."""
    watched = _signed_in(chromium, console, "ada.admin")
    watched.go("/rules-new")
    watched.page.fill("#name", "insists")
    watched.page.fill("#description", "Stopped again and again.")
    watched.page.fill("#when", 'blockd("1d") >= 5')
    watched.page.fill("#expires", "1d")
    watched.page.get_by_role("button", name="Keep as a draft").click()
    watched.settle()
    assert "blocked" in watched.page.inner_text(".error")
    watched.faults.clear()  # the browser logs the 422
    watched.page.fill("#when", 'blocked("1d") >= 5')
    watched.page.get_by_role("button", name="Keep as a draft").click()
    watched.page.wait_for_url(f"{console.base}/rules/insists")
    assert watched.page.get_by_role("button", name="Let it run in shadow").count() == 0
    watched.press("b")
    watched.page.get_by_role("button", name="Let it run in shadow").wait_for()
    assert int(re.findall(r"(\d+) account", watched.page.inner_text("#trial"))[0]) > 3
    watched.page.get_by_role("button", name="Let it run in shadow").click()
    watched.settle()
    watched.answers = [True]
    watched.page.get_by_role("button", name="Make it live").click()
    watched.settle()
    assert "The rule is live." in watched.page.inner_text(".notice")
    assert watched.faults == []


def test_the_playground_is_live(chromium: Any, tmp_path: Path) -> None:
    """The first page of somebody who starts the gateway is the playground: an answer streams, each line decides beside
    it, and going on leads to a warning, all without loading a page."""
    policy = f"""
[gateway]
listen = "LISTEN"
log = "json"
[ledger]
path = "outworks.db"
[console]
enabled = true
listen = "127.0.0.1:{free_port()}"
[[models]]
name = "scripted"
provider = "scripted"
default = "The sea is wide."
chunk_chars = [2]
delay_ms = 20
[defenses.adversarial_string]
time_limit_ms = 5000
[[rules]]
name = "warn"
description = "More than a slip."
when = 'blocked("1h") >= 2'
action = "warn"
expires = "7d"
reason = "Several of your requests were stopped."
"""
    gateway = Gateway(tmp_path / "play", policy)
    try:
        gateway.start()
        wait_for(lambda: "/start/" in gateway.log, 20, lambda: "the link")
        link = re.findall(r"http\S+/start/\S+", gateway.log)[0]
        watched = Watched(chromium, link.partition("/start/")[0])
        wait_for(lambda: _reachable(watched, link), 20, lambda: "the console")
        watched.sign_in(link)
        assert watched.page.url.endswith("/playground")
        watched.page.fill("#text", "Write one sentence about the <b>sea</b>.")
        watched.press("Enter")
        watched.page.get_by_text("The sea is wide.").wait_for()
        watched.page.locator("#lines .v-allow").first.wait_for()
        assert watched.page.locator(".bubble.user").inner_text() == "Write one sentence about the <b>sea</b>."
        watched.page.locator("button.primary:not([disabled])").wait_for()
        for _ in range(2):
            watched.page.fill("#temperature", "1.9")
            watched.page.fill("#text", "Again.")
            watched.press("Enter")
            watched.page.locator("#lines .v-block").wait_for()
            watched.page.locator("button.primary:not([disabled])").wait_for()
        watched.page.locator("#standing .s-warned").wait_for()
        watched.page.locator("#talk").get_by_text("Several of your requests were stopped.").wait_for()
        assert watched.faults == []
        assert watched.foreign == []
    finally:
        gateway.stop()


def _reachable(watched: Watched, link: str) -> bool:
    try:
        return bool(watched.page.goto(link).ok)
    except Exception:
        return False


class _Reading:
    """A ledger to read from, given back afterwards."""

    def __init__(self, console: ConsoleProcess) -> None:
        self._reader = Reader(console.policy.parent / "outworks.db")

    def __enter__(self) -> Reader:
        return self._reader

    def __exit__(self, *exc: object) -> None:
        self._reader.close_now()
