"""Imports: other people's goals, templates and prompts, read at run time."""

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from outworks.adversary import Judged
from outworks.trials.suites import imports

FILES = {
    "advbench.csv": 'goal,target\n"Write a letter, please","Sure, here"\n',
    "harmbench.csv": (
        "Behavior,FunctionalCategory,SemanticCategory,Tags,ContextString,BehaviorID\n"
        "Write a letter,contextual,fraud,,Some context,letter_1\n"
    ),
    "strongreject.csv": "category,source,forbidden_prompt\nfraud,custom,Write a letter\n",
    "jbb.csv": "Index,Goal,Target,Behavior,Category,Source\n0,Write a letter,Sure,Letter,Fraud,Original\n",
    "list.json": '[{"prompt": "Write a letter", "category": "fraud"}]',
    "lines.jsonl": '{"prompt": "Write a letter"}\n\n{"prompt": "Write another"}\n',
    "artifact.json": '{"parameters": {}, "jailbreaks": [{"index": 0, "goal": "Write a letter", "prompt": "x"}]}',
}


@pytest.mark.parametrize("name", FILES)
def test_goals_are_found_in_the_files_of_the_field(name: str, tmp_path: Path) -> None:
    """AdvBench, HarmBench, StrongREJECT, JailbreakBench and plain lists, each by its own columns."""
    path = tmp_path / name
    path.write_text(FILES[name])
    found = imports.goals(path)

    assert found.goals[0].prompt.endswith(("Write a letter", "Write a letter, please"))
    assert isinstance(found.goals[0].oracle, Judged)
    assert len({goal.id for goal in found.goals}) == len(found.goals) == (2 if name == "lines.jsonl" else 1)
    assert found.version


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl"])
def test_a_goal_holds_what_it_holds(name: str, tmp_path: Path) -> None:
    """Characters that Python alone takes for the end of a line cut no goal in two, and a goal may be long."""
    goals = ["Write a letter\u2028in two lines\x85or three", "Write " + "a letter " * 20_000 + "soon"]
    lines = ["goal", *goals] if name == "x.csv" else [json.dumps({"goal": goal}, ensure_ascii=False) for goal in goals]
    path = tmp_path / name
    path.write_text("\n".join(lines))

    assert [goal.prompt for goal in imports.goals(path).goals] == goals


def test_a_changed_file_is_another_version(tmp_path: Path) -> None:
    """Figures of different goals are never compared."""
    path = tmp_path / "list.json"
    path.write_text(FILES["list.json"])
    before = imports.goals(path).version
    path.write_text(FILES["list.json"].replace("letter", "poem"))

    assert imports.goals(path).version != before


def test_context_and_aim_come_along(tmp_path: Path) -> None:
    """HarmBench's contextual goals need their context; AdvBench names the wanted beginning."""
    harm, adv = tmp_path / "harmbench.csv", tmp_path / "advbench.csv"
    harm.write_text(FILES["harmbench.csv"])
    adv.write_text(FILES["advbench.csv"])

    assert imports.goals(harm).goals[0].prompt == "Some context\n\nWrite a letter"
    assert (imports.goals(harm).goals[0].category, imports.goals(harm).goals[0].id) == ("fraud", "harmbench/letter_1")
    assert imports.goals(adv).goals[0].aim == "Sure, here"


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("x.csv", "a,b\n1,2\n", "holds no goals: it has a, b; expected a column goal"),
        ("x.json", "{", "is no JSON"),
        ("x.jsonl", '{"prompt": "a"}\n[]\n', r"x\.jsonl:2: no JSON object"),
        ("x.csv", "", "holds no goals: it has nothing"),
    ],
)
def test_a_file_without_goals_says_what_it_has(name: str, text: str, why: str, tmp_path: Path) -> None:
    """And what was expected."""
    path = tmp_path / name
    path.write_text(text)

    with pytest.raises(ValueError, match=why):
        imports.goals(path)


def test_artifacts_are_prompts_by_goal(tmp_path: Path) -> None:
    """A jailbreak that was not found has no prompt, and is passed over."""
    path = tmp_path / "a.json"
    path.write_text(
        '{"jailbreaks": [{"goal": "g", "prompt": "p"}, {"goal": "g", "prompt": "q"}, {"goal": "h", "prompt": null}]}'
    )

    assert imports.artifacts(path) == {"g": ["p", "q"]}
    path.write_text("[]")
    with pytest.raises(ValueError, match="is no artifact"):
        imports.artifacts(path)


def test_a_file_of_strings_may_quote_them(tmp_path: Path) -> None:
    """A suffix may hold line breaks, as JSON."""
    path = tmp_path / "x.txt"
    path.write_text('one {goal}\n\n"two\\n{goal}"\n"three\u2028{goal}"\n')

    assert list(imports.lines(path)) == ["one {goal}", "two\n{goal}", "three\u2028{goal}"]
    path.write_text('"broken\n')
    with pytest.raises(ValueError, match=r"x\.txt:1: no JSON string"):
        list(imports.lines(path))


@pytest.fixture
def garak(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A package of garak's shape: modules of probes, classes with prompts in words or as conversations."""

    class Probe:
        goal = "test the adapter"
        prompts = ("first", SimpleNamespace(last_message=lambda: SimpleNamespace(text="second")), object())

    class Empty:
        prompts = ()

    package, probes, module = ModuleType("garak"), ModuleType("garak.probes"), ModuleType("garak.probes.made")
    package.__version__ = "0.13"  # type: ignore[attr-defined]
    (tmp_path / "made.py").write_text("")
    probes.__path__ = [str(tmp_path)]
    module.Probe, module.Empty = Probe, Empty  # type: ignore[attr-defined]
    for each in (package, probes, module):
        monkeypatch.setitem(sys.modules, each.__name__, each)


@pytest.mark.usefixtures("garak")
def test_a_garak_probe_becomes_a_suite() -> None:
    """Its prompts are goals, its version is garak's; prompts that are no words are passed over."""
    found = imports.garak("made.Probe")

    assert [goal.prompt for goal in found.goals] == ["first", "second"]
    assert (found.name, found.version, found.goals[0].category) == (
        "garak:made.Probe",
        "garak 0.13",
        "test the adapter",
    )


@pytest.mark.usefixtures("garak")
@pytest.mark.parametrize(
    ("probe", "why"),
    [
        ("mad.Probe", "no module of probes 'mad'; did you mean 'made'"),
        ("made.Prob", "no probe in garak.probes.made 'Prob'; did you mean 'Probe'"),
        ("made.Empty", "has no prompts in words"),
    ],
)
def test_a_probe_that_is_not_there_is_told_with_the_nearest_name(probe: str, why: str) -> None:
    """A misspelt probe is met halfway."""
    with pytest.raises(ValueError, match=why):
        imports.garak(probe)


def test_without_garak_it_says_which_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line that names what to install."""
    monkeypatch.setitem(sys.modules, "garak", None)
    monkeypatch.setitem(sys.modules, "garak.probes", None)

    with pytest.raises(ModuleNotFoundError, match=r"pip install 'outworks\[garak\]'"):
        imports.garak("dan.Dan_11_0")
