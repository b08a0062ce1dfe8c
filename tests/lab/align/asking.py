"""How often a checkpoint refuses, small sets of requests, and runs that are stopped."""

from pathlib import Path
from typing import Any

import msgspec

from outworks.lab.backend import load
from outworks.lab.behaviours import Behaviours, Split, shipped
from outworks.lab.checkpoint import Checkpoint, Prompt, load_checkpoint
from outworks.lab.generating import answers
from outworks.lab.refusing import refused


def few(count: int) -> Behaviours:
    """The shipped set with this many training requests of each kind, and all of the others."""
    found = shipped()
    kept = {each.id for harmful in (True, False) for each in _training(found, harmful)[:count]}
    return msgspec.structs.replace(
        found, all=tuple(each for each in found.all if each.split is not Split.TRAIN or each.id in kept)
    )


def _training(found: Behaviours, harmful: bool) -> Any:
    return found.harmful(Split.TRAIN) if harmful else found.benign(Split.TRAIN)


def share(where: Path | Checkpoint, *, harmful: bool, split: Split = Split.TEST) -> float:
    """How many of these requests are refused, of one."""
    checkpoint = load_checkpoint(where) if isinstance(where, Path) else where
    rows = shipped().harmful(split) if harmful else shipped().benign(split)
    found = refused(answers(checkpoint, [Prompt.of(each.text) for each in rows]))
    return sum(found) / len(found)


class StopAt:
    """Stops a run, as a person would, at a step of one stage."""

    def __init__(self, doing: str, step: int) -> None:
        self.doing, self.step = doing, step

    def __call__(self, doing: str, done: int, total: int, loss: float | None = None) -> None:
        if doing == self.doing and loss is not None and done == self.step:
            raise KeyboardInterrupt


def weights(where: Path) -> dict[str, Any]:
    """The adapter's tensors on disk."""
    return dict(load("safetensors.torch").load_file(str(where / "adapter_model.safetensors")))


def same_weights(first: Path, second: Path) -> bool:
    """To the last bit."""
    a, b = weights(first), weights(second)
    return a.keys() == b.keys() and all(load().equal(a[name], b[name]) for name in a)
