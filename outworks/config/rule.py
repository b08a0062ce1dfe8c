"""A rule in a file of its own, to be tried on the past."""

from pathlib import Path

from outworks.config.checks import checked_rules
from outworks.config.sections import Document
from outworks.enforcement.rules import Rule
from outworks.enforcement.settings import CaseSettings
from outworks.toml import LARGEST, read


def load_rule(path: Path) -> Rule:
    """The one rule of a file. It is read as the policy is, and may be one.

    Raises `PolicyError` with every fault, `ValueError` where it has no rule or several, `OSError`.
    """
    with path.open("rb") as file:
        reading = read(file.read(LARGEST + 1), Document, file=str(path))
    rules = checked_rules(reading, reading.take(CaseSettings, "cases") or CaseSettings()).rules
    reading.settle()
    if len(rules) != 1:
        raise ValueError(f"{path} has {len(rules)} [[rules]]; expected one")
    return rules[0]
