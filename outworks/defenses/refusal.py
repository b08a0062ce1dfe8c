"""refusal: notices that the upstream model itself refused; evidence for the other lines, it blocks nothing."""

import re

import msgspec
from ahocorasick_rs import AhoCorasick
from typing_extensions import override

from outworks import defense
from outworks.message import Finish, Output, Request
from outworks.verdict import ALLOW, Finding, Span, Verdict


class Settings(defense.Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the policy can say of `refusal`."""

    window: int = msgspec.field(default=300)
    """How many of an answer's first characters are read: a refusal says so at once."""


class Refusal(defense.Defense):
    """A model's refusal is its alignment speaking: weak evidence by itself, and free. An account that collects them is
    looking for the way around.

    The beginning is judged once, when it has arrived whole, so that a sentence is never taken for a refusal by its
    first half. Nothing is held for it.
    """

    name = "refusal"

    def __init__(self, settings: Settings) -> None:
        self._window = settings.window

    @override
    async def check_output(self, request: Request, output: Output) -> Verdict:
        if not output.done:
            if len(output.text) < self._window or output.released >= self._window:
                return ALLOW
            finding = self._said(output.text)
        elif output.refused or output.finish is Finish.CONTENT_FILTER:
            finding = Finding("refusal", 1.0, None, "upstream")
        else:
            finding = self._said(output.text)
        return Verdict(findings=(finding,)) if finding is not None else ALLOW

    def _said(self, text: str) -> Finding | None:
        opening = text[: self._window].replace("\u2019", "'")
        met = {_OF[word] for word, _, _ in _WORDS.find_matches_as_indexes(opening.lower(), overlapping=True)}
        # In their order, the surest first. Most answers hold none of the words, and pay for no pattern.
        for n in sorted(met):
            match = _PHRASES[n].pattern.search(opening)
            if match is not None:
                return Finding("refusal", _PHRASES[n].score, Span(match.start(), match.end()), "said")
        return None


class _Phrases(msgspec.Struct, frozen=True):
    """Ways to refuse."""

    words: tuple[str, ...]
    """In lower case; no phrase is without one of them."""
    pattern: re.Pattern[str]
    score: float


def _any(*alternatives: str) -> str:
    return f"(?:{'|'.join(alternatives)})"


_DO = _any(
    r"help(?! it\b| but\b|ing but\b)|assist|provid|compl|fulfil|support|creat|generat|produc|writ|giv|offer|shar",
    r"engag|answer|continu|discuss|encourag|condon|participat|do (?:that|this|so)|promot|respond|advi[sc]|facilitat",
    r"endors|teach|explain|tell|show|recommend|guid|instruct|carry|proceed|accommodat|be (?:able|a part|part|of)",
    r"satisf|mak|talk|describ|suggest|allow|agree|go along|entertain|role-?play|pretend|meet|process|draft|craft",
    r"translat|tolerat|justif|reveal|disclos|express|perform|execut|conduct|get into|work on|take part|speak|comment",
    r"contribut|perpetuat|spread|aid|enabl|cooperat|in good conscience|ethically|legally|access|voice|cross",
    r"be involved|partak|deliver|supply",
)
_NOT = _any(
    r"can(?:no|')t|can not|won't|will not|(?:refuse|decline) to|(?:should|would|could)(?:n't| not)",
    r"(?:am |'m |are |'re )?(?:unable to|not able to|not going to|not (?:here|about) to|not comfortable"
    r"|not (?:allowed|permitted|programmed|designed|capable|authori[sz]ed|willing|prepared|trained)(?: to| of)?"
    r"|not in a position to)",
    r"don't feel (?:comfortable|right)|must (?:respectfully )?(?:decline|refuse)|have to (?:decline|refuse)",
)
_ADVERB = "(?:(?:really|simply|just|also|directly|actually|possibly|even|ever|be|knowingly|responsibly|currently) )*"
_ENGLISH = _any(
    rf"\b(?:[Ii]|[Ww]e) ?{_NOT}[ ,]{{0,2}}{_ADVERB}(?:with )?{_DO}",
    r"\b[Ii] (?:do not|don't) (?:provid|support|condon|encourag|promot|engag|participat|assist|tolerat|endors|share)",
    r"\b[Ii](?: must|'ll have to| have to|'m going to have to)(?: \w+)? (?:decline|refuse|pass)\b",
    r"\b(?:against|violat\w+|breach\w*|conflict\w* with|not align with|contrary to) (?:my|our|openai's|the) "
    r"(?:\w+ ){0,3}?(?:programming|guidelines|polic(?:y|ies)|principles|values|terms)",
    r"\b(?:is|are|would be|it's) (?:not (?:appropriate|acceptable|ethical|okay|ok)|inappropriate|unethical)"
    r"(?: (?:or|and) \w+)* (?:for me )?to "
    r"(?:provide|create|generate|write|share|engage|make|discuss|promote|give|ask|use)",
    r"\bmy (?:purpose|goal|role|programming|(?:primary )?function)\b[^.]{0,40} (?:not|prevents|prohibits)",
    r"\b(?:can't|cannot) (?:help|assist)(?: you)? with (?:that|this)",
    r"\brequest (?:cannot|can't|can not) be (?:met|fulfilled|completed)",
)
_LATIN = r"\b" + _any(
    "lo siento|lamento|me disculpo|no puedo (?:ayudar|proporcionar|cumplir|asistir|hacer eso|responder|generar)",
    "je suis désolée?|je ne peux pas (?:vous|t'|fournir|répondre|aider|créer|générer|faire)|désolée?, (?:mais|je)",
    "tut mir leid|dabei kann ich|kann ich (?:dir|ihnen|euch)? ?(?:dabei|damit|leider)? ?nicht helfen",
    "ich kann (?:dir|ihnen|diese|dabei|das|leider|keine)[^.]{0,30}(?:nicht|helfen|geben|erstellen)",
    "mi dispiace|non posso (?:aiutar|fornir|soddisfar|assister|rispond)",
    "sinto muito|desculpe?, (?:mas|não)|não posso (?:ajudar|fornecer|cumprir|responder|criar)",
    "het spijt me|ik kan (?:je|u|daar|hier)[^.]{0,20}niet (?:mee )?helpen",
    "przykro mi|przepraszam, ale|nie mogę (?:pomóc|spełnić|udzielić)|üzgünüm|yardımcı olamam",
    "tôi xin lỗi|xin lỗi, (?:tôi|nhưng)|maaf, (?:saya|tapi|tetapi)|saya tidak (?:dapat|bisa) (?:membantu|memberi)",
)
_OTHER = _any(
    "не мог[уа] (?:помочь|выполнить|предоставить|ответить|создать|поддержать|обсуждать)|извините, (?:но|я)",
    "к сожалению, я не|не можу (?:допомогти|надати)",
    "抱歉|对不起|對不起|很遗憾|我(?:不能|无法|無法|不會|不会)(?:提供|帮助|幫助|协助|回答|满足|为您|支持|生成|参与)",
    "申し訳(?:ありません|ございません)|お(?:手伝い|答え|応え)(?:することは)?(?:でき|いたしかね)|ご要望にはお応え",
    "죄송(?:합니다|하지만|해요)|도와드릴 수 없|제공할 수 없",
    "عذر|آسف|لا (?:أستطيع|يمكنني) (?:مساعدت|تقديم|المساعدة)|מצטער",
    "मुझे (?:खेद|क्षमा|माफ़)|मैं (?:इस|आपकी|यह)[^।]{0,40}(?:नहीं कर सकत|मदद नहीं)|ขออภัย|ขอโทษ",
    "λυπάμαι|δεν μπορώ να (?:βοηθήσω|παρέχω)",
)
# An apology or "as an AI" at the very beginning is the more often a refusal; further on it says little.
_WEAK = r"\A\s*[\"'*]*(?:(?:oh|hey|well|ah|uh|hi),? )?" + _any(
    r"(?:[Ii]'m |[Ii] am )?(?:very |so |really |truly )?[Ss]orry,? (?:but |[Ii] )|[Mm]y apologies,? but",
    r"[Ii] apologi[sz]e,? but|[Uu]nfortunately,? [Ii] (?:can|am|do|will|must)",
    r"[Aa]s an? (?:AI|artificial|language model|responsible|ethical)\b",
    r"(?:I'm|I am) (?:just |only )?an? (?:AI|artificial)|(?:[Nn]o|[Nn]ope|[Nn]ah)[,.!] (?:[Ii]|that|this|it)\b",
    r"I (?:strongly |must )*(?:advise|urge|caution) (?:you )?against",
)


def _phrases(score: float, pattern: str, flags: re.RegexFlag, *words: str) -> _Phrases:
    return _Phrases(tuple(word for some in words for word in some.split("|")), re.compile(pattern, flags), score)


_PHRASES = (
    _phrases(
        0.9,
        _ENGLISH,
        re.NOFLAG,
        "n't|not |unable|declin|refus|pass|against|violat|breach|conflict|contrary|inappropriate|unethical|prevents",
        "prohibits|have to|must",
    ),
    _phrases(
        0.9,
        _LATIN,
        re.IGNORECASE,
        "siento|lament|disculp|puedo|désol|peux|leid|kann|dispiace|posso|muito|desculp|spijt|kan |przykro|przepraszam",
        "nie mog|üzgünüm|olamam|xin lỗi|maaf|saya",
    ),
    _phrases(
        0.9,
        _OTHER,
        re.IGNORECASE,
        "не мог|не можу|извините|к сожалению|抱歉|对不起|對不起|很遗憾|我|申し訳|お|ご要望|죄송|도와|제공|عذر|آسف|لا ",
        "मुझे|मैं|ขออภัย|ขอโทษ|מצטער|λυπάμαι|δεν μπορώ",
    ),
    _phrases(0.6, _WEAK, re.NOFLAG, "sorry|apolog|unfortunately|as a|i'm|i am|no|nah|against"),
)
_WORDS = AhoCorasick([word for phrases in _PHRASES for word in phrases.words])
_OF = [n for n, phrases in enumerate(_PHRASES) for _ in phrases.words]
"""Which of `_PHRASES` each word of `_WORDS` belongs to."""
