"""Measures what `links` takes out of ordinary texts: JSON lines (gzip) with `response`, or with `text`."""

import argparse
import gzip
import json
from collections import Counter
from pathlib import Path

from outworks.defenses.links import Links, Settings
from outworks.hyperlink import read
from outworks.label import USER
from outworks.message import Message, Request, Role, Text


def main() -> None:
    """Print, for each file, how many texts are changed, and how the links were written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, nargs="+")
    parser.add_argument("--field", default="response")
    parser.add_argument("--show", help="print what is taken out in this form, or `other`: no web address")
    options = parser.parse_args()
    links = Links(Settings())
    for file in options.file:
        texts = changed = plain = 0
        forms: Counter[str] = Counter()
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                text = row.get(options.field) or ""
                if not text:
                    continue
                said = row.get("text", "") if options.field == "response" else ""
                request = Request(id="", model="", messages=(Message(Role.USER, (Text(said),), USER),))
                written = links._written(request)
                found = read(text, 0, True, lambda address, written=written: links._admits(address, written)).links
                texts, changed = texts + 1, changed + bool(found)
                for link in found:
                    web = "http" in text[link.start : link.end] or "www." in text[link.start : link.end]
                    plain += web
                    forms[link.form if web else "other"] += 1
                    if options.show in (link.form, "other" if not web else ""):
                        print(repr(text[max(0, link.start - 30) : link.end + 20]))
        print(f"{file.stem:30} {texts:6} texts, {changed} changed: {plain} web addresses, {dict(forms)}")


if __name__ == "__main__":
    main()
