"""What one check of each defense costs: median and 99th percentile, for texts of 1 KB and 32 KB."""

import asyncio
import random
import time
from statistics import median, quantiles

from rich.console import Console
from rich.table import Table

from benchmarks.lent import lent
from outworks import label
from outworks.defense import InForce
from outworks.defenses import DEFENSES
from outworks.judge import judge
from outworks.message import Finish, Message, Output, Request, Role, Text

SIZES = {"1 KB": 1_000, "32 KB": 32_000}
SYSTEM = (
    "You are the assistant of a travel agency. Answer in plain words, name prices only when asked, and never promise "
    "what the agency cannot keep. "
) * 12
# Sentences of this file's own, shuffled: ordinary prose with a link, a number and some code now and then.
SENTENCES = (
    "The train leaves at seven in the morning and takes a little over three hours.",
    "Grandmother would rather sit under the chestnut tree with her book.",
    "We paid 48.50 for four tickets, which includes the seat reservation.",
    "In Python you would write `sorted(towns, key=lambda town: town.distance)` for that.",
    "If it rains, the museum of clocks is open until six, except on Mondays.",
    "Which of these would you choose if you had only one afternoon?",
    "The lake is cold in May, but children do not seem to notice.",
    "Please keep it short, and tell me what I have forgotten to ask.",
)


def text(size: int, seed: int) -> str:
    """Prose of about the given number of characters."""
    chosen, words = random.Random(seed), ""
    while len(words) < size:
        words += chosen.choice(SENTENCES) + " "
    return words[:size]


def run(console: Console, *, seconds: float = 1.0) -> dict[str, object]:
    """Print the table; the figures as data, in microseconds."""
    figures = asyncio.run(_measure(seconds))
    table = Table(title="CPU microseconds a check: median / 99th percentile; fresh text, a bank of 1,000 fingerprints")
    table.add_column("", no_wrap=True)
    for key in _keys():
        table.add_column(key, justify="right")
    for name, row in figures.items():
        cells = [f"{row[key]['p50']:.0f} / {row[key]['p99']:.0f}" if key in row else "" for key in _keys()]
        table.add_row(name, *cells)
    console.print(table)
    return dict(figures)


def _keys() -> list[str]:
    return [f"{stage} {size}" for stage in ("request", "output") for size in SIZES]


async def _measure(seconds: float) -> dict[str, dict[str, dict[str, float]]]:
    figures: dict[str, dict[str, dict[str, float]]] = {}
    borrowed = lent(fingerprints=1000)
    for line in DEFENSES:
        settings = line.settings()
        each = InForce(line.build(settings, borrowed), settings)
        row: dict[str, dict[str, float]] = {}
        for size, characters in SIZES.items():
            requests = [_request(text(characters, seed)) for seed in range(40)]
            outputs = [Output(text=text(characters, seed), finish=Finish.STOP, done=True) for seed in range(40, 80)]
            if each.defense.checks_request:
                row[f"request {size}"] = await _time(seconds, each, requests, None)
            if each.defense.checks_output:
                row[f"output {size}"] = await _time(seconds, each, requests, outputs)
        figures[line.name] = row
    return figures


async def _time(
    seconds: float, each: InForce, requests: list[Request], outputs: list[Output] | None
) -> dict[str, float]:
    loop, took = asyncio.get_running_loop(), []
    began = loop.time()
    while loop.time() - began < seconds or len(took) < 100:
        for n, request in enumerate(requests):
            check = each.defense.check_output(request, outputs[n]) if outputs else each.defense.check_request(request)
            # The thread's own time: by the clock, the tail would be that of whatever else the machine does.
            start = time.thread_time_ns()
            await judge(each, check)
            took.append((time.thread_time_ns() - start) / 1000)
    took = took[len(requests) :]
    return {"p50": median(took), "p99": quantiles(took, n=100)[98]}


def _request(words: str) -> Request:
    return Request(
        id="ex_bench",
        model="mock",
        messages=(
            Message(Role.SYSTEM, (Text(SYSTEM),), label.SYSTEM),
            Message(Role.USER, (Text(words),), label.USER),
        ),
        parameters={"temperature": 0.7, "max_tokens": 512},
        account="bench:u1",
        product="bench",
    )
