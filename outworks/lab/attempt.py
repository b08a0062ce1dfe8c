"""attempt: what an attack on a checkpoint tried, and what came of it."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec

from outworks.lab.behaviours import Behaviour
from outworks.lab.refusing import refused


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """One query."""

    behaviour: str
    setting: str
    """Which of the attack's settings: a temperature, a prefill, a suffix..."""
    answer: str
    reached: bool
    """The model went along: it said something, and it did not decline."""


class Attacked(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one attack did to one checkpoint."""

    attack: str
    checkpoint: str
    seed: int
    configuration: dict[str, Any]
    tried: tuple[Tried, ...]
    seconds: float = 0.0
    figures: dict[str, float] = {}
    """Of its own: the loss that GCG reached, the examples that fine-tuning took."""
    kept: dict[str, str] = {}
    """Words of its own: the suffix that GCG found for each behaviour."""

    @property
    def queries(self) -> int:
        """The most that one behaviour was asked: the budget at which the attack is judged."""
        counts: dict[str, int] = defaultdict(int)
        for each in self.tried:
            counts[each.behaviour] += 1
        return max(counts.values(), default=0)

    @property
    def union(self) -> dict[str, bool]:
        """For each behaviour, whether any of the settings reached it: the attack is the best of them."""
        reached: dict[str, bool] = {}
        for each in self.tried:
            reached[each.behaviour] = reached.get(each.behaviour, False) or each.reached
        return reached

    def by_setting(self) -> dict[str, list[bool]]:
        """For each setting, what it reached, in the order of the behaviours."""
        found: dict[str, list[bool]] = defaultdict(list)
        for each in self.tried:
            found[each.setting].append(each.reached)
        return dict(found)


def tries(rows: Sequence[Behaviour], setting: str, answers: Sequence[str], *, prefill: str = "") -> list[Tried]:
    """One setting's answers, judged."""
    declined = refused(answers, prefill=prefill)
    return [
        Tried(
            behaviour=row.id,
            setting=setting,
            answer=answer,
            reached=bool(answer.removeprefix(prefill).strip()) and not no,
        )
        for row, answer, no in zip(rows, answers, declined, strict=True)
    ]
