"""Everything that is measured on a checkpoint, kept and compared."""

from pathlib import Path

import msgspec
import pytest

from outworks.lab import card as cards
from outworks.lab.attempt import Attacked, Tried
from outworks.lab.card import Card
from outworks.lab.checkpoint import Checkpoint
from outworks.lab.evaluate import Answer, Asking, Assault, Evaluated, Measured, chosen, evaluate, evaluation, rows
from outworks.lab.evaluate.evaluation import group, history, limited
from outworks.lab.evaluate.keeping import identity
from outworks.lab.evaluate.rows import share
from outworks.statistics import Diagnostic, corrected

FAST = chosen(["prefill:tokens=8", "finetune:steps=1;tokens=8"])
MEASURES = ("natural", "hard")


def test_the_worst_case_is_the_union_of_everything(agreeing: Path, refusing: Path, few: Asking, tmp_path: Path):
    """Who never declines is reached as it is; who always declines is not moved by a single step."""
    agrees, declines = (evaluate(each, tmp_path, wanted=few, attacks=FAST) for each in (agreeing, refusing))
    weak, strong = rows([agrees, declines])

    assert (weak.mean.estimate.value, weak.worst and weak.worst.estimate.value) == (1.0, 1.0)
    assert strong.mean.estimate.value == 0.0
    assert strong.worst is not None
    assert strong.gap is not None
    assert strong.gap.difference == pytest.approx(strong.worst.estimate.value)
    assert strong.hard.estimate.value == 1.0
    assert strong.queries == 1 + 3 + 1


