"""What the detectors cost: microseconds a text, megabytes a second, memory; beside two published packages."""

import gzip
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median, quantiles

from rich.console import Console
from rich.table import Table

from benchmarks.checks import text
from benchmarks.servers import CACHE, Missing
from outworks.cli.scan import through
from outworks.detectors import Side
from outworks.detectors.looking import Looking, shipped
from outworks.detectors.training.sources import MISLABELLED
from outworks.detectors.views import read
from outworks.detectors.views.ordinary import ordinary
from outworks.scanning import Scanner

SIZES = {"300 B": 300, "32 KB": 32_000}
TEXTS = 60
SCANNED = 16_000_000
"""Bytes of JSON lines that are scanned."""
DATA = "OUTWORKS_DATA"
"""The environment variable with a folder of `dev/*.jsonl.gz`, whose benign rows are then counted too."""


def run(console: Console) -> dict[str, object]:
    """Print the tables; the figures as data."""
    figures: dict[str, object] = {"stages": _stages(console), "scan": _scan(console)}
    figures["second_stage"] = _share(console)
    figures["memory_mib"] = _memory(console)
    return figures


def _stages(console: Console) -> dict[str, dict[str, dict[str, float]]]:
    looking = shipped()
    detector = looking.detector
    rows: dict[str, dict[str, dict[str, float]]] = {
        "views": _timed(read),
        **{f"first stage, {side.value}": _timed(lambda given, side=side: detector.score(given, side)) for side in Side},
        # A fresh one, as it remembers what it has seen.
        "views and first stage, request": _timed(lambda given: Looking(detector).look(given, Side.REQUEST)),
    }
    for name, package in PEERS.items():
        try:
            rows[package] = _peer(name)
        except Missing as error:
            console.print(f"{package}: missing: {error}", style="yellow")
    table = Table(title="CPU microseconds a text: median / 99th percentile; fresh prose")
    table.add_column("", no_wrap=True)
    for size in SIZES:
        table.add_column(size, justify="right")
    for name, row in rows.items():
        table.add_row(name, *(f"{row[size]['p50']:,.0f} / {row[size]['p99']:,.0f}" for size in SIZES))
    console.print(table)
    return rows


