"""report: what was measured, put together once for the terminal and for the page."""

from collections.abc import Sequence

import msgspec

from outworks.lab.dial import Dialled
from outworks.lab.evaluate.correlation import Correlation, correlation
from outworks.lab.evaluate.evaluation import Evaluated
from outworks.lab.evaluate.rows import Row, rows, scorer_card, union
from outworks.lab.page import words


class Sheet(msgspec.Struct, frozen=True, kw_only=True):
    """One table."""

    title: str
    note: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One checkpoint in the first picture."""

    name: str
    row: str
    alignment: float
    """The share of harmful requests, asked as they are, that were declined."""
    robustness: float
    """The share that was declined under every attack, too."""
    refusal: float
    """The share of innocent requests that were declined."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything on the page."""

    title: str
    facts: tuple[str, ...]
    rows: tuple[Row, ...]
    places: tuple[Place, ...]
    robust_if_aligned: Correlation | None
    """Robustness with alignment, over checkpoints."""
    robust_if_refusing: Correlation | None
    """Robustness with innocent requests declined: where it is high, robustness may be nothing but silence."""
    dials: tuple[Dialled, ...] = ()
    first: tuple[Sheet, ...] = ()
    """Tables that stand before the others."""


def report(
    found: Sequence[Evaluated],
    *,
    title: str = "Alignment and robustness, measured on the same checkpoints",
    facts: Sequence[str] = (),
    dials: Sequence[Dialled] = (),
    first: Sequence[Sheet] = (),
) -> Report:
    """Put together. Raises ValueError where checkpoints were not asked the same."""
    lines = rows(found)
    by_name = {name: line for line in lines for name in line.checkpoints}
    places = [_place(each, by_name[each.name].name) for each in found if not by_name[each.name].missing]
    return Report(
        title=title,
        facts=tuple(facts),
        rows=tuple(lines),
        places=tuple(places),
        robust_if_aligned=correlation([p.alignment for p in places], [p.robustness for p in places]),
        robust_if_refusing=correlation([p.refusal for p in places], [p.robustness for p in places]),
        dials=tuple(dials),
        first=tuple(first),
    )


def sheets(found: Report) -> list[Sheet]:
    """Every table, in order."""
    drawn = [*found.first, both(found.rows), costs(found.rows), attacks(found.rows)]
    drawn += [each for label in _labels(found.rows) if (each := settings(found.rows, label)) is not None]
    drawn += [told_by_attacks(found.rows), corrections(found.rows)]
    return [*drawn, *(notches(each) for each in found.dials)]


def both(lines: Sequence[Row]) -> Sheet:
    """The three axes on one row, or nothing said of robustness."""
    note = (
        "Share of the unseen harmful requests that the model went along with: it said something and did not decline. "
        "Whether what it says is of any use is not asked. The worst case is the union of everything that was tried: a "
        "lower bound. Seeds that differ stand in brackets."
    )
    if any(line.missing for line in lines):
        gone = sorted({what for line in lines for what in line.missing})
        note += f" Without {' and '.join(gone)} nothing is said of robustness: the worst case is left out."
    return Sheet(
        title="Both quantities on one checkpoint",
        note=note,
        heads=(
            "checkpoint",
            "as asked (mean case)",
            "fixed attacks",
            "adaptive attacks",
            "all (worst case)",
            "gap, points",
            "queries",
            "innocent but alarming: declined",
            "everyday: declined",
        ),
        rows=tuple(
            (
                _called(line),
                words.share(line.mean),
                words.share(line.fixed),
                words.share(line.adaptive),
                words.share(line.worst),
                words.gap(line.gap),
                str(line.queries),
                words.share(line.hard),
                words.share(line.everyday),
            )
            for line in lines
        ),
    )


def costs(lines: Sequence[Row]) -> Sheet:
    """What else changed."""
    return Sheet(
        title="What else it changes",
        note="Instructions that a program checks; tasks over data, without and with a question planted in the data; "
        "perplexity of neutral text, of which nothing was trained on.",
        heads=("checkpoint", "instructions followed", "tasks solved", "planted question answered", "perplexity"),
        rows=tuple(
            (
                _called(line),
                words.share(line.instructions),
                words.share(line.tasks),
                words.share(line.injected),
                words.level(line.perplexity),
            )
            for line in lines
        ),
    )


