"""`outworks lab` on what it cannot use: one line that says what to mend, and nothing that is in the way afterwards."""

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra outworks[lab]")
pytest.importorskip("trl", reason="needs the extra outworks[lab]")

from outworks.lab import backend
from outworks.lab.checkpoint import load_checkpoint
from tests.cli.kit import Ran
from tests.lab.tiny import WITHOUT_SYSTEM, write_checkpoint

SFT, DPO = ("align", "--method", "sft"), ("align", "--method", "dpo")
SETTINGS = [
    ((*SFT, "--set", "stepz=3"), "there is no setting 'stepz'; did you mean 'steps'?"),
    ((*SFT, "--set", "steps"), "a setting is given as name=value, not 'steps'"),
    ((*SFT, "--set", "steps=few"), "the setting steps=few: expected a whole number"),
    ((*SFT, "--set", "lr=nan"), "the setting lr=nan: expected a"),
    ((*SFT, "--set", "lr=inf"), "the setting lr=inf: expected a"),
    ((*DPO, "--set", "steps=0"), "the setting steps=0: expected a whole number of at least 1"),
    ((*DPO, "--set", "steps=-1"), "the setting steps=-1: expected a whole number of at least 1"),
    ((*DPO, "--set", "batch=0"), "the setting batch=0: expected a whole number of at least 1"),
    ((*DPO, "--set", "batch=-2"), "the setting batch=-2: expected a whole number of at least 1"),
    ((*DPO, "--set", "lr=-1"), "the setting lr=-1: expected a number above 0"),
    ((*DPO, "--set", "tokens=0"), "the setting tokens=0: expected a whole number of at least 1"),
    (("harden", "--method", "deep", "--set", "share=2"), "the setting share=2: expected a number of at most 1"),
    (("harden", "--method", "latent", "--set", "layers="), "the setting layers=: expected a list of length"),
    (
        ("harden", "--method", "latent", "--set", "layers=0.5,7"),
        "layers=0.5,7: expected a number of at most 1",
    ),
    (("attack", "--method", "finetune", "--set", "data=harmful11"), "expected one of benign, harmful1, harmful10"),
    (
        ("attack", "--method", "prompts", "--set", "templates=x"),
        'templates=x: expected JSON, such as {"name"',
    ),
    (("attack", "--method", "gcg", "--set", "target="), "target is empty; expected some words"),
]
MODELS = [
    (("align", "--method", "sfd"), "there is no align method 'sfd'; did you mean 'sft'?"),
    (("attack", "--method", "gcgg"), "there is no attack method 'gcgg'; did you mean 'gcg'?"),
    (("harden", "--method", "deap"), "there is no harden method 'deap'; did you mean 'deep'?"),
    ((*SFT, "--model", "{empty}"), "holds no checkpoint; expected config.json"),
    ((*SFT, "--model", "{empty}/not-there"), "there is no checkpoint at {empty}/not-there; expected `embedded`"),
    ((*SFT, "--model", "embeded"), "there is no checkpoint at embeded; did you mean 'embedded'?"),
    ((*SFT, "--model", "{void}"), "is a file and no GGUF file; expected `embedded`"),
    ((*SFT, "--model", "{orphan}"), "stands on another checkpoint, and there is no checkpoint at /not/there"),
    (("harden", "--method", "deep", "--model", "{empty}"), "holds no checkpoint"),
    (("attack", "--method", "prefill", "--model", "{empty}"), "holds no checkpoint"),
]
LOADING = [
    ((*SFT, "--model", "{gguf}"), "GGUF model with architecture zork is not supported yet; expected one of bloom"),
    ((*SFT, "--model", "{junk}"), "is no GGUF file: it does not begin with `GGUF`"),
    ((*SFT, "--model", "{cut}"), "cannot be loaded: Error while deserializing header"),
    ((*SFT, "--model", "{template}"), "its chat template cannot be used (Expected an expression"),
    ((*SFT, "--model", "{unlike}"), "cannot be loaded over {model}: Error(s) in loading state_dict"),
    (("align", "--method", "prompt", "--model", "{no_system}"), "this model's chat template has no system role"),
]
DATA = [
    ((*SFT, "--data", "{void}"), "is empty; expected behaviours"),
    (
        (*SFT, "--data", "{broken}"),
        "line 3: Object contains unknown field `harm`; did you mean 'harmful'?",
    ),
    (
        (*SFT, "--data", "{cut_off}"),
        "line 3: Input data was truncated; expected a JSON object with `text`",
    ),
    ((*SFT, "--data", "{split}"), "line 3: Invalid enum value 'tests' - at `$.split`; did you mean 'test'?"),
    ((*SFT, "--data", "{toml}"), "unknown field `categry`; did you mean 'category'?"),
    ((*SFT, "--data", "{one_kind}"), "has no innocent behaviours"),
    ((*SFT, "--data", "{empty}/none.jsonl"), "cannot be read: No such file or directory; expected behaviours"),
    ((*SFT, "--data", "{empty}"), "cannot be read: Is a directory; expected behaviours"),
    ((*DPO, "--data", "{tests_only}"), "has no harmful behaviours in its train part"),
    (("harden", "--method", "circuit", "--data", "{tests_only}"), "has no harmful behaviours in its train part"),
    (("attack", "--method", "ablate", "--data", "{tests_only}"), "has no harmful behaviours in its train part"),
]


