"""`outworks lab` on a tiny checkpoint, through the real command line."""

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra outworks[lab]")
pytest.importorskip("trl", reason="needs the extra outworks[lab]")

from outworks.lab.behaviours import Split, shipped
from tests.cli.kit import Ran
from tests.lab.tiny import REFUSAL, said, taught, write_checkpoint, write_tiny


def test_a_checkpoint_is_made_attacked_measured_and_scaled(lab: Ran, model: Path, data: Path, tmp_path: Path):
    """The commands of the issue, one after the other, on one checkpoint; each says what it did."""
    short = ("--set", "steps=3", "--set", "tokens=24")
    made = lab("align", "--method", "sft", "--model", model, "--data", data, "--out", tmp_path / "sft", *short)
    assert (made.status, "align sft, seed 0" in made.out) == (0, True)
    card = json.loads((tmp_path / "sft" / "card.json").read_text())
    assert (card["configuration"]["steps"], card["data"].split(" ")[0]) == (3, str(data))

    again = lab("align", "--method", "sft", "--model", model, "--data", data, "--out", tmp_path / "sft", *short)
    assert again.status == 0
    assert json.loads((tmp_path / "sft" / "card.json").read_text()) == card

    deep = lab(
        "harden", "--method", "deep", "--model", tmp_path / "sft", "--data", data, "--out", tmp_path / "deep", *short
    )
    assert (deep.status, "harden deep, seed 0" in deep.out) == (0, True)

    tried = lab("attack", "--method", "prefill", "--model", tmp_path / "sft", "--data", data, "--set", "tokens=6")
    assert "any of these" in tried.out
    assert "3 queries a request" in tried.out

    found = lab(
        *("evaluate", model, tmp_path / "sft", "--out", tmp_path / "kept", "--data", data, "--most", 4),
        *("--html", tmp_path / "page.html", "--json", tmp_path / "figures.json"),
        *("--attacks", "prefill:tokens=6 finetune:steps=2;tokens=6"),
    )
    assert found.status == 0, found.err
    assert "Both quantities on one checkpoint" in found.out
    assert "<svg" in (tmp_path / "page.html").read_text()
    rows = json.loads((tmp_path / "figures.json").read_text())["rows"]
    assert [row["name"] for row in rows] == [model.name, f"{model.name} + sft"]
    assert all(row["worst"] is not None for row in rows)
    kept = list((tmp_path / "kept").rglob("natural.jsonl"))
    assert len(kept) == 2
    assert all(len(each.read_text().splitlines()) == 4 for each in kept)

    scaled = lab(
        *("dial", tmp_path / "sft", "--scales", "0,1", "--out", tmp_path / "kept", "--data", data, "--most", 4),
        *("--html", tmp_path / "dial.html"),
    )
    assert scaled.status == 0, scaled.err
    assert "The adapter of sft, scaled" in scaled.out
    assert (tmp_path / "dial.html").read_text().count("<svg") >= 2


def test_an_attack_is_put_out_as_json(lab: Ran, model: Path, data: Path):
    """Everything that was tried, with its answers, on stdout alone."""
    done = lab("attack", "--method", "prefill", "--model", model, "--data", data, "--set", "tokens=4", "--json")

    found = json.loads(done.out)
    assert found["attack"] == "prefill"
    assert len(found["tried"]) == 3 * 12
    assert all(each["answer"] for each in found["tried"])


def test_without_adaptive_attacks_nothing_is_said_of_robustness(lab: Ran, tmp_path: Path, data: Path):
    """A row with one axis missing has no worst case, and the table says which is missing."""
    tiny = write_tiny(tmp_path / "tiny")
    asked = [each.text for each in shipped().all if each.split is Split.TRAIN][:32]
    refuses = taught(tiny, [said(text, REFUSAL) for text in asked])
    model = write_checkpoint(refuses, tmp_path / "refuses")

    done = lab(
        *("evaluate", model, "--out", tmp_path / "kept", "--data", data, "--most", 4),
        *("--attacks", "prefill:tokens=6", "--json", tmp_path / "figures.json"),
    )

    assert "Without adaptive attacks nothing is said of robustness" in " ".join(done.out.split())
    row = json.loads((tmp_path / "figures.json").read_text())["rows"][0]
    assert (row["worst"], row["gap"], row["missing"]) == (None, None, ["adaptive attacks"])


def test_every_method_and_setting_is_listed(lab: Ran):
    """Names, defaults, and the words under the fields."""
    done = lab("methods")

    for name in ("align --method rlhf", "attack --method gcg", "harden --method hierarchy"):
        assert f"outworks lab {name}" in done.out
    assert "temperatures = [" in done.out
    assert lab("methods", "attack").out.count("--method") == 6
