"""coarse: vectors of tokens and of words in four bits a number, so that all of them fit into the package."""

from typing import NamedTuple

import numpy as np

from outworks.detectors.grams import Array
from outworks.detectors.meaning import MIDDLE

_STEPS = MIDDLE - 1
"""Numbers are whole, from -7 to 7; as they are stored none is below 0."""


class Coarse(NamedTuple):
    """Vectors as they are stored: whole numbers from -7 to 7, and what each vector's are multiplied by."""

    whole: Array
    """[vectors, width], int8."""
    scale: Array
    """[vectors, 1], float32."""

    @property
    def pairs(self) -> Array:
        """[vectors, width / 2], uint8: the first half of the numbers in the lower four bits, the second in the upper,
        each raised by MIDDLE."""
        low, high = np.split((self.whole + MIDDLE).astype(np.uint8), 2, axis=1)
        found: Array = low | high << 4
        return found

    @property
    def vectors(self) -> Array:
        """[vectors, width], what is left of the vectors."""
        found: Array = self.whole * self.scale
        return found


def coarse(vectors: Array) -> Coarse:
    """Vectors, [vectors, width], in four bits a number, scaled so that the mean square error is least: what is far out
    is cut. The error is about a ninth of the vectors' length."""
    top = np.abs(vectors).max(1, keepdims=True)
    best = Coarse(np.zeros(vectors.shape, np.int8), top)
    least = np.full(top.shape, np.inf)
    for share in np.linspace(0.3, 1.0, 29):
        scale = (top * share / _STEPS + 1e-12).astype(np.float32)
        whole = np.clip(np.rint(vectors / scale), -_STEPS, _STEPS)
        lost = np.square(whole * scale - vectors).sum(1, keepdims=True)
        better = lost < least
        best = Coarse(np.where(better, whole, best.whole).astype(np.int8), np.where(better, scale, best.scale))
        least = np.minimum(lost, least)
    return best