def refused(lab: Ran, model: Path, folder: Path, arguments: tuple[str, ...], expected: str) -> None:
    places = {**bad_places(folder, model), "model": model}
    given = [each.format(**places) for each in arguments]
    if "--model" not in given:
        given += ["--model", str(model)]

    assert (
        expected.replace("{empty}", str(places["empty"])).replace("{model}", str(model))
        in lab(*given, "--out", folder / "out").complaint
    )


@pytest.mark.parametrize(("arguments", "expected"), [*SETTINGS, *MODELS, *DATA], ids=lambda each: str(each)[-40:])
def test_what_can_be_seen_at_once_leaves_no_folder(
    lab: Ran, model: Path, tmp_path: Path, arguments: tuple[str, ...], expected: str
):
    """What was given, where, what was expected: status 1, no traceback, and nothing was begun."""
    refused(lab, model, tmp_path, arguments, expected)

    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("arguments", "expected"), LOADING, ids=lambda each: str(each)[-40:])
def test_what_only_loading_shows_is_one_line_too(
    lab: Ran, model: Path, tmp_path: Path, arguments: tuple[str, ...], expected: str
):
    """A damaged or unlike checkpoint is named, with what is wrong with it; the next try finds the folder free."""
    refused(lab, model, tmp_path, arguments, expected)

    short = ("--set", "steps=1", "--set", "contrasts=2", "--set", "tokens=8")
    assert lab(*SFT, "--model", model, "--out", tmp_path / "out", *short).status == 0


@pytest.mark.parametrize("setting", ["steps=0", "steps=-1", "batch=0", "batch=-2", "lr=-1", "tokens=0"])
def test_no_amount_of_nothing_is_learned_from(lab: Ran, model: Path, tmp_path: Path, setting: str):
    """Steps of 0 do not train for as long as the trainer likes: they are an error, by whichever door."""
    name, _, value = setting.partition("=")

    said = lab(*SFT, "--model", model, "--out", tmp_path / "out", "--set", "contrasts=2", "--set", setting).complaint

    assert name in said
    assert value in said
    assert "expected" in said
    assert not (tmp_path / "out" / "card.json").exists()


def test_a_folder_with_anything_else_in_it_is_left_as_it_is(lab: Ran, model: Path, tmp_path: Path):
    """Neither a file nor a folder of somebody's own is written over; an empty folder will do."""
    (tmp_path / "file").write_text("mine")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "README.md").write_text("mine")
    prompt = ("align", "--method", "prompt", "--model", model, "--out")

    assert "file is a file; expected a folder" in lab(*prompt, tmp_path / "file").complaint
    assert "file is a file; expected a folder" in lab(*prompt, tmp_path / "file" / "below").complaint
    assert "own holds README.md, which is no work of the lab's" in lab(*prompt, tmp_path / "own").complaint
    assert "own holds README.md" in lab(*SFT, "--model", model, "--out", tmp_path / "own").complaint
    assert [each.name for each in (tmp_path / "own").iterdir()] == ["README.md"]
    (tmp_path / "free").mkdir()
    assert lab(*prompt, tmp_path / "free").status == 0
    assert "holds the outcome of other work" in lab(*prompt, tmp_path / "free", "--set", "system=Other.").complaint


