"""The kernels, compiled. Arrays are contiguous, of the type named; ValueError where one is not as long as it must be.

A byte of text only ever chooses a place in a table whose length was compared first.
"""

from typing import Any, TypeAlias

from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
SHAPE: int
"""The version of what they take and give; see `kernels.SHAPE`."""

def highest(
    texts: tuple[bytes, ...],
    inside: bytes,
    values: Array,
    factors: Array,
    shift: int,
    tables: Array,
    scale: Array,
    bias: Array,
    scales: Array,
    chunk: int,
    overlap: int,
    logits: Array,
    starts: Array,
    ends: Array,
) -> None:
    """`detectors.linear.highest`. `inside`, `values` [4, 256] and `factors` [4] (uint64) as in `grams`; `tables` uint64
    [groups, 2 << 64 - shift]; `scale`, `bias` float64 [lanes]; `scales` int64 [scales, 2], widest first. Written to:
    `logits` float64, `starts`, `ends` int64 [texts, lanes]."""

def gather(
    text: bytes,
    inside: bytes,
    values: Array,
    factors: Array,
    numbers: Array,
    firsts: Array,
    vectors: Array,
    squares: Array,
    features: Array,
) -> tuple[int, float, int, int]:
    """What `meaning.Meaning` knows of a text: how many known words, the sum of their squares, their bytes, and those of
    all words. `numbers` uint64 [words], rising; `firsts` uint32 [2^16 + 1]; `vectors` float32 [words, width];
    `squares` float32 [words]. Written to: `features` float32 [2 * width], sums and highest; 0 without known words."""

def strings(
    texts: tuple[bytes, ...],
    everywhere: bool,
    kinds: bytes,
    odd: Array,
    near: int,
    fewest: int,
    around: int,
    symbols: bytes,
    classes: Array,
    tables: Array,
    begins: Array,
    factors: Array,
    shift: int,
    most: int,
    least: int,
    apart: int,
    chunk: int,
    overlap: int,
) -> bytes:
    """`detectors.strings.strings`, before it is scored: five int64 a string, the text, start, end, height in units and
    blanks. `texts` have a byte a character. `kinds` [256] for junctions, of which `odd` bool [64] are; `symbols` [256],
    of which `classes` uint8 [128]; `tables` int8, all five joined; `begins`, `factors` uint32 [5]."""

def sift(data: bytes, factors: Array, shift: int, marks: Array) -> tuple[int, int]:
    """How many runs of 10 bytes a sieve has a mark for, and the highest of these; 0 and 0 without any. `factors` uint64
    [2]; `marks` uint8 [2 ^ (64 - shift)]."""

def glance(
    texts: tuple[bytes, ...], masks: Array, ends: Array, classes: bytes, follow: Array, found: bytearray
) -> None:
    """Whether anything in each text, of ASCII, may be encoded: 0 if not, 1 if so, 2 where patterns have to say. `masks`
    uint64 [256], the bits that a byte may set; `ends` uint64 [3], the bits of patterns' beginnings, and those of their
    ends that say 1 and 2; `classes` [256]; `follow` uint16 [states, 32], states a power of two: the state that follows,
    and 2^15 where a word ends in it. Written to: `found` [texts]."""