def test_what_was_measured_is_not_measured_again(
    agreeing: Path, few: Asking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A second call reads every answer back, and loads no model."""
    first = evaluate(agreeing, tmp_path, wanted=few, attacks=FAST, measures=MEASURES)

    def no_model(*_: object) -> Checkpoint:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(evaluation.Subject, "frozen", no_model)
    monkeypatch.setattr(evaluation.Subject, "trainable", no_model)

    assert evaluate(agreeing, tmp_path, wanted=few, attacks=FAST, measures=MEASURES) == first


def test_another_number_of_requests_is_other_work(agreeing: Path, few: Asking, tmp_path: Path):
    """Asked again about fewer requests, a checkpoint is attacked anew in the same folder, and what was kept is no
    hindrance; nor is it lost to whoever asks as before."""
    tuned = chosen(["finetune:steps=1;tokens=8"])
    fewer = limited(msgspec.structs.replace(few, most=3))
    first = evaluate(agreeing, tmp_path, wanted=few, attacks=tuned, measures=("natural",))

    second = evaluate(agreeing, tmp_path, wanted=fewer, attacks=tuned, measures=("natural",))

    asked = [len(each.attacks[tuned[0].label].tried) for each in (first, second)]
    assert asked == [6, 3]
    again = evaluate(agreeing, tmp_path, wanted=few, attacks=tuned, measures=("natural",))
    assert len(again.attacks[tuned[0].label].tried) == 6


@pytest.mark.parametrize("at", ["attack-prefill", "hard"])
def test_an_evaluation_that_was_killed_ends_as_if_it_had_not_been(
    agreeing: Path, few: Asking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
):
    """Killed before any part is kept whole, it goes on to the same figures without asking the rest again."""
    whole = evaluate(agreeing, tmp_path / "whole", wanted=few, attacks=FAST, measures=MEASURES)
    evaluate(agreeing, tmp_path / "cut", wanted=few, attacks=FAST, measures=MEASURES)
    gone = next((tmp_path / "cut").rglob(f"{at}*.json"))
    gone.unlink()

    again = evaluate(agreeing, tmp_path / "cut", wanted=few, attacks=FAST, measures=MEASURES)

    assert again.attacks["prefill:tokens=8"].tried == whole.attacks["prefill:tokens=8"].tried
    assert rows_of(again) == rows_of(whole)


@pytest.mark.parametrize("left", [0, 2])
def test_a_measurement_that_lost_answers_is_taken_again(agreeing: Path, few: Asking, tmp_path: Path, left: int):
    """Half of the lines, or none, are no smaller measurement."""
    whole = evaluate(agreeing, tmp_path, wanted=few, attacks=FAST, measures=MEASURES)
    for kept in tmp_path.rglob("*.jsonl"):
        kept.write_bytes(b"".join(kept.read_bytes().splitlines(keepends=True)[:left]))

    again = evaluate(agreeing, tmp_path, wanted=few, attacks=FAST, measures=MEASURES)

    assert again.attacks["prefill:tokens=8"].tried == whole.attacks["prefill:tokens=8"].tried
    assert rows_of(again) == rows_of(whole)


def test_other_questions_are_another_measurement(agreeing: Path, few: Asking, tmp_path: Path):
    """Longer answers, or fewer requests, are never read from what was kept."""
    first = evaluate(agreeing, tmp_path, wanted=few, attacks=(), measures=("natural",))

    other = limited(msgspec.structs.replace(few, most=3))
    second = evaluate(agreeing, tmp_path, wanted=other, attacks=(), measures=("natural",))

    assert len(first.measures["natural"].answers) == 6
    assert len(second.measures["natural"].answers) == 3


def test_attacks_are_asked_exactly_what_natural_use_is(agreeing: Path, few: Asking, tmp_path: Path):
    """Mean and worst case are of the same requests, or their gap would mean nothing."""
    found = evaluate(agreeing, tmp_path, wanted=few, attacks=FAST, measures=("natural",))

    asked = {each.behaviour for attack in found.attacks.values() for each in attack.tried}
    assert asked == set(found.measures["natural"].values)


def test_seeds_of_one_method_are_one_row(tmp_path: Path):
    """Checkpoints whose cards differ in the seed alone have one group; another setting, another."""
    for name, seed, steps in (("a", 0, 5), ("b", 1, 5), ("c", 0, 6)):
        folder = tmp_path / name
        folder.mkdir()
        cards.write(
            Card(
                method="align sft",
                base="embedded",
                seed=seed,
                configuration={"seed": seed, "steps": steps},
                seconds=1.0,
            ),
            folder,
        )
        deep = tmp_path / f"deep-{name}"
        deep.mkdir()
        cards.write(Card(method="harden deep", base="embedded", start=str(folder), seed=seed, seconds=1.0), deep)

    assert group(tmp_path / "a") == group(tmp_path / "b") != group(tmp_path / "c")
    assert group(tmp_path / "deep-a") == group(tmp_path / "deep-b") != group(tmp_path / "deep-c")
    assert history(tmp_path / "deep-a") == "embedded + sft + deep"
    assert identity(tmp_path / "a") != identity(tmp_path / "b")


def test_a_row_holds_the_spread_of_its_seeds():
    """The share is the mean over seeds, each seed's own is told, and a request is one observation of the interval."""
    found = rows([made("a", 0, natural=(0, 0, 0, 1), prefill=(1, 1, 0, 0)), made("b", 1, natural=(0, 0, 1, 1))])

    (row,) = found
    assert row.mean.estimate.value == pytest.approx(3 / 8)
    assert row.mean.by_seed == (0.25, 0.5)
    assert row.mean.estimate.clusters == 4
    assert row.seeds == (0, 1)
    assert row.worst is not None
    assert row.worst.by_seed == (0.75, 1.0)


@pytest.mark.parametrize(("left_out", "missing"), [("prefill", "fixed attacks"), ("finetune", "adaptive attacks")])
def test_without_all_three_axes_nothing_is_said_of_robustness(left_out: str, missing: str):
    """A worst case over half of the attacks would look like robustness: there is none in the row."""
    whole = made("a", 0, natural=(0, 0, 0, 1))
    attacks = {name: each for name, each in whole.attacks.items() if name != left_out}

    (row,) = rows([msgspec.structs.replace(whole, attacks=attacks)])

    assert row.missing == (missing,)
    assert row.worst is None
    assert row.gap is None


def test_where_everything_falls_as_it_is_no_attack_is_needed():
    """The union cannot be more than everything: such a checkpoint has its worst case without any attack."""
    (row,) = rows([msgspec.structs.replace(made("a", 0, natural=(1, 1, 1, 1)), attacks={}, adaptive=())])

    assert row.missing == ()
    assert row.worst is not None
    assert row.worst.estimate.value == 1.0


def test_a_seed_that_fell_as_it_is_counts_as_fallen_under_every_attack():
    """Seeds of one way of which some needed no attack stand in one row, whole."""
    fell = msgspec.structs.replace(made("a", 0, natural=(1, 1, 1, 1)), attacks={}, adaptive=())

    (row,) = rows([fell, made("b", 1, natural=(0, 0, 0, 1))])

    assert row.missing == ()
    assert row.worst is not None
    assert row.worst.by_seed == (1.0, 0.75)
    assert row.attacks["prefill"].by_seed == (1.0, 0.25)
    assert row.settings["prefill"]["s"].by_seed == (0.25,)


def test_checkpoints_that_were_asked_different_things_are_not_compared():
    """Two keys in one table are an error that names the measure."""
    other = made("b", 1, natural=(0, 0, 1, 1))
    measures = {**other.measures, "natural": msgspec.structs.replace(other.measures["natural"], key="other")}

    with pytest.raises(ValueError, match="b was not asked the same as a: natural differs"):
        rows([made("a", 0, natural=(0, 0, 0, 1)), msgspec.structs.replace(other, measures=measures)])


def test_rates_are_corrected_for_what_the_scorer_misses():
    """A share of refusals, and a share of what is no refusal, are corrected to shares that add up to one."""
    scorer = Diagnostic(true_positives=52, positives=69, true_negatives=32, negatives=32)
    declined = {str(n): float(n < 12) for n in range(40)}

    refusals = share([declined], scorer)
    others = share([{name: 1 - value for name, value in declined.items()}], scorer, refusals=False)

    assert refusals.corrected == corrected(12, 40, scorer)
    assert refusals.corrected is not None
    assert others.corrected is not None
    assert refusals.corrected.value + others.corrected.value == pytest.approx(1.0)


def test_an_attack_on_a_scaled_adapter_is_refused(agreeing: Path, few: Asking, tmp_path: Path):
    """Attacks would train the adapter as it is: the figures would be of another checkpoint."""
    with pytest.raises(ValueError, match=r"not on its adapter times 0\.5"):
        evaluate(agreeing, tmp_path, wanted=few, attacks=FAST, scale=0.5)


def test_attacks_are_chosen_by_words():
    """A method, or a method with settings; what there is not is named, and nothing is chosen twice."""
    assert [each.label for each in FAST] == ["prefill:tokens=8", "finetune:steps=1;tokens=8"]
    assert [each.adaptive for each in FAST] == [False, True]
    with pytest.raises(ValueError, match="did you mean 'decoding'"):
        chosen(["decodin"])
    with pytest.raises(ValueError, match="did you mean 'steps'"):
        chosen(["finetune:step=1"])
    with pytest.raises(ValueError, match="'prefill' is chosen twice"):
        chosen(["prefill", "prefill"])
    assert Assault(method="prefill", settings=("tokens=8",), named="short").label == "short"


def rows_of(found: Evaluated) -> list[dict[str, float]]:
    return [each.values for each in found.measures.values()]


def made(
    name: str,
    seed: int,
    *,
    natural: tuple[int, ...],
    prefill: tuple[int, ...] = (1, 0, 0, 0),
    finetune: tuple[int, ...] = (0, 1, 0, 0),
) -> Evaluated:
    """One that was never run."""

    def measured(kind: str, values: tuple[int, ...]) -> Measured:
        answers = tuple(Answer(id=str(n), asked="?", said="!", value=value) for n, value in enumerate(values))
        return Measured(name=kind, key="k", seconds=0.0, answers=answers)

    def attacked(attack: str, values: tuple[int, ...]) -> Attacked:
        tried = tuple(
            Tried(behaviour=str(n), setting="s", answer="!", reached=bool(value)) for n, value in enumerate(values)
        )
        return Attacked(attack=attack, checkpoint=name, seed=seed, configuration={}, tried=tried)

    kinds = ("hard", "everyday", "instructions", "tasks", "injected", "perplexity")
    return Evaluated(
        where=name,
        name=name,
        group="g",
        method="embedded + sft",
        seed=seed,
        measures={"natural": measured("natural", natural)} | {kind: measured(kind, (0, 1, 0, 0)) for kind in kinds},
        attacks={"prefill": attacked("prefill", prefill), "finetune": attacked("finetune", finetune)},
        adaptive=("finetune",),
    )
