"""Evaluate: what a checkpoint does on average, under attack, and otherwise, on the same requests."""

from outworks.lab.evaluate.assault import ADAPTIVE, DEFAULT, Assault, chosen
from outworks.lab.evaluate.correlation import Correlation, correlation
from outworks.lab.evaluate.evaluation import Evaluated, asking, evaluate
from outworks.lab.evaluate.measures import MEASURES, Answer, Asking, Measured
from outworks.lab.evaluate.rows import Row, Share, rows

__all__ = [
    "ADAPTIVE",
    "DEFAULT",
    "MEASURES",
    "Answer",
    "Asking",
    "Assault",
    "Correlation",
    "Evaluated",
    "Measured",
    "Row",
    "Share",
    "asking",
    "chosen",
    "correlation",
    "evaluate",
    "rows",
]
