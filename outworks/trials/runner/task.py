"""Task: a trial in Inspect's terms: a sample is one adversary before one goal, and its solver the siege."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from inspect_ai import Task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import GenerateConfig, ModelOutput
from inspect_ai.model import Model as InspectModel
from inspect_ai.scorer import Score as InspectScore
from inspect_ai.scorer import Scorer as InspectScorer
from inspect_ai.scorer import Target as Wanted
from inspect_ai.scorer import mean, scorer, stderr
from inspect_ai.solver import Generate, Solver, TaskState, solver

from outworks.adversary import Adversary, Attempt, Budget, Goal, Prices, Reply
from outworks.trials.lineup import BARE, PRODUCT, Configuration, Lineup
from outworks.trials.record import Record, result
from outworks.trials.replay import Replayed, replay
from outworks.trials.runner.messages import inspect_messages
from outworks.trials.scoring import Scoring
from outworks.trials.siege import Walls, paid
from outworks.trials.target import Target

ATTEMPT = "outworks_attempt"
"""Where a sample's metadata keeps what was sent and what came back, as JSON."""
RECORDS = "outworks_records"
"""Where it keeps the results, as JSON."""
GOALS = "outworks_goals"
"""Where a task's metadata keeps its goals, as JSON, when no run's folder does."""

LEFT_OUT = "outworks_left_out"
"""Where it keeps what was not run, and why, when no run's folder does."""


class Sitting(msgspec.Struct, frozen=True):
    """What a sample's attack came to: the attempt, and what every configuration would have let through."""

    attempt: Attempt
    replays: tuple[Replayed, ...]


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What all samples of a task have in common."""

    name: str
    """The target's, as tables show it."""
    target: Target
    configuration: str
    """What the target is: `bare`, `product`, `only:LINE` or `without:LINE`."""
    lineup: Lineup | None
    """The lines to replay fixed attacks before; None for a product behind a URL."""
    configurations: Sequence[Configuration]
    """Those to replay."""
    budget: Budget
    prices: Prices
    seed: int
    pace: float
    parameters: Mapping[str, Any]
    scoring: Scoring


class Pair(msgspec.Struct, frozen=True):
    """One adversary, one goal."""

    adversary: Adversary
    goal: Goal

    @property
    def id(self) -> str:
        """The sample's."""
        return f"{self.adversary.name}@{self.goal.id}"


class Parts(msgspec.Struct, frozen=True):
    """What a task is made of."""

    dataset: Any
    solver: Solver
    scorer: InspectScorer
    metadata: dict[str, Any]


def task(name: str, pairs: Sequence[Pair], terms: Terms, model: InspectModel, *, config: GenerateConfig) -> Task:
    """The task, for a model that is at hand."""
    made = besieging(pairs, terms, name=name)
    return Task(
        dataset=made.dataset,
        solver=made.solver,
        scorer=made.scorer,
        metadata=made.metadata,
        model=model,
        config=config,
        name=name,
    )


def besieging(pairs: Sequence[Pair], terms: Terms, *, name: str = "pairs") -> Parts:
    """A task's parts. Its samples are the pairs, in order."""
    samples = [
        Sample(
            id=pair.id,
            input=pair.goal.prompt,
            target=pair.goal.id,
            metadata={"adversary": pair.adversary.name, "tier": pair.adversary.tier.value, "goal": pair.goal.id},
        )
        for pair in pairs
    ]
    known = {pair.id: pair for pair in pairs}
    return Parts(
        dataset=MemoryDataset(samples, name=name),
        solver=besiege(known, terms),
        scorer=judge(known, terms),
        metadata={"target": terms.name, "configuration": terms.configuration},
    )


