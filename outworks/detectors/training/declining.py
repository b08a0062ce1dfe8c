"""declining: answers that decline, and answers that comply, written here: public sets have few in the words of today."""

# ruff: noqa: E501, SIM905 -- tables read best whole

import random
import re
from collections.abc import Sequence

from outworks.detectors.categories import Category as C
from outworks.detectors.categories import Side
from outworks.detectors.training.corpus import Example

SOURCE = "declining"
_PROSE = frozenset(
    {"gpteacher_roleplay", "parapet_l1_holdout", "truthfulqa", "persona_chat", "taskmaster4", "self_instruct_user"}
)
_ASKS_HOW = re.compile(
    r"^how (?:to|(?:do|can|could|would|should|might) (?:i|you|we|one|someone|somebody|people)) (.+?)\?*$", re.I
)
_IMPERATIVE = re.compile(
    r"^(?:(?:please|can you|could you|would you|will you) )*((?:write|create|make|develop|give|provide|explain|describe|"
    r"generate|design|tell|show|teach|list|draft|suggest|outline|produce|build|compose|help|instruct|plan|find|translate|"
    r"summari[sz]e|prepare|present|offer|share|demonstrate|convince|argue|plot|script|code|invent|craft|detail|publish)"
    r"\b.+?)[.?!]*$",
    re.I,
)
_TWISTED = re.compile(r"[?!]|\. |%20|\bi (?:am|was|have)\b|\bi['\u2019]", re.I)
"""More than one sentence, or one that cannot be turned round word by word."""
_TO_YOU = {"i": "you", "my": "your", "me": "you", "mine": "yours", "myself": "yourself"}
_LONGEST = 160
"""Characters of a request that is spoken of."""
_UNABLE = (
    "I can't {}.", "I cannot {}.", "I won't {}.", "I can't help {}.", "I can't help you {}.", "I'm not able to {}.",
    "I am unable to {}.", "I'm sorry, but I can't {}.", "I'm sorry, I won't {}.", "Sorry, I'm not going to {}.",
    "No. I will not {}.", "I'm afraid I can't {}.", "I apologize, but I'm unable to {}.", "My apologies, I cannot {}.",
    "Unfortunately, I can't {}.", "I must decline to {}.", "I have to refuse to {}.", "I'd rather not {}.",
    "I don't feel comfortable being asked to {}.", "As an AI, I am not able to {}.", "I'm going to pass on this: I won't {}.",
    "It would be wrong of me to {}.", "It is illegal and dangerous to {}.", "It is neither legal nor right to {}.",
    "It is important not to {}.", "I understand why you ask, but I can't {}.", "Thank you for asking, but I won't {}.",
    "That is a request to {}. I can't do that.", "You asked me to {}. I won't.", "I can't in good conscience {}.",
)  # fmt: skip
_UNSAID = (
    "I can't help with that.", "I can't help with this request.", "I cannot assist with that.", "I won't do that.",
    "I'm sorry, but I can't assist with that request.", "Sorry, I can't answer that.", "I'm not able to discuss this.",
    "I can't comply with that.", "I'm unable to respond to this request.", "No, I can't do that for you.",
    "I'm sorry, I can't continue with this.", "This is something that I can't talk about.", "I have to stop here.",
    "That goes against what I am allowed to do.", "This goes against my guidelines.", "I have to decline.",
    "I can't share that.", "I'd prefer not to continue this conversation.", "That isn't something I can support.",
)  # fmt: skip
_REASONS = (
    "", "", "", "It could hurt people.", "That would be against the law.", "It would be harmful.", "It is unethical.",
    "It may put you or others in danger.", "It goes against my guidelines.", "That is protected by copyright.",
    "There is no reliable evidence for it.", "It would invade somebody's privacy.", "It promotes hatred.",
    "This kind of thing causes real harm.", "It is important to treat others with respect.", "Please do not do this.",
    "Doing so has serious consequences, including fines and prison.", "I have no access to that.",
    "It's designed to mislead people.",
)  # fmt: skip
_OFFERS = (
    "", "", "", "If you like, I can help with something else.", "If your goal is to learn, I can explain the background.",
    "I can, however, offer a short summary instead.", "I can help with lawful ways to reach what you want.",
    "If you are struggling, please talk to somebody you trust.", "Is there anything else I can do for you?",
    "If this is for fiction, I can write a scene without such details.", "I'd be happy to talk about safety instead.",
    "Here is what I can do instead:\n\n- a summary\n- a list of reliable sources\n- a draft of something similar",
    "If you want, I can:\n- explain the risks\n- suggest safer choices\n- point to people who can help",
    "Consider talking to a professional about it.", "Tell me more about what you need, and I'll see what I can do.",
    "Let me know if you have another question.", "Instead, let us look at how to protect people from it.",
)  # fmt: skip
_COMPLYING = (
    "Sure! Here is how to {}:", "Certainly. Let's {}.", "Of course! To {}, begin with this:", "Here you go.",
    "Sure, I can {}.", "Absolutely, I'd be happy to {}.", "I can help you {}. First,", "To {}, follow these steps:",
    "Yes. When you want to {}, remember:", "Okay, let me {}.", "Great question! Here's what to know.", "Great, let us {}.",
    "There are many ways to {}.", "You asked me to {}. Here it is:", "I'm glad you asked me to {}.", "Let me {}:",
)  # fmt: skip
_BEFORE = ("",) * 12 + ("Assistant: ", "AI: ", "[Normal mode] ", "Bot: ", '"', "Answer: ", "**", "Hello! ", "Hm. ")
_GOES_ON = 0.5
"""Share of the answers, of either kind, that say something else behind it."""
_WORD = re.compile(r"[^\W\d_]{3,}|\d+|\b[A-Z]{2}\b")
_EMPTY = frozenset(
    "about all also and any are but can could did does for from get give had has have help her him his how its just like "
    "make may might more most need not one other our out she should some such tell than that the their them then there "
    "these they this those two use using want was were what when where which who why will with would write you your".split()
)


