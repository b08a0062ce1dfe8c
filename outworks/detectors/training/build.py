"""build: one run from a folder of public data to the weights that ship."""

import io
import os
import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import msgspec
import numpy as np

from outworks.detectors import surprise
from outworks.detectors.calibration import CALIBRATION, FIRST, Calibration, Mix, Opposed
from outworks.detectors.categories import BLOCKING, MODERATION, Side
from outworks.detectors.categories import Category as C
from outworks.detectors.deep import MODEL, TOKENIZER, Reader
from outworks.detectors.detector import Detector, Scores
from outworks.detectors.files import SUMS, list_sums
from outworks.detectors.grams import Array
from outworks.detectors.meaning import WORDS
from outworks.detectors.training import (
    base,
    calibrate,
    contrasts,
    corpus,
    declining,
    export,
    frames,
    linear,
    meaning,
    second,
    strings,
    tuning,
)
from outworks.detectors.training.coarse import coarse
from outworks.detectors.training.corpus import Example

Say = Callable[[str], None]
LANES = {
    Side.REQUEST: (C.JAILBREAK, C.INJECTION, C.HARM),
    Side.CONTENT: (C.INJECTION,),
    Side.OUTPUT: (C.HARM, C.REFUSAL),
}
BUDGETS: Mapping[Side, Mapping[C, float]] = {
    Side.REQUEST: {C.JAILBREAK: 0.6, C.INJECTION: 0.3, C.ADVERSARIAL_STRING: 0.5, C.HARM: 1.3},
    Side.CONTENT: {C.INJECTION: 1.0, C.ADVERSARIAL_STRING: 0.15},
    Side.OUTPUT: {C.HARM: 1.0},
}
"""How the false positives are shared out."""
MIXES: Mapping[Side, Mapping[C, Mix]] = {
    Side.REQUEST: {C.JAILBREAK: Mix(0.6, 1.0, 0.0), C.INJECTION: Mix(0.3, 1.0, 0.0), C.HARM: Mix(0.5, 1.0, 0.0)},
    Side.CONTENT: {C.INJECTION: Mix(0.3, 1.0, 0.0)},
    Side.OUTPUT: {C.HARM: Mix(0.5, 1.0, 0.0)},
}
"""How the two stages' logits are added up. Chosen on dev and on what was held out, each category by itself; of refusals
the first stage alone tells more (docs/design/detectors.md)."""
OPPOSED: Mapping[Side, Mapping[C, Opposed]] = {Side.OUTPUT: {C.REFUSAL: Opposed(C.HARM, 0.4, -4.0)}}
"""An answer that harms declines nothing. The other way round would be as true, and is not done: whoever has an answer
apologise every few sentences would talk its harm away (docs/design/detectors.md)."""
GATES: Mapping[Side, Mapping[C, float]] = {
    Side.REQUEST: {C.JAILBREAK: 0.008, C.INJECTION: 0.004, C.HARM: 0.022},
    Side.CONTENT: {C.INJECTION: 0.05},
    Side.OUTPUT: {C.HARM: 0.05},
}
"""Shares of ordinary traffic that each category sends to the second stage."""
WIDER: Mapping[Side, Mapping[C, float]] = {Side.REQUEST: {C.INJECTION: 0.007}}
"""The same for texts whose words are known, though of all traffic: in languages that the second stage hardly knows it
takes ordinary texts for orders."""


class Plan(msgspec.Struct, frozen=True):
    """The configuration that made the shipped weights."""

    first: linear.Plan = linear.Plan()
    string: strings.Plan = strings.Plan()
    words: meaning.Plan = meaning.Plan()
    deep: tuning.Plan = tuning.Plan()
    planting_seed: int = 6


class Examples(NamedTuple):
    """What there is to learn from, without what stands in dev too."""

    requests: list[Example]
    content: list[Example]
    outputs: list[Example]
    near: int
    """Rows left out for being near some dev row."""

    def training(self, dev: Path) -> "Examples":
        """Those that are trained on."""
        requests = [each for each in self.requests if not each.held_out] + calibrate.lent(dev)
        outputs = [each for each in self.outputs if not each.held_out] + calibrate.lent_outputs(dev)
        outputs += corpus.prose(requests, random.Random(3), 1_500)
        outputs += declining.answers(requests, 1_500, 5)
        content = [each for each in self.content if not each.held_out] + calibrate.lent_documents(dev)
        judged = [*texts(dev), *(each.text for each in self.requests if each.held_out)]
        requests += contrasts.in_shapes(contrasts.unseen(contrasts.made(1_500, 3), judged), 11)
        return Examples(
            requests + corpus.made(Side.REQUEST, 60), content + corpus.made(Side.CONTENT, 12), outputs, self.near
        )

    def held(self) -> "Examples":
        """Those that are not."""
        requests, content, outputs = ([each for each in part if each.held_out] for part in self[:3])
        return Examples(requests, content, outputs, self.near)


