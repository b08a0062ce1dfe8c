"""Reviewed: what stands against an action that people looked at, and which of them had a part in it."""

from outworks.enforcement.desk import lookup
from outworks.enforcement.desk.cases import LETS_BE, Case, TakenAction
from outworks.enforcement.desk.desk import Desk
from outworks.event import Undone

ALONE = "alone"
"""Stands for a person who took back this action and nothing else: `undo_action`, or the command line."""

DECIDED = (
    "FROM reviewed JOIN cases AS looked ON looked.id = reviewed.case_id JOIN decision ON decision.case_id = looked.id "
    "WHERE looked.appeal = '' AND looked.golden = '' AND decision.undone = 0 AND reviewed.action = "
)
"""The decisions that stand on the cases of an action, its appeal's left out; SQL, to be ended with the action's id."""


def against(desk: Desk, action: TakenAction) -> frozenset[str]:
    """What stands against an action, each of it enough to keep it taken back: the ids of decisions and of a bulk
    action, and `ALONE`. An action counts again when the last of them is undone, in whatever order."""
    rows = desk.rows(
        "SELECT decision, outcome FROM reviewed JOIN cases ON cases.id = case_id "
        "WHERE reviewed.action = ? AND state = 'closed' AND golden = ''",
        (action.id,),
    )
    found = {str(decision) for decision, outcome in rows if outcome not in LETS_BE}
    if action.decision and lookup.decision(desk, action.decision).undone:
        found.add(action.decision)
    if action.bulk and desk.rows("SELECT 1 FROM bulk WHERE id = ? AND state = 'undone'", (action.bulk,)):
        found.add(action.bulk)
    ((undone,),) = desk.rows("SELECT undone FROM action WHERE id = ?", (action.id,))
    body = desk.event(undone).event.body if undone else None
    if isinstance(body, Undone) and not body.decision and not body.bulk:
        found.add(ALONE)
    return frozenset(found)


def deciders(desk: Desk, action: TakenAction) -> tuple[str, ...]:
    """The people who made an action, or whose decision about it stands, such as to keep it: none of them may answer an
    appeal against it."""
    names = {action.by.removeprefix("person:")} if action.by.startswith("person:") else set()
    if action.decision:
        made = lookup.decision(desk, action.decision)
        names.add(made.by)
        if made.confirms:
            names.add(lookup.decision(desk, made.confirms).by)
    if action.bulk:
        bulk = lookup.bulk(desk, action.bulk)
        names |= {bulk.by, bulk.applied_by}
    names |= {by for (by,) in desk.rows(f"SELECT decision.by {DECIDED} ?", (action.id,))}
    return tuple(sorted(names - {""}))


def barred(desk: Desk, case: Case) -> frozenset[str]:
    """Who may not decide a case: of an appeal also who decided, after it was opened, about what it is against."""
    later = deciders(desk, lookup.action(desk, case.action)) if case.appeal else ()
    return frozenset((*case.not_for, *later))