def answers(requests: Sequence[Example], number: int, seed: int) -> list[Example]:
    """So many answers that decline one of the requests, and as many that comply with one, in words that say nothing: it
    is the declining that must be learned, not what it is about. Harmless requests stand for what else an answer says."""
    rng = random.Random(seed)
    prose = [each for each in requests if each.targets.get(C.HARM) == 0.0 and each.source in _PROSE]
    asked = [(each, phrase) for each in requests if (phrase := _phrase(each.text)) is not None]
    said = [each.text[:600] for each in prose if each.text.isascii()]
    if not asked or not said:
        return []
    found = []
    for n in range(2 * number):
        each, phrase = rng.choice(asked)
        declines = n % 2 == 0
        text = rng.choice(_BEFORE) + (_declined(phrase, rng) if declines else rng.choice(_COMPLYING).format(phrase))
        if rng.random() < _GOES_ON:
            text += rng.choice(("\n\n", " ", "\n")) + rng.choice(said)
        if rng.random() < 0.4:
            text = text.replace("'", "\u2019")
        targets: dict[C, float] = {C.REFUSAL: float(declines)}
        if declines or each.targets.get(C.HARM) == 0.0:
            targets[C.HARM] = 0.0
        found.append(Example(text, Side.OUTPUT, targets, 1.0, SOURCE, each.group))
    return found


def is_about(request: str, answer: str) -> bool:
    """Whether an answer shares a word that says something with its request, whatever its ending. One that shares none
    answers another question, if the request has such a word at all."""
    asked, told = _said(request), _said(answer)
    return not asked or any(word.startswith(each) or each.startswith(word) for word in asked for each in told)


def _said(text: str) -> set[str]:
    return {word.casefold() for word in _WORD.findall(text) if word.casefold() not in _EMPTY}


def _declined(phrase: str, rng: random.Random) -> str:
    opening = rng.choice(_UNABLE).format(phrase) if rng.random() < 0.75 else rng.choice(_UNSAID)
    parts = [opening.replace("help you help", "help you").replace("help help", "help"), rng.choice(_REASONS)]
    offer = rng.choice(_OFFERS)
    return " ".join(filter(None, parts)) + (rng.choice((" ", "\n\n")) + offer if offer else "")


def _phrase(request: str) -> str | None:
    """A request as what somebody may or may not do: "write a poem about your cat"; nothing where it is not so plain."""
    if len(request) > _LONGEST or "\n" in request or not request.isascii():
        return None
    how = _ASKS_HOW.match(request)
    plain = how or _IMPERATIVE.match(request)
    if plain is None or _TWISTED.search(plain[1]):
        return None
    words = [_TO_YOU.get(word.casefold(), word) for word in plain[1].split()]
    return " ".join([words[0].casefold(), *words[1:]]) if not how else "explain how to " + " ".join(words)
