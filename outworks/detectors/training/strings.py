"""strings: the tables of `surprise`, trained on salads of tokens against ordinary text."""

import io
import random
import re
import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from outworks.detectors import surprise
from outworks.detectors.categories import Side
from outworks.detectors.grams import Array
from outworks.detectors.training import corpus, sources
from outworks.detectors.training.ordinary import generated

Texts = dict[str, list[str]]
TABLES = surprise.Tables.__struct_fields__
BREAK = "\n" * surprise.BEFORE
MACHINE = ("suffix_only", "jailtrick_advtrain", "semanticsmooth_attacks", "smoothllm_gcg")
_PAIRS = 14
_WORD = re.compile(r"[a-zA-Z]{2,14}")


class Plan(msgspec.Struct, frozen=True):
    """How the shipped tables were made."""

    seed: int = 7
    steps: int = 3_000
    batch: int = 1_024
    rate: float = 0.15
    dropped: float = 0.3
    """Share of a window's n-grams of one length that a step leaves out, so that no length alone decides."""
    salads: int = 60_000
    real: float = 0.15
    """Share of positives that are published strings of the training sets; the others are thrown together here."""
    most: int = 2_000_000
    """Characters of one kind: an abundant kind must not decide what is ordinary."""


def ordinary(train: Path, seed: int, number: int, *, held_out: bool) -> Texts:
    """Natural texts by set, and generated ones by kind: those held out, or the others."""
    texts: Texts = {}
    for name in corpus.names(train):
        if name in MACHINE:
            continue
        for row in corpus.kept(train, name, "copies_dev"):
            each = corpus.Example(row["text"], Side.REQUEST, {}, 1.0, name, sources.group(name, row))
            if each.held_out is held_out:
                texts.setdefault(f"data:{name}", []).append(row["text"])
    words = vocabulary(texts["data:parapet_l1_holdout"])
    made = generated(seed + held_out, words, number, held_out=held_out)
    return texts | {f"made:{kind}": found for kind, found in made.items()}


def vocabulary(texts: Sequence[str]) -> list[str]:
    """Common words, the commonest thrice."""
    counts = Counter(word.lower() for text in texts for word in _WORD.findall(text))
    words = [word for word, _ in counts.most_common(12_000)]
    return words[:2000] * 2 + words


def published(train: Path) -> list[str]:
    """The strings of the training sets, without their goals where these can be told."""
    found = []
    for row in corpus.kept(train, "suffix_only", "copies_dev"):
        if len(row["text"]) >= 24 and row["text"].count(" ! !") < 4:
            found.append(row["text"])
    for row in corpus.kept(train, "jailtrick_advtrain", "copies_dev"):
        _, mark, suffix = row["text"].partition("<s>")
        if mark and row["label"] == "adversarial_suffix" and len(suffix) >= 24:
            found.append(suffix.strip())
    return found


