"""work: what is made into a checkpoint folder: gone on with after a stop, not done twice, never written over."""

import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from outworks.lab import card as cards
from outworks.lab.behaviours import Behaviours
from outworks.lab.card import Card
from outworks.lab.checkpoint import Checkpoint, is_whole, save_checkpoint
from outworks.lab.subject import Subject

HALF_DONE = "training"
"""The folder, inside of the outcome's, of what is only needed until the outcome is whole."""
_RECORD = "work.json"


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What is made, of what: everything that decides the outcome."""

    method: str
    """`align sft`, `attack finetune`..."""
    start: str
    """The checkpoint that it begins from."""
    data: str
    seed: int
    configuration: dict[str, Any]

    @classmethod
    def of(cls, method: str, subject: Subject, behaviours: Behaviours, config: msgspec.Struct) -> "Work":
        """That of one call; the configuration is any method's `Config`."""
        configuration = settings(config)
        return cls(
            method=method,
            start=subject.where,
            data=cards.describe(behaviours),
            seed=configuration["seed"],
            configuration=configuration,
        )

    def done(self, out: Path) -> Card | None:
        """The card of the outcome where this very work was finished before.

        Raises ValueError where the folder holds the outcome of another, or what is not the lab's: nobody's files are
        written over; FileExistsError where it is no folder.
        """
        check_folder(out)
        if not is_whole(out):
            if not (out / HALF_DONE / _RECORD).is_file():
                check_free(out)
            return None
        card = read_card(out)
        theirs = Work(
            method=card.method,
            start=card.start or card.base,
            data=card.data,
            seed=card.seed,
            configuration=card.configuration,
        )
        for name in self.__struct_fields__:
            wanted, found = getattr(self, name), getattr(theirs, name)
            if wanted != found:
                raise ValueError(
                    f"{out} holds the outcome of other work: its {name} is {found}, not {wanted}; "
                    "expected an empty folder, or the same work again"
                )
        shutil.rmtree(out / HALF_DONE, ignore_errors=True)
        return card

    def begin(self, out: Path) -> Path:
        """The folder for what is half done. What another work left there is not taken up, and is removed."""
        folder = out / HALF_DONE
        record = msgspec.json.encode(self)
        if not (folder / _RECORD).is_file() or (folder / _RECORD).read_bytes() != record:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            fresh = folder / (_RECORD + ".new")
            fresh.write_bytes(record)
            os.replace(fresh, folder / _RECORD)
        return folder

    def finish(self, checkpoint: Checkpoint, out: Path, began: float, figures: Mapping[str, float]) -> Card:
        """Write the checkpoint and, last, its card; `began` is on the monotonic clock."""
        save_checkpoint(checkpoint, out, self.card(checkpoint, began, figures))
        shutil.rmtree(out / HALF_DONE, ignore_errors=True)
        return read_card(out)

    def card(self, checkpoint: Checkpoint, began: float, figures: Mapping[str, float]) -> Card:
        """How it was made."""
        return Card(
            method=self.method,
            base=checkpoint.base,
            start="" if self.start == checkpoint.base else self.start,
            system=checkpoint.system,
            data=self.data,
            seed=self.seed,
            configuration=self.configuration,
            seconds=round(time.monotonic() - began, 1),
            figures=dict(figures),
        )


def check_folder(out: Path) -> None:
    """Raise FileExistsError where something that is no folder stands in the place of `out`, or above it."""
    there = next(each for each in (out, *out.absolute().parents) if each.exists() or each.is_symlink())
    if not there.is_dir():
        raise FileExistsError(f"{there} is a file; expected a folder, or a place for one")


def check_free(out: Path) -> None:
    """Raise ValueError where a folder holds anything: what somebody else put there is not written over."""
    others = sorted(each.name for each in out.iterdir() if each.name != HALF_DONE) if out.is_dir() else []
    if others:
        few = ", ".join(others[:3]) + (", ..." if len(others) > 3 else "")
        raise ValueError(f"{out} holds {few}, which is no work of the lab's; expected an empty folder, or none yet")


def settings(config: msgspec.Struct) -> dict[str, Any]:
    """A configuration as it is read back from a file: lists for tuples."""
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(config))
    return found


def read_card(out: Path) -> Card:
    """The card as it lies on disk, with versions and machine."""
    card = cards.read(out)
    assert card is not None
    return card
