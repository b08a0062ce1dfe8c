"""leak: stops an output that carries the product's canary, or a long verbatim run of its system prompt."""

import base64
import codecs
import os
import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping

import msgspec
from ahocorasick_rs import AhoCorasick
from typing_extensions import override

from outworks import defense
from outworks.message import Message, Output, Request, Role, Text
from outworks.squeeze import Unread, squeeze, unread
from outworks.verdict import ALLOW, Decision, Finding, Notice, Span, Verdict

_NOTICE = Notice(code="leak", message="The rest of this answer was held back.")
_SYSTEM, _DEVELOPER, _USER = Role.SYSTEM, Role.DEVELOPER, Role.USER
_SHORTEST = 8
_REMEMBERED = 1 << 18
_OVERHEAD = 1 << 11
_QUOTING = 32
"""Requests of which it is kept what of the prompt they quote."""
_FOLLOWED = 512
"""Answers whose last letters are kept while they stream."""
_FOLLOWED_SIZE = 1 << 24
"""Characters of these, together."""


class Settings(defense.Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the policy can say of `leak`."""

    canaries: tuple[str, ...] = ()
    """Secret strings that no answer may carry; `env:NAME` reads one from the environment. At least 8 letters and
    digits each. Found in any case, spaced out, reversed, and as rot13, base64, hex or decimal character codes."""
    canary_pattern: str = ""
    """A regular expression that finds canaries in the system prompt; its first group, or the whole match, is one."""
    run: int = msgspec.field(default=80)
    """How many letters and digits in a row, the same as in the system prompt, make a leak. Case, spacing and
    punctuation do not count. The first third of such a run may leave before it is recognised as one."""


class Leak(defense.Defense):
    """Reads the output as letters and digits only, so that no spacing, case or markup hides a secret.

    A canary is withheld whole. Of a run, only what follows its first third is: ordinary answers share short runs with
    any prompt, and holding those would delay every answer for nothing.
    """

    name = "leak"

    def __init__(self, settings: Settings, environment: Mapping[str, str] = os.environ) -> None:
        """Raises ValueError for a canary too short or missing, a pattern that is none, a run too short."""
        self._settings = settings
        if settings.run < 24:
            raise ValueError(f"leak.run is {settings.run}; expected 24 or more, as shorter runs are common phrases")
        try:
            self._pattern = re.compile(settings.canary_pattern) if settings.canary_pattern else None
        except re.error as error:
            raise ValueError(
                f"leak.canary_pattern {settings.canary_pattern!r} is no regular expression: {error}"
            ) from None
        if faults := [fault for given in settings.canaries if (fault := _fault(given, environment))]:
            raise ValueError(f"leak.canaries: {'; '.join(faults)}")
        self._settled = tuple(_canary(given, environment) for given in settings.canaries)
        self._canaries = _Canaries(self._settled)
        self._guards: OrderedDict[str, _Guard] = OrderedDict()
        self._remembered = 0
        self._followed: OrderedDict[tuple[str, int], _Followed] = OrderedDict()
        self._following = 0

    @override
    async def check_output(self, request: Request, output: Output) -> Verdict:
        guard = self._guard(_system_prompt(request))
        if guard.need == 0:
            return ALLOW
        text = output.text
        tail = self._tail(request, output, guard)
        found = guard.leak(tail.squeezed, request)
        if found is not None:
            at = tail.place(text, found.start)
            return _block(found.category, Span(at, tail.place(text, found.end - 1) + 1), at)
        if not output.done:
            held = guard.held(tail.squeezed)
            last = tail.last(text, guard.need)
            self._follow(request, output, _Followed(guard, text, last))
            return Verdict(covered=last.places[-held]) if held else ALLOW
        for said in _said_in_calls(output, guard.need):
            found = guard.leak(squeeze(said), request)
            if found is not None:
                return _block(found.category, None, len(text))
        return ALLOW

    def _tail(self, request: Request, output: Output, guard: "_Guard") -> Unread:
        """The letters and digits not read yet, and those before that a leak may begin with.

        Where those stand is remembered, as any number of dashes may be between them: to go back over these for every
        piece of a stream costs its square. What is found does not depend on it.
        """
        before = self._followed.pop((request.id, output.choice), None)
        self._following -= 0 if before is None else len(before.text)
        if before is None or before.guard is not guard or not output.text.startswith(before.text):
            return unread(output.text, output.released, guard.need)
        return before.last.grown(output.text)

    def _follow(self, request: Request, output: Output, followed: "_Followed") -> None:
        self._followed[request.id, output.choice] = followed
        self._following += len(followed.text)
        while len(self._followed) > _FOLLOWED or (self._following > _FOLLOWED_SIZE and len(self._followed) > 1):
            self._following -= len(self._followed.popitem(last=False)[1].text)

    def _guard(self, prompt: str) -> "_Guard":
        """What must not leave under this system prompt. Products repeat one prompt on every request, so the last ones
        (by total length) are remembered."""
        guard = self._guards.get(prompt)
        if guard is None:
            marked = self._marked(prompt)
            canaries = _Canaries((*self._settled, *marked)) if marked else self._canaries
            guard = self._guards[prompt] = _Guard(canaries, _Runs(prompt, self._settings.run))
            self._remembered += len(prompt) + _OVERHEAD
            while self._remembered > _REMEMBERED and len(self._guards) > 1:
                self._remembered -= len(self._guards.popitem(last=False)[0]) + _OVERHEAD
        elif len(self._guards) > 1:
            self._guards.move_to_end(prompt)
        return guard

    def _marked(self, prompt: str) -> list[str]:
        if self._pattern is None:
            return []
        marked = (match[self._pattern.groups and 1] or "" for match in self._pattern.finditer(prompt))
        return [canary for canary in marked if len(squeeze(canary)) >= _SHORTEST]


class _Found(msgspec.Struct, frozen=True):
    """A leak, in squeezed characters."""

    category: str
    start: int
    end: int


class _Canaries:
    """Canaries in their forms."""

    def __init__(self, canaries: tuple[str, ...]) -> None:
        forms = list({form: None for canary in canaries for form in _forms(canary)})
        self._forms = AhoCorasick(forms) if forms else None
        self._beginnings = frozenset(form[:n] for form in forms for n in range(1, len(form)))
        # The lengths of the beginnings that end in the same three characters: most texts end like none.
        lengths: dict[str, set[int]] = {}
        for beginning in self._beginnings:
            lengths.setdefault(beginning[-3:], set()).add(len(beginning))
        self._lengths = {end: tuple(sorted({*some, 1, 2}, reverse=True)) for end, some in lengths.items()}
        self.longest = max(map(len, forms), default=0)

    def find(self, squeezed: str) -> _Found | None:
        """The first that is complete."""
        found = self._forms.find_matches_as_indexes(squeezed, overlapping=True) if self._forms is not None else []
        if not found:
            return None
        _, start, end = min(found, key=lambda one: (one[2], one[1]))
        return _Found("canary", start, end)

    def held(self, squeezed: str) -> int:
        """How many of the last characters may become part of one."""
        size = len(squeezed)
        lengths = self._lengths.get(squeezed[-3:], (2, 1))
        return next((n for n in lengths if n <= size and squeezed[size - n :] in self._beginnings), 0)


class _Runs:
    """The runs of one system prompt."""

    def __init__(self, prompt: str, run: int) -> None:
        self._prompt = squeeze(prompt)
        # A prompt shorter than the run is guarded whole; one of a few words is boilerplate.
        guarded = len(self._prompt) >= run // 2
        self._run = min(run, len(self._prompt)) if guarded else 0
        self._gram = max(self._run // 3, 8)
        self._grams: frozenset[int] = frozenset()
        self._checks = 0
        self._quoted: OrderedDict[str, _Quoted] = OrderedDict()

    @property
    def longest(self) -> int:
        return self._run

    def find(self, squeezed: str, request: Request) -> _Found | None:
        """The first run that the account did not itself write. Every run holds a whole gram at one of the places
        looked at, so one look each `run - gram + 1` characters misses none."""
        self._prepare(len(squeezed))
        gram, run, knows = self._gram, self._run, self._knows
        step = run - gram + 1
        for at in range(0, len(squeezed) - gram + 1, step):
            if not knows(squeezed[at : at + gram]):
                continue
            begin, end = at, at + gram
            while begin > 0 and at - begin < step and knows(squeezed[begin - 1 : begin - 1 + gram]):
                begin -= 1
            while end < len(squeezed) and end - at < run and knows(squeezed[end - gram + 1 : end + 1]):
                end += 1
            found = self._judged(squeezed, begin, end, request)
            if found is not None:
                return found
        return None

    def _prepare(self, length: int) -> None:
        """Index the prompt once that pays. One that is made anew for each request is searched as it stands."""
        self._checks += 1
        if not self._grams and (self._checks > 3 or length > 2000):
            # Hashes, not the texts: less memory. A collision costs a comparison, never an error.
            places = range(len(self._prompt) - self._gram + 1)
            self._grams = frozenset([hash(self._prompt[i : i + self._gram]) for i in places])

    def _knows(self, gram: str) -> bool:
        return hash(gram) in self._grams if self._grams else gram in self._prompt

    def _judged(self, squeezed: str, begin: int, end: int, request: Request) -> _Found | None:
        if end - begin < self._run:
            return None
        quoted = self._quoted_in(request)
        for start in range(begin, end - self._run + 1):
            passage = squeezed[start : start + self._run]
            if hash(passage) not in quoted and passage in self._prompt:
                return _Found("system_prompt", start + self._gram, start + self._run)
        return None

    def _quoted_in(self, request: Request) -> frozenset[int]:
        """The runs that the account itself wrote, as hashes. An answer is checked many times while it streams, and may
        hold many of them, so those of the last requests are remembered."""
        quoted = self._quoted.get(request.id)
        if quoted is None or quoted.messages is not request.messages:
            said = "\n".join(squeeze(message.text) for message in request.messages if message.role is _USER)
            quoted = self._quoted[request.id] = _Quoted(request.messages, frozenset(self._runs_in(said)))
            while len(self._quoted) > _QUOTING:
                self._quoted.popitem(last=False)
        return quoted.runs

    def _runs_in(self, said: str) -> Iterator[int]:
        """The hashes of the prompt's runs in a text, in time linear in it."""
        self._prepare(len(said))
        gram, run, knows = self._gram, self._run, self._knows
        runs = frozenset([hash(self._prompt[i : i + run]) for i in range(len(self._prompt) - run + 1)])
        step, done = run - gram + 1, 0
        for at in range(0, len(said) - gram + 1, step):
            if at < done or not knows(said[at : at + gram]):
                continue
            begin, end = at, at + gram
            while begin > done and at - begin < step and knows(said[begin - 1 : begin - 1 + gram]):
                begin -= 1
            while end < len(said) and knows(said[end - gram + 1 : end + 1]):
                end += 1
            yield from runs.intersection(hash(said[i : i + run]) for i in range(begin, end - run + 1))
            done = end - gram + 1

    def held(self, squeezed: str) -> int:
        """How many of the last characters may be past the first third of a run."""
        size = len(squeezed)
        begin = size - self._gram
        while begin >= 0 and size - begin < self._run and self._knows(squeezed[begin : begin + self._gram]):
            begin -= 1
        return size - self._gram - begin - 1


class _Quoted(msgspec.Struct, frozen=True):
    messages: tuple[Message, ...]
    runs: frozenset[int]


class _Guard:
    """What must not leave under one system prompt."""

    def __init__(self, canaries: _Canaries, runs: _Runs) -> None:
        self._canaries = canaries
        self._runs = runs if runs.longest else None
        self.need = max(canaries.longest, runs.longest)
        """How many squeezed characters before the unread ones a leak may begin; 0 where nothing is guarded."""

    def leak(self, squeezed: str, request: Request) -> _Found | None:
        """The leak that is the first to be complete, and where what it may have begun with begins."""
        canary = self._canaries.find(squeezed)
        run = self._runs.find(squeezed, request) if self._runs is not None else None
        found = min((one for one in (canary, run) if one is not None), key=lambda one: one.end, default=None)
        if found is None:
            return None
        # Another leak may have been under way: what was held for it when this one was completed does not leave either.
        return _Found(found.category, min(found.start, found.end - self.held(squeezed[: found.end])), found.end)

    def held(self, squeezed: str) -> int:
        """How many of the last characters may become part of a leak."""
        held = self._canaries.held(squeezed)
        return max(held, self._runs.held(squeezed)) if self._runs is not None else held


class _Followed(msgspec.Struct, frozen=True):
    """An answer as far as it was read, without a leak in it."""

    guard: _Guard
    """What was looked for: where its letters stand hangs on nothing else."""
    text: str
    last: Unread


def _forms(canary: str) -> list[str]:
    """The canary as letters and digits, as it stands and as a model can be talked into writing it."""
    plain = squeeze(canary)
    forms = [plain, plain[::-1], squeeze(codecs.encode(canary, "rot13"))]
    for raw in {canary.encode(), canary.lower().encode(), canary.upper().encode()}:
        forms += [raw.hex(), "".join(map(str, raw))]
        # Inside a longer text, base64 falls in one of three steps; those at the edges mix with the neighbours.
        for step in range(3):
            coded = base64.b64encode(b"\0" * step + raw).decode().rstrip("=")
            whole = (step + len(raw)) * 8 // 6
            forms.append(squeeze(coded[-(-step * 8 // 6) : whole]))
    return [form for form in forms if len(form) >= _SHORTEST - 2]


def _canary(given: str, environment: Mapping[str, str]) -> str:
    name = given.removeprefix("env:")
    return environment.get(name, "") if name != given else given


def _fault(given: str, environment: Mapping[str, str]) -> str:
    """Why this can be no canary; empty where it can."""
    canary = _canary(given, environment)
    if not canary and given.startswith("env:"):
        return f"it names the environment variable {given[4:]!r}, which is not set"
    if len(squeeze(canary)) < _SHORTEST:
        return f"{given[:4]}... has fewer than {_SHORTEST} letters and digits"
    return ""


def _said_in_calls(output: Output, need: int) -> list[str]:
    """What tool calls say: each as it stands; then the end of the text and all their values read as one, and all their
    names, as a secret may be dealt out over them. (Over several choices it may be too; that is not looked for.)"""
    if not output.tool_calls:
        return []
    values, names = [output.text[-4 * need :]], []
    for call in output.tool_calls:
        said = call.said
        values += said.values
        names += [call.name, *said.names]
    return [*(f"{call.name}\n{call.arguments}" for call in output.tool_calls), "\n".join(values), "\n".join(names)]


def _system_prompt(request: Request) -> str:
    """As `Request.system_prompt`, without joining where there is one text: its hash is then computed once."""
    texts = [
        part.text
        for message in request.messages
        if message.role is _SYSTEM or message.role is _DEVELOPER
        for part in message.parts
        if type(part) is Text
    ]
    return texts[0] if len(texts) == 1 else "\n".join(texts)


def _block(category: str, span: Span | None, covered: int) -> Verdict:
    what = "the product's canary" if category == "canary" else "a long verbatim run of the system prompt"
    return Verdict(
        decision=Decision.BLOCK,
        reason=f"the answer carries {what}",
        findings=(Finding(category, 1.0, span),),
        covered=covered,
        notice=_NOTICE,
    )
