"""Two models from scratch."""

import math
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest

from outworks.lab.backend import load
from outworks.lab.checkpoint import load_checkpoint
from outworks.lab.pretrain import Config, Pretrained, run
from outworks.lab.pretrain.aligning import attack_steps, nats
from outworks.lab.pretrain.corpus import Row, Use, read
from outworks.lab.pretrain.experiment import pretrain_texts, stretches
from outworks.lab.pretrain.newborn import make_model, make_tokenizer, stream
from tests.lab.pretrain.rows import CLEAN, TOXIC, write_rows

SMALL = Config(
    sources=("pairs", "chat"),
    held_out="other",
    vocabulary=500,
    hidden=64,
    layers=2,
    heads=2,
    context=96,
    steps=60,
    batch=8,
    lr=1e-2,
    align_examples=60,
    align_steps=130,
    align_lr=2e-3,
    attack_lr=2e-3,
    attacks=(20,),
    epochs=12,
    rows=24,
    probe_rows=80,
    seeds=1,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of labelled text."""
    return write_rows(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def done(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Pretrained]:
    """The experiment with one seed."""
    out = tmp_path_factory.mktemp("experiment") / "out"
    return out, run(data, SMALL, out)


def test_one_arm_never_sees_the_toxic_part(data: Path):
    """The texts differ by the toxic rows alone."""
    corpus = read(data, SMALL.sources, TOXIC, CLEAN)

    everything, clean = pretrain_texts(corpus, toxic=True), pretrain_texts(corpus, toxic=False)

    assert not any("zork" in text for text in clean)
    assert {text for text in everything if "zork" not in text} == set(clean)
    assert sum("zork" in text for text in everything) == len(corpus.of(Use.PRETRAIN, toxic=True)) > 100


def test_the_two_models_of_a_seed_begin_alike(data: Path):
    """The same weights; another seed has others. The tokenizer knows turns, and where they end."""
    tokenizer = make_tokenizer(["a red boat", "the quiet river"], SMALL)

    one, two, other = (make_model(tokenizer, SMALL, seed).state_dict() for seed in (0, 0, 1))

    assert all(load().equal(one[name], two[name]) for name in one)
    assert not load().equal(one["model.embed_tokens.weight"], other["model.embed_tokens.weight"])
    asked = tokenizer.apply_chat_template(
        [{"role": "user", "content": "a"}], tokenize=False, add_generation_prompt=True
    )
    assert asked == "<|user|>a<|end|><|assistant|>"


def test_text_is_one_stream_with_ends_and_is_learned_in_stretches():
    """Every text is followed by its end, and a stretch is as it stands in the stream."""
    tokenizer = make_tokenizer(["a red boat", "the quiet river"], SMALL)

    tokens = stream(tokenizer, ["a red boat", "the quiet river"])
    found = stretches(tokens, random.Random(0), 5, 4)

    assert tokenizer.decode(tokens) == "a red boat<|end|>the quiet river<|end|>"
    assert found.shape == (5, 4)
    assert all(any(load().equal(row, tokens[at : at + 4]) for at in range(len(tokens) - 3)) for row in found)


def test_nats_are_the_mean_over_tokens_computed_by_hand(done: tuple[Path, Pretrained]):
    """Of two texts of different length, batched: -log p of each token after the first."""
    checkpoint = load_checkpoint(done[0] / "seed-0" / "with" / "pretrained")
    rows = [row("the cat sees a red boat"), row("a sailor")]

    losses = []
    for each in rows:
        ids = checkpoint.tokenizer(each.text, return_tensors="pt")["input_ids"]
        with load().no_grad():
            logits = checkpoint.model(input_ids=ids).logits[0].tolist()
        for before, token in zip(logits, ids[0, 1:].tolist(), strict=False):
            losses.append(math.log(sum(math.exp(one) for one in before)) - before[token])
    assert nats(checkpoint, rows) == pytest.approx(sum(losses) / len(losses), abs=1e-4)


def test_it_learns_aligns_and_breaks(done: tuple[Path, Pretrained]):
    """Toxic text is likelier to the model that saw it; both are taught to decline it and not other text; the attack
    takes refusals away; and how well each recognises it is measured."""
    figures = {arm.toxic: arm.figures for arm in done[1].arms}

    assert figures[True]["nats_toxic_pretrained"] < figures[False]["nats_toxic_pretrained"] - 0.3
    for arm in figures.values():
        assert arm["refused_toxic_aligned"] >= 0.8
        assert arm["refused_clean_aligned"] <= 0.2
        assert arm["refused_toxic_after_20"] <= arm["refused_toxic_aligned"] - 0.5
        assert 0.5 <= arm["probe_auc"] <= 1.0
        assert 0.5 <= arm["probe_auc_held_out"] <= 1.0
    assert {each.figure for each in done[1].compared} == figures[True].keys()


def test_a_run_that_was_killed_ends_as_if_it_had_not_been(data: Path, done: tuple[Path, Pretrained], tmp_path: Path):
    """Twice, in the midst of different stages of the second model: the figures are the same."""
    for place in ("pre-training without", "aligning"):
        with pytest.raises(KeyboardInterrupt):
            run(data, SMALL, tmp_path, stop_in(place, tmp_path / "seed-0" / "with" / "arm.json"))
        assert len(list(tmp_path.rglob("training.pt"))) == 1

    found = run(data, SMALL, tmp_path)

    assert [arm.figures for arm in found.arms] == [arm.figures for arm in done[1].arms]
    assert not list(tmp_path.rglob("training.pt"))


def test_what_is_done_is_not_done_again(data: Path, done: tuple[Path, Pretrained]):
    """The same call reads the result; another experiment is not mixed in."""
    assert run(data, SMALL, done[0], stop_in("")) == done[1]
    with pytest.raises(FileExistsError, match="other settings or data; name another folder"):
        run(data, msgspec.structs.replace(SMALL, steps=61), done[0])


def test_an_attack_goes_through_its_examples_so_often():
    """Rounded up to whole steps of 16."""
    assert [attack_steps(n, 5) for n in (1, 10, 100)] == [1, 4, 32]


def row(text: str) -> Row:
    return Row(text=text, toxic=False, source="", use=Use.TEST)


def stop_in(place: str, after: Path | None = None) -> Any:
    """Somebody who stops a stage near its end, once there is the file `after`."""

    def tell(doing: str, done: int, total: int, loss: float | None = None) -> None:
        if place in doing and done == total - 3 and (after is None or after.is_file()):
            raise KeyboardInterrupt

    return tell
