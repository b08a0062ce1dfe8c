"""Signals: what is noteworthy in an event, one row a finding, for the rules that count it."""

import math

import msgspec

from outworks.event import Event, Judged, Judgement, Rejected, UpstreamFailed
from outworks.verdict import Decision

PROVIDER_REFUSAL = "provider_refusal"
REJECTED = "rejected"
DEFENSE_FAILED = "defense_failed"


class Signal(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Something that counts in an account's history. Derived from the events, and rebuilt from them at will."""

    seq: int
    """The event that it was found in."""
    n: int = 0
    """Its place among the signals of that event."""
    at: float
    account: str
    product: str
    exchange: str
    conversation: str
    defense: str
    """The defense; `upstream` for a provider's refusal, `gateway` for a rejected request."""
    category: str
    """The finding's category; the defense's name where it found nothing by name; `provider_refusal`; `rejected`;
    `defense_failed` where the check itself failed, so that a fault of ours never counts as somebody's misuse."""
    decision: Decision
    """The defense's decision; ALLOW where no defense decided (`provider_refusal`, `rejected`)."""
    mode: str
    """`live` or `shadow`."""
    score: float
    """The highest of the category's findings; 1 where there is no finding."""


class _Mark(msgspec.Struct, frozen=True):
    defense: str
    category: str
    decision: Decision = Decision.ALLOW
    mode: str = "live"
    score: float = 1.0


_REFUSED = (_Mark("upstream", PROVIDER_REFUSAL),)
_TURNED_AWAY = (_Mark("gateway", REJECTED),)


def signals_of(event: Event, seq: int = 0) -> tuple[Signal, ...]:
    """Every signal in an event, in a fixed order. Raises `ValueError` for a score that is no number."""
    body = event.body
    marks: tuple[_Mark, ...] = ()
    if type(body) is Judged:
        for one in body.judgements:
            if one.decision or one.findings:
                marks += _marks(one)
    elif type(body) is UpstreamFailed:
        marks = _REFUSED if body.error == "policy" else ()
    elif type(body) is Rejected:
        marks = _TURNED_AWAY
    if not marks:
        return ()
    return tuple(
        Signal(
            seq=seq,
            n=n,
            at=event.at,
            account=event.account,
            product=event.product,
            exchange=event.exchange,
            conversation=event.conversation,
            defense=mark.defense,
            category=mark.category,
            decision=mark.decision,
            mode=mark.mode,
            score=mark.score,
        )
        for n, mark in enumerate(marks)
    )


def _marks(one: Judgement) -> tuple[_Mark, ...]:
    if one.error:
        return (_Mark(one.defense, DEFENSE_FAILED, one.decision, one.mode),)
    scores: dict[str, float] = {}
    for finding in one.findings:
        if not math.isfinite(finding.score):
            raise ValueError(
                f"the finding {finding.category!r} of the defense {one.defense!r} has the score {finding.score}; "
                "expected a number from 0 to 1"
            )
        scores[finding.category] = max(float(finding.score), scores.get(finding.category, 0.0))
    if not scores:
        return (_Mark(one.defense, one.defense, one.decision, one.mode),)
    return tuple(_Mark(one.defense, category, one.decision, one.mode, score) for category, score in scores.items())
