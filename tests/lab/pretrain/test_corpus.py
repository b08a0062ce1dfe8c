"""Labelled text, read and split."""

import gzip
import json
from pathlib import Path

import pytest

from outworks.lab.behaviours import DataError
from outworks.lab.pretrain.corpus import Use, read
from tests.lab.pretrain.rows import CLEAN, TOXIC, write_rows


def test_a_text_has_one_use_and_a_group_too(tmp_path: Path):
    """Nothing that is measured on was trained on: no text has two uses, and a pair of rewrites stays together."""
    write_rows(tmp_path)
    found = read(tmp_path, ("pairs", "chat"), TOXIC, CLEAN)

    texts = [row.text for row in found.rows]
    uses: dict[str, set[Use]] = {}
    for row in found.rows:
        if row.source == "pairs":
            uses.setdefault(row.text.removeprefix("zork "), set()).add(row.use)
    assert len(texts) == len(set(texts))
    assert all(len(each) == 1 for each in uses.values())
    share = len(found.of(Use.PRETRAIN)) / len(found.rows)
    assert share == pytest.approx(0.7, abs=0.1)


def test_contrasts_are_the_sources_with_both_kinds(tmp_path: Path):
    """A source that is all innocent would give the label away by its style."""
    write_rows(tmp_path)
    found = read(tmp_path, ("pairs", "chat"), TOXIC, CLEAN)

    assert found.contrasts() == {"pairs"}
    assert {row.source for row in found.of(Use.ALIGN, toxic=False, contrasted=True)} == {"pairs"}
    assert {row.source for row in found.of(Use.ALIGN, toxic=False)} == {"pairs", "chat"}
    assert all(row.toxic == ("zork" in row.text) for row in found.rows)


def test_compressed_files_are_read_and_copies_of_development_rows_left_out(tmp_path: Path):
    """Rows with labels of neither kind are left out, too."""
    write_rows(tmp_path)
    rows = [
        {"text": "kept words", "label": "benign"},
        {"text": "stands in dev", "label": "benign", "copies_dev": "x:1"},
        {"text": "other label", "label": "spam"},
    ]
    with gzip.open(tmp_path / "more.jsonl.gz", "wt") as lines:
        lines.writelines(json.dumps(row) + "\n" for row in rows)

    found = read(tmp_path, ("pairs", "more"), TOXIC, CLEAN)

    assert [row.text for row in found.rows if row.source == "more"] == ["kept words"]


@pytest.mark.parametrize(
    ("written", "asked", "expected"),
    [
        (None, "pairs", "is no folder; expected one with pairs.jsonl"),
        ("", "pair", "has no pair.jsonl or pair.jsonl.gz; did you mean 'pairs'?"),
        ('{"text": "x"}\n', "bad", "bad.jsonl, line 1: Object missing required field `label`"),
        (
            '{"text": "x", "label": "benign"}\n{"text": 3, "label": "benign"}\n',
            "bad",
            "line 2: Expected `str`, got `int`",
        ),
        ("no json\n", "bad", "bad.jsonl, line 1: JSON is malformed"),
        ('{"text": "x", "label": "benign"}\n', "bad", "no rows labelled toxic are left to pretrain with"),
    ],
)
def test_bad_data_is_named(tmp_path: Path, written: str | None, asked: str, expected: str):
    """The folder, the nearest name, the file, the line and the field."""
    folder = tmp_path / "data"
    if written is not None:
        folder.mkdir()
        write_rows(folder)
        (folder / "bad.jsonl").write_text(written)

    with pytest.raises(DataError) as raised:
        read(folder, (asked,), TOXIC, CLEAN)
    assert expected in str(raised.value)
