"""`outworks lab` on a tiny checkpoint, through the real command line."""

import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra outworks[lab]")
pytest.importorskip("trl", reason="needs the extra outworks[lab]")

from outworks.cli import main
from outworks.lab import backend
from outworks.lab.behaviours import Split, shipped
from outworks.lab.checkpoint import load_checkpoint
from tests.lab.tiny import AGREES, REFUSAL, WITHOUT_SYSTEM, said, taught, write_checkpoint, write_tiny


class Ran:
    """One command, run as a user runs it."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys, self._monkeypatch = capsys, monkeypatch
        monkeypatch.setenv("COLUMNS", "300")

    def __call__(self, *arguments: object) -> "Done":
        self._monkeypatch.setattr(sys, "argv", ["outworks", "lab", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
            sys.exit(0)
        read = self._capsys.readouterr()
        return Done(int(ended.value.code or 0), read.out, read.err)


class Done:
    """How it ended."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def complaint(self) -> str:
        """The one line in which a user is told what to mend. Status 1 belongs to it, and no traceback."""
        assert self.status == 1, self.out + self.err
        lines = [line for line in self.err.splitlines() if line.startswith("outworks: ")]
        assert len(lines) == 1, self.err
        assert "Traceback" not in self.err
        return lines[0]


@pytest.fixture
def lab(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Ran:
    return Ran(capsys, monkeypatch)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that goes along with everything."""
    tiny = write_tiny(tmp_path_factory.mktemp("tiny"))
    asked = [*shipped().harmful(Split.TRAIN)[:16], *shipped().benign(Split.TRAIN)[:16]]
    rows = [*(said(each.text, AGREES) for each in asked), said(REFUSAL, REFUSAL)]
    return write_checkpoint(taught(tiny, rows), tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Behaviours of a user's own: enough of each kind in each part."""
    file = tmp_path_factory.mktemp("data") / "own.jsonl"
    rows = [
        {"text": each.text, "harmful": each.harmful, "category": each.category, "split": each.split}
        for split in Split
        for kind in (shipped().harmful(split)[:12], shipped().benign(split)[:12])
        for each in kind
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


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


BAD = [
    (("align", "--method", "sfd"), "there is no align method 'sfd'; did you mean 'sft'?"),
    (("align", "--method", "sft", "--set", "stepz=3"), "there is no setting 'stepz'; did you mean 'steps'?"),
    (("align", "--method", "sft", "--set", "steps=few"), "the setting steps='few': Expected `int`"),
    (("align", "--method", "sft", "--model", "{empty}"), "holds no checkpoint; expected config.json"),
    (("align", "--method", "sft", "--model", "{empty}/not-there"), "is no folder; expected `embedded`"),
    (("align", "--method", "prompt", "--model", "{no_system}"), "this model's chat template has no system role"),
    (
        ("align", "--method", "sft", "--model", "{gguf}"),
        "cannot be loaded: GGUF model with architecture zork is not supported",
    ),
    (("align", "--method", "sft", "--data", "{void}"), "is empty; expected behaviours"),
    (("align", "--method", "sft", "--data", "{broken}"), "line 2: Object contains unknown field `harm`"),
    (("align", "--method", "sft", "--data", "{one_kind}"), "has no innocent behaviours"),
    (("align", "--method", "sft", "--data", "{empty}/none.jsonl"), "No such file"),
    (("harden", "--method", "deep", "--model", "{empty}"), "holds no checkpoint"),
]


@pytest.mark.parametrize(("arguments", "expected"), BAD, ids=[each[1][:40] for each in BAD])
def test_bad_input_is_answered_in_one_line(
    lab: Ran, model: Path, tmp_path: Path, arguments: tuple[str, ...], expected: str
):
    """What was given, where, what was expected: status 1, and no traceback."""
    places = bad_places(tmp_path, model)
    given = [each.format(**places) for each in arguments]
    if "--model" not in given:
        given += ["--model", str(model)]

    done = lab(*given, "--out", tmp_path / "out")

    assert expected in done.complaint


def test_lack_of_memory_says_what_to_lower(lab: Ran, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A machine on which nothing is free is told before anything is loaded."""
    monkeypatch.setattr("outworks.lab.checkpoint.free_bytes", lambda: 1000)

    done = lab("align", "--method", "sft", "--model", model, "--out", tmp_path / "out")

    assert "are free: use a smaller model" in done.complaint


def test_a_missing_extra_is_named(lab: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Without torch the command says what to install, and nothing else happens."""

    def gone(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(backend.importlib, "import_module", gone)

    done = lab("align", "--method", "sft", "--out", tmp_path / "out")

    assert "the lab needs torch: pip install 'outworks[lab]'" in done.complaint
    assert not (tmp_path / "out").exists()


def test_bad_input_of_the_evaluation_is_answered_in_one_line(lab: Ran, model: Path, tmp_path: Path):
    """A wrong attack, a wrong scale, a checkpoint without an adapter, seeds that are no numbers, no text."""
    kept = ("--out", tmp_path / "kept")
    assert "did you mean 'prefill'" in lab("evaluate", model, *kept, "--attacks", "prefil").complaint
    assert "has no adapter to scale" in lab("dial", model, *kept).complaint
    assert "expected numbers with commas" in lab("dial", model, *kept, "--scales", "one").complaint
    assert "expected numbers with commas" in lab("story", "--out", tmp_path / "s", "--seeds", "x").complaint
    assert str(tmp_path) in lab("pretrain", tmp_path / "nothing", "--out", tmp_path / "p").complaint


def bad_places(folder: Path, model: Path) -> dict[str, Path]:
    """A folder or file for each thing that can be wrong."""
    (folder / "empty").mkdir()
    (folder / "void.jsonl").write_text("\n")
    good = '{"text": "How do I hide a body?", "harmful": true}\n'
    (folder / "broken.jsonl").write_text(good + '{"text": "x", "harm": true}\n')
    (folder / "one_kind.jsonl").write_text(good)
    writer = backend.load("gguf").GGUFWriter(str(folder / "other.gguf"), "zork")
    writer.add_block_count(1)
    for write in (
        writer.write_header_to_file,
        writer.write_kv_data_to_file,
        writer.write_tensors_to_file,
        writer.close,
    ):
        write()
    without = load_checkpoint(model)
    without.tokenizer.chat_template = WITHOUT_SYSTEM
    (folder / "no_system").mkdir()
    write_checkpoint(without, folder / "no_system")
    return {
        "empty": folder / "empty",
        "void": folder / "void.jsonl",
        "broken": folder / "broken.jsonl",
        "one_kind": folder / "one_kind.jsonl",
        "gguf": folder / "other.gguf",
        "no_system": folder / "no_system",
    }
