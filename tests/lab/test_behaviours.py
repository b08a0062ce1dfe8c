"""Behaviours: sets of one's own, read whole."""

import json
from pathlib import Path

import pytest

from outworks.lab import behaviours


def test_a_text_may_hold_what_python_takes_for_the_end_of_a_line(tmp_path: Path) -> None:
    """JSON escapes neither U+2028 nor U+0085, and they cut no row in two."""
    rows = [{"text": "one\u2028two\x85three", "harmful": True}, {"text": "Water the ferns.", "harmful": False}]
    path = tmp_path / "mine.jsonl"
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows))

    assert [each.text for each in behaviours.read(path).all] == [row["text"] for row in rows]


def test_a_text_is_in_one_part_alone(tmp_path: Path) -> None:
    """A request that stands in a file twice is never both trained on and measured on."""
    rows = [{"text": f"How do I do thing {n}?", "harmful": n < 20} for n in range(40)]
    again = [{"text": f"how do I  do thing {n}?", "harmful": n < 20} for n in reversed(range(40))]
    path = tmp_path / "mine.jsonl"
    path.write_text("\n".join(map(json.dumps, rows + again)))

    texts = [each.text for each in behaviours.read(path).all]

    assert texts == [row["text"] for row in rows]


def test_a_text_is_of_one_kind_alone(tmp_path: Path) -> None:
    """Who calls the same request harmful and innocent is told where."""
    path = tmp_path / "mine.jsonl"
    path.write_text("\n".join(json.dumps({"text": "Water the ferns.", "harmful": kind}) for kind in (True, False)))

    with pytest.raises(behaviours.DataError, match="line-2 is the text of line-1"):
        behaviours.read(path)
