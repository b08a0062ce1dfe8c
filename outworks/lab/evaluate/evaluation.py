"""evaluation: everything that is measured on one checkpoint, each part once, kept in a folder and read from there."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from outworks.lab import card as cards
from outworks.lab.attack.asking import spread
from outworks.lab.attempt import Attacked
from outworks.lab.behaviours import Behaviours, shipped
from outworks.lab.card import Card
from outworks.lab.checkpoint import EMBEDDED, check_checkpoint
from outworks.lab.evaluate import instructions as sets
from outworks.lab.evaluate.assault import DEFAULT, Assault, attacked, chosen
from outworks.lab.evaluate.keeping import digest, folder_of, identity, keep, kept_head, kept_rows, label
from outworks.lab.evaluate.measures import MEASURES, Answer, Asking, Measured, measure
from outworks.lab.progress import Tell, silent
from outworks.lab.subject import Subject
from outworks.lab.work import check_folder


class Evaluated(msgspec.Struct, frozen=True, kw_only=True):
    """One checkpoint, measured."""

    where: str
    name: str
    group: str
    """The same for checkpoints that differ in the seed alone."""
    method: str
    """How it came to be: `embedded + sft + deep`."""
    seed: int
    scale: float = 1.0
    measures: dict[str, Measured]
    attacks: dict[str, Attacked]
    """By the label under which they were chosen."""
    adaptive: tuple[str, ...] = ()
    """Labels of those that are optimised against the checkpoint."""


def asking(behaviours: Behaviours | None = None) -> Asking:
    """What is asked unless somebody says otherwise: the shipped sets."""
    return Asking(behaviours=behaviours or shipped(), instructions=sets.shipped())


def evaluate(
    where: str | Path,
    out: Path,
    *,
    wanted: Asking | None = None,
    attacks: Sequence[Assault] | None = None,
    scale: float = 1.0,
    measures: Sequence[str] = tuple(MEASURES),
    tell: Tell = silent,
) -> Evaluated:
    """Measure a checkpoint, or with `scale` its adapter times that, and keep every answer below `out`.

    With a scale other than 1 no attacks are run. What lies there of the same checkpoint and the same questions is not
    measured again. Raises `CheckpointError`, `DataError` where there is nothing to ask, `MemoryShort`, and what the
    attacks raise.
    """
    wanted = limited(wanted or asking())
    if scale != 1.0 and attacks is None:
        attacks = ()
    if scale != 1.0 and attacks:
        raise ValueError(f"attacks are run on a checkpoint as it is, not on its adapter times {scale:g}")
    attacks = chosen(DEFAULT) if attacks is None else attacks
    check_folder(out)
    check_checkpoint(where)
    for harmful in (True, False):
        wanted.behaviours.some(wanted.split, harmful=harmful)
    subject = Subject(where, scale=scale)
    card = _card(where)
    folder = folder_of(out, where, scale)
    seed = card.seed if card is not None else 0
    taken = {name: _measured(name, subject, wanted, folder, tell) for name in measures}
    done = {
        each.label: attacked(each, subject, wanted.behaviours, folder, tell, seed=seed, split=wanted.split)
        for each in attacks
    }
    return Evaluated(
        where=str(where),
        name=label(where),
        group=group(where),
        method=history(where),
        seed=seed,
        scale=scale,
        measures=taken,
        attacks=done,
        adaptive=tuple(each.label for each in attacks if each.adaptive),
    )


def limited(wanted: Asking) -> Asking:
    """The same with no more requests to be measured on than `most` of each kind, spread over the categories: attacks
    are asked on exactly those that natural use is."""
    found = wanted.behaviours
    kept = {
        row.id
        for rows in (found.harmful(wanted.split), found.benign(wanted.split))
        for row in spread(rows, wanted.most)
    }
    rows = tuple(row for row in found.all if row.split is not wanted.split or row.id in kept)
    return msgspec.structs.replace(wanted, behaviours=msgspec.structs.replace(found, all=rows))


def history(where: str | Path) -> str:
    """How a checkpoint came to be, from the model that it began with."""
    card = _card(where)
    if card is None:
        return label(where)
    return f"{history(card.start or card.base)} + {card.method.partition(' ')[2] or card.method}"


def group(where: str | Path) -> str:
    """Everything that made a checkpoint except its seeds: those with the same group make one row."""
    card = _card(where)
    if card is None:
        return EMBEDDED if str(where) == EMBEDDED else digest(str(Path(where).resolve()), identity(where))
    settings = {name: value for name, value in card.configuration.items() if name != "seed"}
    return digest(card.method, settings, card.data, card.system, group(card.start or card.base))


def _card(where: str | Path) -> Card | None:
    return cards.read(Path(where)) if str(where) != EMBEDDED and Path(where).is_dir() else None


def _measured(name: str, subject: Subject, wanted: Asking, folder: Path, tell: Tell) -> Measured:
    key = digest(name, wanted)
    head, rows = kept_head(folder, name, Measured), kept_rows(folder, name, Answer)
    if head is not None and rows is not None and head.key == key:
        return msgspec.structs.replace(head, answers=rows)
    found = measure(name, key, subject.asked(), wanted, tell)
    keep(folder, name, msgspec.structs.replace(found, answers=()), found.answers)
    return found
