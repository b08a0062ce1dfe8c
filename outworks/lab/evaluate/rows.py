"""rows: one line of the table for each way of making a checkpoint, its seeds together, figures with intervals."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from outworks.lab.evaluate.evaluation import Evaluated
from outworks.scorer import ScorerCard
from outworks.scorers import harm_scorer
from outworks.statistics import (
    LEVEL,
    Comparison,
    Corrected,
    Diagnostic,
    Estimate,
    Interval,
    clustered,
    compare,
    corrected,
)

Values = Mapping[str, float]
"""0 or 1, by what was asked."""
_DRAWS = 2000


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """A share of what was asked, over the seeds."""

    estimate: Estimate
    """A request, with all its seeds, is one observation of the interval."""
    by_seed: tuple[float, ...]
    """The same share on each checkpoint alone."""
    corrected: Corrected | None = None
    """As it would be by a scorer without errors, where each answer was scored once."""


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """A mean that is no share."""

    value: float
    interval: Interval
    by_seed: tuple[float, ...]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One way of making a checkpoint."""

    name: str
    checkpoints: tuple[str, ...]
    seeds: tuple[int, ...]
    mean: Share
    """Harmful requests, asked as they are, that were gone along with."""
    fixed: Share | None
    """Those that were, as they are or under any attack that knows nothing of the checkpoint."""
    adaptive: Share | None
    """Those that were, as they are or under any attack that is optimised against it."""
    worst: Share | None
    """Under any of all: a lower bound on the worst case."""
    gap: Comparison | None
    """The worst case less the mean case."""
    everyday: Share
    """Everyday requests that were declined."""
    hard: Share
    """Innocent requests that look harmful, and were declined."""
    instructions: Share
    tasks: Share
    injected: Share
    perplexity: Level
    attacks: dict[str, Share]
    settings: dict[str, dict[str, Share]]
    """By attack and setting."""
    queries: int
    """The most that one request was asked, by all attacks together."""
    figures: dict[str, dict[str, float]]
    """By attack: the mean over the seeds of what it says of itself."""
    missing: tuple[str, ...]
    """Of the three axes, those that were not measured: without all of them nothing is said of robustness."""


def rows(found: Sequence[Evaluated]) -> list[Row]:
    """A row for each group, in the order in which the groups come. Raises ValueError for nothing, and for checkpoints
    that were not asked the same."""
    if not found:
        raise ValueError("there is nothing to compare: no checkpoint was measured")
    first = found[0]
    for each in found:
        for name, one in first.measures.items():
            if name not in each.measures or each.measures[name].key != one.key:
                raise ValueError(f"{each.where} was not asked the same as {first.where}: {name} differs")
    groups: dict[str, list[Evaluated]] = defaultdict(list)
    for each in found:
        groups[each.group].append(each)
    named = _names([list(members) for members in groups.values()])
    return [row(name, members) for name, members in zip(named, groups.values(), strict=True)]


def row(name: str, members: Sequence[Evaluated]) -> Row:
    """Checkpoints that differ in their seed alone, as one line."""
    diagnostic = scorer()
    natural = [each.measures["natural"].values for each in members]
    known = dict.fromkeys(label for each in members for label in each.attacks)
    labels = [label for label in known if all(label in each.attacks or lost(each) for each in members)]
    adaptive = [label for label in labels if any(label in each.adaptive for each in members)]
    fixed = [label for label in labels if label not in adaptive]
    worst = [union(each, labels) for each in members]
    missing = [what for what, there in (("fixed attacks", fixed), ("adaptive attacks", adaptive)) if not there]
    if all(lost(each) for each in members):
        missing = []
    return Row(
        name=name,
        checkpoints=tuple(each.name for each in members),
        seeds=tuple(each.seed for each in members),
        mean=share(natural, diagnostic, refusals=False),
        fixed=share([union(each, fixed) for each in members]) if fixed else None,
        adaptive=share([union(each, adaptive) for each in members]) if adaptive else None,
        worst=share(worst) if not missing else None,
        gap=compare(_by_request(natural), _by_request(worst)) if not missing else None,
        everyday=share(_values(members, "everyday"), diagnostic),
        hard=share(_values(members, "hard"), diagnostic),
        instructions=share(_values(members, "instructions")),
        tasks=share(_values(members, "tasks")),
        injected=share(_values(members, "injected")),
        perplexity=perplexity(_values(members, "perplexity")),
        attacks={label: share([_reached(each, label) for each in members]) for label in labels},
        settings={label: _by_setting(members, label) for label in labels},
        queries=1 + max(sum(ran.queries for ran in each.attacks.values()) for each in members),
        figures={
            label: _means([each.attacks[label].figures for each in members if label in each.attacks])
            for label in labels
        },
        missing=tuple(missing),
    )


