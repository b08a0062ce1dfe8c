"""meaning: what the words of a request mean, where its grams leave open whether harm is asked for."""

import io
import math
from collections.abc import Sequence
from importlib.resources.abc import Traversable
from typing import NamedTuple

import msgspec
import numpy as np

from outworks import kernels
from outworks.detectors.files import content, sums
from outworks.detectors.grams import CHUNK, FACTORS, PLACED, Array, hashed

WORDS = "words.npz"
WIDTH = 64
"""Numbers in a word's vector."""
FLOOR = -4.0
"""The grams' logit from which on words are looked up: of ordinary requests one in seven. What is below it would reach
neither the second stage nor, at false-positive rates of up to 3%, a threshold."""
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
_INSIDE = bytes(letter != ord(" ") for letter in _LETTERS)
_MOSTLY = 0.7
"""Share of the bytes of all words."""
_FOLD = 16
"""Rows that are reduced side by side."""


class Meaning(msgspec.Struct, frozen=True):
    """Words' vectors, and a layer of a hundred numbers above them."""

    numbers: Array
    """[words], uint64, rising: the hashes that a text's words are looked up by."""
    firsts: Array
    """[2^16 + 1], uint32: how many of them have less in their upper 16 bits than a place's number. For `kernels`."""
    vectors: Array
    """[words, WIDTH], float32: shorter for common words (arXiv 1607.01759)."""
    squares: Array
    """[words]: what a word's length is multiplied by, squared."""
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
        """From the file that training makes. Raises `ValueError` where a word stands twice, or is none, and where words
        and vectors differ in number."""
        with np.load(io.BytesIO(stored), allow_pickle=False) as file:
            stood = file["words"].tobytes()
            known = stood.split(b"\n")
            pairs, weights = file["pairs"], file["weights"].astype(np.float32)
            if words(stood) != known:
                strange = next(word for word in known if words(word) != [word])
                raise ValueError(f"{WORDS}: {strange!r} is not a word in small letters")
            numbers = _numbers(known)
            different = len(np.unique(numbers))
            if not len(known) == different == len(pairs) == len(weights):
                counts = f"{different} of them different, {len(pairs)} vectors, {len(weights)} weights"
                raise ValueError(f"{WORDS}: {len(known)} words, {counts}")
            order = numbers.argsort()
            whole = np.concatenate((pairs & 15, pairs >> 4), axis=1).astype(np.float32) - np.float32(MIDDLE)
            scale = file["scale"].astype(np.float32)[:, 0] * weights
            return cls(
                numbers[order],
                (numbers[order] >> np.uint64(48)).searchsorted(np.arange((1 << 16) + 1)).astype(np.uint32),
                (whole * scale[:, None])[order],
                (weights * weights)[order],
                np.ascontiguousarray(file["inner"].astype(np.float32).T),
                file["inner_bias"].astype(np.float32),
                file["outer"].astype(np.float32),
                float(file["outer_bias"]),
            )

    def added(self, text: bytes) -> float:
        """To the logit of harm, 0 to MOST."""
        said = self.said(text)
        if not said.words:
            return 0.0
        inner = said.features @ self.inner
        inner += self.inner_bias
        z = float(np.maximum(inner, 0.0, out=inner) @ self.outer) + self.outer_bias
        return min(MOST, _SLOPE * math.log1p(math.exp(min(z - _BEGIN, 50.0))))

    def knows(self, text: bytes) -> bool:
        """Whether most of what a text's words are made of is known words: it is English, or near it. A text without
        words is not."""
        said = self.said(text)
        return said.known > _MOSTLY * said.size

    def said(self, text: bytes) -> "Said":
        """What there is to know of a text's words."""
        if (fast := kernels.compiled) is None:
            return self.said_by_numpy(text)
        features = np.empty(2 * WIDTH, np.float32)
        how = (_INSIDE, PLACED, FACTORS, self.numbers, self.firsts, self.vectors, self.squares)
        words, square, known, size = fast.gather(_read_of(text), *how, features)
        return Said(_weighed(features, square), words, known, size)

    def said_by_numpy(self, text: bytes) -> "Said":
        """The same where there is no compiler."""
        spoken = hashed(_read_of(text), _INSIDE)
        sizes = spoken.ends - spoken.starts
        rows, known = self._looked_up(spoken.hashes)
        rows = rows[known]
        features = self.features(rows) if len(rows) else np.zeros(2 * WIDTH, np.float32)
        return Said(features, len(rows), int(sizes[known].sum()), int(sizes.sum()))

    def found(self, text: bytes) -> Array:
        """[words found]: the rows of a text's words, in their order. For training."""
        rows, known = self._looked_up(hashed(_read_of(text), _INSIDE).hashes)
        found: Array = rows[known]
        return found

    def _looked_up(self, hashes: Array) -> tuple[Array, Array]:
        """[words]: each word's row, and whether it is known at all."""
        rows = self.numbers.searchsorted(hashes)
        return rows, self.numbers.take(rows, mode="clip") == hashes

    def features(self, rows: Array) -> Array:
        """[2 * WIDTH], of rows [words], one or more: the sum of the words' vectors, for its words' weights, and half of
        the highest of each number."""
        mine = self.vectors.take(rows, axis=0)
        given = np.concatenate((_reduced(np.add, mine), _reduced(np.maximum, mine)))
        return _weighed(given, float(np.add.reduce(self.squares.take(rows))))


class Said(NamedTuple):
    """What there is to know of a text's words."""

    features: Array
    """[2 * WIDTH], float32, as `Meaning.features` of the known ones; 0 where there is none."""
    words: int
    """Known ones."""
    known: int
    """Their bytes."""
    size: int
    """The bytes of all words."""


def words(text: bytes) -> list[bytes]:
    """In small letters. What has letters beyond ASCII stays one word."""
    return text.translate(_LETTERS).split()


def _read_of(text: bytes) -> bytes:
    """A text, or its two ends."""
    return text if len(text) <= 2 * _END else text[:_END] + b" " + text[-_END:]


def _numbers(known: Sequence[bytes]) -> Array:
    """[words], uint64: each word's hash."""
    step = CHUNK // (max(map(len, known)) + 1)
    parts = [b" ".join(known[at : at + step]) for at in range(0, len(known), step)]
    return np.concatenate([hashed(part, _INSIDE).hashes for part in parts])


def _weighed(features: Array, square: float) -> Array:
    """In place: sums for their words' weights, and half of the highest."""
    features[:WIDTH] *= (square + 1) ** -0.5
    features[WIDTH:] *= 0.5
    return features


def _reduced(how: np.ufunc, rows: Array) -> Array:
    """[WIDTH] of [rows, WIDTH]. Many are first reduced side by side, as numpy takes its time for each row, however
    short."""
    side = len(rows) // _FOLD
    if side > 3:
        wide = how.reduce(rows[: side * _FOLD].reshape(side, _FOLD * WIDTH), axis=0)
        rows = np.concatenate((wide.reshape(_FOLD, WIDTH), rows[side * _FOLD :]))
    found: Array = how.reduce(rows, axis=0)
    return found
