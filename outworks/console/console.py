"""The console: everything that its pages share."""

import asyncio
import base64
import logging
import threading
import time
from collections.abc import Callable, Sequence
from heapq import nlargest
from pathlib import Path
from typing import Any

import jinja2
import markupsafe
import msgspec
from argon2 import PasswordHasher

from outworks.action import Action
from outworks.console import show
from outworks.console.attempts import Attempts
from outworks.console.known import KnownTexts
from outworks.console.navigation import Group, groups
from outworks.console.openid import OpenIdSignIn
from outworks.console.passwords import Passwords
from outworks.console.playground import Talks
from outworks.console.reviewers import Reviewers
from outworks.console.search import Search
from outworks.console.sessions import Sessions
from outworks.console.setup import Setup
from outworks.console.signs import SignReader, Signs
from outworks.console.store import Store, beside
from outworks.console.trying import Trials
from outworks.console.web import Ask, Notice
from outworks.console.wellness import Wellness
from outworks.duration import seconds
from outworks.enforcement.actions import AccountStanding
from outworks.enforcement.desk.desk import Desk
from outworks.enforcement.desk.roles import Operation
from outworks.enforcement.language.written import Written, WrittenRules
from outworks.enforcement.reports.numbers import Numbers, Precision
from outworks.enforcement.rules import Rule
from outworks.enforcement.standings import StandingTable
from outworks.enforcement.taken import Taken, in_force
from outworks.event import Body, Event
from outworks.ledger import Ledger, Reader

_log = logging.getLogger(__name__)
_FEW = 2000
"""Events that a page reads by itself, so that what was just done is in its numbers."""
_SLICE = 20_000
HERE = Path(__file__).parent


class Console:
    """The ledger, the console's own file, and who may do what; used from many threads."""

    def __init__(
        self,
        ledger: Ledger,
        setup: Callable[[], Setup],
        *,
        openid_secret: str = "",
        hasher: PasswordHasher | None = None,
    ) -> None:
        """`setup` is asked at every page, and says what the policy says now."""
        said = setup().settings
        self.ledger = ledger
        self.setup = setup
        self.store = Store(beside(ledger.path))
        self.sessions = Sessions(self.store, lasts=seconds(said.session), idle=seconds(said.idle))
        self.passwords = Passwords(self.store, hasher)
        self.attempts = Attempts(self.store)
        self.reviewers = Reviewers(ledger)
        self.wellness = Wellness(self.store, lambda: setup().settings.wellness)
        self.desk = Desk(ledger, setup().office)
        self.search = Search(ledger.path)
        self.talks = Talks()
        self.openid = OpenIdSignIn(said.openid, openid_secret) if said.openid.issuer else None
        self.secure = said.url.startswith("https://")
        # The prefix makes browsers refuse a cookie that another host or an unprotected page has set.
        self.cookie = "__Host-outworks" if self.secure else "outworks_session"
        self.trials = Trials(lambda: Reader(ledger.path))
        self.known = KnownTexts(ledger)
        self._written = WrittenRules(ledger)
        self._signs = SignReader(ledger)
        self._numbers = Numbers(ledger)
        self._standings = StandingTable(ledger)
        self._turn = threading.Lock()
        self._pages = _environment()

    def close(self) -> None:
        """Give the files back."""
        self._signs.close()
        self._numbers.close()
        self.search.close()
        self.desk.close()
        self.store.close()

    def standing(self, account: str) -> Action:
        """The action in force on an account."""
        with self._turn:
            self._standings.refresh()
            return self._standings.of(account, time.time())

    def taken(self, account: str) -> tuple[Taken, ...]:
        """Every action ever taken on an account."""
        with self._turn:
            self._standings.refresh()
            return self._standings.taken(account)

    def standing_at(self, account: str, now: float) -> Action:
        """The action that was in force on an account at a moment."""
        taken = [each for each in self.taken(account) if each.action.at <= now]
        return in_force(taken, now).action

    def restricted(self, most: int) -> list[AccountStanding]:
        """The accounts that may not go on as before, the strictest first."""
        with self._turn:
            self._standings.refresh()
            now = time.time()
            each = (AccountStanding(account, self._standings.of(account, now)) for account in self._standings)
            return nlargest(most, (one for one in each if one.action.standing), key=lambda one: one.action.standing)

    def rules(self) -> tuple[Rule, ...]:
        """Every rule, of the policy and written here, drafts too."""
        policy = self.setup().rules
        names = {rule.name for rule in policy}
        return (*policy, *(each.rule for each in self.written_rules() if each.rule.name not in names))

    def written_rules(self) -> Sequence[Written]:
        """The rules that were written in the console."""
        self._written.refresh()
        return self._written.all

    def precision(self, rule: str) -> Precision:
        """What reviewers made of a rule's actions."""
        return self._numbers.precision(rule)

    def numbers(self) -> Numbers:
        """The daily counters, as far as they have read the ledger; what is new within a few pages, they read now."""
        if self.behind() < _FEW:
            self._numbers.follow(most=_FEW)
        return self._numbers

    def behind(self) -> int:
        """How many events the counters have not read yet."""
        return max(0, self.ledger.head().seq - self._numbers.seq)

    def record(self, body: Body, *, account: str = "", exchange: str = "") -> int:
        """Write an event; its sequence number. Raises `RecordError`."""
        return self.ledger.append_now([Event(body=body, at=time.time(), account=account, exchange=exchange)])[0]

    def render(self, template: str, **context: Any) -> str:
        """A page, or a part of one; every value in it is escaped."""
        return self._pages.get_template(template).render(console=self, setup=self.setup(), now=time.time(), **context)

    async def follow(self) -> None:
        """Keep what is derived from the ledger up to date, in the background."""
        while True:
            try:
                more = await asyncio.to_thread(self.follow_once)
            except Exception as error:
                # Pages go on with what is known; what is derived can be read again.
                _log.warning("what is derived from the ledger could not be kept up: %s", type(error).__name__)
                more = False
            await asyncio.sleep(0.05 if more else 1.0)

    def follow_once(self) -> bool:
        """Read on a little; whether there is more."""
        links = self._signs.follow()
        return self._numbers.follow(most=_SLICE) or links

    def signs(self, account: str, now: float) -> Signs:
        """What adds up about an account, and who may be linked to it."""
        return self._signs.of(account, now)

    def nav(self, ask: Ask) -> list[Group]:
        """What who asks can go to."""
        return groups(ask)

    @staticmethod
    def pack(notice: Notice) -> str:
        """A notice as a cookie may hold it."""
        return base64.urlsafe_b64encode(msgspec.json.encode(notice)).decode().rstrip("=")

    @staticmethod
    def unpack(text: str) -> Notice | None:
        """The notice of `pack`; None for anything else."""
        try:
            return msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=Notice)
        except ValueError:
            return None


def _environment() -> jinja2.Environment:
    pages = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    pages.filters.update(show.FILTERS)
    pages.globals.update(token=_token, see_content=Operation.SEE_CONTENT, Op=Operation)
    return pages


def _token(ask: Ask) -> markupsafe.Markup:
    """The hidden field that shows that a form is of this session."""
    csrf = ask.session.csrf if ask.session is not None else ""
    return markupsafe.Markup('<input type="hidden" name="csrf" value="{}">').format(csrf)