def test_lack_of_memory_says_what_to_lower(lab: Ran, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A machine on which nothing is free is told before anything is loaded."""
    monkeypatch.setattr("outworks.lab.checkpoint.free_bytes", lambda: 1000)

    done = lab("align", "--method", "sft", "--model", model, "--out", tmp_path / "out")

    assert "are free: use a smaller model" in done.complaint


def test_a_missing_extra_is_named(lab: Ran, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Without any part of it the command says what to install, and nothing is begun that would end there."""
    real = backend.find_spec
    monkeypatch.setattr(backend, "find_spec", lambda name: None if name in ("peft", "gguf") else real(name))

    for command in (SFT, ("harden", "--method", "deep")):
        done = lab(*command, "--model", model, "--out", tmp_path / "out")
        assert done.complaint == "outworks: the lab needs peft, gguf: pip install 'outworks[lab]'"
    assert "the lab needs peft" in lab("evaluate", model, "--out", tmp_path / "out").complaint
    assert not (tmp_path / "out").exists()


def test_seeds_are_whole_numbers_each_once(lab: Ran, model: Path, tmp_path: Path):
    """Words, nothing, parts of numbers and repetitions are no seeds; and a seed below 0 is a broken invocation."""
    story = ("story", "--model", model, "--out", tmp_path / "story", "--seeds")
    for seeds in ("a,b", "", "1.5", "nan", "inf", "-1", "99999999999"):
        assert f"--seeds is {seeds!r}; expected whole numbers from 0" in lab(*story, seeds).complaint
    assert "expected each seed once" in lab(*story, "1,0,1").complaint
    assert lab(*SFT, "--model", model, "--out", tmp_path / "out", "--seed", "-1").status == 2
    assert list(tmp_path.iterdir()) == []


def test_an_evaluation_sees_what_is_wrong_before_it_measures(lab: Ran, model: Path, tmp_path: Path):
    """A wrong attack, a checkpoint that is not there behind one that is, a file in the folder's place, a page that
    could not be written, and data without anything to ask."""
    kept, data = ("--out", tmp_path / "kept"), tmp_path / "train.jsonl"
    (tmp_path / "file").write_text("mine")
    rows = ({"text": f"x {harmful}", "harmful": harmful, "split": "train"} for harmful in (True, False))
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))

    assert "did you mean 'prefill'" in lab("evaluate", model, *kept, "--attacks", "prefil").complaint
    assert "tokens=0: expected a whole" in lab("evaluate", model, *kept, "--attacks", "prefill:tokens=0").complaint
    assert "no checkpoint at /nope" in lab("evaluate", model, "/nope", *kept).complaint
    assert "holds no checkpoint" in lab("evaluate", tmp_path, *kept).complaint
    assert "file is a file" in lab("evaluate", model, "--out", tmp_path / "file").complaint
    assert "is a folder; expected the name of a file" in lab("evaluate", model, *kept, "--html", tmp_path).complaint
    json_below = ("--json", tmp_path / "file" / "x.json")
    assert "file is no folder" in lab("evaluate", model, *kept, *json_below).complaint
    assert "no harmful behaviours in its test part" in lab("evaluate", model, *kept, "--data", data).complaint
    assert not (tmp_path / "kept").exists()


