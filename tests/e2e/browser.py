"""The system's own Chromium, driven by Playwright, and a console in a process of its own for it to open."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.kit import free_port, wait_for

CHROMIUM = next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), "")
_PATIENCE_MS = 15_000
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def browser() -> Any:
    """Playwright's part that drives a browser; the test is skipped where it or the browser is not installed."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="the browser tests need Playwright (the extra `dev`)"
    )
    if not CHROMIUM:
        pytest.skip("the browser tests need Debian's chromium: apt-get install chromium")
    return playwright


@contextmanager
def launched() -> Iterator[Any]:
    """A browser."""
    with browser().sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield chromium
        finally:
            chromium.close()


class Watched:
    """A page that remembers what no page of the console may do: run another's script, log an error, ask elsewhere."""

    def __init__(
        self, chromium: Any, base: str, *, scheme: str = "light", width: int = 1280, height: int = 900
    ) -> None:
        self.context = chromium.new_context(color_scheme=scheme, viewport={"width": width, "height": height})
        self.context.set_default_timeout(_PATIENCE_MS)
        self.page = self.context.new_page()
        self.base = base
        self.faults: list[str] = []
        self.foreign: list[str] = []
        self.page.on("pageerror", lambda error: self.faults.append(f"script: {error}"))
        self.page.on("console", lambda said: self.faults.append(said.text) if said.type == "error" else None)
        self.page.on("dialog", self._asked)
        self.page.on("request", self._requested)
        self.answers: list[bool] = []

    def _asked(self, dialog: Any) -> None:
        if dialog.type == "confirm" and self.answers:
            dialog.accept() if self.answers.pop(0) else dialog.dismiss()
            return
        self.faults.append(f"dialog: {dialog.type} {dialog.message}")
        dialog.dismiss()

    def _requested(self, request: Any) -> None:
        if not request.url.startswith((self.base, "data:")):
            self.foreign.append(request.url)

    def go(self, path: str) -> Any:
        """Open a page of the console; its parts that come later are there."""
        answer = self.page.goto(self.base + path)
        self.settle()
        return answer

    def settle(self) -> None:
        """Wait until nothing is asked for any more."""
        self.page.wait_for_load_state("networkidle")

    def press(self, key: str) -> None:
        """Press a key. What a page says is there to be read before its script listens."""
        self.page.wait_for_load_state()
        self.page.keyboard.press(key)

    def sign_in(self, link: str) -> None:
        """Use a one-time link."""
        self.page.goto(link)
        self.page.get_by_role("button", name="Open the console").click()
        self.page.wait_for_url(re.compile(r"/(playground)?$"))


class ConsoleProcess:
    """`outworks console` on a policy, in a process of its own."""

    def __init__(self, policy: Path) -> None:
        self.policy = policy
        self.base = f"http://127.0.0.1:{free_port()}"
        self._log = (policy.parent / "console.log").open("w")
        listen = self.base.removeprefix("http://")
        command = [sys.executable, "-m", "outworks", "console", str(policy), "--listen", listen]
        self._process = subprocess.Popen(command, stdout=self._log, stderr=self._log, env=dict(os.environ))
        wait_for(self._answers, 30, lambda: f"the console; log:\n{(policy.parent / 'console.log').read_text()}")

    def _answers(self) -> bool:
        import http.client

        assert self._process.poll() is None, (self.policy.parent / "console.log").read_text()
        try:
            connection = http.client.HTTPConnection(self.base.removeprefix("http://"), timeout=5)
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except OSError:
            return False

    def link(self, name: str) -> str:
        """A one-time link for somebody."""
        command = [sys.executable, "-m", "outworks", "reviewers", "link", name, "-p", str(self.policy)]
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
        return f"{self.base}/start/{said.strip().rsplit('/', 1)[1]}"

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(20)
        self._log.close()
