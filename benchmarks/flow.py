"""What flow control costs: one tool call judged in conversations of growing length, with 30 tools offered."""

import asyncio
import json
from statistics import median, quantiles
from time import perf_counter

import msgspec
from rich.console import Console
from rich.table import Table

from outworks import label
from outworks.defense import InForce
from outworks.defenses.flow import Argument, Field, Flow, Result, Seal, Settings, ToolPolicy
from outworks.judge import judge
from outworks.message import Finish, Message, Output, Request, Role, Text, Tool, ToolCall, ToolResult

TOOLS = 30
MESSAGES = (20, 40, 80)
RECORD = {"id": "f", "email": "u@x.test", "title": "File number", "text": "word " * 12}
RESULT = json.dumps([{key: f"{said}{n}" for key, said in RECORD.items()} for n in range(8)])
SCHEMA = {"type": "object", "properties": {name: {"type": "string"} for name in ("to", "subject", "body", "query")}}


def policy() -> Settings:
    """Half the tools read, half send."""
    fields = (Field(path="[].email", type="contact"), Field(path="[].id", type="file", names=("title",)))
    to = Argument(kind="email", sources=("user", "contact"), audience=True)
    free = Argument(kind="free")
    reads = ToolPolicy(effect="read", arguments={"query": free}, result=Result(fields=fields, readers=("[].email",)))
    sends = ToolPolicy(
        authorised=("asked",), words=("send",), per_turn=3, arguments={"to": to, "subject": free, "body": free}
    )
    return Settings(tools={f"tool{n}": sends if n % 2 else reads for n in range(TOOLS)})


def conversation(seal: Seal, length: int, fresh: int) -> Request:
    """A system prompt, the user's words, then calls and their results, the last of them new."""
    request = Request(
        id="ex_bench",
        model="mock",
        messages=(
            Message(Role.SYSTEM, (Text("You are the assistant of an office. " * 40),), label.SYSTEM),
            Message(Role.USER, (Text(f"Send the plans of May to ann{fresh}@x.test, please. " * 4),), label.USER),
        ),
        tools=tuple(Tool(f"tool{n}", "A tool.", SCHEMA) for n in range(TOOLS)),
        account="bench:u1",
        conversation="c1",
    )
    turns: list[Message] = []
    while len(turns) < length - 2:
        call = ToolCall("", f"tool{len(turns) % TOOLS // 2 * 2}", json.dumps({"query": f"plans {len(turns)}"}))
        call = msgspec.structs.replace(call, id=seal.issue(request, call))
        number = fresh if len(turns) == length - 4 else -len(turns)
        result = RESULT.replace("File number", f"File {number} of")
        turns += (
            Message(Role.ASSISTANT, (call,), label.ASSISTANT),
            Message(Role.TOOL, (ToolResult(call.id, result),), label.TOOL),
        )
    return msgspec.structs.replace(request, messages=(*request.messages, *turns))


def run(console: Console, *, rounds: int = 300) -> dict[str, object]:
    """Print the table; the figures as data, in microseconds."""
    figures = asyncio.run(_measure(rounds))
    table = Table("messages", "p50", "p99", title=f"Microseconds to judge a tool call, {TOOLS} tools, one result new")
    for length, row in figures.items():
        table.add_row(str(length), f"{row['p50']:.0f}", f"{row['p99']:.0f}")
    console.print(table)
    return {f"{length} messages": row for length, row in figures.items()}


async def _measure(rounds: int) -> dict[int, dict[str, float]]:
    seal, settings = Seal.random(), policy()
    figures = {}
    for length in MESSAGES:
        each, took = InForce(Flow(settings, seal), settings), []
        for fresh in range(rounds):
            request = conversation(seal, length, fresh)
            arguments = {"to": f"ann{fresh}@x.test", "subject": "Plans", "body": "See you at the lake. " * 20}
            call = ToolCall("x", "tool1", json.dumps(arguments))
            output = Output(text="Done.", tool_calls=(call,), finish=Finish.TOOL_CALLS, done=True)
            began = perf_counter()
            judged = await judge(each, each.defense.check_output(request, output))
            took.append((perf_counter() - began) * 1e6)
            if judged.verdict.decision:
                raise RuntimeError(judged.verdict.reason)
        figures[length] = {"p50": median(took), "p99": quantiles(took, n=100)[98]}
    return figures
