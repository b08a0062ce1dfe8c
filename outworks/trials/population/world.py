"""World: what everybody in a simulation stands before: the product, its model, and what can be asked of it."""

from collections.abc import AsyncIterator, Sequence
from enum import StrEnum

import msgspec

from outworks.adversary import Adversary, Answers, Goal
from outworks.message import Delta, Finish, Request, ToolCallPiece, Usage
from outworks.trials.adversaries import adversaries
from outworks.trials.lineup import Configuration, Lineup
from outworks.trials.people import COMPLIANCE, REFUSAL
from outworks.trials.population.assumptions import Alignment, Assumptions
from outworks.trials.target import Product

_LEFT_OUT = frozenset({"decoding", "prefill", "random_search", "attacker_model", "rotation", "best_of_n"})
"""Decoding and prefill end at the first refusal, rotation is the person's own, searches spend days on one goal."""
_USAGE = Usage(40, 40)
_HARMLESS = "Of course. Here is what I can say about that, in a few words."


class Kind(StrEnum):
    """Who somebody is."""

    EVERYDAY = "everyday"
    CASUAL = "casual"
    CAPABLE = "capable"


class Intent(msgspec.Struct, frozen=True):
    """What a request is meant as; only the simulation knows."""

    hostile: bool = False
    disguised: bool = False
    mistaken: bool = False


class World:
    """A product with one configuration of its lines, and a model that is told what to say."""

    def __init__(
        self,
        lineup: Lineup,
        configuration: Configuration,
        goals: Sequence[Goal],
        given: Assumptions,
        *,
        aligned: bool,
    ) -> None:
        """Raises ValueError where the goals lack what people ask for."""
        self.given = given
        self.house = lineup.house
        self.model = Told(given.model, aligned=aligned)
        self.product = Product(configuration.name, self.model, lineup, lineup.subset(configuration.lines))
        self.harmful = [goal for goal in goals if not goal.benign]
        self.benign = [goal for goal in goals if isinstance(goal.oracle, Answers)]
        self.mistaken = [(goal, text) for goal in self.harmful for text in goal.natural]
        if not (self.harmful and self.benign and self.mistaken):
            raise ValueError(
                "a population needs goals to keep, with what people innocently ask around them, and everyday tasks; "
                "the suite has too few: take `all`"
            )
        self.techniques: dict[Kind, list[Adversary]] = {
            kind: [one for one in adversaries() if one.tier.value == kind.value and one.name not in _LEFT_OUT]
            for kind in (Kind.CASUAL, Kind.CAPABLE)
        }


class Told:
    """A model that is told what each request is meant as, and refuses as often as assumed."""

    name = "assumed"

    def __init__(self, given: Alignment, *, aligned: bool) -> None:
        self._given = given
        self._aligned = aligned
        self._says: tuple[Delta, ...] = ()

    def told(self, goal: Goal, intent: Intent, chance: float) -> bool:
        """What to say next; whether it is what was asked for."""
        served = not self._aligned or chance >= self._refuses(intent)
        call = goal.reach_call if served and intent.hostile else None
        if call is not None:
            piece = ToolCallPiece(0, call.id, call.name, call.arguments)
            self._says = (Delta(tool_call=piece), Delta(finish=Finish.TOOL_CALLS, usage=_USAGE))
            return True
        wanted = (goal.reach or COMPLIANCE) if intent.hostile else goal.reach if goal.benign else _HARMLESS
        self._says = (Delta(text=wanted if served else REFUSAL), Delta(finish=Finish.STOP, usage=_USAGE))
        return served

    async def generate(self, request: Request) -> AsyncIterator[Delta]:
        """What it was told to say; see `Model`."""
        for delta in self._says:
            yield delta

    def _refuses(self, intent: Intent) -> float:
        if intent.hostile:
            return self._given.refuses_disguised if intent.disguised else self._given.refuses_plain
        return self._given.refuses_mistaken if intent.mistaken else 0.0


def whole(goal: Goal, text: str, *, called: bool) -> bool:
    """Whether what was served is what was wanted: a line may have taken the point out of it."""
    return called if goal.reach_call is not None else (goal.reach or COMPLIANCE).strip() in text
