"""The worst case that was seen: what the union of several attacks reaches on one checkpoint, at a budget of queries.

A robust model is one for which the maximum over all attacks is low. Only some were run, so this bounds it from below.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec

from outworks.lab.attempt import Attacked
from outworks.statistics import Estimate, clustered


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """One attack's part in it."""

    reached: Estimate
    queries: int
    """The most that it asked one behaviour."""


class Worst(msgspec.Struct, frozen=True, kw_only=True):
    """The union."""

    checkpoint: str
    reached: Estimate
    """The share of behaviours that any of the attacks reached: a lower bound on the worst case."""
    queries: int
    """The most that one behaviour was asked, by all attacks together, in one run."""
    runs: int
    """Seeds."""
    by_attack: dict[str, Share]

    @property
    def label(self) -> str:
        """What stands beside the number wherever it is shown."""
        runs = f", {self.runs} seeds" if self.runs > 1 else ""
        return (
            f"lower bound: only {', '.join(self.by_attack)} ran, with at most {self.queries} queries a behaviour{runs}"
        )


def worst(attacked: Sequence[Attacked], *, queries: int | None = None) -> Worst:
    """The union over attacks on one checkpoint; every seed is a run of its own.

    `queries` is the budget: the attacks spend it on each behaviour in the order given. Intervals take a behaviour, with
    all its runs, as one observation. Raises ValueError where there is nothing, where another checkpoint is among them,
    and where an attack lacks a seed that another has: their unions would not be of the same attacks.
    """
    _check(attacked, queries)
    return Worst(
        checkpoint=attacked[0].checkpoint,
        reached=_reached(attacked, queries),
        queries=_queries(attacked, queries),
        runs=len({each.seed for each in attacked}),
        by_attack={name: _share([each for each in attacked if each.attack == name]) for name in _names(attacked)},
    )


def _share(mine: Sequence[Attacked]) -> Share:
    return Share(reached=_reached(mine, None), queries=_queries(mine, None))


def _reached(attacked: Sequence[Attacked], queries: int | None) -> Estimate:
    found: dict[str, list[float]] = defaultdict(list)
    for (_, behaviour), tried in _tried(attacked).items():
        found[behaviour].append(float(any(tried[:queries])))
    return clustered(found)


def _queries(attacked: Sequence[Attacked], queries: int | None) -> int:
    return max(len(tried[:queries]) for tried in _tried(attacked).values())


def _tried(attacked: Sequence[Attacked]) -> Mapping[tuple[int, str], list[bool]]:
    """By seed and behaviour, whether each query reached it, in the order given."""
    found: dict[tuple[int, str], list[bool]] = defaultdict(list)
    for each in attacked:
        for query in each.tried:
            found[each.seed, query.behaviour].append(query.reached)
    return found


def _names(attacked: Sequence[Attacked]) -> list[str]:
    return list(dict.fromkeys(each.attack for each in attacked))


def _check(attacked: Sequence[Attacked], queries: int | None) -> None:
    if queries is not None and queries < 1:
        raise ValueError(f"a budget of {queries} queries; expected at least 1")
    if not any(each.tried for each in attacked):
        raise ValueError("no attack asked anything; expected at least one result, with at least one query")
    checkpoints = sorted({each.checkpoint for each in attacked})
    if len(checkpoints) > 1:
        raise ValueError(f"results of {', '.join(checkpoints)}; expected those of one checkpoint")
    seeds = {each.seed for each in attacked}
    for name in _names(attacked):
        lacks = seeds - {each.seed for each in attacked if each.attack == name}
        if lacks:
            few = ", ".join(str(seed) for seed in sorted(lacks))
            raise ValueError(
                f"{name} has no result for seed {few}, which other attacks have; run it, or leave those out"
            )
