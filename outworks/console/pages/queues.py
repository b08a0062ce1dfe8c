"""Queues: what waits for a decision, and the way to the next case."""

import msgspec
from starlette.responses import Response

from outworks.console.web import Ask, Page
from outworks.enforcement.desk import lookup
from outworks.enforcement.desk import queues as desk_queues
from outworks.enforcement.desk.cases import State
from outworks.enforcement.desk.roles import Operation

_RECENT = 8
_PAGE = 50


class _Queue(msgspec.Struct, frozen=True):
    queue: str = ""


class _Paged(msgspec.Struct, frozen=True):
    state: str = "open"
    before: float | None = None


def front(ask: Ask) -> Response:
    """Every queue, what one has, and what one decided last."""
    desk = ask.console.desk
    views = lookup.queues(desk)
    held = desk.rows(
        "SELECT id FROM cases WHERE state <> 'closed' AND lease_by = ? AND lease_until > ?", (ask.name, ask.now)
    )
    mine = [lookup.case(desk, id) for (id,) in held]
    pending = lookup.cases(desk, state=State.PENDING, limit=20)
    decided = lookup.decisions(desk, by=ask.name, limit=_RECENT)
    return ask.page("queues.html", views=views, mine=mine, pending=pending, decided=decided)


def queue(ask: Ask) -> Response:
    """The cases of one queue, the latest first."""
    name = ask.path("name")
    paged = ask.query(_Paged)
    state = State(paged.state) if paged.state in list(State) else State.OPEN
    cases = lookup.cases(ask.console.desk, queue=name, state=state, before=paged.before, limit=_PAGE)
    return ask.page("queue.html", name=name, cases=cases, state=state, states=list(State), more=len(cases) == _PAGE)


def take(ask: Ask) -> Response:
    """The next case, of one queue or of all."""
    return next_case(ask, queue=ask.read(_Queue).queue)


def next_case(ask: Ask, *, queue: str = "", notice: str = "", undo: str = "") -> Response:
    """On to the next case; back to the queues where nothing waits."""
    case = desk_queues.claim(ask.console.desk, ask.who, queues=(queue,) if queue else ())
    if case is None:
        where = f" in the queue {queue}" if queue else ""
        return ask.go("/", notice=f"{notice} Nothing more waits for you{where}.".strip(), undo=undo)
    keep = f"?queue={ask.quote(queue)}" if queue else ""
    return ask.go(f"/cases/{case.id}{keep}", notice=notice, undo=undo)


PAGES = (
    Page("GET", "/", front, Operation.SEE_CASES),
    Page("GET", "/queues/{name:path}", queue, Operation.SEE_CASES),
    Page("POST", "/cases/next", take, Operation.CLAIM),
)
