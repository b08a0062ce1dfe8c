"""flow: decides what may flow from what the model has read into what its tools do, whatever the model does."""

from outworks.defenses.flow.confirm import Confirmable
from outworks.defenses.flow.count import Count, Counted, Taken, Turn, rank
from outworks.defenses.flow.flow import Flow, Spend, Spent
from outworks.defenses.flow.policy import Argument, Field, Result, Row, Sample, Settings, ToolPolicy
from outworks.defenses.flow.seal import Seal

__all__ = [
    "Argument",
    "Confirmable",
    "Count",
    "Counted",
    "Field",
    "Flow",
    "Result",
    "Row",
    "Sample",
    "Seal",
    "Settings",
    "Spend",
    "Spent",
    "Taken",
    "ToolPolicy",
    "Turn",
    "rank",
]
