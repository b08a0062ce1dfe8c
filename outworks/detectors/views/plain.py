"""plain: a text as its reader sees it, without invisible characters, styled letters and look-alikes."""

import re
from functools import lru_cache
from unicodedata import category, combining, is_normalized, normalize

from outworks.detectors.views.view import Edit, View, spliced
from outworks.normalise import Smuggled, normalise, smuggled_runs

_TYPOGRAPHIC = dict(
    zip(
        "\u2019\u2018\u201c\u201d\u2013\u2014\u2011\u2212\u00a0\u202f\u2009\u200a\u2002\u2003\u3000\u2028\u2029"
        "\uff0c\uff01\uff1f\uff1a\uff1b\uff08\uff09",
        "''\"\"----       \n\n,!?:;()",
        strict=True,
    )
)
"""One character for one: places stay what they are, and most English texts are ASCII afterwards."""
CONTROLS = bytes(code for code in (*range(32), 127) if chr(code) not in "\t\n\r\f")
CONTROL = re.compile("[\0-\x08\x0b\x0e-\x1f\x7f]+")
# Never seen, or letters that only pose as others: combining marks heaped on, joiners, fillers, directions, selectors,
# tags, lone surrogates, small capitals and letters of phonetic alphabets, Cherokee, Lisu, Canadian syllabics, squared.
_ODD = re.compile(
    "[\u00ad\u0250-\u02af\u0300-\u036f\u0489\u061c\u115f\u1160\u13a0-\u13ff\u1400-\u167f\u17b4\u17b5\u180b-\u180f"
    "\u1d00-\u1dbf\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u2c80-\u2cff\u3164\ua4d0-\ua4ff\uab30-\uabbf"
    "\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\U0001f100-\U0001f1ff\U000e0000-\U000e0fff]"
)
_WORD_OF = 4
"""Hidden characters from which they may be words by themselves."""
_LATIN = "A-Za-z"
_POSING = "\u0370-\u03ff\u0400-\u052f\u0531-\u058f\u10a0-\u10ff\u2c80-\u2cff"
"""Greek, Cyrillic, Armenian, Georgian, Coptic: scripts of their own, some of whose letters look Latin."""
_MIXED = re.compile(f"[{_LATIN}][{_POSING}]|[{_POSING}][{_LATIN}]")
_POSER = re.compile(f"[{_POSING}]")
# A line in such a script always has letters that look like no Latin one; a disguised line has none.
_GENUINE = re.compile("[бгджзийлпфцчшщъыьэюяґђљњћџљλδθξπφψωγέήίΰώζςႠ-ჿ]", re.IGNORECASE)
_IDEOGRAPH = re.compile("[\u3400-\u9fff\uac00-\ud7a3\U00010000-\U0001d3ff\U00020000-\U0003ffff]")
"""Most of all characters: none is invisible, and none looks Latin."""
_WORD = re.compile(r"[^\s!-/:-@\[-`{-~]+")
_RUN = re.compile("[\0-\x08\x0b\x0e-\x1f\x7f-\U0010ffff]+")
_ABOVE_AND_BELOW = 200
"""Canonical combining class from which marks can be heaped on any letter."""
_LONGEST = 4
"""Characters that one may become: U+FDFA is a sentence of 18, and ten million of them must not become a hundred."""


def plain(view: View) -> View:
    """The view as its reader sees it. Most texts are their own plain reading; then the view comes back as it is."""
    text = view.text
    if not text.isascii():
        for mark, simple in _TYPOGRAPHIC.items():
            if mark in text:
                text = text.replace(mark, simple)
        view = _same(view, text)
    if not text.isascii():
        return _unmasked(view) if _disguised(text) else view
    if CONTROL.search(text) is None:
        return view
    return spliced(view, [Edit(*found.span(), "") for found in CONTROL.finditer(text)], ("invisible",))


def hidden(text: str) -> View | None:
    """What a text says in characters that nobody sees, by itself: what is said aloud around it is not what it means."""
    edits: list[Edit] = []
    at = last = 0
    for run in smuggled_runs(text):
        if run.start > at:
            edits.append(Edit(at, run.start, "\n" if not last or min(last, len(run.said)) >= _WORD_OF else ""))
        edits.append(Edit(run.start, run.end, run.said))
        at, last = run.end, len(run.said)
    return spliced(View(text), [*edits, Edit(at, len(text), "")], ("invisible",)) if edits else None


