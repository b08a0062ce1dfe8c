"""Targets: what stands between the agent and its tools: nothing, the defense in process, or a gateway over HTTP."""

import asyncio
import itertools
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from outworks import label
from outworks.defense import InForce
from outworks.defenses.flow import Confirmable, Flow, Seal, Settings
from outworks.event import Event
from outworks.message import Message, Request, Role, Text, Tool, ToolCall, ToolResult
from outworks.model import Model, join
from outworks.pipeline import DefendedModel

ACCOUNT = "emma"


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """What the client has, and sends again with every step."""

    id: str
    system: str
    asks: str
    """The user's words."""
    tools: tuple[Tool, ...]
    actions: tuple[str, ...]
    """The functions that the product declares for this turn."""
    steps: tuple["Step", ...] = ()


class Step(msgspec.Struct, frozen=True):
    """A call that was released, and what it returned."""

    call: ToolCall
    result: str


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came out."""

    calls: tuple[ToolCall, ...] = ()
    text: str = ""
    stopped: bool = False
    """A line of defense held back what the agent said."""
    confirm: tuple[str, ...] = ()
    """Tokens with which a person lets the held calls go."""


class Target(Protocol):
    """Answers for the agent, as far as it lets it."""

    async def ask(self, conversation: Conversation, confirm: Sequence[str] = ()) -> Answer:
        """The agent's next call or its last words."""
        ...


Stand = Callable[[Model], Target]
"""Puts a target in front of an agent."""


def defended(settings: Settings) -> Stand:
    """`flow` in process: with it the agent is a defended model. `mode = "off"` leaves the agent bare."""

    def stand(agent: Model) -> Target:
        seal = Seal.random()
        flow = InForce(Flow(settings, seal), settings)
        return InProcess(DefendedModel(Confirmable(agent, seal), (flow,), _Unrecorded(), issue=seal.issue))

    return stand


class InProcess:
    """A model asked without a wire."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._ids = itertools.count()

    async def ask(self, conversation: Conversation, confirm: Sequence[str] = ()) -> Answer:
        """See `Target`."""
        request = Request(
            id=f"ex_{next(self._ids)}",
            model=self._model.name,
            messages=_messages(conversation),
            tools=conversation.tools,
            account=ACCOUNT,
            conversation=conversation.id,
            actions=conversation.actions,
            confirmations=tuple(confirm),
        )
        output = (await join(self._model.generate(request))).outputs[0]
        return Answer(calls=output.tool_calls, text=output.text, stopped=bool(output.notice), confirm=output.confirm)


def _messages(conversation: Conversation) -> tuple[Message, ...]:
    messages = [
        Message(Role.SYSTEM, (Text(conversation.system),), label.SYSTEM),
        Message(Role.USER, (Text(conversation.asks),), label.USER),
    ]
    for step in conversation.steps:
        messages.append(Message(Role.ASSISTANT, (step.call,), label.ASSISTANT))
        messages.append(Message(Role.TOOL, (ToolResult(step.call.id, step.result),), label.TOOL))
    return tuple(messages)


class _Unrecorded:
    """A recorder that keeps nothing: a trial's figures are its record."""

    def append(self, events: Sequence[Event], *, within: float = 0.0) -> "asyncio.Future[None]":
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done
