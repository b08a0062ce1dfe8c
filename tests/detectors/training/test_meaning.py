"""meaning: a word never seen beside harm is found by its neighbours."""

import json

import numpy as np
import pytest

pytest.importorskip("tokenizers", reason="the second stage needs outworks[classifier]")

from outworks.detectors import Category, Side
from outworks.detectors.meaning import Meaning
from outworks.detectors.training import base, meaning
from outworks.detectors.training.corpus import Example
from tests.detectors.training.test_second import little

WORDS = ("stab", "shoot", "punch", "bake", "stew", "roast", "query", "how", "to", "it", ":")


def tokenizer() -> bytes:
    """Each word a token."""
    vocabulary = {"[UNK]": 0} | {word: 2_000 + n for n, word in enumerate(WORDS)}
    return json.dumps(
        {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [],
            "normalizer": None,
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "post_processor": None,
            "decoder": None,
            "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"},
        }
    ).encode()


def asked(word: str, harm: float) -> Example:
    return Example(f"how to {word} it", Side.REQUEST, {Category.HARM: harm}, 1.0, "made", word)


def test_a_word_near_those_that_harm_counts_as_they_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of three words of each kind are taught; the third, whose vector lies beside theirs, is told apart."""
    pytest.importorskip("torch", reason="training needs outworks[lab]")
    monkeypatch.setattr(base, "LAYERS", 1)
    tensors = little()
    rng = np.random.default_rng(3)
    words = tensors["embeddings.word_embeddings.weight"]
    hurts, cooks = rng.normal(0, 0.3, (2, base.WIDTH))
    for n in range(3):
        words[2_000 + n] = hurts + rng.normal(0, 0.03, base.WIDTH)
        words[2_003 + n] = cooks + rng.normal(0, 0.03, base.WIDTH)
    requests = [asked(word, 1.0) for word in ("stab", "shoot")] * 2_000 + [
        asked(w, 0.0) for w in ("bake", "stew")
    ] * 2_000
    said: list[str] = []

    stored = meaning.build(requests, base.Base(tensors, tokenizer()), meaning.Plan(), said.append)

    found = Meaning.of(stored)
    assert found.added(b"how to punch it") > found.added(b"how to roast it") + 1
    assert "round 8 of 8" in said[-1]
    assert stored == meaning.build(requests, base.Base(tensors, tokenizer()), meaning.Plan(), said.append)


def test_requests_that_say_nothing_of_harm_teach_nothing() -> None:
    """And that is said."""
    pytest.importorskip("torch", reason="training needs outworks[lab]")
    open_ended = [Example("how to bake it", Side.REQUEST, {}, 1.0, "made", "g")] * 3

    with pytest.raises(ValueError, match="no request says whether it harms"):
        meaning.build(open_ended, base.Base(little(), tokenizer()), meaning.Plan(), lambda line: None)
