"""Resident memory of one worker over 200,000 exchanges: flat after warm-up."""

import contextlib
import subprocess
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.servers import Missing, outworks, tool, upstream
from benchmarks.throughput import _script, _warm

STEPS = 10


def run(console: Console, *, exchanges: int = 200_000) -> dict[str, object]:
    """Print the table; the figures as data, in MiB."""
    rows: list[tuple[int, float]] = []
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        try:
            direct = stack.enter_context(upstream(folder))
            wrk = tool("wrk", "wrk")
        except Missing as why:
            console.print(f"missing: {why}", style="yellow")
            return {"missing": str(why)}
        target = stack.enter_context(outworks(folder, direct.url))
        _warm(target)
        script, done = _script(folder, target), 0
        rows.append((0, _resident(target.pid)))
        while done < exchanges:
            command = [wrk, "-t1", "-c16", "-d4s", "-s", str(script), target.url]
            said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
            done += int(said.split(" requests in")[0].split()[-1])
            rows.append((done, _resident(target.pid)))
    table = Table(title=f"Resident memory of one worker over {rows[-1][0]:,} exchanges")
    table.add_column("exchanges", justify="right")
    table.add_column("MiB", justify="right")
    for done, size in rows[:: max(1, len(rows) // STEPS)] + rows[-1:]:
        table.add_row(f"{done:,}", f"{size:.0f}")
    console.print(table)
    return {"rows": rows}


def _resident(pid: int) -> float:
    """MiB, as the kernel counts them."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024
