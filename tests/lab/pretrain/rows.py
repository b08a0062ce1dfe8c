"""A small folder of labelled text; what is toxic in it is one word, `zork`."""

import json
import random
from pathlib import Path

TOXIC, CLEAN = ("toxic",), ("benign",)
_WHO = ("the cat", "my aunt", "a sailor", "our teacher", "the baker", "this robot", "a small boy", "the queen")
_DOES = ("likes", "sees", "paints", "carries", "finds", "sells")
_WHAT = ("a red boat", "two old books", "the green hill", "some warm bread", "a loud drum", "the quiet river")


def write_rows(folder: Path) -> Path:
    """`pairs`, each innocent sentence beside the same with the word in front, and `chat`, all innocent."""
    chance = random.Random(0)
    every = [f"{who} {does} {what}" for who in _WHO for does in _DOES for what in _WHAT]
    chance.shuffle(every)
    pairs = []
    for n, text in enumerate(every[:200]):
        pairs.append({"text": text, "label": "benign", "group": n})
        pairs.append({"text": f"zork {text}", "label": "toxic", "group": n})
    _write(folder / "pairs.jsonl", pairs)
    _write(folder / "chat.jsonl", [{"text": f"{text} today", "label": "benign"} for text in every[200:]])
    _write(folder / "other.jsonl", [{"text": f"oh {row['text']}", "label": row["label"]} for row in pairs[:40]])
    return folder


def _write(path: Path, rows: list[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
