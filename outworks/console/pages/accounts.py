"""Accounts: find one, and everything that is known of it."""

from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.responses import Response

from outworks.action import Standing
from outworks.console.reveal import reveal
from outworks.console.tell import tell
from outworks.console.web import Ask, Page
from outworks.enforcement.desk import decisions, lookup, queues
from outworks.enforcement.desk.roles import Operation
from outworks.enforcement.taken import reinstated
from outworks.verdict import Decision

_PAGE = 30


class _Found(msgspec.Struct, frozen=True):
    q: Annotated[str, Meta(max_length=300)] = ""


class _Named(msgspec.Struct, frozen=True):
    """An account's name is chosen outside, and may hold `/`, `..` and the names of pages: it stands in the query, where
    no browser and no proxy takes it for a part of the path."""

    name: Annotated[str, Meta(min_length=1)]


class _Paged(msgspec.Struct, frozen=True):
    before: float | None = None


class _At(msgspec.Struct, frozen=True):
    at: float | None = None


class _Why(msgspec.Struct, frozen=True, kw_only=True):
    why: Annotated[str, Meta(min_length=1, max_length=5000)]
    queue: Annotated[str, Meta(max_length=64)] = ""


class _Reason(msgspec.Struct, frozen=True):
    reason: Annotated[str, Meta(min_length=1, max_length=2000)]


class Listed(msgspec.Struct, frozen=True):
    """An exchange in the account's list, with what was noted in it."""

    exchange: str
    at: float
    noted: tuple[str, ...]
    decision: int
    shadow: bool


def find(ask: Ask) -> Response:
    """Accounts by the beginning of their name; without one, those noted lately and those that may not go on."""
    text = ask.query(_Found).q.strip()
    search = ask.console.search
    names = search.accounts(text) if text else search.noted()
    rows = [(name, ask.console.standing(name)) for name in names]
    restricted = [] if text else ask.console.restricted(100)
    return ask.page("accounts.html", text=text, rows=rows, restricted=restricted)


def show(ask: Ask) -> Response:
    """One account."""
    account = ask.query(_Named).name
    console = ask.console
    taken = console.taken(account)
    first_seen = console.ledger.first_seen(account)
    if first_seen is None and not taken:
        raise LookupError(f"No account {account!r} is in the ledger.")
    before = ask.query(_Paged).before
    rows = console.search.exchanges(account, limit=_PAGE, before=before)
    return ask.page(
        "account.html",
        account=account,
        action=console.standing(account),
        first_seen=first_seen,
        requests=console.search.count(account),
        taken=tuple(reversed(taken))[:100],
        since=reinstated(taken),
        listed=_listed(ask, account, [(row.exchange, row.at) for row in rows]),
        last=rows[-1].at if len(rows) == _PAGE else None,
        cases=lookup.cases(console.desk, account=account, limit=20),
        in_cases={each.id for each in lookup.actions(console.desk, account) if each.decision},
        decided=lookup.decisions(console.desk, account=account, limit=20),
        notices=lookup.notices(console.desk, account=account, limit=20),
        appeals=lookup.appeals(console.desk, account=account, limit=20),
        good=Standing.GOOD,
    )


def _listed(ask: Ask, account: str, rows: list[tuple[str, float]]) -> list[Listed]:
    noted: dict[str, list[tuple[str, int, str]]] = {}
    for exchange, defense, category, decision, mode in ask.console.search.signals(account):
        noted.setdefault(exchange, []).append((f"{defense}: {category}", decision, mode))
    return [
        Listed(
            exchange,
            at,
            tuple(dict.fromkeys(said for said, _, _ in noted.get(exchange, ()))),
            max((value for _, value, mode in noted.get(exchange, ()) if mode == "live"), default=int(Decision.ALLOW)),
            all(mode != "live" for _, _, mode in noted.get(exchange, ())),
        )
        for exchange, at in dict.fromkeys(rows)
    ]


def signs(ask: Ask) -> Response:
    """What adds up about an account, and who may be linked to it: a lead for a person, never a ground."""
    account = ask.query(_Named).name
    at = ask.query(_At).at
    shown = ask.console.signs(account, ask.now if at is None else at)
    if ask.partial:
        return ask.part("part/signs.html", signs=shown, account=account)
    return ask.page("signs.html", signs=shown, account=account)


def content(ask: Ask) -> Response:
    """What the account said lately."""
    account = ask.query(_Named).name
    rows = ask.console.search.exchanges(account, limit=8)
    shown = reveal(ask, [row.exchange for row in reversed(rows)])
    if ask.partial:
        return ask.part("part/revealed.html", revealed=shown)
    return ask.page("content.html", revealed=shown, title=account)


def open_case(ask: Ask) -> Response:
    """Open a case by hand."""
    said = ask.read(_Why)
    account = ask.query(_Named).name
    rows = ask.console.search.exchanges(account, limit=5)
    case = queues.open_case(
        ask.console.desk,
        ask.who,
        account,
        queue=said.queue or "manual",
        evidence=[row.seq for row in reversed(rows)],
        why=said.why,
    )
    return ask.go(f"/cases/{case.id}", notice="The case is open.")


def undo_action(ask: Ask) -> Response:
    """Take an action back that no case led to."""
    undone = decisions.undo_action(ask.console.desk, ask.who, ask.path("action"), reason=ask.read(_Reason).reason)
    return ask.go(f"/account?name={ask.quote(undone.account)}", notice=f"{undone.id} is taken back.")


def restore_action(ask: Ask) -> Response:
    """Let an action that was taken back count again."""
    found = decisions.restore_action(ask.console.desk, ask.who, ask.path("action"), reason=ask.read(_Reason).reason)
    return ask.go(f"/account?name={ask.quote(found.account)}", notice=f"{found.id} counts again.")


def exchange(ask: Ask) -> Response:
    """One exchange: who judged what, and when."""
    id = ask.path("exchange")
    events = list(ask.console.ledger.events(exchange=id, limit=400))
    if not events:
        raise LookupError(f"No exchange {id!r} is in the ledger.")
    return ask.page(
        "exchange.html",
        id=id,
        timeline=[tell(each) for each in events],
        account=events[0].event.account,
        at=events[0].event.at,
        reveal_at=f"/exchanges/{id}/content",
    )


def exchange_content(ask: Ask) -> Response:
    """What was said in one exchange."""
    id = ask.path("exchange")
    shown = reveal(ask, [id])
    if ask.partial:
        return ask.part("part/revealed.html", revealed=shown)
    return ask.page("content.html", revealed=shown, title=id)


PAGES = (
    Page("GET", "/accounts", find, Operation.SEE_CASES),
    Page("GET", "/account", show, Operation.SEE_CASES),
    Page("GET", "/account/signs", signs, Operation.SEE_CASES),
    Page("POST", "/account/content", content, Operation.SEE_CONTENT),
    Page("POST", "/account/case", open_case, Operation.OPEN_CASE),
    Page("POST", "/actions/{action}/undo", undo_action, Operation.UNDO),
    Page("POST", "/actions/{action}/restore", restore_action, Operation.UNDO),
    Page("GET", "/exchanges/{exchange}", exchange, Operation.SEE_CASES),
    Page("POST", "/exchanges/{exchange}/content", exchange_content, Operation.SEE_CONTENT),
)
