"""A fine-tuning service that moderates what is uploaded: only the rows that pass are trained on.

The threat is that of Qi et al. (arXiv 2310.03693): the adversary holds no weights, only what the service takes.
"""

import math
import re
from collections import Counter
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Literal, Protocol

import msgspec

from outworks.lab.behaviours import Behaviours, DataError, Split
from outworks.lab.checkpoint import Prompt, Turn
from outworks.lab.training import Example
from outworks.nearest import did_you_mean

OnFlag = Literal["drop", "reject"]
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_ROLES = ("system", "user", "assistant")
_MISSED = 0.1
"""The share of innocent requests that the moderator of words may flag while it is made."""


class Moderator(Protocol):
    """Whoever reads an upload."""

    def __call__(self, text: str, *, answer: bool = False) -> bool:
        """Whether a text is flagged. `answer`: it is what the model is to say, not what it is asked."""
        ...


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """What the service did with an upload."""

    accepted: tuple[Example, ...]
    """What it trains on."""
    flagged: tuple[int, ...]
    """Lines that the moderator flagged, from 1."""
    rows: int


class _Message(msgspec.Struct, forbid_unknown_fields=True):
    role: str
    content: str


class _Row(msgspec.Struct, forbid_unknown_fields=True):
    messages: tuple[_Message, ...]


def upload(examples: Sequence[Example]) -> bytes:
    """Examples as a service takes them: one JSON object a line, `messages` with roles, the answer last."""
    rows = []
    for each in examples:
        turns = [*each.prompt.turns, Turn("assistant", each.prompt.prefill + each.answer)]
        rows.append(_Row(tuple(_Message(turn.role, turn.content) for turn in turns)))
    return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)


def receive(uploaded: bytes, moderator: Moderator, *, on_flag: OnFlag = "drop") -> Received:
    """Read an upload, every message of it by the moderator. With `drop`, the rows that it flags are left out; with
    `reject`, one of them is enough for nothing to be trained on. Raises `DataError` that names the line."""
    examples: list[Example] = []
    flagged: list[int] = []
    rows = 0
    for n, line in enumerate(uploaded.splitlines(), 1):
        if not line.strip():
            continue
        rows += 1
        messages = _read(line, n)
        if any(moderator(each.content, answer=each.role == "assistant") for each in messages):
            flagged.append(n)
            continue
        turns = tuple(Turn(each.role, each.content) for each in messages[:-1])
        examples.append(Example(Prompt(turns), messages[-1].content))
    if not rows:
        raise DataError("the upload is empty; expected one JSON object a line, with `messages`")
    accepted = () if flagged and on_flag == "reject" else tuple(examples)
    return Received(accepted=accepted, flagged=tuple(flagged), rows=rows)


def _read(line: bytes, n: int) -> tuple[_Message, ...]:
    try:
        messages = msgspec.json.decode(line, type=_Row).messages
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise DataError(f"the upload, line {n}: {error}") from error
    for at, each in enumerate(messages):
        where = f"the upload, line {n}: `messages[{at}]"
        if each.role not in _ROLES:
            hint = did_you_mean(each.role, _ROLES, f"expected one of {', '.join(_ROLES)}")
            raise DataError(f"{where}.role` is {each.role!r}{hint}")
        if not each.content.strip():
            raise DataError(f"{where}.content` is empty")
    if len(messages) < 2 or messages[-1].role != "assistant" or messages[-2].role != "user":
        given = ", ".join(each.role for each in messages) or "nothing"
        raise DataError(f"the upload, line {n}: `messages` holds {given}; expected it to end with user, assistant")
    return messages


class WordModerator:
    """Flags by words and pairs of words: naive Bayes over what harmful requests say and innocent ones do not.

    It reads what is asked. Answers it passes: there are no harmful ones here to learn from, and those that are uploaded
    contain nothing.
    """

    def __init__(self, behaviours: Behaviours, *, unseen: Collection[str] = ()) -> None:
        """Learns from the requests to train on, but for the texts in `unseen` (what the adversary will upload: knowing
        it by heart would flatter the moderator); its limit is chosen on the development part.

        Raises ValueError where nothing is left to learn from.
        """
        hidden = set(unseen)
        harmful = [each.text for each in behaviours.harmful(Split.TRAIN) if each.text not in hidden]
        benign = [each.text for each in behaviours.benign(Split.TRAIN) if each.text not in hidden]
        if not harmful or not benign:
            raise ValueError(
                f"{behaviours.name}: the moderator has {len(harmful)} harmful and {len(benign)} innocent requests to "
                "learn from beside those that are uploaded; expected at least one of each: upload fewer"
            )
        self._weights = _log_odds(harmful, benign)
        self._limit = 0.0
        innocent = sorted(self._score(each.text) for each in behaviours.benign(Split.DEV))
        if innocent:
            self._limit = max(0.0, innocent[math.ceil((1 - _MISSED) * len(innocent)) - 1])

    def __call__(self, text: str, *, answer: bool = False) -> bool:
        return not answer and self._score(text) > self._limit

    def _score(self, text: str) -> float:
        """The mean log-odds of what is known in it: long texts are judged like short ones."""
        known = [self._weights[each] for each in _features(text) if each in self._weights]
        return sum(known) / len(known) if known else 0.0


def _log_odds(harmful: Sequence[str], benign: Sequence[str]) -> dict[str, float]:
    bad = Counter(each for text in harmful for each in set(_features(text)))
    good = Counter(each for text in benign for each in set(_features(text)))
    return {
        each: math.log((bad[each] + 1) / (len(harmful) + 2)) - math.log((good[each] + 1) / (len(benign) + 2))
        for each in bad | good
    }


def _features(text: str) -> list[str]:
    words = [word.lower() for word in _WORD.findall(text)]
    return [*words, *(f"{a} {b}" for a, b in pairwise(words))]


class DetectorModerator:
    """The first stage of the detectors that ship with Outworks, at a false-positive rate they are calibrated for."""

    def __init__(self, false_positive_rate: float = 0.01) -> None:
        """Raises `FileNotFoundError` or ValueError where the detectors' weights are not there or not whole."""
        from outworks.detectors import BLOCKING, Detector, Side

        self._detector = Detector.load()
        self._sides = {False: Side.REQUEST, True: Side.OUTPUT}
        self._limits = {side: self._detector.limits(side, false_positive_rate) for side in self._sides.values()}
        self._blocking = {side: BLOCKING[side] for side in self._sides.values()}

    def __call__(self, text: str, *, answer: bool = False) -> bool:
        side = self._sides[answer]
        scores = self._detector.score(text, side).by_category
        return any(scores[each] >= self._limits[side][each] for each in self._blocking[side])
