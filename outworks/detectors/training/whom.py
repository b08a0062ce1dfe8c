"""whom: whose harmless words are flagged: by language, by the groups they name, by dialect."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from outworks.detectors.categories import Category as C
from outworks.detectors.categories import Side
from outworks.detectors.looking import Looking
from outworks.detectors.training import build, calibrate, corpus
from outworks.detectors.training.figures import Rate, is_flagged


def _flags(looking: Looking, texts: Sequence[str], limits: Mapping[str, float], *, topics: bool = False) -> Rate:
    return Rate(
        sum(is_flagged(look, limits) for look in looking.look_all(texts, Side.REQUEST, topics=topics)), len(texts)
    )


def languages(data: Path, held: build.Examples, looking: Looking) -> dict[str, Rate]:
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


def bias(data: Path, held: build.Examples, looking: Looking) -> dict[str, Rate]:
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
