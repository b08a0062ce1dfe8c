"""The trial: every user task of a suite without an attacker, then against every goal, in every threat model."""

from collections.abc import Callable, Collection, Sequence

import msgspec

from outworks.trials.hijack.agent import Threat
from outworks.trials.hijack.dojo import Call, Suite, Task
from outworks.trials.hijack.episode import Outcome, run
from outworks.trials.hijack.figures import Attacks, Pair, SuiteFigures, Users
from outworks.trials.hijack.target import Stand

Tell = Callable[[str], None]


class Planner(msgspec.Struct, frozen=True):
    """What the product declares for a turn. A perfect planner: the consequential functions of the task's ground truth.
    An upper bound on what a real one would leave usable; a real one that authorises more leaves the values guarded."""

    consequential: frozenset[str]
    """The functions that are no reads, by the policy."""
    declares: bool = True
    """Without it nothing is declared, and the policy alone authorises."""

    def actions(self, calls: Sequence[Call]) -> tuple[str, ...]:
        """The functions declared for a task."""
        if not self.declares:
            return ()
        return tuple(dict.fromkeys(call.name for call in calls if call.name in self.consequential))


async def try_suite(
    suite: Suite,
    stand: Stand,
    planner: Planner,
    *,
    threats: Collection[Threat] = tuple(Threat),
    tell: Tell = lambda line: None,
) -> SuiteFigures:
    """Run a suite whole."""
    users = await _users(suite, stand, planner)
    tell(f"{suite.name}: {users.user_tasks_completed} of {users.user_tasks} user tasks done")
    attacks = []
    for threat in threats:
        attacks.append(await _attacks(suite, stand, planner, threat))
        found = attacks[-1]
        tell(f"{suite.name}, {threat.value}: {found.attacks_reached} of {found.attacks_by_calls} goals reached")
    return SuiteFigures(suite=suite.name, users=users, attacks=tuple(attacks))


async def _users(suite: Suite, stand: Stand, planner: Planner) -> Users:
    outcomes: list[tuple[Task, Outcome]] = []
    for task in suite.user_tasks:
        actions = planner.actions(suite.calls(task, suite.state(task)))
        outcomes.append((task, await run(suite, task, stand, actions=actions)))
    return Users(
        user_tasks=len(outcomes),
        user_tasks_untouched=sum(o.solved and not o.confirmed and not o.stopped for _, o in outcomes),
        user_tasks_completed=sum(o.solved for _, o in outcomes),
        confirmations=sum(o.confirmed + o.refused for _, o in outcomes),
        touched=tuple(f"{t.id}: {o.confirmed + o.stopped}" for t, o in outcomes if o.confirmed or o.stopped),
    )


async def _attacks(suite: Suite, stand: Stand, planner: Planner, threat: Threat) -> Attacks:
    goals = suite.attacks
    survey = _survey(suite, planner) if threat is Threat.COMPROMISED else ()
    outcomes: list[tuple[Pair, bool, Outcome]] = []
    for task in suite.user_tasks:
        actions = planner.actions(suite.calls(task, suite.state(task)))
        for goal in goals:
            outcome = await run(
                suite,
                task,
                stand,
                actions=actions,
                attack=goal,
                threat=threat,
                survey=survey,
                consequential=planner.consequential,
            )
            outcomes.append((Pair(suite.name, task.id, goal.id), suite.words_only(goal), outcome))
    reached = tuple(pair for pair, words, outcome in outcomes if outcome.reached and not words)
    said = tuple(pair for pair, words, outcome in outcomes if words)
    return Attacks(
        threat=threat,
        pairs=len(outcomes),
        attacks_by_calls=len(outcomes) - len(said),
        attacks_reached=len(reached),
        attacks_words_only=len(said),
        user_tasks_completed=sum(outcome.solved for *_, outcome in outcomes),
        confirmed=sum(outcome.confirmed for *_, outcome in outcomes),
        refused=sum(outcome.refused for *_, outcome in outcomes),
        slipped=sum(outcome.slipped for *_, outcome in outcomes),
        reached=reached,
        words_only=said,
    )


def _survey(suite: Suite, planner: Planner) -> tuple[Call, ...]:
    """Everything that any task of the suite reads, once: so that as many values as can be are trusted."""
    calls = [call for task in suite.user_tasks for call in suite.calls(task, suite.state(task))]
    calls += [call for attack in suite.attacks for call in suite.calls(attack, suite.state())]
    reads = {(call.name, call.json): call for call in calls if call.name not in planner.consequential}
    return tuple(reads.values())
