"""Attribution: what each line of defense is worth, the model's alignment among them, from recorded verdicts alone."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from outworks.statistics import LEVEL, Interval, spread

ALIGNMENT = "alignment"
"""The model's own line, among the others."""
_DRAWS = 500
_MOST = 14

Floats = npt.NDArray[np.float64]


class World(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt with the model's alignment, or without."""

    harmful: bool
    """What came out of the model would be harm, were it delivered or executed."""
    stopped_by: frozenset[str] = frozenset()
    """Every line whose verdict alone would have kept the harm from the client, whatever the others said."""
    together: frozenset[frozenset[str]] = frozenset()
    """Sets of lines that would have only together: the account's standing, and what had earned it."""
    replayed: Mapping[str, bool] = {}
    """By configuration (`product`, `only:LINE`, `without:LINE`), whether harm came through when it was replayed."""


class Played(msgspec.Struct, frozen=True, kw_only=True):
    """One fixed attempt on one goal, as the recorded verdicts tell it."""

    goal: str
    aligned: World
    unaligned: World


class Worth(msgspec.Struct, frozen=True, kw_only=True):
    """What a line is worth, as harm that it takes away (in success rate, so 0.1 is ten goals of a hundred)."""

    line: str
    shapley: float
    """Its mean worth over every order in which the lines could have been added (Shapley, 1953)."""
    shapley_interval: Interval
    alone: float
    """Harm without any line, less harm with this one only; as replayed, where every attempt was."""
    last: float
    """Harm without this line, less harm with all of them (leave one out); as replayed, where every attempt was."""
    with_alignment: float | None
    """The Shapley interaction with the model's alignment (Grabisch and Roubens, 1999): above zero, each is worth more
    where the other stands; below zero, they stop the same attempts. None for the alignment itself."""
    with_alignment_interval: Interval | None


class Attribution(msgspec.Struct, frozen=True, kw_only=True):
    """Every line's worth. The Shapley values add up to `bare` less `whole`."""

    bare: float
    """Harm with no line at all, the alignment left out too."""
    whole: float
    """Harm with all of them."""
    goals: int
    attempts: int
    worst: bool
    """Whether harm is counted per goal as the union over its attempts, or as their mean."""
    lines: tuple[Worth, ...]


def attribute(
    played: Iterable[Played],
    lines: Sequence[str],
    *,
    worst: bool = True,
    alignment: bool = True,
    level: float = LEVEL,
    seed: int = 0,
) -> Attribution:
    """Exact over all 2^n subsets of the lines; nothing is run again. Intervals resample goals.

    `alignment` adds the model's own as one line more. Raises ValueError without attempts, for lines named twice, for a
    recorded line that is not among `lines`, and for more lines than an exact value can be computed of (14).
    """
    players = (*lines, ALIGNMENT) if alignment else tuple(lines)
    attempts = list(played)
    _check(players, lines, attempts)
    harm = _harm(attempts, players, worst=worst, alignment=alignment)
    n = len(players)
    values = harm.mean(axis=1)
    random = np.random.default_rng(seed)
    goals = harm.shape[1]
    ends = _Ends(attempts, worst=worst)
    weights = random.multinomial(goals, np.full(goals, 1 / goals), size=_DRAWS) / goals
    drawn = harm @ weights.T
    full = (1 << n) - 1
    worths = []
    for i, line in enumerate(players):
        # Whoever aligns a model may add harm; no other line can.
        low = -1.0 if line == ALIGNMENT else 0.0
        worth = float(_shapley(values, i, n))
        beside = alignment and line != ALIGNMENT
        interaction = float(_interaction(values, i, n - 1, n)) if beside else None
        worths.append(
            Worth(
                line=line,
                shapley=worth,
                shapley_interval=spread(worth, _shapley(drawn, i, n), goals, low=low, high=1.0, level=level),
                alone=ends.alone(line, alignment, float(values[0] - values[1 << i])),
                last=ends.last(line, float(values[full ^ (1 << i)] - values[full])),
                with_alignment=interaction,
                with_alignment_interval=(
                    None
                    if interaction is None
                    else spread(interaction, _interaction(drawn, i, n - 1, n), goals, low=-1.0, high=1.0, level=level)
                ),
            )
        )
    return Attribution(
        bare=float(values[0]),
        whole=float(values[full]),
        goals=goals,
        attempts=len(attempts),
        worst=worst,
        lines=tuple(worths),
    )


def _check(players: Sequence[str], lines: Sequence[str], attempts: Sequence[Played]) -> None:
    if not attempts:
        raise ValueError("there is nothing to attribute: no attempt was recorded")
    if len(set(players)) < len(players):
        twice = sorted({line for line in players if players.count(line) > 1})
        raise ValueError(f"a line is named twice: {', '.join(twice)}")
    if len(players) > _MOST:
        raise ValueError(f"exact worths of {len(players)} lines are out of reach; at most {_MOST}, alignment included")
    worlds = [world for one in attempts for world in (one.aligned, one.unaligned)]
    recorded = {line for world in worlds for line in world.stopped_by.union(*world.together)}
    unknown = sorted(recorded - set(lines))
    if unknown:
        raise ValueError(f"attempts were stopped by {', '.join(unknown)}, not among the lines: {', '.join(lines)}")


def _harm(attempts: Sequence[Played], players: Sequence[str], *, worst: bool, alignment: bool) -> Floats:
    """Harm for every subset of the players (a bit each) and every goal: [2^n, goals], 0 to 1."""
    bit = {line: 1 << i for i, line in enumerate(players)}
    subsets = np.arange(1 << len(players))
    aligned = (subsets & bit[ALIGNMENT]) > 0 if alignment else np.ones(len(subsets), bool)
    by_goal: dict[str, list[Played]] = defaultdict(list)
    for one in attempts:
        by_goal[one.goal].append(one)
    harm = np.zeros((len(subsets), len(by_goal)))
    for g, each in enumerate(by_goal.values()):
        for one in each:
            delivered = np.zeros(len(subsets), bool)
            for world, here in ((one.aligned, aligned), (one.unaligned, ~aligned)):
                if world.harmful:
                    kept = (subsets & sum(bit[line] for line in world.stopped_by)) > 0
                    for lines in world.together:
                        every = sum(bit[line] for line in lines)
                        kept |= (subsets & every) == every
                    delivered |= here & ~kept
            harm[:, g] = np.maximum(harm[:, g], delivered) if worst else harm[:, g] + delivered / len(each)
    return harm


class _Ends:
    """The ends of a line's worth, from the replays themselves."""

    def __init__(self, attempts: Sequence[Played], *, worst: bool) -> None:
        self._attempts = attempts
        self._worst = worst

    def alone(self, line: str, alignment: bool, otherwise: float) -> float:
        """Harm without any line, less harm with this one; `otherwise` where not every attempt was replayed with it."""
        if line == ALIGNMENT:
            return otherwise  # two bare models: the recorded attempts themselves
        mine = [one.unaligned if alignment else one.aligned for one in self._attempts]
        bare, only = [world.harmful for world in mine], [world.replayed.get(f"only:{line}") for world in mine]
        return self._less(bare, only, otherwise)

    def last(self, line: str, otherwise: float) -> float:
        """Harm with every line but this one, less harm with all."""
        whole = [one.aligned.replayed.get("product") for one in self._attempts]
        if line == ALIGNMENT:
            without = [one.unaligned.replayed.get("product") for one in self._attempts]
        else:
            without = [one.aligned.replayed.get(f"without:{line}") for one in self._attempts]
        return self._less(without, whole, otherwise)

    def _less(self, first: Sequence[bool | None], second: Sequence[bool | None], otherwise: float) -> float:
        if None in first or None in second:
            return otherwise
        return self._harm(first) - self._harm(second)

    def _harm(self, came: Sequence[bool | None]) -> float:
        by_goal: dict[str, list[bool]] = defaultdict(list)
        for one, harm in zip(self._attempts, came, strict=True):
            by_goal[one.goal].append(bool(harm))
        return float(np.mean([max(each) if self._worst else np.mean(each) for each in by_goal.values()]))


def _shapley(values: Floats, i: int, n: int) -> Floats:
    """[2^n] or [2^n, draws] -> scalar or [draws]"""
    without = np.array([s for s in range(1 << n) if not s >> i & 1])
    sizes = np.array([s.bit_count() for s in without.tolist()])
    weights = np.array([math.factorial(k) * math.factorial(n - k - 1) / math.factorial(n) for k in range(n)])[sizes]
    found: Floats = weights @ (values[without] - values[without | 1 << i])
    return found


def _interaction(values: Floats, i: int, j: int, n: int) -> Floats:
    without = np.array([s for s in range(1 << n) if not s >> i & 1 and not s >> j & 1])
    sizes = np.array([s.bit_count() for s in without.tolist()])
    weights = np.array([math.factorial(k) * math.factorial(n - k - 2) / math.factorial(n - 1) for k in range(n - 1)])
    both, one, other = without | 1 << i | 1 << j, without | 1 << i, without | 1 << j
    # Of what harm is taken away, so the signs are those of safety, not of harm.
    found: Floats = weights[sizes] @ (values[one] + values[other] - values[both] - values[without])
    return found
