"""What the output gate's hold costs in time to first token, for each policy, on a model that speaks at a given pace."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks.checks import SYSTEM, text
from benchmarks.lent import lent
from outworks import label
from outworks.defense import InForce
from outworks.defenses import DEFENSES
from outworks.event import Event
from outworks.message import Delta, Finish, Message, Request, Role, Text
from outworks.pipeline import DefendedModel

TOKENS_PER_SECOND = 100
CHARACTERS_A_TOKEN = 4
ANSWER = text(1600, 7)


class Speaks:
    """A model that says the answer at an even pace."""

    name = "speaks"

    def __init__(self) -> None:
        self.said = 0

    async def generate(self, request: Request) -> AsyncIterator[Delta]:
        for at in range(0, len(ANSWER), CHARACTERS_A_TOKEN):
            await asyncio.sleep(1 / TOKENS_PER_SECOND)
            self.said = min(len(ANSWER), at + CHARACTERS_A_TOKEN)
            yield Delta(text=ANSWER[at : at + CHARACTERS_A_TOKEN])
        yield Delta(finish=Finish.STOP)


class Nowhere:
    """A recorder that keeps nothing: the ledger's own cost is in the throughput table."""

    def append(self, events: Sequence[Event], *, within: float = 0.0) -> "asyncio.Future[None]":
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.set_result(None)
        return future


def run(console: Console, *, repeats: int = 5) -> dict[str, object]:
    """Print the table; the figures as data."""
    figures = asyncio.run(_measure(repeats))
    answer = f"{len(ANSWER)} characters at {TOKENS_PER_SECOND} tokens/s"
    table = Table(title=f"What the hold costs, streaming {answer} (held: characters)")
    for heading in ("policy", "first text, ms", "added ms", "held, median", "held, most"):
        table.add_column(heading, justify="left" if heading == "policy" else "right")
    bare = figures["no output defense"]["first_ms"]
    for name, row in figures.items():
        added = row["first_ms"] - bare
        table.add_row(name, f"{row['first_ms']:.0f}", f"{added:+.0f}", f"{row['held']:.0f}", f"{row['most']:.0f}")
    console.print(table)
    return dict(figures)


async def _measure(repeats: int) -> dict[str, dict[str, float]]:
    borrowed = lent(fingerprints=1000)
    lines = {
        line.name: InForce(line.build(line.settings(), borrowed), line.settings())
        for line in DEFENSES
        if line.defense.checks_output
    }
    policies: dict[str, list[InForce]] = {"no output defense": []}
    policies |= {f"{name} alone": [each] for name, each in lines.items()}
    policies["all, default settings"] = list(lines.values())
    fingerprint = next(line for line in DEFENSES if line.name == "fingerprint")
    for outputs in ("exact", "near", "off"):
        settings = fingerprint.settings(outputs=outputs)  # type: ignore[call-arg]
        each = InForce(fingerprint.build(settings, borrowed), settings)
        policies[f'all, fingerprint outputs = "{outputs}"'] = [
            *(d for n, d in lines.items() if n != "fingerprint"),
            each,
        ]
    figures = {}
    for name, defenses in policies.items():
        runs = await asyncio.gather(*(_one(defenses) for _ in range(repeats)))
        figures[name] = {key: median(run[key] for run in runs) for key in ("first_ms", "held", "most")}
    return figures


async def _one(defenses: list[InForce]) -> dict[str, float]:
    """Time to the first released text; characters that had been said but not released, at each release."""
    request = Request(
        id="ex_bench",
        model="speaks",
        messages=(
            Message(Role.SYSTEM, (Text(SYSTEM),), label.SYSTEM),
            Message(Role.USER, (Text(text(300, 3)),), label.USER),
        ),
        stream=True,
        account="bench:u1",
        product="bench",
    )
    model = Speaks()
    began, first, got, held = time.perf_counter(), 0.0, 0, []
    async for delta in DefendedModel(model, defenses, Nowhere()).generate(request):
        if delta.text:
            first = first or time.perf_counter() - began
            got += len(delta.text)
            held.append(model.said - got)
    return {"first_ms": first * 1000, "held": median(held), "most": max(held)}
