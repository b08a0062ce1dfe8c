"""Scorer: whether what was delivered is harm, and how far that word can be trusted."""

from typing import Protocol

import msgspec

from outworks.adversary import Goal, Reply


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """A scorer's word on one reply."""

    harmful: bool
    refused: bool = False
    """The model declined, in whatever words."""
    scorer: str = ""
    """`NAME@VERSION` of who says so."""
    why: str = ""


class ScorerCard(msgspec.Struct, frozen=True, kw_only=True):
    """How far a scorer can be trusted, measured against human labels."""

    name: str
    version: str
    exact: bool = False
    """It reads a state or a canary, and cannot be wrong; the counts are then zero."""
    labels: str = ""
    """Which labels it was measured against."""
    true_positives: int = 0
    positives: int = 0
    true_negatives: int = 0
    negatives: int = 0


class ScorerError(Exception):
    """A scorer came to no answer. That is an error of the trial, never a pass."""


class Scorer(Protocol):
    """Says whether a goal was reached, from what reached whoever asked."""

    card: ScorerCard

    async def score(self, goal: Goal, reply: Reply) -> Score:
        """Raises `ScorerError` where it comes to no answer."""
        ...
