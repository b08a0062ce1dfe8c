"""linear, grams: sums over hashed grams are exact, and what a text scores depends on the text alone."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outworks.detectors import linear
from outworks.detectors.grams import BUCKETS, CHUNK, RUN, Array, read
from outworks.detectors.linear import NARROW, WIDE, Table, _Placed, _spans, packed, windows

LANES = 5


@pytest.fixture(scope="module")
def weights() -> Array:
    return np.random.default_rng(3).integers(-127, 128, (BUCKETS, LANES)).astype(np.int8)


@pytest.fixture(scope="module")
def table(weights: Array) -> Table:
    return Table(packed(weights), np.full(LANES, 0.02), np.arange(LANES) * 0.1)


def prose(seed: int, size: int) -> bytes:
    rng = random.Random(seed)
    words = ["".join(rng.choices("etaoinshrdlu", k=rng.randint(1, 9))) for _ in range(400)]
    return " ".join(rng.choices(words, k=size // 4))[:size].encode()


def slowly(weights: Array, data: bytes) -> Array:
    """One window, gram by gram."""
    grams = read(data)
    words, logits = len(grams.starts), np.arange(LANES) * 0.1
    for kind, back in enumerate((0, 1, 2, 2)):
        for bucket in grams.words[kind, : max(0, words - back)]:
            logits = logits + 0.02 * weights[bucket].astype(float) / words**0.5
    for bucket in grams.chars[: max(0, len(data) - RUN + 1)]:
        logits = logits + 0.02 * weights[bucket].astype(float) / len(data) ** 0.5
    return logits


@pytest.mark.parametrize(
    "data", [b"", b"a", b"one two", b"  ,,", prose(1, 300), "Где это? 東京".encode(), b"\x00\xff" * 9]
)
def test_packed_sums_are_exact(weights: Array, table: Table, data: bytes) -> None:
    """Three weights in one number add up to what adding them one by one gives."""
    (seen,) = windows(table, [data])

    assert seen.logits.shape == (1, LANES)
    np.testing.assert_allclose(seen.logits[0], slowly(weights, data), atol=1e-9)


@pytest.mark.parametrize("sign", [-127, 127])
def test_the_largest_sums_do_not_run_over(sign: int) -> None:
    """A window whose every gram has the largest weight in every lane is still told apart lane by lane."""
    weights = np.tile(np.array([sign, -sign, sign], np.int8), (BUCKETS, 1))
    table = Table(packed(weights), np.ones(3), np.zeros(3))
    data = b"x " * (WIDE.least // 2 - 1)

    (seen,) = windows(table, [data])

    whole = seen.logits[0]
    words, letters = len(data) // 2, len(data) - RUN + 1
    expected = sign * ((words + words - 1 + 2 * (words - 2)) / words**0.5 + letters / len(data) ** 0.5)
    np.testing.assert_allclose(whole, [expected, -expected, expected])


def test_a_text_scores_the_same_among_others(table: Table) -> None:
    """What a text is read beside changes nothing."""
    texts = [prose(n, random.Random(n).randint(0, 700)) for n in range(150)]

    found: dict[int, list[Array]] = {}
    for seen in windows(table, texts):
        for text, logits in zip(seen.text, seen.logits, strict=True):
            found.setdefault(int(text), []).append(logits)

    assert sorted(found) == list(range(150))
    for n, text in enumerate(texts):
        alone = np.concatenate([seen.logits for seen in windows(table, [text])])
        np.testing.assert_allclose(np.array(found[n]), alone, atol=1e-9)


@pytest.mark.parametrize(
    "size", [NARROW.least - 1, NARROW.least, WIDE.least - 1, WIDE.least, CHUNK, CHUNK + 1, 3 * CHUNK]
)
def test_windows_cover_a_text(table: Table, size: int) -> None:
    """Every byte of a text of any length is in some window, and no window reaches beyond it."""
    covered = np.zeros(size, bool)

    for seen in windows(table, [prose(5, size)]):
        for start, end in zip(seen.start, seen.end, strict=True):
            assert 0 <= start < end <= size
            covered[start:end] = True

    assert covered.all()


def test_a_short_text_in_a_long_one_is_in_a_window_of_its_own(table: Table, weights: Array) -> None:
    """Wherever 150 bytes stand in a long text, some narrow window holds them whole."""
    for place in (0, 1, 159, 1_000, CHUNK - 100, CHUNK - 1, 2 * CHUNK - WIDE.width - 80):
        starts_ends = [
            (s, e) for seen in windows(table, [b"y" * (2 * CHUNK)]) for s, e in zip(seen.start, seen.end, strict=True)
        ]

        assert any(s <= place and place + 150 <= e and e - s <= NARROW.width for s, e in starts_ends)


def test_a_gram_is_the_same_wherever_it_stands() -> None:
    """The bucket of a word or a run of characters does not depend on its place; letter case and digits do not count."""
    one, other = read(b"Please IGNORE this, in 2024 again"), read(b"and so: please ignore this, in 1999 again")

    assert np.array_equal(one.words[:, :4], other.words[:, 2:6])
    assert one.chars[0] == other.chars[8]


def test_quantised_weights_stay_near() -> None:
    """Eight bits lose little: the error of a weight is under one step."""
    weights = np.random.default_rng(0).normal(0, 0.1, (20_000, 2))

    whole, scale = linear.quantised(weights)

    clipped = np.clip(weights, -127 * scale, 127 * scale)
    assert np.abs(whole * scale - clipped).max() <= scale.max()


_SIZES = st.sampled_from([0, 1, 2, 319, 320, 321, 479, 480, 481, 511, 512, 513, 960, 1_024, 2_047, 2_048, 2_049, 5_000])


@given(st.lists(st.tuples(_SIZES, st.booleans()), min_size=1, max_size=6), st.booleans())
def test_windows_laid_at_once_are_those_laid_one_by_one(sizes: list[tuple[int, bool]], wide: bool) -> None:
    """Over whole texts, and over parts of a longer one."""
    scales = (WIDE, NARROW) if wide else (NARROW,)
    placed, expected, at = [], [], 0
    for n, (size, part) in enumerate(sizes):
        whole = 40_000 if part else size
        placed.append(_Placed(n, 0, at, size, whole))
        if whole < scales[0].least:
            expected.append((n, at, at + size))
        for width, least in scales:
            begins = range(at, max(at + 1, at + size - width // 2), width // 2) if whole >= least else ()
            expected += [(n, begin, min(begin + width, at + size)) for begin in begins]
        at += size + 1

    found = _spans(placed, scales)

    assert list(zip(found.owners.tolist(), *found.at.tolist(), strict=True)) == expected
