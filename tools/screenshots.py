"""The pictures in docs/console.md, taken in Debian's Chromium of a console on a generated, realistic ledger.

`python tools/screenshots.py` writes them to docs/images.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.e2e.browser import ConsoleProcess, Watched, launched  # noqa: E402
from tools.console_data import made  # noqa: E402

FOLDER = ROOT / "docs" / "images"
WIDTH, HEIGHT = 1280, 860


def main() -> None:
    """Take them all."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        console = ConsoleProcess(made(Path(folder)))
        try:
            with launched() as chromium:
                _take(chromium, console)
        finally:
            console.stop()


def _take(chromium: Any, console: ConsoleProcess) -> None:
    ada = Watched(chromium, console.base, width=WIDTH, height=HEIGHT)
    ada.sign_in(console.link("ada.admin"))

    def shot(name: str, path: str, then: Callable[[Watched], None] = lambda page: None, who: Watched = ada) -> None:
        who.go(path)
        then(who)
        who.page.mouse.move(0, 0)
        who.page.screenshot(path=FOLDER / f"console-{name}.png")
        print(f"docs/images/console-{name}.png")

    ada.go("/queues/rules")
    case = str(ada.page.locator("tbody a[href^='/cases/']").first.get_attribute("href"))
    shot("queues", "/")
    shot("case", case, _taken)
    shot("account", "/account?name=shop:marlow")
    shot("numbers", "/numbers")
    shot("audit", "/audit")
    shot("rule", "/rules/suspend", _tried)
    dark = Watched(chromium, console.base, scheme="dark", width=WIDTH, height=HEIGHT)
    dark.sign_in(console.link("ada.admin"))
    shot("case-dark", case, _shown, dark)
    phone = Watched(chromium, console.base, width=390, height=844)
    phone.sign_in(console.link("ada.admin"))
    shot("case-phone", case, _shown, phone)


def _taken(watched: Watched) -> None:
    watched.page.keyboard.press("t")
    watched.page.get_by_text("yours until").wait_for()
    _shown(watched)


def _shown(watched: Watched) -> None:
    watched.page.get_by_role("button", name="Show the content").click()
    watched.page.locator(".revealed").wait_for()
    watched.settle()
    watched.page.evaluate("document.activeElement.blur()")


def _tried(watched: Watched) -> None:
    watched.page.keyboard.press("b")
    watched.page.get_by_text("Would have met").wait_for()
    watched.settle()


if __name__ == "__main__":
    main()
