"""Statistics: what was counted, how sure it is, and whether two targets differ."""

from outworks.statistics.comparison import Comparison, compare
from outworks.statistics.correction import Corrected, Diagnostic, Tally, corrected, corrected_by_cluster
from outworks.statistics.estimate import Estimate, clopper_pearson, clustered, rate, spread
from outworks.statistics.interval import LEVEL, Interval, wilson
from outworks.statistics.success import success_at
from outworks.statistics.survival import Step, Survival, survival

__all__ = [
    "LEVEL",
    "Comparison",
    "Corrected",
    "Diagnostic",
    "Estimate",
    "Interval",
    "Step",
    "Survival",
    "Tally",
    "clopper_pearson",
    "clustered",
    "compare",
    "corrected",
    "corrected_by_cluster",
    "rate",
    "spread",
    "success_at",
    "survival",
    "wilson",
]
