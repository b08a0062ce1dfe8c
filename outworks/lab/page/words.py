"""words: figures as people read them, the same in the terminal and on the page."""

from collections.abc import Sequence

from outworks.lab.evaluate.correlation import Correlation
from outworks.lab.evaluate.rows import Level, Share
from outworks.statistics import Comparison, Corrected, Interval


def share(found: Share | None) -> str:
    """`12% (5-24)`, with the seeds' own shares behind where they differ; a dash where nothing was measured."""
    if found is None:
        return "-"
    said = f"{found.estimate.value:.0%} ({_ends(found.estimate.interval)})"
    return said + spread([f"{100 * each:.0f}" for each in found.by_seed])


def fixed(found: Corrected | None) -> str:
    """The same for a rate without its scorer's errors."""
    return "-" if found is None else f"{found.value:.0%} ({_ends(found.interval)})"


def gap(found: Comparison | None) -> str:
    """Points between the mean and the worst case."""
    if found is None:
        return "-"
    return f"{100 * found.difference:+.0f} ({_ends(found.interval)})"


def level(found: Level) -> str:
    """`24.1 (20.2-28.8)`."""
    said = f"{found.value:.1f} ({found.interval.low:.1f}-{found.interval.high:.1f})"
    return said + spread([f"{each:.1f}" for each in found.by_seed])


def spread(seeds: Sequence[str]) -> str:
    """` [95, 100, 98]`: what each seed gave; nothing where there is one, or all gave the same."""
    return f" [{', '.join(seeds)}]" if len(set(seeds)) > 1 else ""


def correlation(what: str, found: Correlation | None) -> str:
    """A sentence."""
    if found is None:
        return f"{what}: not told, for that needs four checkpoints or more that differ in both"
    how = f"95% {found.interval.low:+.2f} to {found.interval.high:+.2f} (Fisher), " if found.interval else ""
    resampled = f"{found.bootstrap.low:+.2f} to {found.bootstrap.high:+.2f} (resampled)"
    return f"{what}: {found.value:+.2f}, {how}{resampled}, {found.pairs} checkpoints"


def _ends(found: Interval) -> str:
    return f"{100 * found.low:.0f}-{100 * found.high:.0f}"