def examples(data: Path, plan: Plan) -> Examples:
    """Everything, read and split."""
    train, dev = data / "train", data / "dev"
    requests = corpus.requests(train)
    close = corpus.near(requests, texts(dev))
    kept = [each for n, each in enumerate(requests) if n not in close]
    planting = corpus.Planting(train, plan.planting_seed)
    content = planting.examples() + planting.results()
    return Examples(kept, content, corpus.outputs(train), len(close))


def texts(dev: Path) -> list[str]:
    """Every text of the folder that training is judged by."""
    return [row["text"] for name in corpus.names(dev) if name != "twitter_bots" for row in corpus.rows(dev, name)]


def first(found: Examples, plan: Plan, say: Say, *, shuffled: bool = False) -> bytes:
    """The first stage's file."""
    stored: dict[str, Array] = {}
    parts: list[tuple[str, Sequence[Example], Sequence[C], linear.Plan]] = [
        (Side.REQUEST, found.requests + frames.framed(found.requests, 9), LANES[Side.REQUEST], plan.first),
        (Side.CONTENT, found.content, LANES[Side.CONTENT], plan.first),
        (Side.OUTPUT, found.outputs, LANES[Side.OUTPUT], plan.first),
        ("topics", topical(found.requests), MODERATION, msgspec.structs.replace(plan.first, rounds=25)),
    ]
    for name, mine, lanes, how in parts:
        fitted = linear.fit(linear.pieces(mine, how.seed), lanes, how, say, shuffled=shuffled)
        stored |= {f"{name}_weights": fitted.weights, f"{name}_scale": fitted.scale, f"{name}_bias": fitted.bias}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **stored)  # type: ignore[arg-type]
    return buffer.getvalue()


def topical(requests: Sequence[Example]) -> list[Example]:
    """Requests that say something of a moderation category; of the clean ones a sample."""
    rng = random.Random(5)
    topics = frozenset(MODERATION)
    named = [each for each in requests if topics & each.targets.keys()]
    loud = [each for each in named if any(each.targets.get(topic) for topic in topics)]
    quiet = [each for each in named if not any(each.targets.get(topic) for topic in topics)]
    return loud + rng.sample(quiet, min(9_000, len(quiet)))


def build(
    data: Path, out: Path, plan: Plan, say: Say, package: Path | None = None, *, second_stage: bool = True
) -> None:
    """Trains everything and writes it into `out`, at the very end: a run that stops half-way leaves `out` as it was.
    `package` is the file that the second stage and words' vectors come from, fetched where it is not given; without
    `second_stage` neither is made.

    Raises `ModuleNotFoundError` before anything is trained where what those need is not installed.
    """
    start = None
    if second_stage:
        tuning.check_installed()
        export.check_installed()
        start = base.read(package)
    found = examples(data, plan)
    training = found.training(data / "dev")
    counts = f"{len(training.requests)} requests, {len(training.content)} documents, {len(training.outputs)} answers"
    say(f"{counts}; {found.near} near dev left out")
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as unfinished:
        folder = Path(unfinished)
        (folder / FIRST).write_bytes(first(training, plan, say))
        (folder / surprise.STRINGS).write_bytes(strings.build(data / "train", plan.string))
        if start is not None:
            (folder / TOKENIZER).write_bytes(start.tokenizer)
            (folder / WORDS).write_bytes(meaning.build(_natural(training.requests), start, plan.words, say))
            (folder / MODEL).write_bytes(deep(training, start, plan, say))
        finish(data, folder, found, say)
        out.mkdir(exist_ok=True)
        for name in (*files(folder), SUMS):
            os.replace(folder / name, out / name)


def deep(training: Examples, start: base.Base, plan: Plan, say: Say) -> bytes:
    """The second stage's file."""
    chosen = second.chosen([each for part in training[:3] for each in _natural(part)], plan.deep)
    reader = Reader(start.tokenizer)
    epoch = partial(second.rows, chosen, reader, plan.deep)
    tokens = "embeddings.word_embeddings.weight"
    tensors = start.tensors | {tokens: coarse(start.tensors[tokens]).vectors}
    return export.exported(tuning.tune(tensors, epoch, plan.deep, say))


def _natural(examples: Sequence[Example]) -> list[Example]:
    """Without generated texts, which the grams are to pass by themselves: what is left is nearly always language."""
    return [each for each in examples if not each.source.startswith("made_")]