def _timed(judge: Callable[[str], object]) -> dict[str, dict[str, float]]:
    row = {}
    for name, size in SIZES.items():
        given, took = [text(size, seed) for seed in range(TEXTS)], []
        for again in range(1 + 4_000 // size):
            for one in given:
                # Nothing may know a text by its object.
                fresh = one[:-1] + chr(97 + again % 26)
                began = time.thread_time_ns()
                judge(fresh)
                took.append((time.thread_time_ns() - began) / 1000)
        row[name] = _summary(took[TEXTS // 2 :])
    return row


def _summary(took: Sequence[float]) -> dict[str, float]:
    return {"p50": median(took), "p99": quantiles(took, n=100)[98]}


PEERS = {"svguardian": "securevector-guardian-model", "nanoguard": "metatronnanoguard"}
"""Modules and the packages that they are in."""
_INSTALL = ("securevector-guardian-model==1.4.0", "metatronnanoguard==0.1.0", "torch==2.13.0")
_RUNNER = """
import json, sys, time
sizes, name = json.load(sys.stdin), sys.argv[1]
if name == "svguardian":
    from svguardian import resolve_runtime
    from svguardian.model.pure_infer import PureGuardian
    from svguardian.serve import analyze
    guardian = PureGuardian.load(resolve_runtime())
    judge = lambda text: analyze(text, guardian)
else:
    import torch
    torch.set_num_threads(1)
    from nanoguard import NanoGuard
    judge = NanoGuard().scan
took = {}
for size, texts in sizes.items():
    judge(texts[0])
    took[size], ends = [], time.monotonic() + 20
    for text in texts:
        began = time.process_time_ns()
        judge(text)
        took[size].append((time.process_time_ns() - began) / 1000)
        if time.monotonic() > ends and len(took[size]) > 2:
            break
json.dump(took, sys.stdout)
"""


def _peer(name: str) -> dict[str, dict[str, float]]:
    """Times of a peer in the environment that both share. Raises `Missing` where it cannot be had or does not run."""
    home = CACHE / "detector-peers"
    python = home / "bin" / "python"
    if not (home / "installed").exists():
        print("installing two published detectors into their own environment...", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        pip = [str(home / "bin" / "pip"), "install", "-q", *_INSTALL]
        if subprocess.run(pip, check=False, capture_output=True).returncode:
            raise Missing("it could not be installed with pip")
        (home / "installed").touch()
    given = {label: [text(size, seed) for seed in range(TEXTS)] for label, size in SIZES.items()}
    done = subprocess.run(
        [str(python), "-c", _RUNNER, name], input=json.dumps(given), capture_output=True, text=True, timeout=300
    )
    if done.returncode:
        raise Missing(f"it does not run: {done.stderr.strip().splitlines()[-1][:200]}")
    return {label: _summary(took) for label, took in json.loads(done.stdout.splitlines()[-1]).items()}


def _scan(console: Console) -> dict[str, float]:
    """Megabytes of text a second of one core, through the command's own loop, JSON in and out included."""
    figures = {}
    table = Table("texts", "MB/s", "with moderation categories", title="outworks scan: text a second of one core")
    for label, size in (("300 B", 300), ("3 KB", 3_000), ("32 KB", 32_000), ("300 B and 3 KB", 0)):
        cells = []
        for topics in (False, True):
            scanner = Scanner(shipped(), topics=topics)
            data, characters = _lines(size)
            through(scanner, io.BytesIO(data[: len(data) // 8].rpartition(b"\n")[0] + b"\n"), io.BytesIO(), None)
            began = time.thread_time()
            through(scanner, io.BytesIO(data), io.BytesIO(), None)
            rate = characters / 1e6 / (time.thread_time() - began)
            figures[f"{label}{', topics' if topics else ''}"] = rate
            cells.append(f"{rate:.1f}")
        table.add_row(label, *cells)
    console.print(table)
    return figures


def _lines(size: int) -> tuple[bytes, int]:
    """JSON lines, and how many characters of text are in them."""
    lines, characters = [], 0
    for number in range(SCANNED // (size or 1_650)):
        words = text(size or (300, 3_000)[number % 2], number)
        characters += len(words)
        lines.append(json.dumps({"id": number, "text": words}))
    return "\n".join(lines).encode() + b"\n", characters


def _share(console: Console) -> dict[str, float]:
    """How much harmless traffic the second stage would have to look at."""
    try:
        detector = shipped(second=True).detector
    except (FileNotFoundError, ModuleNotFoundError) as error:
        console.print(f"second stage: missing: {error}", style="yellow")
        return {}
    figures, looking = {}, Looking(detector)
    for name, texts in _benign().items():
        looks = looking.look_all(texts, Side.REQUEST)
        figures[name] = sum(look.unsure for look in looks) / len(looks)
    table = Table("harmless texts", "share", title="Reaches the second stage")
    for name, share in figures.items():
        table.add_row(name, f"{share:.1%}")
    console.print(table)
    return figures


def _benign() -> dict[str, list[str]]:
    sets = {"generated look-alikes": [made for kind in ordinary(86, 40).values() for made in kind]}
    folder = os.environ.get(DATA)
    for file in sorted((Path(folder) / "dev").glob("*.jsonl.gz")) if folder else ():
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
        benign = [row["text"] for row in rows if row["label"] == "benign" and row.get("id") not in MISLABELLED]
        if benign:
            sets[file.name.removesuffix(".jsonl.gz")] = benign
    return sets


_LOADED = """
import json, sys
from outworks.detectors import Side
from outworks.detectors.looking import shipped
second = sys.argv[1] == "second"
looking = shipped(second=second)
texts = json.load(sys.stdin)
for side in Side:
    looking.look_all(texts, side, topics=True)
    for text in texts[:4]:
        looking.look_twice(text, side, "always" if second else "never", topics=True)
# Not getrusage: it counts what the parent held when it forked.
with open("/proc/self/status") as status:
    print(next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024)
"""


def _memory(console: Console) -> dict[str, float]:
    """Peak resident memory of a process that has loaded the detectors and judged texts of up to a megabyte. It is read
    from `/proc`."""
    given = json.dumps([text(size, size) for size in (300, 3_000, 32_000, 1_000_000)])
    figures = {}
    for name in ("first", "second"):
        done = subprocess.run([sys.executable, "-c", _LOADED, name], input=given, capture_output=True, text=True)
        if done.returncode:
            console.print(
                f"memory, {name} stage: missing: {done.stderr.strip().splitlines()[-1][:200]}", style="yellow"
            )
            continue
        figures[f"{name} stage"] = float(done.stdout)
        console.print(f"Peak memory with the {name} stage loaded: {figures[f'{name} stage']:.0f} MiB")
    return figures
