"""Category and Side: what detectors look for, and in whose words."""

from collections.abc import Mapping
from enum import StrEnum


class Side(StrEnum):
    """Whose words a text is: the same words are an order in one place and harmless in another."""

    REQUEST = "request"
    """The user's own."""
    CONTENT = "content"
    """Untrusted: tool results, documents, pages."""
    OUTPUT = "output"
    """A model's answer."""


class Category(StrEnum):
    """What is looked for. From `harassment` on they are those of OpenAI's moderation endpoint."""

    JAILBREAK = "jailbreak"
    """A frame that is to make the model drop its rules."""
    INJECTION = "injection"
    """In a request: an order to override or reveal the instructions. In content: any instruction planted there."""
    ADVERSARIAL_STRING = "adversarial_string"
    """A string that a search over tokens made."""
    HARM = "harm"
    """A request for something harmful, or an answer that gives it."""
    REFUSAL = "refusal"
    """An answer that declines."""
    HARASSMENT = "harassment"
    HARASSMENT_THREATENING = "harassment/threatening"
    HATE = "hate"
    HATE_THREATENING = "hate/threatening"
    ILLICIT = "illicit"
    ILLICIT_VIOLENT = "illicit/violent"
    SELF_HARM = "self-harm"
    SELF_HARM_INTENT = "self-harm/intent"
    SELF_HARM_INSTRUCTIONS = "self-harm/instructions"
    SEXUAL = "sexual"
    SEXUAL_MINORS = "sexual/minors"
    VIOLENCE = "violence"
    VIOLENCE_GRAPHIC = "violence/graphic"


MODERATION = tuple(Category)[5:]
"""OpenAI's."""
_JAILBREAK, _INJECTION, _STRING, _HARM, _REFUSAL = tuple(Category)[:5]
BLOCKING: Mapping[Side, tuple[Category, ...]] = {
    Side.REQUEST: (_JAILBREAK, _INJECTION, _STRING, _HARM),
    Side.CONTENT: (_INJECTION, _STRING),
    Side.OUTPUT: (_HARM,),
}
"""Those that a false-positive budget is shared among."""
CATEGORIES: Mapping[Side, tuple[Category, ...]] = {
    Side.REQUEST: (*BLOCKING[Side.REQUEST], *MODERATION),
    Side.CONTENT: BLOCKING[Side.CONTENT],
    Side.OUTPUT: (_HARM, _REFUSAL, *MODERATION),
}
