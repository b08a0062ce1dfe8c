"""Suite: goals under one name and one version."""

import hashlib
from collections.abc import Sequence

import msgspec

from outworks.adversary import Goal


class SuiteError(Exception):
    """A suite is not what its version says."""


class Suite(msgspec.Struct, frozen=True, kw_only=True):
    """What is tried."""

    name: str
    version: str
    goals: tuple[Goal, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of the goals."""
        return hashlib.sha256(msgspec.json.encode(self.goals, order="sorted")).hexdigest()

    def goal(self, id: str) -> Goal:
        """The goal of that id. Raises `LookupError`."""
        found = next((goal for goal in self.goals if goal.id == id), None)
        if found is None:
            raise LookupError(f"the suite {self.name!r} has no goal {id!r}")
        return found


def merged(name: str, suites: Sequence[Suite]) -> Suite:
    """Several as one; its version names theirs."""
    version = "+".join(f"{each.name}@{each.version}" for each in suites)
    return Suite(name=name, version=version, goals=tuple(goal for each in suites for goal in each.goals))


def sampled(suite: Suite, *, every: int) -> Suite:
    """Every so many-th goal: always the same ones, from all categories."""
    return msgspec.structs.replace(suite, goals=suite.goals[every - 1 :: every], name=f"{suite.name}/{every}")