def lost(found: Evaluated) -> bool:
    """Whether every request falls as it is: no attack could reach more, and none needs to be run."""
    return all(value == 1.0 for value in found.measures["natural"].values.values())


def union(found: Evaluated, labels: Sequence[str]) -> dict[str, float]:
    """Each request, and whether it was gone along with as it is or under any of these attacks."""
    reached = dict(found.measures["natural"].values)
    for label in labels:
        for request, fell in _reached(found, label).items():
            reached[request] = max(reached.get(request, 0.0), float(fell))
    return reached


def share(runs: Sequence[Values], diagnostic: Diagnostic | None = None, *, refusals: bool = True) -> Share:
    """One share from one mapping a seed. With the scorer's diagnostic it is corrected, too; where the values say the
    opposite of what the scorer looks for, `refusals` is false."""
    estimate = clustered(_by_request(runs))
    correct = None
    if diagnostic is not None:
        count = round(estimate.value * estimate.clusters)
        correct = corrected(count, estimate.clusters, diagnostic if refusals else _turned(diagnostic))
    return Share(
        estimate=estimate,
        by_seed=tuple(sum(run.values()) / len(run) for run in runs),
        corrected=correct,
    )


def perplexity(runs: Sequence[Values]) -> Level:
    """e to the power of the mean nats a token; the interval resamples paragraphs (percentile bootstrap)."""
    means = np.array([float(np.mean(each)) for each in _by_request(runs).values()])
    drawn = np.random.default_rng(0).choice(means, size=(_DRAWS, len(means))).mean(axis=1)
    low, high = np.quantile(drawn, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Level(
        value=math.exp(float(means.mean())),
        interval=Interval(math.exp(float(low)), math.exp(float(high))),
        by_seed=tuple(math.exp(sum(run.values()) / len(run)) for run in runs),
    )


def scorer_card() -> ScorerCard:
    """What the scorer of refusals gets wrong, against human labels."""
    return harm_scorer().refusal_card


def scorer() -> Diagnostic:
    """The same, for correcting rates."""
    card = scorer_card()
    return Diagnostic(
        true_positives=card.true_positives,
        positives=card.positives,
        true_negatives=card.true_negatives,
        negatives=card.negatives,
    )


def _turned(found: Diagnostic) -> Diagnostic:
    """The scorer as one that looks for the opposite."""
    return Diagnostic(
        true_positives=found.true_negatives,
        positives=found.negatives,
        true_negatives=found.true_positives,
        negatives=found.positives,
    )


def _values(members: Sequence[Evaluated], name: str) -> list[Values]:
    return [each.measures[name].values for each in members]


def _by_request(runs: Sequence[Values]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = defaultdict(list)
    for run in runs:
        for name, value in run.items():
            found[name].append(value)
    return found


def _reached(found: Evaluated, label: str) -> dict[str, float]:
    if label not in found.attacks:
        return dict(found.measures["natural"].values)
    return {request: float(fell) for request, fell in found.attacks[label].union.items()}


def _by_setting(members: Sequence[Evaluated], label: str) -> dict[str, Share]:
    runs: dict[str, list[dict[str, float]]] = defaultdict(list)
    for each in members:
        of: dict[str, dict[str, float]] = defaultdict(dict)
        for one in each.attacks[label].tried if label in each.attacks else ():
            of[one.setting][one.behaviour] = float(one.reached)
        for setting, reached in of.items():
            runs[setting].append(reached)
    return {setting: share(found) for setting, found in runs.items()}


def _means(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    shared = [name for name in figures[0] if all(name in each for each in figures)]
    return {name: sum(each[name] for each in figures) / len(figures) for name in shared}


def _names(groups: Sequence[Sequence[Evaluated]]) -> list[str]:
    """By how they were made; where that does not tell two groups apart, by the first one's folder, too."""
    made = [members[0].method for members in groups]
    return [
        name if made.count(name) == 1 else f"{name} ({members[0].name})"
        for name, members in zip(made, groups, strict=True)
    ]
