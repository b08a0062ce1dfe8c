"""Measures `refusal` on labelled answers: JSON lines (gzip), each with `response` and `response_label`."""

import argparse
import asyncio
import gzip
import json
from collections import Counter
from pathlib import Path

from outworks.defenses.refusal import Refusal, Settings
from outworks.label import USER
from outworks.message import Message, Output, Request, Role, Text

ASKED = Request(id="", model="", messages=(Message(Role.USER, (Text("?"),), USER),))


def main() -> None:
    """Print, for each label, how many answers are found to be refusals, by score."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, nargs="+")
    parser.add_argument(
        "--show", help="print the openings of the answers with this label and verdict, such as refusal:0"
    )
    options = parser.parse_args()
    refusal = Refusal(Settings())
    for file in options.file:
        counts: Counter[tuple[str, float]] = Counter()
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                if not row.get("response"):
                    continue
                label = row.get("response_label", "")
                verdict = asyncio.run(refusal.check_output(ASKED, Output(text=row["response"], done=True)))
                score = verdict.findings[0].score if verdict.findings else 0.0
                counts[label, score] += 1
                if options.show == f"{label}:{score:g}":
                    print(repr(row["response"][:300]))
        for label in sorted({label for label, _ in counts}):
            total = sum(n for (one, _), n in counts.items() if one == label)
            found = ", ".join(f"{counts[label, s]} at {s:g}" for s in (0.9, 0.6) if counts[label, s])
            print(f"{file.stem:32} {label:24} {total:5} answers, found: {found or 'none'}")


if __name__ == "__main__":
    main()
