"""Behaviours: sets of one's own, read whole."""

import json
from pathlib import Path

from outworks.lab import behaviours


def test_a_text_may_hold_what_python_takes_for_the_end_of_a_line(tmp_path: Path) -> None:
    """JSON escapes neither U+2028 nor U+0085, and they cut no row in two."""
    rows = [{"text": "one\u2028two\x85three", "harmful": True}, {"text": "Water the ferns.", "harmful": False}]
    path = tmp_path / "mine.jsonl"
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows))

    assert [each.text for each in behaviours.read(path).all] == [row["text"] for row in rows]
