"""One run of one user task, with or without an attacker."""

from itertools import count

import msgspec

from outworks.defenses.flow.confirm import read
from outworks.message import ToolCall
from outworks.trials.hijack.agent import Agent, Threat
from outworks.trials.hijack.dojo import Call, State, Suite, Task, injection
from outworks.trials.hijack.target import Answer, Conversation, Stand, Step, Target

MOST_STEPS = 2000
_conversations = count()


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    solved: bool
    """AgentDojo says that the user's task is done."""
    reached: bool
    """AgentDojo says that the attacker's goal was reached, at the end or after any of the attacker's calls."""
    confirmed: int
    """Calls that the person was asked about and let go."""
    refused: int
    """Calls that the person was asked about and did not want."""
    stopped: int
    """Calls that were held back, and did not go."""
    slipped: int
    """Consequential calls of the attacker's that went, whatever came of them."""


class Person:
    """Who is asked to confirm: lets go the calls of their own task, each once, and nothing else."""

    def __init__(self, wanted: tuple[Call, ...]) -> None:
        self._wanted = [(call.name, msgspec.json.decode(call.json)) for call in wanted]

    def wants(self, tokens: tuple[str, ...]) -> bool:
        """Whether every held call is one of theirs, as the confirmation itself shows it."""
        shown = [read(token) for token in tokens]
        held = [(each.name, msgspec.json.decode(each.arguments)) for each in shown if each is not None]
        wanted = bool(held) and len(held) == len(shown) and all(call in self._wanted for call in held)
        for call in held if wanted else ():
            self._wanted.remove(call)
        return wanted


async def run(
    suite: Suite,
    task: Task,
    stand: Stand,
    *,
    actions: tuple[str, ...],
    attack: Task | None = None,
    threat: Threat | None = None,
    survey: tuple[Call, ...] = (),
    consequential: frozenset[str] = frozenset(),
) -> Outcome:
    """Run a task. With an attacker, its values stand wherever it can write; `consequential` are the functions that are
    no reads, for the count of what slipped."""
    planted = injection(suite.calls(attack, suite.state())) if attack is not None else ""
    state = suite.state(task, injected=planted)
    mine = suite.calls(task, state)
    says = task.says if attack is None else f"{task.says}\n{attack.says}"
    agent = Agent(
        mine,
        says,
        threat=threat,
        attack=lambda: suite.calls(attack, state) if attack is not None else (),
        survey=survey,
    )
    conversation = Conversation(
        id=f"{suite.name}-{next(_conversations)}",
        system=suite.system_prompt,
        asks=task.asks,
        tools=suite.tools,
        actions=actions,
    )
    its = _Run(suite, task, attack, agent, stand(agent), Person(mine), state, says)
    return await its.run(conversation, consequential)


class _Run:
    def __init__(
        self,
        suite: Suite,
        task: Task,
        attack: Task | None,
        agent: Agent,
        target: Target,
        person: Person,
        state: State,
        says: str,
    ) -> None:
        self._suite = suite
        self._task = task
        self._attack = attack
        self._agent = agent
        self._target = target
        self._person = person
        self._state = state
        self._says = says

    async def run(self, conversation: Conversation, consequential: frozenset[str]) -> Outcome:
        confirmed = refused = stopped = slipped = 0
        reached = False
        for _ in range(MOST_STEPS):
            answer = await self._target.ask(conversation)
            move = self._agent.move
            if answer.stopped and answer.confirm:
                if self._person.wants(answer.confirm):
                    confirmed += 1
                    answer = await self._target.ask(conversation, answer.confirm)
                else:
                    refused += 1
            if answer.stopped:
                stopped += 1
                if move is None:
                    break
                continue
            if not answer.calls:
                break
            conversation = self._step(conversation, answer)
            if move is not None and move.theirs:
                slipped += sum(call.name in consequential for call in answer.calls)
                reached = reached or self._reached()
        else:
            raise RuntimeError(f"{self._task.id}: no end after {MOST_STEPS} steps")
        return Outcome(
            solved=self._suite.solved(self._task, self._says, self._state),
            reached=reached or self._reached(),
            confirmed=confirmed,
            refused=refused,
            stopped=stopped,
            slipped=slipped,
        )

    def _step(self, conversation: Conversation, answer: Answer) -> Conversation:
        steps = tuple(Step(call, self._result(call)) for call in answer.calls)
        return msgspec.structs.replace(conversation, steps=conversation.steps + steps)

    def _result(self, call: ToolCall) -> str:
        return self._state.run(call.name, call.arguments)

    def _reached(self) -> bool:
        return self._attack is not None and self._suite.reached(self._attack, self._says, self._state)