class Salads:
    """Strings as a greedy search over tokens leaves them: tokens that no writer put together. The tokens are pieces of
    the training sets' words, their signs, and what their published strings fall into."""

    _PIECE = re.compile(r" ?[A-Za-z]+| ?[^A-Za-z\s]{1,3}")

    def __init__(self, words: Sequence[str], texts: Texts, strings: Sequence[str], rng: random.Random) -> None:
        self._words = words
        long = [word for word in words if len(word) >= 5]
        foreign = [w for name in ("data:multijail", "data:identity_templates", "data:deepset_pi", "data:ailuminate_demo") for text in texts.get(name, ()) if text.isascii() for w in _WORD.findall(text)]  # fmt: skip  # noqa: E501
        pieces = []
        for _ in range(30_000):
            word = rng.choice(foreign if foreign and rng.random() < 0.35 else long)
            cut = rng.randint(2, max(2, len(word) - 2))
            piece = rng.choice((word[:cut], word[cut:] or word, word))
            pieces.append(
                rng.choice(("", "", " "))
                + rng.choice((piece, piece, piece.capitalize(), piece.upper() if rng.random() < 0.2 else piece))
            )
        camel = ["".join(w.capitalize() for w in rng.choices(long, k=2)) for _ in range(4_000)]
        runs = ["".join(rng.choices(string.punctuation, k=rng.choice((1, 1, 2, 2, 3)))) for _ in range(3_000)]
        code = re.findall(r"[^\w\s]{1,4}", "\n".join(text for name in ("made:python", "made:javascript", "made:latex", "made:html") for text in texts.get(name, ())[:1_500]))  # fmt: skip  # noqa: E501
        real = [piece for text in strings for piece in self._PIECE.findall(text)]
        self._tokens: Mapping[str, list[str]] = {
            "piece": pieces,
            "camel": camel,
            "signs": runs + [rng.choice(("", "", " ")) + each for each in rng.sample(code, min(6_000, len(code)))],
            "real": real,
        }

    def one(self, rng: random.Random) -> str:
        """A salad."""
        if rng.random() < 0.06:  # a random search over characters, not tokens
            letters = (
                string.ascii_letters + string.digits + string.punctuation * rng.choice((1, 2)) + " " * rng.randint(0, 6)
            )
            return "".join(rng.choices(letters, k=rng.randint(20, 120)))
        signs, words, real = (
            rng.choice((0.05, 0.1, 0.2, 0.3, 0.4)),
            rng.choice((0.0, 0.0, 0.1, 0.25, 0.4)),
            rng.choice((0.0, 0.2, 0.5, 0.8)),
        )
        unchanged = rng.choice((0.1, 0.3, 0.6)) if rng.random() < 0.15 else 0.0  # what the search started from
        start = rng.choice((" !", " !", " x", " [", " the", " ?"))
        rest = max(0.1, 1 - signs - words)
        shares = (unchanged * 2, signs, words, rest * real, rest * (1 - real) * 0.9, rest * (1 - real) * 0.1)
        kinds = rng.choices(("start", "signs", "words", "real", "piece", "camel"), shares, k=rng.randint(6, 45))
        draw: Mapping[str, Callable[[], str]] = {"start": lambda: start, "words": lambda: " " + rng.choice(self._words)}
        return "".join(draw[kind]() if kind in draw else rng.choice(self._tokens[kind]) for kind in kinds).strip()


class Stream(NamedTuple):
    """Text laid end to end: its keys, [5, characters], and windows of it that may be drawn, [windows]."""

    keys: Array
    low: Array
    high: Array
    weight: Array


def ordinary_stream(texts: Texts, plan: Plan, rng: random.Random) -> Stream:
    """One window a kind; a draw picks a kind, then a place in it."""
    kinds = [(name, BREAK.join(rng.sample(all_of, len(all_of)))[: plan.most]) for name, all_of in sorted(texts.items())]
    large = [text for _, text in kinds if len(text) > 5_000]

    def snippet(low: int, high: int) -> str:
        text = rng.choice(large)
        at = rng.randrange(len(text))
        return text[at : at + rng.randint(low, high)]

    # Where one kind ends and another begins is ordinary too: "Explain this: <code>".
    joints = (" ", "\n", ": ", "\n\n", "\n```\n", ". ")
    kinds.append(
        ("mixed", BREAK.join(rng.choice(joints).join(snippet(10, 200) for _ in range(3)) for _ in range(12_000)))
    )
    ends = np.cumsum([len(text) for _, text in kinds])
    family = {"data": 2.0, "made": 3.0, "mixe": 12.0}
    weight = np.array([family[name[:4]] * min(1, len(text) / 100_000) ** 0.5 for name, text in kinds])
    stacked = np.concatenate([surprise.keys(BREAK + text) for _, text in kinds], axis=1)
    return Stream(stacked, np.concatenate(([0], ends[:-1])), ends, weight / weight.sum())


