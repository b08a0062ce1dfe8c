"""Roles: who may do what at the desk; the server asks this table before every operation."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec


class Role(StrEnum):
    """What a person who signs in is."""

    REVIEWER = "reviewer"
    """Decides cases."""
    LEAD = "lead"
    """A reviewer who also takes what was escalated, acts in bulk, and measures reviewers."""
    ADMIN = "admin"
    """A lead who also says who may sign in, and writes rules."""
    AUDITOR = "auditor"
    """Sees everything, content too, and changes nothing."""


class Operation(StrEnum):
    """Something that can be done at the desk. A page or a form belongs to exactly one."""

    SEE_CASES = "see_cases"
    """Queues, cases, accounts, timelines, notices: everything but what people said."""
    SEE_CONTENT = "see_content"
    """What people said; each look is recorded."""
    CLAIM = "claim"
    """Take the next case, skip it, give it back, hand it over, escalate it."""
    NOTE = "note"
    OPEN_CASE = "open_case"
    DECIDE = "decide"
    """Dismiss, keep, warn, limit, suspend, reinstate; propose a ban."""
    CONFIRM = "confirm"
    """Confirm somebody else's ban."""
    UNDO_OWN = "undo_own"
    """Take back one's own decision."""
    UNDO = "undo"
    """Take back anybody's decision or action."""
    ANSWER_APPEAL = "answer_appeal"
    TAKE_ESCALATED = "take_escalated"
    """Get the cases that were escalated."""
    MOVE_QUEUE = "move_queue"
    """Put a case into another queue."""
    BULK = "bulk"
    """Plan, apply and undo bulk actions."""
    SET_GOLDEN = "set_golden"
    SEE_AGREEMENT = "see_agreement"
    """How reviewers do on golden cases, by name."""
    LABEL = "label"
    """Say of a sampled exchange whether it violates the policy."""
    SEE_NUMBERS = "see_numbers"
    SEE_AUDIT = "see_audit"
    """Who looked at what, and who decided what."""
    SEE_RULES = "see_rules"
    WRITE_RULES = "write_rules"
    """Draft, backtest, shadow and live."""
    SEE_FINGERPRINTS = "see_fingerprints"
    WRITE_FINGERPRINTS = "write_fingerprints"
    """Add one from a case, disable, import."""
    EXPORT = "export"
    """Take fingerprints and numbers out."""
    PLAYGROUND = "playground"
    """Chat as any account."""
    MANAGE_REVIEWERS = "manage_reviewers"
    OWN_SETTINGS = "own_settings"
    """One's own password and wellness settings."""


_SEES = {
    Operation.SEE_CASES,
    Operation.SEE_CONTENT,
    Operation.SEE_NUMBERS,
    Operation.SEE_RULES,
    Operation.SEE_FINGERPRINTS,
    Operation.OWN_SETTINGS,
}
_REVIEWS = _SEES | {
    Operation.CLAIM,
    Operation.NOTE,
    Operation.OPEN_CASE,
    Operation.DECIDE,
    Operation.CONFIRM,
    Operation.UNDO_OWN,
    Operation.ANSWER_APPEAL,
    Operation.LABEL,
    Operation.WRITE_FINGERPRINTS,
    Operation.PLAYGROUND,
}
_LEADS = _REVIEWS | {
    Operation.UNDO,
    Operation.TAKE_ESCALATED,
    Operation.MOVE_QUEUE,
    Operation.BULK,
    Operation.SET_GOLDEN,
    Operation.SEE_AGREEMENT,
    Operation.SEE_AUDIT,
    Operation.EXPORT,
}

PERMITTED: Mapping[Role, frozenset[Operation]] = {
    Role.REVIEWER: frozenset(_REVIEWS),
    Role.LEAD: frozenset(_LEADS),
    Role.ADMIN: frozenset(_LEADS | {Operation.WRITE_RULES, Operation.MANAGE_REVIEWERS}),
    Role.AUDITOR: frozenset(_SEES | {Operation.SEE_AGREEMENT, Operation.SEE_AUDIT, Operation.EXPORT}),
}
"""Role by operation. What is not in it is denied."""


class Reviewer(msgspec.Struct, frozen=True):
    """A person who signed in. The name is what the ledger records."""

    name: str
    role: Role


class Forbidden(PermissionError):
    """An operation that the person's role does not have."""


def may(reviewer: Reviewer, operation: Operation) -> bool:
    """Whether the person may do it."""
    return operation in PERMITTED.get(reviewer.role, frozenset())


def check_may(reviewer: Reviewer, operation: Operation) -> None:
    """Raises `Forbidden` where the person may not do it, and `ValueError` for a person without a name."""
    if not reviewer.name.strip():
        raise ValueError("say who decides: what nobody signs cannot be appealed")
    if not may(reviewer, operation):
        roles = ", ".join(role.value for role in Role if operation in PERMITTED[role])
        raise Forbidden(f"{reviewer.name} is {reviewer.role.value}; {operation.value!r} is for: {roles}")
