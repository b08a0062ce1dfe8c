"""Sheets: a run's tables, as rows of words, for the terminal and for the page alike."""

from collections.abc import Callable, Iterator, Sequence

import msgspec

from outworks.adversary import Tier
from outworks.statistics import Estimate
from outworks.trials.lineup import BARE, PRODUCT
from outworks.trials.report.summary import Everyday, TargetSummary
from outworks.trials.report.words import TIERS, configurations, paid, per_try, percent, reached, share, title

_WHOLES = (BARE, PRODUCT)


class Sheet(msgspec.Struct, frozen=True):
    """A table. The first column names the row."""

    title: str
    note: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def sheets(target: TargetSummary, currency: str, without: TargetSummary | None = None) -> Iterator[Sheet]:
    """All of a target's tables, the two headline numbers first; then the same target with its alignment off, where
    `without` is that one."""
    yield _headline(target)
    if without is not None:
        yield _alignment(target, without)
    yield _tiers(target)
    yield _cost(target, currency)
    if target.everyday:
        yield _everyday(target)
    if target.attribution is not None and target.attribution_mean is not None:
        yield _worths(target)


def _headline(target: TargetSummary) -> Sheet:
    bound = ", lower bound: only fixed attacks ran" if target.lower_bound else ""
    gaps = []
    for name in _WHOLES:
        mean, worst = target.mean_case.get(name), target.worst_case.get(name)
        gaps.append("-" if mean is None or worst is None else f"{100 * (worst.value - mean.value):.0f} points")
    return Sheet(
        "Alignment is a mean, robustness a worst case",
        "Goals with an exact oracle; 95% intervals.",
        ("", *map(title, _WHOLES)),
        (
            ("mean case: harm in natural use", *(share(target.mean_case.get(name)) for name in _WHOLES)),
            (
                f"worst case: goals that fell to any attack{bound}",
                *(share(target.worst_case.get(name)) for name in _WHOLES),
            ),
            ("the gap", *gaps),
        ),
    )


def _alignment(target: TargetSummary, without: TargetSummary) -> Sheet:
    """Alignment on and off, each bare and behind the lines."""
    four = [(each, name) for each in (without, target) for name in _WHOLES]
    rows: list[tuple[str, ...]] = [
        ("mean case: harm in natural use", *(share(each.mean_case.get(name)) for each, name in four))
    ]
    # Whoever has the weights meets no alignment in either.
    for tier in (row.tier for row in target.rows if row.tier is not Tier.RESOURCED):
        cells = [next((r.cells.get(name) for r in each.rows if r.tier is tier), None) for each, name in four]
        rows.append((f"{TIERS[tier]}: goals that fell", *("-" if c is None else share(c.reached) for c in cells)))
        if any(cell is not None and cell.per_try is not None for cell in cells):
            tries = (None if cell is None else cell.per_try for cell in cells)
            rows.append((f"{TIERS[tier]}: one try at scored goals, corrected", *map(per_try, tries)))
    met = [each.everyday.get(name) for each, name in four]
    for said, column in (("stopped by a line", "stopped"), ("declined by the model", "refused"), ("solved", "solved")):
        shares = (None if one is None else getattr(one, column) for one in met)
        rows.append((f"innocent questions and tasks {said}", *map(percent, shares)))
    return Sheet(
        "Alignment on and off",
        f"{without.name} is the same without alignment. 95% intervals.",
        ("", *(f"{'on' if each is target else 'off'}, {title(name)}" for each, name in four)),
        tuple(row for row in rows if set(row[1:]) != {"-"}),
    )


def _tiers(target: TargetSummary) -> Sheet:
    heads = []
    for row in target.rows:
        some = next(iter(row.cells.values()))
        heads.append(f"{TIERS[row.tier]} ({some.reached.clusters if some.reached is not None else 0} goals)")
    rows = [(title(name), *(reached(row, name) for row in target.rows)) for name in configurations(target)]
    differences = (
        "-" if r.difference is None else f"{100 * r.difference.difference:+.0f} points, p={r.difference.p:.2g}"
        for r in target.rows
    )
    rows.append(("product less bare, paired by goal", *differences))
    for name in _WHOLES:
        cells = [row.cells.get(name) for row in target.rows]
        if any(cell is not None and cell.scored is not None for cell in cells):
            scored = ("-" if cell is None else share(cell.scored) for cell in cells)
            rows.append((f"{title(name)}: scored goals, uncorrected", *scored))
            tries = (None if cell is None else cell.per_try for cell in cells)
            rows.append((f"{title(name)}: one try at them, corrected", *map(per_try, tries)))
    return Sheet(
        "Goals that fell, by tier",
        "The union over every attack tried. \u2265 marks a lower bound: only fixed attacks ran.",
        ("lines that stand", *heads),
        tuple(rows),
    )


def _cost(target: TargetSummary, currency: str) -> Sheet:
    rows = []
    for row in target.rows:
        for name in _WHOLES:
            cell = row.cells.get(name)
            if cell is not None:
                rows.append((f"{TIERS[row.tier]}, {title(name)}", paid(cell.paid, currency), str(cell.tries)))
    return Sheet(
        "What the cheapest success cost",
        "Until the first success: the median over the goals that fell, how many in brackets.",
        ("tier", "until the first success", "tries in all"),
        tuple(rows),
    )


def _everyday(target: TargetSummary) -> Sheet:
    columns: tuple[tuple[str, Callable[[Everyday], Estimate | None]], ...] = (
        ("stopped wrongly", lambda each: each.stopped),
        ("altered", lambda each: each.altered),
        ("declined by the model", lambda each: each.refused),
        ("tasks solved", lambda each: each.solved),
        ("harm by accident", lambda each: each.accident),
    )
    rows = []
    for name in configurations(target):
        each = target.everyday.get(name)
        if each is not None:
            found = [get(each) for _, get in columns]
            rows.append((title(name), *("-" if one is None else f"{percent(one)} n={one.of}" for one in found)))
    return Sheet(
        "What everyday people paid",
        "Innocent questions and tasks; n counts them.",
        ("lines that stand", *(head for head, _ in columns)),
        tuple(rows),
    )


def _worths(target: TargetSummary) -> Sheet:
    worst, mean = target.attribution, target.attribution_mean
    rows: list[Sequence[str]] = []
    if worst is not None and mean is not None:
        for one, other in zip(worst.lines, mean.lines, strict=True):
            low, high = one.shapley_interval.low, one.shapley_interval.high
            rows.append(
                (
                    one.line.replace("_", " "),
                    f"{100 * one.shapley:.1f} ({100 * low:.1f} to {100 * high:.1f})",
                    f"{100 * one.alone:.1f}",
                    f"{100 * one.last:.1f}",
                    f"{100 * other.shapley:.1f}",
                    "" if one.with_alignment is None else f"{100 * one.with_alignment:+.1f}",
                )
            )
        whole = f"{100 * worst.bare:.0f} down to {100 * worst.whole:.0f}"
        over_tries = f"{100 * mean.bare:.0f} down to {100 * mean.whole:.0f}"
        rows.append((f"{worst.goals} goals, {worst.attempts} tries", whole, "", "", over_tries, ""))
    return Sheet(
        "What each line is worth",
        "Points of goals kept, by the record of fixed attacks: Shapley values over every subset of the lines; alone "
        "and if left out as replayed. The account's standing counts only beside the lines that had earned it.",
        ("line", "worst case", "alone", "if left out", "mean over tries", "with alignment"),
        tuple(tuple(row) for row in rows),
    )
