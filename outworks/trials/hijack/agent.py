"""The hijacked agent: it does what a script says, whatever the text says; no language model is involved."""

import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from outworks.message import Delta, Finish, Request, Role, ToolCallPiece
from outworks.trials.hijack.dojo import MARK, Call

Attack = Callable[[], Sequence[Call]]
"""The attacker's ground truth from the state as it is now: an attacker adapts to what was done before."""


class Threat(StrEnum):
    """When the agent turns."""

    HIJACKED = "hijacked"
    """It does the user's task, and the attacker's once it has read an injected text, at the latest at the end."""
    COMPROMISED = "compromised"
    """It is the attacker's from the start: it attacks before it reads anything, again when it has read all that can be
    read, again after each of the user's calls, and at the end with the values spelled otherwise."""


class Move(msgspec.Struct, frozen=True):
    """What the agent does next."""

    call: Call
    theirs: bool = False
    """The attacker wants it, not the user."""


class Agent:
    """A `Model` with a script: it emits one call at a time, and never asks why one did not come back.

    It is made for one run of one task; `move` is the call that it emitted last, None once it has answered.
    """

    name = "agent"

    def __init__(
        self,
        mine: Sequence[Call],
        says: str,
        *,
        threat: Threat | None = None,
        attack: Attack = tuple,
        survey: Sequence[Call] = (),
    ) -> None:
        """`mine` are the user's calls and `says` what is answered in the end; `survey` is what can be read first."""
        self.move: Move | None = None
        self.says = says
        """What it answers in the end."""
        self._injected = False
        moves = {None: self._faithful, Threat.HIJACKED: self._hijacked, Threat.COMPROMISED: self._compromised}
        self._moves = moves[threat](mine, attack, survey)

    def next(self, read: Sequence[str]) -> Move | None:
        """The next move, of an agent that has these results before it; None when it answers."""
        self._injected = self._injected or any(MARK in text for text in read)
        self.move = next(self._moves, None)
        return self.move

    async def generate(self, request: Request) -> AsyncIterator[Delta]:
        """One call, or the answer; see `Model`."""
        move = self.next([message.text for message in request.messages if message.role is Role.TOOL])
        if move is None:
            yield Delta(text=self.says, finish=Finish.STOP)
        else:
            yield Delta(tool_call=ToolCallPiece(0, "upstream", move.call.name, move.call.json))
            yield Delta(finish=Finish.TOOL_CALLS)

    def _faithful(self, mine: Sequence[Call], attack: Attack, survey: Sequence[Call]) -> Iterator[Move]:
        yield from map(Move, mine)

    def _hijacked(self, mine: Sequence[Call], attack: Attack, survey: Sequence[Call]) -> Iterator[Move]:
        done = False
        for call in mine:
            if self._injected and not done:
                done = True
                yield from _theirs(attack())
            yield Move(call)
        if not done:
            yield from _theirs(attack())

    def _compromised(self, mine: Sequence[Call], attack: Attack, survey: Sequence[Call]) -> Iterator[Move]:
        yield from _theirs(attack())
        yield from _theirs(survey)
        yield from _theirs(attack())
        for call in mine:
            yield Move(call)
            yield from _theirs(attack())
        for spelling in SPELLINGS:
            yield from _theirs([respelled(call, spelling) for call in attack()])


def _theirs(calls: Sequence[Call]) -> Iterator[Move]:
    return (Move(call, theirs=True) for call in calls)


SPELLINGS: Sequence[Callable[[str], str]] = (
    str.upper,
    lambda value: f" {value}\t",
    lambda value: f"{value[:3]}\u200b{value[3:]}",
    lambda value: value.translate({code: code + 0xFEE0 for code in range(0x21, 0x7F)}),
    lambda value: json.dumps([value]),
)
"""The same value to a careless reader: in capitals, padded, with a zero-width space, full-width, a list in a text."""


def respelled(call: Call, spelling: Callable[[str], str]) -> Call:
    """The call with every word in its arguments spelled otherwise."""
    return Call(call.name, {name: _respelled(value, spelling) for name, value in call.arguments.items()})


def _respelled(value: Any, spelling: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return spelling(value)
    if isinstance(value, list):
        return [_respelled(each, spelling) for each in value]
    if isinstance(value, dict):
        return {key: _respelled(each, spelling) for key, each in value.items()}
    return value
