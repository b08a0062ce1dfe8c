"""Signals: what counts in an account's history."""

import pytest

from outworks.event import Event, Judgement, Rejected, UpstreamFailed
from outworks.ledger.signal import signals_of
from outworks.verdict import Decision, Finding
from tests.ledger.kit import acted, blocked, judged, received, released


def seen(event: Event) -> list[tuple[str, str, str, str, float]]:
    return [(one.defense, one.category, one.decision.name, one.mode, one.score) for one in signals_of(event)]


def test_ordinary_events_have_none() -> None:
    """Received, released, acted, and judgements that allow without a finding count for nothing."""
    allowed = judged(Judgement(defense="standing", decision=Decision.ALLOW))

    assert [seen(event) for event in (received(), allowed, released(), acted())] == [[], [], [], []]


def test_a_finding_counts_also_where_it_was_allowed_or_in_shadow() -> None:
    """Thresholds are retuned later, and shadow rules look at what would have been."""
    found = (Finding("suffix", 0.2),)
    event = judged(
        Judgement(defense="adversarial_string", decision=Decision.ALLOW, findings=found),
        Judgement(defense="leak", decision=Decision.BLOCK, mode="shadow", findings=found),
    )

    assert seen(event) == [
        ("adversarial_string", "suffix", "ALLOW", "live", 0.2),
        ("leak", "suffix", "BLOCK", "shadow", 0.2),
    ]


def test_one_for_each_category_with_the_highest_score() -> None:
    """Ten findings of one category in one judgement are one signal."""
    found = (Finding("a", 0.2), Finding("b", 0.5), Finding("a", 0.9))

    assert seen(judged(Judgement(defense="d", decision=Decision.BLOCK, findings=found))) == [
        ("d", "a", "BLOCK", "live", 0.9),
        ("d", "b", "BLOCK", "live", 0.5),
    ]


def test_a_decision_without_a_finding_goes_by_the_defenses_name() -> None:
    """A block that names nothing still counts."""
    assert seen(judged(Judgement(defense="standing", decision=Decision.BLOCK))) == [
        ("standing", "standing", "BLOCK", "live", 1.0)
    ]


@pytest.mark.parametrize("error", ["raised", "overran"])
def test_a_defense_that_failed_is_told_apart(error: str) -> None:
    """A block because our own check failed is no misuse by anybody, so it has a category of its own."""
    event = judged(Judgement(defense="leak", decision=Decision.BLOCK, error=error))

    assert seen(event) == [("leak", "defense_failed", "BLOCK", "live", 1.0)]


def test_a_providers_refusal_counts_and_its_outage_does_not() -> None:
    """Only an upstream's policy error speaks of the account."""
    refused, down = (
        Event(body=UpstreamFailed(error=error, message="m", status=502), at=1.0) for error in ("policy", "unreachable")
    )

    assert seen(refused) == [("upstream", "provider_refusal", "ALLOW", "live", 1.0)]
    assert seen(down) == []


def test_a_rejected_request_counts_without_a_decision() -> None:
    """A malformed request is noteworthy, and is no defense's block."""
    event = Event(body=Rejected(wire="openai", status=400, code="invalid_json", message="m"), at=1.0, account="ann")

    assert seen(event) == [("gateway", "rejected", "ALLOW", "live", 1.0)]
    assert signals_of(event)[0].account == "ann"


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_a_score_that_is_no_number_is_refused(score: float) -> None:
    """Such a score could be neither stored nor compared."""
    with pytest.raises(ValueError, match="expected a number from 0 to 1"):
        signals_of(judged(blocked(score=score)))