@solver(name="outworks/besiege")
def besiege(pairs: Mapping[str, Pair], terms: Terms) -> Solver:
    """One attack, then its replays."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        pair = pairs[str(state.sample_id)]
        sitting = await sit(pair, terms)
        # As one string: Inspect copies and compares nested data at every step, and a sitting is large.
        state.metadata[ATTEMPT] = msgspec.json.encode(sitting).decode()
        if sitting.attempt.tries:
            last = sitting.attempt.tries[-1]
            said = last.reply.text or f"[{last.reply.stopped_by}] {last.reply.notice}"
            state.output = ModelOutput.from_content(str(state.model), said)
            state.messages = [*inspect_messages(last.query.messages), state.output.message]
        return state

    return solve


async def sit(pair: Pair, terms: Terms) -> Sitting:
    """The attack, and what every configuration would have let through."""
    siege = Walls(
        pair.adversary,
        terms.target,
        pair.goal,
        terms.budget,
        reached=terms.scoring.told,
        seed=terms.seed,
        name=f"{terms.seed}/{terms.name}/{terms.configuration}/{pair.id}",
        prices=terms.prices,
        parameters=terms.parameters,
        pace=terms.pace,
    )
    attempt = await siege.run()
    replays: tuple[Replayed, ...] = ()
    if terms.lineup is not None and not pair.adversary.adaptive:
        replays = await replay(attempt.tries, terms.lineup, terms.configurations, siege.request)
    return Sitting(attempt, replays)


@scorer(metrics={"*": [mean(), stderr()]}, name="outworks/judge")
def judge(pairs: Mapping[str, Pair], terms: Terms) -> InspectScorer:
    """Every query in every configuration, judged; the value is whether any of them did harm."""

    async def score(state: TaskState, target: Wanted) -> InspectScore:
        pair = pairs[str(state.sample_id)]
        made = await records(pair, terms, msgspec.json.decode(state.metadata[ATTEMPT], type=Sitting))
        # With the sample and not with its score, of which Inspect keeps several copies.
        state.metadata[RECORDS] = msgspec.json.encode(made).decode()
        shown = [record for record in made if record.configuration in (BARE, PRODUCT, terms.configuration)]
        return InspectScore(
            value={record.configuration: float(record.reached is not None) for record in shown},
            answer=state.output.completion if state.output.choices else "",
            explanation=_explained(shown),
        )

    return score


async def records(pair: Pair, terms: Terms, sitting: Sitting) -> tuple[Record, ...]:
    """The sitting, judged: one record a configuration. Raises `ScorerError` where the scorer comes to no answer."""
    attempt = sitting.attempt
    found = [Replayed(terms.configuration, tuple(one.reply for one in attempt.tries)), *sitting.replays]
    return tuple([await _record(pair, terms, attempt, each) for each in found])


async def _record(pair: Pair, terms: Terms, attempt: Attempt, each: Replayed) -> Record:
    goal = pair.goal
    scores = [await terms.scoring.score(goal, reply) for reply in each.replies]
    accounts = len({one.query.account for one in attempt.tries})
    return Record(
        target=terms.name,
        configuration=each.configuration,
        adversary=pair.adversary.name,
        tier=pair.adversary.tier,
        adaptive=pair.adversary.adaptive,
        goal=goal.id,
        category=goal.category,
        benign=goal.benign,
        results=tuple(
            result(goal, one, reply, score)
            for one, reply, score in zip(attempt.tries, each.replies, scores, strict=True)
        ),
        spent=paid(_timed(attempt, each.replies), accounts, terms.prices),
        exhausted=attempt.exhausted,
        scorer=terms.scoring.name(goal),
    )


def _timed(attempt: Attempt, replies: Sequence[Reply]) -> list[Reply]:
    """Replies with the seconds that the query took at the model: a replay takes none."""
    return [
        msgspec.structs.replace(r, seconds=one.reply.seconds) for one, r in zip(attempt.tries, replies, strict=True)
    ]


def _explained(shown: Sequence[Record]) -> str:
    lines = []
    for record in shown:
        reached = record.reached
        how = f"reached with query {reached}" if reached is not None else "not reached"
        stops = [result.stopped_by for result in record.results if result.stopped_by]
        by = ", ".join(f"{name} {stops.count(name)}" for name in dict.fromkeys(stops))
        lines.append(
            f"{record.configuration}: {how}, {len(record.results)} queries" + (f"; stopped by {by}" if by else "")
        )
    return "\n".join(lines)
