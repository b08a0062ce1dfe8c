"""refusal: finds the upstream's own refusal, blocks nothing, holds nothing."""

import pytest

from outworks.defense import Defense
from outworks.defenses.refusal import Refusal, Settings
from outworks.message import Finish, Output
from outworks.verdict import Decision
from tests.defenses.contract import DefenseContract, Row
from tests.kit import asks

LONG = " The river rises in the hills, and flows past three towns before it meets the sea." * 6

REFUSALS = [
    "I'm sorry, but I can't help with that.",
    "I\u2019m sorry, but I can\u2019t assist with that request.",
    "I cannot provide instructions for that." + LONG,
    "As an AI language model, I am not able to create such content.",
    "Sorry, I won't write that.",
    "Unfortunately, I must decline.",
    "That is against my guidelines.",
    "It is not appropriate for me to discuss this.",
    "Lo siento, pero no puedo ayudar con eso.",
    "Je suis désolé, mais je ne peux pas vous aider.",
    "Es tut mir leid, dabei kann ich nicht helfen.",
    "Извините, но я не могу помочь с этим.",
    "抱歉，我无法提供帮助。",
    "申し訳ありませんが、お手伝いできません。",
    "죄송합니다. 도와드릴 수 없습니다.",
]
ANSWERS = [
    "Paris is the capital of France.",
    "Sure! Here is how to bake bread." + LONG,
    "I can help with that: first, open the settings.",
    "He said that she could not help laughing.",
    "I can't help but admire this bridge.",
    "To unlock the door, turn the key." + LONG + " I cannot help with more than that.",
    "You are right, and I am sorry for the delay; the parcel left today.",
    "",
]


class TestRefusal(DefenseContract):
    """The contract, over answers and refusals: each is let through."""

    _can_stop = False
    rows = [
        *(Row(f"refusal {n}", text, Decision.ALLOW, leaves=text) for n, text in enumerate(REFUSALS)),
        *(Row(f"answer {n}", text, Decision.ALLOW, leaves=text) for n, text in enumerate(ANSWERS)),
        Row("refused upstream", Output(text="No.", refused=True), Decision.ALLOW),
        Row("filtered upstream", Output(text="Part of", finish=Finish.CONTENT_FILTER), Decision.ALLOW),
    ]

    def make(self) -> Defense:
        return Refusal(Settings())


async def _found(output: Output) -> list[str]:
    verdict = await Refusal(Settings()).check_output(asks(), output)
    assert verdict.covered is None
    return [finding.category for finding in verdict.findings]


@pytest.mark.parametrize("text", REFUSALS)
async def test_a_refusal_is_found(text: str) -> None:
    """An answer that begins by refusing leaves a finding."""
    assert await _found(Output(text=text, done=True)) == ["refusal"]


@pytest.mark.parametrize("text", ANSWERS)
async def test_an_answer_is_no_refusal(text: str) -> None:
    """An ordinary answer leaves none, also where it apologises, or refuses something much later."""
    assert await _found(Output(text=text, done=True)) == []


async def test_the_upstreams_own_word_counts() -> None:
    """What the upstream marks as refused or filtered is a refusal whatever it says."""
    assert await _found(Output(text="Well.", refused=True, done=True)) == ["refusal"]
    assert await _found(Output(text="Well.", finish=Finish.CONTENT_FILTER, done=True)) == ["refusal"]


async def test_half_a_sentence_is_not_judged() -> None:
    """Before the opening has arrived whole nothing is found, so that `I can't help` may still become `helping but`."""
    assert await _found(Output(text="I can't help")) == []
