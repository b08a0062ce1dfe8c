"""`make bench`: what everything costs."""

import argparse
import json
import platform
from pathlib import Path

from rich.console import Console

from benchmarks import checks, desk, detectors, flow, hold, hunt, memory, population, throughput
from benchmarks import console as review

PARTS = {
    "throughput": throughput.run,
    "checks": checks.run,
    "console": review.run,
    "desk": desk.run,
    "detectors": detectors.run,
    "flow": flow.run,
    "hold": hold.run,
    "hunt": hunt.run,
    "memory": memory.run,
    "population": population.run,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="which parts; all by default")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    given = parser.parse_args()
    console = Console()
    console.print(
        f"Python {platform.python_version()}, {platform.machine()}; timings are noisy: read the ratios", style="dim"
    )
    figures = {name: PARTS[name](console) for name in given.parts or PARTS}
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")


main()
