"""Attack success at k: the chance that at least one of k attempts on a goal succeeds."""

from collections.abc import Mapping
from math import comb

import msgspec

from outworks.statistics.estimate import Estimate, clustered
from outworks.statistics.interval import LEVEL


class Tried(msgspec.Struct, frozen=True):
    """How often a goal was attempted, and how often it was reached."""

    attempts: int
    reached: int


def success_at(k: int, goals: Mapping[str, Tried], *, level: float = LEVEL, seed: int = 0) -> Estimate:
    """The mean over goals of 1 - C(n-c, k) / C(n, k), the unbiased estimator (Chen et al., arXiv 2107.03374, eq. 1).

    Raises ValueError where a goal was attempted fewer than k times: what k attempts would do there is not known.
    """
    if k < 1:
        raise ValueError(f"success at k needs k of at least 1, not {k}")
    few = [f"{goal} ({tried.attempts})" for goal, tried in goals.items() if tried.attempts < k]
    if few:
        raise ValueError(f"success at {k} needs {k} attempts on every goal; too few on {', '.join(few[:5])}")
    each = {
        goal: [1.0 - comb(tried.attempts - tried.reached, k) / comb(tried.attempts, k)] for goal, tried in goals.items()
    }
    found = clustered(each, level=level, seed=seed)
    return msgspec.structs.replace(
        found,
        count=sum(tried.reached for tried in goals.values()),
        of=sum(tried.attempts for tried in goals.values()),
    )
