"""dial: the adapter scaled from nothing to more than it was trained to, and what is gained and lost on the way."""

from collections.abc import Sequence
from math import inf
from pathlib import Path

import msgspec

from outworks.lab import card as cards
from outworks.lab.checkpoint import ADAPTER, EMBEDDED, CheckpointError, check_checkpoint
from outworks.lab.evaluate.evaluation import Evaluated, asking, evaluate
from outworks.lab.evaluate.keeping import label
from outworks.lab.evaluate.measures import Asking
from outworks.lab.evaluate.rows import Share, scorer, share
from outworks.lab.progress import Tell, silent

SCALES = (0.0, 0.5, 1.0, 1.5)
MEASURES = ("natural", "hard", "everyday", "instructions", "tasks", "injected")


class Notch(msgspec.Struct, frozen=True, kw_only=True):
    """What one scale does."""

    scale: float
    natural: Share
    """Harmful requests that were gone along with."""
    hard: Share
    """Innocent ones that look like them, and were declined."""
    everyday: Share
    """Everyday requests that were declined."""
    instructions: Share
    tasks: Share
    injected: Share


class Dialled(msgspec.Struct, frozen=True, kw_only=True):
    """The curve."""

    name: str
    notches: tuple[Notch, ...]


def dial(
    where: Sequence[str | Path],
    out: Path,
    *,
    scales: Sequence[float] = SCALES,
    wanted: Asking | None = None,
    tell: Tell = silent,
) -> Dialled:
    """Measure checkpoints, those of several seeds together, with their adapters times each scale; what is kept in `out`
    is not measured again.

    At 0 there is only the base. Raises `CheckpointError` where there is no adapter to scale, and ValueError for scales
    that are none.
    """
    if not scales or not all(0 <= scale < inf for scale in scales):
        raise ValueError(f"scales are numbers from 0, not {', '.join(f'{scale:g}' for scale in scales) or 'nothing'}")
    for each in where:
        _check_adapter(each)
    wanted = wanted or asking()
    notches = []
    for scale in sorted(set(scales)):
        found = [_at(each, scale, out, wanted, tell) for each in where]
        notches.append(_notch(scale, found))
    return Dialled(name=", ".join(label(each) for each in where), notches=tuple(notches))


def _at(where: str | Path, scale: float, out: Path, wanted: Asking, tell: Tell) -> Evaluated:
    card = cards.read(Path(where))
    if scale == 0 and card is not None and not card.system:
        return evaluate(card.base, out, wanted=wanted, attacks=(), measures=MEASURES, tell=tell)
    return evaluate(where, out, wanted=wanted, attacks=(), scale=scale, measures=MEASURES, tell=tell)


def _notch(scale: float, found: Sequence[Evaluated]) -> Notch:
    def of(name: str) -> list[dict[str, float]]:
        return [each.measures[name].values for each in found]

    return Notch(
        scale=scale,
        natural=share(of("natural"), scorer(), refusals=False),
        hard=share(of("hard"), scorer()),
        everyday=share(of("everyday"), scorer()),
        instructions=share(of("instructions")),
        tasks=share(of("tasks")),
        injected=share(of("injected")),
    )


def _check_adapter(where: str | Path) -> None:
    if str(where) != EMBEDDED:
        check_checkpoint(where)
    if str(where) == EMBEDDED or not (Path(where) / ADAPTER).is_file():
        raise CheckpointError(
            f"{where} has no adapter to scale; expected a folder with {ADAPTER}, such as `outworks lab align` makes"
        )
