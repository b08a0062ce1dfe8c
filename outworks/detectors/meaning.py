"""meaning: what the words of a request mean, where its grams leave open whether harm is asked for."""

import io
import math
from importlib.resources.abc import Traversable

import msgspec
import numpy as np

from outworks.detectors.files import content, sums
from outworks.detectors.grams import Array

WORDS = "words.npz"
WIDTH = 64
"""Numbers in a word's vector."""
FLOOR = -5.0
"""The grams' logit from which on words are looked up: of ordinary requests one in five."""
MOST = 4.0
"""Logits that are added at most."""
MIDDLE = 8
"""What a vector's numbers are raised by as they are stored, two a byte."""
_SLOPE = 0.5
"""Logits added for each that the layer says."""
_BEGIN = -4.0
"""The layer's logit at which adding begins, softly."""
_END = 4_096
"""Bytes at each end of a long request that are read."""
_LETTERS = bytes(
    code | 32 if chr(code).isascii() and chr(code).isalpha() else code if code >= 128 else ord(" ")
    for code in range(256)
)
"""What each byte is read as: a small letter, part of a word in another script, or a blank."""


class Meaning(msgspec.Struct, frozen=True):
    """Words' vectors, and a layer of a hundred numbers above them."""

    rows: dict[bytes, int]
    """Each word's row."""
    whole: Array
    """[words, WIDTH], int8."""
    scale: Array
    """[words], what a row's numbers are multiplied by: less for common words (arXiv 1607.01759)."""
    squares: Array
    """[words]: how much less, squared."""
    inner: Array
    """[2 * WIDTH, inner]"""
    inner_bias: Array
    """[inner]"""
    outer: Array
    """[inner]"""
    outer_bias: float
    """A logit."""

    @classmethod
    def load(cls, folder: Traversable) -> "Meaning | None":
        """None where the folder's sums list no words. Raises what `content` raises."""
        known = sums(folder)
        return cls.of(content(folder, WORDS, known)) if WORDS in known else None

    @classmethod
    def of(cls, stored: bytes) -> "Meaning":
        """From the file that training makes. Raises `ValueError` where words and vectors differ in number."""
        with np.load(io.BytesIO(stored), allow_pickle=False) as file:
            known = file["words"].tobytes().split(b"\n")
            pairs, weights = file["pairs"], file["weights"].astype(np.float32)
            if not len(known) == len(set(known)) == len(pairs) == len(weights):
                raise ValueError(f"{WORDS}: {len(known)} words, {len(pairs)} vectors, {len(weights)} weights")
            return cls(
                {word: n for n, word in enumerate(known)},
                np.concatenate((pairs & 15, pairs >> 4), axis=1).astype(np.int8) - np.int8(MIDDLE),
                file["scale"].astype(np.float32)[:, 0] * weights,
                weights * weights,
                np.ascontiguousarray(file["inner"].astype(np.float32).T),
                file["inner_bias"].astype(np.float32),
                file["outer"].astype(np.float32),
                float(file["outer_bias"]),
            )

    def added(self, text: bytes) -> float:
        """To the logit of harm, 0 to MOST."""
        found = self.found(text)
        if not len(found):
            return 0.0
        inner = self.features(found) @ self.inner
        inner += self.inner_bias
        z = float(np.maximum(inner, 0.0, out=inner) @ self.outer) + self.outer_bias
        return min(MOST, _SLOPE * math.log1p(math.exp(min(z - _BEGIN, 50.0))))

    def found(self, text: bytes) -> Array:
        """[words found]: the rows of a text's words, in their order."""
        if len(text) > 2 * _END:
            text = text[:_END] + b" " + text[-_END:]
        rows = self.rows
        return np.array([rows[word] for word in words(text) if word in rows], np.intp)

    def features(self, rows: Array) -> Array:
        """[2 * WIDTH], of rows [words], one or more: the sum of the words' vectors, for its words' weights, and half of
        the highest of each number."""
        mine = self.whole.take(rows, axis=0) * self.scale.take(rows)[:, None]
        given = np.empty(2 * WIDTH, np.float32)
        np.add.reduce(mine, axis=0, out=given[:WIDTH])
        given[:WIDTH] *= (float(np.add.reduce(self.squares.take(rows))) + 1) ** -0.5
        np.maximum.reduce(mine, axis=0, out=given[WIDTH:])
        given[WIDTH:] *= 0.5
        return given


def words(text: bytes) -> list[bytes]:
    """In small letters. What has letters beyond ASCII stays one word."""
    return text.translate(_LETTERS).split()
