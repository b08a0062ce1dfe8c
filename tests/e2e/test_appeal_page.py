"""The public page of an appeal in a real browser: no script runs, nothing is fetched, its style applies, it works."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from outworks.action import Standing
from outworks.enforcement.actions import act
from outworks.event import Appealed
from outworks.ledger import Ledger
from tests.e2e.conftest import Make

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync"
)
HOSTILE = "<script>document.title = 'ran'</script><img src='/healthz' onerror='document.title = 1'><b>bold</b>"


@pytest.fixture
def browser() -> Iterator[Any]:
    """Debian's Chromium, driven by Playwright."""
    if not CHROMIUM.exists():
        pytest.skip("there is no /usr/bin/chromium: apt-get install chromium")
    api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS.split())
        yield chromium
        chromium.close()


def test_an_account_appeals_in_its_browser(make: Make, browser: Any) -> None:
    """Whatever words a decision holds are words; the account reads, writes, sends, and reads that it was received, by
    keyboard alone; no accessibility fault is found, in light or dark."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    gateway = make()
    gateway.add_key()
    gateway.start()
    assert gateway.ask("hi", user="ann").status == 200
    with Ledger.open(gateway.ledger) as ledger:
        made = act(ledger, "shop:ann", Standing.SUSPENDED, by="eva", reason=HOSTILE, lasts=3600.0)
    url = gateway.cli("cases", "link", made.id).stdout.strip()
    asked: list[str] = []
    for scheme in ("light", "dark"):
        page = browser.new_context(color_scheme=scheme).new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.goto(gateway.url + url)

        assert page.title() == "Decision and appeal"
        assert HOSTILE in page.inner_text("main")
        assert page.evaluate("getComputedStyle(document.querySelector('main')).maxWidth") == "640px"
        serious = [v["id"] for v in axe.Axe().run(page).response["violations"] if v["impact"] != "minor"]
        assert serious == []

    for key in ("Tab", *"It was my son.", "Tab", "Enter"):
        page.keyboard.press(key)
    page.wait_for_selector("[role=status]")

    assert "Your appeal was received" in page.inner_text("main")
    assert page.query_selector("form") is None
    assert {each.removeprefix(gateway.url) for each in asked} == {url}
    assert [each.content for each in gateway.events() if isinstance(each.body, Appealed)] == ["It was my son."]