def files(out: Path) -> list[str]:
    """What ships."""
    names = [FIRST, surprise.STRINGS, CALIBRATION]
    return names + [name for name in (WORDS, MODEL, TOKENIZER) if (out / name).exists()]


def finish(data: Path, out: Path, found: Examples, say: Say) -> None:
    """Calibrates what `out` holds, in two steps: without the second stage, then with it."""
    lanes = {side: tuple(each) for side, each in LANES.items()}
    words = (out / WORDS).exists()
    calibration = Calibration(lanes, {}, {}, {}, {}, OPPOSED, words)
    _write(out, calibration)
    detector = Detector.load(out)
    benign, traffic = _benign(data, found.held())
    joint, single = {}, {}
    for side, texts in benign.items():
        scores = columns(detector, texts, side)
        joint[str(side)] = calibrate.joint({c: scores[c] for c in BLOCKING[side]}, BUDGETS[side])
        single[str(side)] = calibrate.alone(scores)
    calibration = msgspec.structs.replace(calibration, joint=joint, alone=single)
    _write(out, calibration)
    if not (out / MODEL).exists():
        return
    gates = {side: gate(detector, traffic[side], side, shares) for side, shares in GATES.items()}
    wider = {side: gate(detector, traffic[side], side, shares) for side, shares in WIDER.items()} if words else {}
    calibration = msgspec.structs.replace(calibration, gates=gates, wider=wider, mixes=MIXES)
    _write(out, calibration)
    both = Detector.load(out, second=True)
    for side, texts in benign.items():
        once = both.score_all(texts, side, topics=True)
        twice = [
            both.look_again(text, side, msgspec.structs.replace(scores, unsure=True))
            for text, scores in zip(texts, once, strict=True)
        ]
        asked = [late if early.unsure else early for early, late in zip(once, twice, strict=True)]
        for mark, seen in (("+", asked), ("*", twice)):
            found_by = _stacked(seen)
            joint[f"{side}{mark}"] = calibrate.joint({c: found_by[c] for c in BLOCKING[side]}, BUDGETS[side])
            single[f"{side}{mark}"] = calibrate.alone(found_by)
        say(f"{side}: {sum(each.unsure for each in once) / len(texts):.1%} of the benign pool reach the second stage")
    _write(out, msgspec.structs.replace(calibration, joint=joint, alone=single))


class _Benign(NamedTuple):
    pool: dict[Side, list[str]]
    """What thresholds are fixed on."""
    traffic: dict[Side, list[str]]
    """What stands for ordinary traffic, when it is counted what reaches the second stage."""


def _benign(data: Path, held: Examples) -> _Benign:
    requests = calibrate.pool(data / "dev", held.requests)
    documents = [each.text for each in held.content if each.planted is None]
    answers = [
        each.example.text
        for each in calibrate.judged_outputs(data / "dev")
        if each.third is calibrate.Third.TUNED and each.example.targets.get(C.HARM) == 0.0
    ] + [each.text for each in held.outputs if each.targets[C.HARM] == 0.0]
    everyday = [each.text for each in corpus.prose(held.requests, random.Random(4), 1_500)]
    return _Benign(
        {
            Side.REQUEST: [text for texts in requests.values() for text in texts],
            Side.CONTENT: documents,
            Side.OUTPUT: answers,
        },
        {
            Side.REQUEST: [text for name in calibrate.TRAFFIC for text in requests.get(name, ())],
            Side.CONTENT: documents,
            Side.OUTPUT: everyday,
        },
    )


def gate(detector: Detector, texts: Sequence[str], side: Side, shares: Mapping[C, float]) -> dict[C, float]:
    """The logits that a share of texts reaches."""
    logits = np.array([each.logits for each in detector.score_all(texts, side)])
    return {
        lane: float(np.quantile(logits[:, n], 1 - shares[lane])) for n, lane in enumerate(LANES[side]) if lane in shares
    }


def columns(detector: Detector, texts: Sequence[str], side: Side) -> dict[C, Array]:
    """Each category's scores over texts, by the first stage."""
    return _stacked(detector.score_all(texts, side, topics=True))


def _stacked(found: Sequence[Scores]) -> dict[C, Array]:
    return {C(name): np.array([each.by_category[name] for each in found]) for name in found[0].by_category}


def _write(out: Path, calibration: Calibration) -> None:
    (out / CALIBRATION).write_bytes(msgspec.json.format(msgspec.json.encode(calibration), indent=1) + b"\n")
    (out / SUMS).write_bytes(list_sums(out, files(out)))


__all__ = ["Examples", "Plan", "build", "columns", "examples", "finish", "first"]
