"""Throughput and latency of the whole gateway, in one interleaved run beside its peers and the bare upstream."""

import contextlib
import functools
import json
import re
import subprocess
import tempfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks.servers import DETECTORS, QUESTION, Missing, Target, litellm, outworks, portkey, tool, upstream

_DETECTING = "Outworks, detectors too"
BODY = json.dumps({"model": "mock", "messages": [{"role": "user", "content": QUESTION}], "user": "u1"})


@dataclass(frozen=True)
class Load:
    """What wrk measured in one burst."""

    per_second: float
    p50_ms: float
    p99_ms: float


def run(console: Console, *, rounds: int = 3, seconds: int = 5) -> dict[str, object]:
    """Print the table; the figures as data."""
    missing: list[str] = []
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        direct = stack.enter_context(upstream(folder))
        targets = [direct]
        detecting = functools.partial(outworks, defenses=DETECTORS, name=_DETECTING)
        starts = {"Outworks": outworks, _DETECTING: detecting, "Portkey": portkey, "LiteLLM": litellm}
        for name, start in starts.items():
            try:
                targets.append(stack.enter_context(start(folder, direct.url)))
            except (Missing, RuntimeError) as why:
                missing.append(f"{name}: {str(why).splitlines()[0]}")
        scripts = {target.name: _script(folder, target) for target in targets}
        for target in targets:
            _warm(target)
        many: dict[str, list[Load]] = {target.name: [] for target in targets}
        one: dict[str, list[Load]] = {target.name: [] for target in targets}
        for number in range(rounds):
            for target in targets:
                console.print(f"round {number + 1} of {rounds}: {target.name}", style="dim")
                many[target.name].append(_wrk(target, scripts[target.name], 16, seconds))
                one[target.name].append(_wrk(target, scripts[target.name], 1, max(2, seconds // 2)))
    return _show(console, many, one, missing)


def _show(
    console: Console, many: dict[str, list[Load]], one: dict[str, list[Load]], missing: list[str]
) -> dict[str, object]:
    table = Table(title="One worker, a 300-byte question, nginx as the upstream; medians of interleaved rounds")
    for heading in ("", "requests/s, 16 connections", "p99 ms", "p50 ms, 1 connection", "added ms", "Outworks does"):
        table.add_column(heading, justify="left" if not heading else "right")
    bare = median(load.p50_ms for load in one["direct upstream"])
    ours = median(load.per_second for load in many["Outworks"]) if "Outworks" in many else 0.0
    figures: dict[str, object] = {"missing": missing}
    for name, loads in many.items():
        rate, p99 = median(load.per_second for load in loads), median(load.p99_ms for load in loads)
        alone = median(load.p50_ms for load in one[name])
        times = f"{ours / rate:.1f} x" if name not in ("Outworks", _DETECTING, "direct upstream") else ""
        table.add_row(name, f"{rate:,.0f}", f"{p99:.2f}", f"{alone:.3f}", f"{alone - bare:+.3f}", times)
        figures[name] = {"per_second": rate, "p99_ms": p99, "p50_ms_alone": alone, "added_ms": alone - bare}
    console.print(table)
    for why in missing:
        console.print(f"missing: {why}", style="yellow")
    return figures


def _script(folder: Path, target: Target) -> Path:
    lines = [
        'wrk.method = "POST"',
        f"wrk.body = {json.dumps(BODY)}",
        'wrk.headers["Content-Type"] = "application/json"',
    ]
    lines += [f'wrk.headers["{name}"] = "{value}"' for name, value in target.headers.items()]
    file = folder / f"{target.name.replace(' ', '-')}.lua"
    file.write_text("\n".join(lines))
    return file


def _warm(target: Target) -> None:
    """One request whose answer is looked at: a target that answers errors fast must not enter the table."""
    headers = {"Content-Type": "application/json", **target.headers}
    request = urllib.request.Request(target.url, BODY.encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        answer = json.load(response)
    if not answer["choices"][0]["message"]["content"].startswith("Consider Avignon"):
        raise RuntimeError(f"{target.name} did not pass the answer on: {answer}")


def _wrk(target: Target, script: Path, connections: int, seconds: int) -> Load:
    flags = ["-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "--latency", "-s", str(script)]
    command = [tool("wrk", "wrk"), *flags, target.url]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 30).stdout
    if re.search(r"Non-2xx|Socket errors", said):
        raise RuntimeError(f"{target.name} answered with errors:\n{said}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    if rate is None:
        raise RuntimeError(f"wrk said no rate:\n{said}")
    return Load(float(rate[1]), _latency(said, "50%"), _latency(said, "99%"))


def _latency(said: str, which: str) -> float:
    found = re.search(rf"{which}\s+([\d.]+)(us|ms|s)\b", said)
    if found is None:
        return float("nan")
    return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[2]]