def salad_stream(salads: Salads, strings: Sequence[str], texts: Texts, plan: Plan, rng: random.Random) -> Stream:
    """A window a salad, each after a few ordinary words."""
    pool = [text for name in sorted(texts) for text in rng.sample(texts[name], min(50, len(texts[name])))]
    parts: list[str] = []
    low, high, length = [], [], 0
    for _ in range(plan.salads):
        before = rng.choice(pool)[-rng.randint(8, 30) :] + rng.choice((" ", " ", "\n", "", ". "))
        salad = rng.choice(strings)[:400] if rng.random() < plan.real else salads.one(rng)
        parts += [before, salad]
        low.append(length + len(before))
        length = low[-1] + len(salad)
        high.append(length)
    weight = np.full(plan.salads, 1 / plan.salads)
    return Stream(surprise.keys(BREAK + "".join(parts)), np.array(low), np.array(high), weight)


class Windows(NamedTuple):
    """Windows of a stream: the place of every character, and how many each window has."""

    places: Array
    lengths: Array


def draw(stream: Stream, rng: np.random.Generator, number: int, whole: float) -> Windows:
    """Windows of 12 to 160 characters, and a share of whole ones."""
    which = rng.choice(len(stream.weight), number, p=stream.weight)
    room = stream.high[which] - stream.low[which]
    lengths = np.minimum(np.exp(rng.uniform(np.log(12), np.log(160), number)).astype(int), room)
    lengths = np.where(rng.random(number) < whole, room, lengths)
    starts = stream.low[which] + (rng.random(number) * (room - lengths + 1)).astype(int)
    ends = np.cumsum(lengths)
    return Windows(np.arange(ends[-1]) + np.repeat(starts - (ends - lengths), lengths), lengths)


def train(negative: Stream, positive: Stream, plan: Plan) -> dict[str, Array]:
    """Logistic regression on the sums of the n-grams' weights over windows, by Adagrad: nats, float32."""
    rng = np.random.default_rng(plan.seed)
    weights = [np.zeros(1 << (_PAIRS if name == "pairs" else surprise.BITS), np.float32) for name in TABLES]
    squares = [np.full_like(table, 1e-2) for table in weights]
    half = plan.batch // 2
    is_salad = np.repeat((1.0, 0.0), half)
    for step in range(plan.steps):
        drawn = draw(positive, rng, half, 0.3), draw(negative, rng, half, 0.0)
        lengths = np.concatenate([windows.lengths for windows in drawn])
        window = np.repeat(np.arange(plan.batch), lengths)
        at = np.concatenate([positive.keys[:, drawn[0].places], negative.keys[:, drawn[1].places]], axis=1)
        kept = [
            ((rng.random(plan.batch) >= plan.dropped) / (1 - plan.dropped)).astype(np.float32)[window] for _ in weights
        ]
        sums = sum(table[key] * keep for table, key, keep in zip(weights, at, kept, strict=True))
        error = 1 / (1 + np.exp(-np.clip(np.bincount(window, sums, plan.batch), -30, 30))) - is_salad
        # A long window is many n-grams: its step is spread over them, that the steps of all lengths be alike.
        slope = (error / np.sqrt(lengths)).astype(np.float32)[window]
        rate = plan.rate * (1 - 0.9 * step / plan.steps)
        for table, square, key, keep in zip(weights, squares, at, kept, strict=True):
            gradient = np.bincount(key, slope * keep, len(table)).astype(np.float32)
            square += gradient * gradient
            table -= rate * gradient / np.sqrt(square)
    return dict(zip(TABLES, weights, strict=True))


def build(train_folder: Path, plan: Plan) -> bytes:
    """The file that ships."""
    rng = random.Random(plan.seed)
    texts = ordinary(train_folder, plan.seed, 2_500, held_out=False)
    strings = published(train_folder)
    salads = Salads(vocabulary(texts["data:parapet_l1_holdout"]), texts, strings, rng)
    found = train(ordinary_stream(texts, plan, rng), salad_stream(salads, strings, texts, plan, rng), plan)
    buffer = io.BytesIO()
    whole = {name: np.clip(np.rint(table * surprise.UNITS), -127, 127).astype(np.int8) for name, table in found.items()}
    np.savez_compressed(buffer, **whole)
    return buffer.getvalue()
