"""Statistics: what was counted, how sure it is, and whether two targets differ."""

from outworks.trials.statistics.comparison import Comparison, compare
from outworks.trials.statistics.correction import Corrected, Diagnostic, corrected
from outworks.trials.statistics.estimate import LEVEL, Estimate, Interval, clopper_pearson, clustered, rate, wilson
from outworks.trials.statistics.success import success_at
from outworks.trials.statistics.survival import Step, Survival, survival

__all__ = [
    "LEVEL",
    "Comparison",
    "Corrected",
    "Diagnostic",
    "Estimate",
    "Interval",
    "Step",
    "Survival",
    "clopper_pearson",
    "clustered",
    "compare",
    "corrected",
    "rate",
    "success_at",
    "survival",
    "wilson",
]
