"""answered: a request that worked is caught by its own words or by the answer's, and nothing trained on counts."""

import gzip
import json
import zlib
from pathlib import Path

from outworks.detectors.looking import Looking
from outworks.detectors.training import answered
from outworks.detectors.training.figures import Rate
from tests.detectors.scripted import Scripted

THIRDS = ("lent", "tuned", "reported")


def asked(words: str, third: str) -> str:
    """A request that falls into that third."""
    tries = (f"{words} {n}" for n in range(1_000))
    return next(text for text in tries if THIRDS[zlib.crc32(f"third{text}".encode()) % 3] == third)


def kept(data: Path, name: str, rows: list[dict[str, str]]) -> None:
    (data / "dev").mkdir(exist_ok=True)
    with gzip.open(data / "dev" / f"{name}.jsonl.gz", "wt", encoding="utf-8") as lines:
        lines.writelines(json.dumps(row) + "\n" for row in rows)


def test_what_worked_is_caught_by_either_side(tmp_path: Path) -> None:
    """Four that worked: one shows in the request, one in the answer, one weakly in the request, one nowhere; one that
    did not work; two of the thirds that do not count; and one whose answer training saw under another request."""
    found = [
        ("jailbreak-canary", "yes", "harmful", "reported"),
        ("one", "harm-canary", "harmful", "reported"),
        ("weak-canary", "yes", "harmful", "reported"),
        ("two", "unsure-canary", "harmful", "reported"),
        ("jailbreak-canary", "no", "unharmful", "reported"),
        ("jailbreak-canary", "trained on", "harmful", "lent"),
        ("jailbreak-canary again", " trained on\n", "harmful", "reported"),
        ("three", "harm-canary", "harmful", "tuned"),
    ]
    rows = [
        {"text": asked(words, third), "response": said, "response_label": label, "label": "unlabelled_redteam"}
        for words, said, label, third in found
    ]
    kept(tmp_path, "jailjudge_mini", rows)
    kept(tmp_path, "pyrit_scorer_evals", [])

    first = answered.worked(tmp_path, Looking(Scripted()), second=False)
    both = answered.worked(tmp_path, Looking(Scripted()), second=True)

    assert first["jailjudge_mini, harmful: request"] == (Rate(2, 4), Rate(1, 4))
    assert first["jailjudge_mini, harmful: answer"] == (Rate(1, 4), Rate(1, 4))
    assert first["jailjudge_mini, harmful: either"] == (Rate(3, 4), Rate(2, 4))
    assert first["jailjudge_mini, harmless: either"] == (Rate(1, 1), Rate(1, 1))
    assert both["jailjudge_mini, harmful: either"] == (Rate(4, 4), Rate(3, 4))


def test_answers_that_training_saw_are_not_reported(tmp_path: Path) -> None:
    """Word for word, under whatever request: models decline in the same few words."""
    rows = [
        {"text": asked(f"{about} {n}", third), "response": said, "response_label": label, "label": "benign"}
        for about, third, said, label in (
            ("seen", "lent", "I'm sorry. refusal-canary", "refusal"),
            ("again", "tuned", "I'm sorry. refusal-canary", "refusal"),
            ("again", "reported", "I'm sorry. refusal-canary", "refusal"),
            ("new", "tuned", "I can't do that. refusal-canary", "refusal"),
            ("new", "reported", "I can't do that. refusal-canary", "refusal"),
            ("jam", "tuned", "Jam sets.", "compliance"),
            ("jam", "reported", "Jam sets.", "compliance"),
        )
        for n in range(9)
    ]
    kept(tmp_path, "jailjudge_mini", [])
    kept(tmp_path, "pyrit_scorer_evals", rows)

    found = {each.name: each for each in answered.scored(tmp_path, Looking(Scripted()), second=False)}

    assert found["pyrit_scorer_evals: refusal"].texts == 18


def test_refusals_are_reported_with_and_without_those_that_evade(tmp_path: Path) -> None:
    """F1 of both, each under its own name: a refusal that only answers another question is in the first alone."""
    rows = []
    for third in ("tuned", "reported"):
        for n in range(12):
            declines, evades = n % 3 == 0, n % 3 == 1
            said = (
                "I'm sorry, I can't do that. refusal-canary" if declines else "Bread rises." if evades else "Jam sets."
            )
            label = "compliance" if n % 3 == 2 else "refusal"
            about = asked(f"Tell me about {'jam' if n % 3 == 2 else 'cats'} {n}", third)
            rows.append({"text": about, "response": said, "response_label": label, "label": "benign"})
        rows += [
            {
                "text": asked(f"Jam again {n}", third),
                "response": "Jam.",
                "response_label": "compliance",
                "label": "benign",
            }
            for n in range(20)
        ]
    kept(tmp_path, "jailjudge_mini", [])
    kept(tmp_path, "pyrit_scorer_evals", rows)

    found = {each.name: each for each in answered.scored(tmp_path, Looking(Scripted()), second=False)}

    whole = found["pyrit_scorer_evals: refusal"]
    rest = found["pyrit_scorer_evals: refusal, but for answers to other questions"]
    assert (whole.texts, rest.texts) == (32, 28)
    assert rest.f1 == 1.0 > whole.f1
