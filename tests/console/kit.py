"""What the console's tests are built from: a console on a small ledger, and somebody signed in to it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher
from starlette.testclient import TestClient

from outworks.console import reviewers
from outworks.console.app import application
from outworks.console.console import Console
from outworks.console.settings import Settings, Wellness
from outworks.console.setup import Line, Setup
from outworks.enforcement.desk.roles import Role
from outworks.enforcement.settings import Office
from outworks.event import Body
from outworks.ledger import Ledger
from tools.console_data import OFFICE

QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""The real parameters take a third of a second: what they are is shown in one test."""
HOST = "http://127.0.0.1:8601"
LINES = (Line("standing", "live", "Suspended accounts stop here.", True, False),)
PEOPLE = {Role.ADMIN: "ada.admin", Role.LEAD: "lena.lead", Role.REVIEWER: "eva", Role.AUDITOR: "aud.itor"}


def setup(**changes: Any) -> Setup:
    """What the console is told, by default without content hidden from anybody for the policy's sake."""
    settings = changes.pop("settings", Settings(wellness=Wellness(blur=False)))
    fields: dict[str, Any] = {
        "models": ("scripted",),
        "lines": LINES,
        "defenses": ("fingerprint", "leak"),
        "office": OFFICE,
    }
    return Setup(settings=settings, **{**fields, **changes})


@contextmanager
def opened(folder: Path, said: Setup | None = None, *, people: bool = True) -> Iterator[Console]:
    """A console at the folder's ledger, with a person for each role."""
    with Ledger.open(folder / "ledger.db") as ledger:
        given = said or setup()
        console = Console(ledger, lambda: given, hasher=QUICK)
        if people:
            for role, name in PEOPLE.items():
                if console.reviewers.find(name) is None:
                    reviewers.add(ledger, console.reviewers, name, role, by="tests")
        try:
            yield console
        finally:
            console.close()


class Somebody:
    """A browser without JavaScript, in which somebody may have signed in."""

    def __init__(self, console: Console, name: str = "") -> None:
        self.console = console
        self.client = TestClient(application(console), base_url=HOST, follow_redirects=False)
        self.csrf = ""
        if name:
            self.sign_in(name)

    def sign_in(self, name: str) -> None:
        """A session, without the form."""
        session = self.console.sessions.begin(name, "password")
        self.csrf = session.csrf
        self.client.cookies.set(self.console.cookie, session.token)

    def get(self, path: str, **headers: str) -> Any:
        return self.client.get(path, headers=_named(headers))

    def post(self, path: str, fields: dict[str, Any] | None = None, *, csrf: str | None = None, **headers: str) -> Any:
        data = {"csrf": self.csrf if csrf is None else csrf, **(fields or {})}
        return self.client.post(path, data=data, headers=_named(headers))

    def events(self, kind: type[Body]) -> list[Any]:
        """The bodies of that kind in the ledger."""
        return [each.event.body for each in self.console.ledger.events() if isinstance(each.event.body, kind)]


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def text_of(html: str) -> str:
    """A page's words, without its tags."""
    return re.sub(r"<[^>]+>", " ", html)


EMPTY = Office()