def _same(view: View, text: str) -> View:
    """The view with characters replaced one for one."""
    return view if text is view.text else View(text, view.how, view.base, view.edits, view.places)


def _disguised(text: str) -> bool:
    return not is_normalized("NFKC", text) or bool(
        _ODD.search(text)
        or CONTROL.search(text)
        or _MIXED.search(text)
        or (_POSER.search(text) and not _GENUINE.search(text))
    )


def _unmasked(view: View) -> View:
    """Every run of characters beyond ASCII as it reads; words in which letters pose as Latin ones, in Latin."""
    text = view.text
    folds = _Folds()
    edits: list[Edit] = []
    hidden = False
    secrets = smuggled_runs(text)[::-1]
    for run in _RUN.finditer(text):
        said, at, hides = "", run.start(), False
        while secrets and secrets[-1].end <= run.end():
            secret = secrets.pop()
            said += text[at : secret.start].translate(folds) + _beside(text, secret)
            at, hides = secret.end, True
        said += text[at : run.end()].translate(folds)
        if said != run[0]:
            edits.append(Edit(*run.span(), said))
            hidden = hidden or hides or len(said) < len(run[0])
    shown = spliced(view, edits, ()) if edits else view
    posing = _posing(shown.text)
    if posing:
        shown = spliced(shown, posing, ())
    how = (("invisible",) if hidden else ()) + (("lookalike",) if posing or (edits and not hidden) else ())
    return View(shown.text, view.how + how, shown.base, shown.edits, shown.places) if how else shown


def _beside(text: str, secret: Smuggled) -> str:
    """What is hidden, parted from what stands beside it, unless it goes on with a word there."""
    if len(secret.said) < _WORD_OF:
        return secret.said
    one = " " not in secret.said.strip()

    def between(seen: str, inner: str) -> str:
        within = seen.isalnum() and inner.isalnum() and (one or not seen.isascii())
        return "" if within or inner.isspace() else " "

    before = between(text[secret.start - 1 : secret.start], secret.said[0])
    return before + secret.said + between(text[secret.end : secret.end + 1], secret.said[-1])


def _posing(text: str) -> list[Edit]:
    """Words of Latin letters and of others that look like them, and whole lines of such others."""
    edits: list[Edit] = []
    at = 0
    for line in text.splitlines(keepends=True):
        if _POSER.search(line):
            everywhere = not _GENUINE.search(line)
            for word in _WORD.finditer(line):
                if everywhere or _MIXED.search(word[0]):
                    said = "".join(map(_latin, word[0]))
                    if said != word[0]:
                        edits.append(Edit(at + word.start(), at + word.end(), said))
        at += len(line)
    return edits


class _Folds(dict[int, str]):
    """How characters read, worked out as they are met; one for each text, so that a flood of them is forgotten."""

    def __missing__(self, code: int) -> str:
        self[code] = said = _read(chr(code))
        return said


def _latin(char: str) -> str:
    """The Latin letter that a character looks like, or the character."""
    if char.isascii():
        return char
    like = normalise(char).text
    if len(like) != 1 or not like.isascii():
        return char
    return like.upper() if char.isupper() else like


@lru_cache(maxsize=1 << 14)
def _read(char: str) -> str:
    if char.isascii():
        return char if char in "\t\n\r\f" or char.isprintable() else ""
    kind = category(char)
    if kind == "Cs":
        return "\ufffd"
    if kind in ("Cn", "Co") or _IDEOGRAPH.match(char):
        return normalize("NFKC", char)
    if char.isspace():
        return " "
    if not normalise(char).text or (kind == "Mn" and combining(char) >= _ABOVE_AND_BELOW):
        return ""
    form = normalize("NFKC", char)
    if form != char:
        return form if len(form) <= _LONGEST else char
    # A letter with a mark is a letter; one that merely looks Latin is read as such, unless its script is in use.
    if (kind[0] == "L" and not _POSER.match(char) and normalize("NFD", char) == char) or kind == "So":
        return _latin(char)
    return char