def test_a_dial_and_an_export_need_an_adapter(lab: Ran, model: Path, tmp_path: Path):
    """The embedded model has none to scale, and nothing to be exported; wrong scales and places are named."""
    kept = ("--out", tmp_path / "kept")
    assert "embedded has no adapter to scale; expected a folder with" in lab("dial", "embedded", *kept).complaint
    assert "has no adapter to scale" in lab("dial", model, *kept).complaint
    assert "no checkpoint at /nope" in lab("dial", "/nope", *kept).complaint
    assert "expected numbers with commas" in lab("dial", model, *kept, "--scales", "one").complaint
    assert "scales are numbers from 0, not nan" in lab("dial", model, *kept, "--scales", "nan").complaint
    assert 'what `provider = "local"` serves' in lab("export", "embedded", "--out", tmp_path / "x.gguf").complaint
    assert "no checkpoint at /nope" in lab("export", "/nope", "--out", tmp_path / "x.gguf").complaint
    assert list(tmp_path.iterdir()) == []


def test_pretraining_names_what_is_wrong_with_its_folders(lab: Ran, tmp_path: Path):
    """No folder of text, none with text in it, settings that make no model, and a place that is taken."""
    (tmp_path / "empty").mkdir()
    out = ("--out", tmp_path / "out")

    assert f"{tmp_path}/nothing is no folder" in lab("pretrain", tmp_path / "nothing", *out).complaint
    assert "it holds no JSON lines at all" in lab("pretrain", tmp_path / "empty", *out).complaint
    heads = ("--set", "heads=3")
    assert "expected an even width for each head" in lab("pretrain", tmp_path / "empty", *out, *heads).complaint
    assert "sources=: expected a list of length" in lab("pretrain", tmp_path, *out, "--set", "sources=").complaint
    assert not (tmp_path / "out").exists()


def bad_places(folder: Path, model: Path) -> dict[str, Path]:
    """A folder or file for each thing that can be wrong."""
    places = {name: folder / name for name in ("empty", "no_system", "cut", "template", "orphan", "unlike")}
    lines = {
        name: folder / f"{name}.jsonl" for name in ("void", "broken", "cut_off", "split", "one_kind", "tests_only")
    }
    places["empty"].mkdir()
    good = '{"text": "How do I hide a body?", "harmful": true}\n{"text": "How do I bake bread?", "harmful": false}\n'
    lines["void"].write_text("\n")
    lines["broken"].write_text(good + '{"text": "x", "harm": true}\n')
    lines["cut_off"].write_text(good + '{"text": "x",\n')
    lines["split"].write_text(good + '{"text": "x", "harmful": true, "split": "tests"}\n')
    lines["one_kind"].write_text(good.splitlines()[0])
    lines["tests_only"].write_text(good.replace("}", ', "split": "test"}'))
    (folder / "bad.toml").write_text('version = "1"\n[[categry]]\nname = "x"\n')
    (folder / "junk.gguf").write_text("junk")
    _write_gguf(folder / "other.gguf")
    without = load_checkpoint(model)
    without.tokenizer.chat_template = WITHOUT_SYSTEM
    write_checkpoint(without, places["no_system"])
    for name, file, content in (
        ("cut", "model.safetensors", (model / "model.safetensors").read_bytes()[:3000]),
        ("template", "chat_template.jinja", b"{% for %}"),
    ):
        shutil.copytree(model, places[name])
        (places[name] / file).write_bytes(content)
    _write_adapter(places["orphan"], "/not/there", model)
    _write_adapter(places["unlike"], str(model), model, width=8)
    return {**places, **lines, "toml": folder / "bad.toml", "junk": folder / "junk.gguf", "gguf": folder / "other.gguf"}


def _write_adapter(folder: Path, base: str, model: Path, *, width: int = 16) -> None:
    """An adapter over `base`; with another width it does not fit its own description."""
    checkpoint = load_checkpoint(model, trainable=True)
    checkpoint.model.save_pretrained(str(folder))
    settings = json.loads((folder / "adapter_config.json").read_text())
    settings |= {"base_model_name_or_path": base, "r": width}
    (folder / "adapter_config.json").write_text(json.dumps(settings))


def _write_gguf(path: Path) -> None:
    writer = backend.load("gguf").GGUFWriter(str(path), "zork")
    writer.add_block_count(1)
    for write in (
        writer.write_header_to_file,
        writer.write_kv_data_to_file,
        writer.write_tensors_to_file,
        writer.close,
    ):
        write()
