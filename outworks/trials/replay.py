"""Replay: a recorded attack again, before any subset of the lines, with the model's recorded words and no model."""

from collections.abc import AsyncIterator, Callable, Sequence

import msgspec

from outworks.adversary import Query, Reply, Try
from outworks.message import Delta, Finish, Request, ToolCallPiece
from outworks.trials.lineup import BARE, Configuration, Lineup
from outworks.trials.target import Product


class Replayed(msgspec.Struct, frozen=True):
    """What one configuration would have let through."""

    configuration: str
    replies: tuple[Reply, ...]
    """One for each try, in order."""


async def replay(
    tries: Sequence[Try],
    lineup: Lineup,
    configurations: Sequence[Configuration],
    request: Callable[[Query, int], Request],
) -> tuple[Replayed, ...]:
    """Every configuration's replies to tries that were recorded at the bare model. The pipeline, the lines, the rules
    and the product's clock are the real ones; only the model's words come from the record.

    A conversation ends where a line stops it: whoever is stopped cannot go on from an answer that never came. Where a
    line rewrites a request, the model would have been asked something else; such replies are marked `altered`.
    """
    return tuple([await _one(tries, lineup, each, request) for each in configurations if each.name != BARE])


async def _one(
    tries: Sequence[Try], lineup: Lineup, configuration: Configuration, request: Callable[[Query, int], Request]
) -> Replayed:
    said = _Said()
    product = Product(configuration.name, said, lineup, lineup.subset(configuration.lines))
    stopped: dict[int, str] = {}
    accounts: set[str] = set()
    replies: list[Reply] = []
    for number, one in enumerate(tries):
        conversation = one.query.conversation
        if conversation in stopped:
            replies.append(Reply(stopped_by=stopped[conversation], notice="the conversation had been stopped before"))
            continue
        asked = request(one.query, number)
        account = f"{configuration.name}|{asked.account}"
        asked = msgspec.structs.replace(asked, id=f"{configuration.name}|{asked.id}", account=account)
        accounts.add(account)
        said.reply, said.expected, said.rewritten = one.reply, asked, False
        reply = await product.ask(asked, one.at)
        reply = msgspec.structs.replace(
            reply, usage=one.reply.usage if said.reply is None else reply.usage, altered=reply.altered or said.rewritten
        )
        if reply.stopped_by:
            stopped[conversation] = reply.stopped_by
        replies.append(reply)
    product.leave(accounts)
    return Replayed(configuration.name, tuple(replies))


class _Said:
    """Says again what a model said."""

    name = "recorded"

    def __init__(self) -> None:
        self.reply: Reply | None = None
        self.expected: Request | None = None
        self.rewritten = False

    async def generate(self, request: Request) -> AsyncIterator[Delta]:
        """The recorded words; see `Model`."""
        reply, expected = self.reply, self.expected
        assert reply is not None
        assert expected is not None
        self.rewritten = request.messages != expected.messages or request.parameters != expected.parameters
        self.reply = None
        if reply.stopped_by:
            yield Delta(refused=True, finish=Finish.CONTENT_FILTER, usage=reply.usage)
            return
        if reply.text:
            yield Delta(text=reply.text)
        for index, call in enumerate(reply.tool_calls):
            yield Delta(tool_call=ToolCallPiece(index, call.id, call.name, call.arguments))
        yield Delta(
            refused=reply.refused, finish=Finish.TOOL_CALLS if reply.tool_calls else Finish.STOP, usage=reply.usage
        )
