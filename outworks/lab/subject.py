"""subject: the model that an attack or a training is given, loaded when it is needed and as it is needed."""

import copy
from collections.abc import Sequence
from pathlib import Path

from outworks.lab.checkpoint import EMBEDDED, Checkpoint, Prompt, fresh_adapter, load_checkpoint
from outworks.lab.generating import Sampling, answers, quicken
from outworks.lab.progress import Tell, silent


class Subject:
    """A checkpoint on disk, or one in memory."""

    def __init__(self, where: str | Path = EMBEDDED, *, scale: float = 1.0) -> None:
        """`scale` multiplies its adapter."""
        self.where = str(where)
        self._scale = scale
        self._frozen: Checkpoint | None = None
        self._asked: Checkpoint | None = None
        self._said: dict[tuple[Sampling, tuple[Prompt, ...]], list[str]] = {}
        self.in_memory = False
        """Its weights are nowhere on disk, so no adapter that was made on them can be loaded again."""

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> "Subject":
        """One that is in memory and has no adapter apart from its weights."""
        subject = cls("in memory")
        subject._frozen = checkpoint
        subject.in_memory = True
        return subject

    def frozen(self) -> Checkpoint:
        """To be asked; the adapter is merged. Loaded once, and not to be changed."""
        if self._frozen is None:
            self._frozen = load_checkpoint(self.where, scale=self._scale)
        return self._frozen

    def asked(self) -> Checkpoint:
        """As `frozen`, for answers alone: in the numbers that this machine multiplies fastest (`backend.fast_numbers`).
        What is learned from, or optimised, takes `frozen`: that is the same on every machine. One in memory is asked as
        it is."""
        if self.in_memory:
            return self.frozen()
        if self._asked is None:
            self._asked = load_checkpoint(self.where, scale=self._scale)
            quicken(self._asked.model)
        return self._asked

    def said(
        self, prompts: Sequence[Prompt], sampling: Sampling, *, tell: Tell = silent, doing: str = "answering"
    ) -> list[str]:
        """What it answers while it is frozen. Asked the same again, for another seed's training, it is not asked."""
        key = (sampling, tuple(prompts))
        if key not in self._said:
            self._said[key] = answers(self.frozen(), prompts, sampling, tell=tell, doing=doing)
        return list(self._said[key])

    def trainable(self, seed: int = 0) -> Checkpoint:
        """A copy of its own, to be trained: the adapter where there is one, else a fresh one, made from `seed`."""
        if self.in_memory:
            mine = self.frozen()
            model = fresh_adapter(copy.deepcopy(mine.model), seed=seed)
            return Checkpoint(model, mine.tokenizer, base=mine.base, system=mine.system, card=mine.card)
        return load_checkpoint(self.where, trainable=True, seed=seed)
