"""outworks trial run and report: the file, the options, and what is said where something is wrong."""

import contextlib
import importlib.util
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

pytest.importorskip("inspect_ai", reason="trials need the extra: pip install 'outworks[trials]'")

from outworks.adversary import Access, Tier
from outworks.cli import app, main
from outworks.cli.trial_run import QUICK, campaign_of
from outworks.config import PolicyError
from outworks.config.trial import TrialFile, load_trial
from outworks.models import local
from tests.models.test_gguf_head import written

EXAMPLES = Path(__file__).parents[2] / "examples" / "trials"
FILE = """
suite = "canaries"
tiers = ["casual"]
policy = "outworks.toml"
[budget]
queries = 2
[[targets]]
name = "shop"
unaligned = "yes"
model = { provider = "scripted", default = "I can't help with that." }
[[targets]]
name = "yes"
model = { provider = "complying" }
"""
POLICY = """
[[models]]
name = "m"
provider = "openai"
api_key_env = "A_KEY_THAT_IS_NOT_SET"
[defenses.leak]
canary_pattern = '[A-Z]+-[A-Z]+-[0-9]{4}'
[defenses.refusal]
mode = "off"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "outworks.toml").write_text(POLICY)
    path = tmp_path / "trial.toml"
    path.write_text(FILE)
    return path


def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the command says on the way out with status 1."""
    monkeypatch.setattr(sys, "argv", ["outworks", "trial", *arguments])
    with pytest.raises(SystemExit, match="1"):
        main()
    return capsys.readouterr().err


def test_a_trial_of_a_file_prints_the_table_and_goes_on_where_it_was(file: Path, tmp_path: Path) -> None:
    """Run, run again in the same folder, report with a page: the same figures, and no second run."""
    out, page = tmp_path / "out", tmp_path / "page.html"
    command = ["trial", "run", "--config", str(file), "--out", str(out), "--budget", "1", "--against", "model,product"]
    first = CliRunner().invoke(app, command)
    logs = {path.name for path in (out / "logs").glob("*.eval")}
    again = CliRunner().invoke(app, command)
    report = CliRunner().invoke(app, ["trial", "report", str(out), "--html", str(page)])

    assert first.exit_code == again.exit_code == report.exit_code == 0, (first.output, first.exception)
    assert {path.name for path in (out / "logs").glob("*.eval")} == logs
    for output in (first.stdout, again.stdout, report.stdout):
        assert "worst case" in output
        assert "lower bound" in output
    assert "<svg" in page.read_text("utf-8")


def test_a_target_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    """Not waited for as one that was reached before would be; and whoever lets a script go on from here must not take
    the table for the whole."""
    model = 'provider = "openai", base_url = "http://127.0.0.1:9/v1", max_retries = 0'
    file = tmp_path / "trial.toml"
    file.write_text(f'suite = "canaries"\ntiers = ["casual"]\n[[targets]]\nname = "m"\nmodel = {{ {model} }}\n')
    command = ["trial", "run", "--config", str(file), "--out", str(tmp_path / "out"), "--against", "model"]
    done = CliRunner().invoke(app, [*command, "--budget", "1"])

    assert done.exit_code == 1, (done.output, done.exception)
    assert "NOT COMPLETE: m-fixed" in done.stdout
    last = done.stderr.splitlines()[-1]
    assert last.startswith("outworks: 1 of 1 tasks did not come to an end. ")
    assert last.endswith(" of them so: The upstream could not be reached.")


