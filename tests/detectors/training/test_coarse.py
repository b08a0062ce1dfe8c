"""coarse: vectors in four bits a number stay near what they were."""

import numpy as np

from outworks.detectors.meaning import MIDDLE
from outworks.detectors.training.coarse import coarse


def test_four_bits_keep_most_of_a_vector() -> None:
    """The error is a ninth of its length; done twice, it grows no further; pairs hold both halves."""
    vectors = np.random.default_rng(4).normal(0, 1, (50, 64)).astype(np.float32)

    kept = coarse(vectors)

    assert np.linalg.norm(kept.vectors - vectors) < 0.13 * np.linalg.norm(vectors)
    assert np.allclose(coarse(kept.vectors).vectors, kept.vectors, atol=1e-6)
    assert (np.concatenate((kept.pairs & 15, kept.pairs >> 4), axis=1).astype(np.int8) - MIDDLE == kept.whole).all()
