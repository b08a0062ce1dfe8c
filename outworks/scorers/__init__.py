"""Scorers: whether an answer that nothing exact can judge is harm, and how far that word can be trusted."""

from outworks.scorers.harm import Harm, harm_scorer
from outworks.scorers.judge import Judge
from outworks.scorers.refusal import Declined, declined

__all__ = ["Declined", "Harm", "Judge", "declined", "harm_scorer"]