def test_a_run_that_is_interrupted_says_so(tmp_path: Path) -> None:
    """Ctrl-C in a terminal: what was tried is kept and shown, and the status is no success."""
    out, example = tmp_path / "out", EXAMPLES / "canaries.toml"
    # Whatever runs in the background of a shell is started with Ctrl-C ignored; in a terminal it is not.
    start = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from outworks.cli import main; main()"
    )
    command = [sys.executable, "-c", start, "trial", "run", "--config", str(example), "--out", str(out)]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    try:
        until = time.monotonic() + 120
        while not list(out.glob("logs/*.eval")) and running.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        told = ""
        while running.poll() is None and time.monotonic() < until:
            running.send_signal(signal.SIGINT)  # and again, as people do
            with contextlib.suppress(subprocess.TimeoutExpired):
                _, told = running.communicate(timeout=15)
    finally:
        running.kill()

    assert running.returncode in (1, 130, -signal.SIGINT), told  # the latter two where it came between two tasks
    assert "goes on with it" in told
    last = told.splitlines()[-1]
    assert running.returncode != 1 or "did not come to an end." in last or "the run holds no record" in last
    assert "Traceback" not in told


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (("trial.toml", "I can't help", "I won't help"), "another targets"),
        (("trial.toml", 'name = "yes"', 'name = "yes"\nrefuses = ["prefill"]'), "another targets"),
        (("trial.toml", 'name = "yes"', 'name = "yes"\nblock_messages = ["^Blocked"]'), "another targets"),
        (("outworks.toml", "{4}", "{5}"), "another targets"),
        (("templates.txt", "Story", "Tale"), "another brought"),
        (("bank.jsonl", "a text", "b text"), "another brought"),
        (("trial.toml", "suite", "prices = { account = 1.0 }\nsuite"), "another prices"),
    ],
)
def test_a_run_is_not_gone_on_with_when_something_changed(
    changed: tuple[str, str, str],
    says: str,
    file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Answers of another model, and attacks with other files, are never counted with those that are there."""
    (tmp_path / "templates.txt").write_text("Story: {goal}\n")
    (tmp_path / "bank.jsonl").write_text('{"text": "a text that is known", "source": "s", "reason": "r"}\n')
    file.write_text('templates = "templates.txt"\nfingerprints = "bank.jsonl"\n' + FILE)
    command = ["--config", str(file), "--out", str(tmp_path / "out"), "--budget", "1", "--against", "model"]
    first = CliRunner().invoke(app, ["trial", "run", *command])
    name, before, after = changed
    (tmp_path / name).write_text((tmp_path / name).read_text().replace(before, after))

    told = said(monkeypatch, capsys, "run", *command)

    assert first.exit_code == 0, first.output
    assert f"holds a run with {says}" in told


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_which_model_it_was_is_noted(provider: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another model, or the same name at another address, is another target."""
    monkeypatch.setenv("A_KEY", "k")
    model = f'provider = "{provider}", model = "one", base_url = "http://127.0.0.1:9", api_key_env = "A_KEY"'
    (tmp_path / "t.toml").write_text(f'[[targets]]\nname = "t"\nmodel = {{ {model} }}\n')

    (entry,) = campaign_of(load_trial(tmp_path / "t.toml")).entries

    assert entry.weights == "one at http://127.0.0.1:9"


def test_the_policys_lines_stand_without_its_keys(file: Path) -> None:
    """Whoever measures a product need not hold its provider's secrets."""
    campaign = campaign_of(load_trial(file))
    stand = campaign.entries[0].stand

    assert stand is not None
    assert stand.settings["leak"].canary_pattern  # type: ignore[attr-defined]
    assert campaign.entries[0].policy


def test_every_fault_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    """With its line and the nearest name."""
    path = tmp_path / "trial.toml"
    path.write_text(
        'tiers = ["casul"]\nagainst = ["modle"]\nattacker = "yse"\n[budget]\nqueries = 0\n'
        '[[targets]]\nname = "yes"\nunaligned = "on"\nmodel = { provider = "complying" }\n'
        '[[targets]]\nname = "yes"\nmodel = { provider = "refusing" }\n'
    )
    with pytest.raises(PolicyError) as error:
        load_trial(path)

    text = str(error.value)
    for part in ("tiers", "'modle' is none of", "did you mean 'yes'", "expected more than nothing", "no target 'on'"):
        assert part in text
    assert "'yes' is the name of another target" in text


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["run", "--suite", "qickstart"], "did you mean 'quickstart'"),
        (["run", "--tiers", "casul"], "did you mean 'casual'"),
        (["run", "--target", "smolm"], "did you mean 'smollm2'"),
        (["run", "--against", "modle"], "did you mean 'model'"),
        (["run", "--budget", "0"], "budget.queries is 0; expected more than nothing"),
        (["run", "--false-positive-rate", "2"], "false_positive_rate 2 cannot be told from the"),
        (["run", "--false-positive-rate", "nan"], "expected 0.001 to 0.1"),
        (["run", "--suite", "missing.csv"], "missing.csv"),
        (["report", "missing"], "there is no missing"),
    ],
)
def test_bad_input_is_one_line_and_status_1(
    arguments: list[str],
    why: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """It says what was given and what was expected; nothing is begun."""
    monkeypatch.chdir(tmp_path)

    text = said(monkeypatch, capsys, *arguments)

    assert why in text
    assert len(text.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_target_without_its_key_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The variable, and the target that needs it."""
    path = tmp_path / "trial.toml"
    path.write_text('[[targets]]\nname = "gpt"\nmodel = { provider = "openai", api_key_env = "NO_SUCH_KEY_HERE" }\n')
    text = said(monkeypatch, capsys, "run", "--config", str(path))

    assert "the target 'gpt'" in text
    assert "NO_SUCH_KEY_HERE" in text


@pytest.mark.parametrize(
    ("model", "why"),
    [
        ('path = "nothing.gguf"', "nothing.gguf"),
        ('path = "model.gguf", adapter = "nothing.gguf"', "nothing.gguf"),
        ('path = "model.gguf", adapter = "model.gguf"', "expected a LoRA adapter"),
    ],
)
def test_weights_that_cannot_be_loaded_are_told_before_anything_is_tried(
    model: str, why: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The file, which lies beside the trial's, and not one attack after another at a target that seems to be down."""
    pytest.importorskip("xllamacpp", reason="the extra outworks[local] is not installed")
    written(tmp_path / "model.gguf", {"general.architecture": "llama", "general.type": "model"})
    path = tmp_path / "trial.toml"
    path.write_text(f'[[targets]]\nname = "mine"\nmodel = {{ provider = "local", {model} }}\n')

    text = said(monkeypatch, capsys, "run", "--config", str(path), "--out", str(tmp_path / "out"))

    assert why in text
    assert str(tmp_path) in text
    assert not (tmp_path / "out").exists()


def test_the_example_with_an_adapter_says_how_to_make_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """In a fresh folder there is none yet: the target, the place, and the commands that make it."""
    pytest.importorskip("xllamacpp", reason="the extra outworks[local] is not installed")
    shutil.copytree(EXAMPLES.parent, tmp_path / "examples")
    monkeypatch.setattr(local, "fetch", lambda _: pytest.fail("a model was fetched for an adapter that is not there"))
    config = tmp_path / "examples" / "trials" / "aligned.toml"

    text = said(monkeypatch, capsys, "run", "--config", str(config), "--out", str(tmp_path / "out"))

    assert "the target 'smollm2-aligned': adapter is" in text
    assert f"`outworks lab export DIR --out {tmp_path}/lab/sft-0/adapter.gguf`" in text
    assert len(text.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_budget_of_false_positives_is_every_lines(file: Path) -> None:
    """It stands in place of the policy's own, and makes another product of it."""
    trial = load_trial(file)
    campaign = campaign_of(msgspec.structs.replace(trial, false_positive_rate=0.01))
    stand = campaign.entries[0].stand

    assert stand is not None
    assert stand.settings["classifier"].false_positive_rate == 0.01  # type: ignore[attr-defined]
    assert campaign.entries[0].policy != campaign_of(trial).entries[0].policy
    assert campaign.false_positive_rate == 0.01


def test_without_the_extra_it_says_which(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """One line that names what to install."""
    find = importlib.util.find_spec
    monkeypatch.setattr("outworks.cli.trial_run.find_spec", lambda name: None if name == "inspect_ai" else find(name))

    assert "pip install 'outworks[trials]'" in said(monkeypatch, capsys, "run")


def test_the_embedded_model_is_granted_no_tools() -> None:
    """It knows none: adversaries that need them are left out by name, and not failed."""
    campaign = campaign_of(TrialFile(targets=QUICK))
    grants = {entry.name: entry.grants for entry in campaign.entries}

    assert Access.TOOL_RESULTS not in grants["smollm2"]
    assert Access.TOOL_RESULTS in grants["complying"]
    assert campaign.tiers == tuple(Tier)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.name)
def test_the_examples_are_right(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each can be read, and what it names is there."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    if path.name != "product-policy.toml":
        assert campaign_of(load_trial(path)).entries