def attacks(lines: Sequence[Row]) -> Sheet:
    """Each attack on its own."""
    labels = _labels(lines)
    return Sheet(
        title="Each attack alone",
        note="Share gone along with under the best of the attack's settings.",
        heads=("checkpoint", *labels),
        rows=tuple((_called(line), *(words.share(line.attacks.get(label)) for label in labels)) for line in lines),
    )


def settings(lines: Sequence[Row], label: str) -> Sheet | None:
    """The settings of one attack; None where it has one."""
    names = list(dict.fromkeys(name for line in lines for name in line.settings.get(label, {})))
    if len(names) < 2:
        return None
    return Sheet(
        title=f"{label}, setting by setting",
        note="Share gone along with.",
        heads=("checkpoint", *names),
        rows=tuple(
            (_called(line), *(words.share(line.settings.get(label, {}).get(name)) for name in names)) for line in lines
        ),
    )


def told_by_attacks(lines: Sequence[Row]) -> Sheet:
    """What the attacks measured on their way: examples, losses, the layer."""
    return Sheet(
        title="What the attacks say of themselves",
        note="Means over the seeds.",
        heads=("checkpoint", "attack", "figures"),
        rows=tuple(
            (
                _called(line),
                label,
                ", ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in figures.items()),
            )
            for line in lines
            for label, figures in line.figures.items()
            if figures
        ),
    )


def corrections(lines: Sequence[Row]) -> Sheet:
    """The scorer's card, and the rates without its errors."""
    card = scorer_card()
    others, wrong = card.negatives, card.negatives - card.true_negatives
    return Sheet(
        title="Without the scorer's errors",
        note=f"Refusals are read by {card.name}@{card.version}: of {card.positives} answers that people called "
        f"refusals it found {card.true_positives}, of {others} others it called {wrong} refusals ({card.labels}). "
        "Rates of single answers, corrected (Rogan and Gladen; Lang and Reiczigel); the answers behind those labels "
        "are of larger models. For unions over attacks no such correction is known.",
        heads=("checkpoint", "as asked", "innocent but alarming: declined", "everyday: declined"),
        rows=tuple(
            (
                _called(line),
                words.fixed(line.mean.corrected),
                words.fixed(line.hard.corrected),
                words.fixed(line.everyday.corrected),
            )
            for line in lines
        ),
    )


def notches(found: Dialled) -> Sheet:
    """The dial as a table."""
    return Sheet(
        title=f"The adapter of {found.name}, scaled",
        note="At 0 there is the base, at 1 the checkpoint.",
        heads=(
            "scale",
            "harmful: gone along with",
            "innocent but alarming: declined",
            "everyday: declined",
            "instructions followed",
            "tasks solved",
            "planted question answered",
        ),
        rows=tuple(
            (
                f"{each.scale:g}",
                words.share(each.natural),
                words.share(each.hard),
                words.share(each.everyday),
                words.share(each.instructions),
                words.share(each.tasks),
                words.share(each.injected),
            )
            for each in found.notches
        ),
    )


def told(found: Report) -> list[str]:
    """The first picture in words."""
    return [
        words.correlation("Rank correlation of robustness with alignment", found.robust_if_aligned),
        words.correlation("Rank correlation of robustness with innocent requests declined", found.robust_if_refusing),
    ]


def _place(each: Evaluated, line: str) -> Place:
    declined = [value for name in ("hard", "everyday") for value in each.measures[name].values.values()]
    return Place(
        name=each.name,
        row=line,
        alignment=1 - _mean(list(each.measures["natural"].values.values())),
        robustness=1 - _mean(list(union(each, list(each.attacks)).values())),
        refusal=_mean(declined),
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _called(line: Row) -> str:
    return line.name + (f", {len(line.seeds)} seeds" if len(line.seeds) > 1 else "")


def _labels(lines: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(label for line in lines for label in line.attacks))
