"""Expressions: a rule's condition in CEL, checked whole when it is loaded and cheap to evaluate afterwards.

The checker sees the words as functions. Before the evaluator does, each use of a word gives way to a variable, counted
once an account for all rules: evaluation then calls no Python, and what a rule reads is known before it ever runs.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from typing import Any

import msgspec
from cel_expr_python import cel  # type: ignore[import-untyped]

from outworks.action import Standing
from outworks.duration import seconds
from outworks.enforcement.language.signals import SIGNALS
from outworks.enforcement.language.words import HALF_LIVES, LEVELS, VALUES, WORDS, Call, Parameter, Word
from outworks.nearest import did_you_mean


class Fault(msgspec.Struct, frozen=True):
    """What is wrong with an expression, and where."""

    message: str
    line: int = 1
    column: int = 1
    """Both from 1."""

    def show(self, source: str) -> str:
        """The message over the line that it is about, with a caret under the place."""
        lines = source.splitlines() or [""]
        begin = max(0, self.column - 80)
        line = lines[min(self.line, len(lines)) - 1][begin : begin + 120]
        pad = "".join("\t" if char == "\t" else " " for char in line[: self.column - 1 - begin])
        return f"{self.line}:{self.column}: {self.message}\n  {line}\n  {pad}^"


class ExpressionError(ValueError):
    """An expression that cannot be used; every fault at once."""

    def __init__(self, source: str, faults: tuple[Fault, ...]) -> None:
        super().__init__("\n".join(fault.show(source) for fault in faults))
        self.faults = faults


class EvaluationError(Exception):
    """An expression that came to no answer on this history: a division by zero, say."""


class Values(msgspec.Struct, frozen=True):
    """What an expression reads of one account."""

    counts: Mapping[Call, float]
    """A whole number, but for the words that come to a fraction."""
    age: float
    """Seconds."""
    standing: Standing


class Expression:
    """A compiled condition. `calls` are the words that it reads."""

    def __init__(self, source: str, *, defenses: Collection[str] | None = None) -> None:
        """Raises ExpressionError; with `defenses`, for the name of a defense that is not among them too."""
        _check(source)
        taken = _Taken(defenses)
        rewritten = _TOKEN.sub(taken.replace, source)
        if taken.faults:
            raise ExpressionError(source, tuple(taken.faults))
        variables = {name: _type(WORDS[call.word]) for call, name in taken.names.items()}
        try:
            self._program = cel.NewEnv(variables={**_plain(), **variables}).compile(rewritten)
        except RuntimeError:
            raise ExpressionError(source, (_computed(source, taken),)) from None
        self.source = source
        self.calls = tuple(taken.names)
        self._names = tuple(taken.names.items())

    def holds(self, values: Values) -> bool:
        """Whether it is true of an account. Raises EvaluationError where it comes to no answer."""
        data: dict[str, Any] = {name: _number(call, values) for call, name in self._names}
        data.update(_LEVELS)
        data["age"] = timedelta(seconds=values.age)
        data["standing"] = int(values.standing)
        try:
            result = self._program.eval(data=data)
        except RuntimeError as error:  # the bound on the steps of one evaluation
            raise EvaluationError(str(error)[:300]) from None
        if result.type() != cel.Type.BOOL:
            raise EvaluationError(str(result.value())[:300])
        return bool(result.value())


class _Taken:
    """The calls met while an expression is rewritten, each with the variable that stands for it."""

    def __init__(self, defenses: Collection[str] | None) -> None:
        self.names: dict[Call, str] = {}
        self.faults: list[Fault] = []
        self.places: set[int] = set()
        self._defenses = defenses

    def replace(self, token: re.Match[str]) -> str:
        if token["word"] is None:
            return token[0]
        self.places.add(token.start())
        try:
            call = _call(WORDS[token["word"]], _ARGUMENT.findall(token["arguments"] or ""), self._defenses)
        except ValueError as error:
            before = token.string[: token.start()]
            column = token.start() - (before.rfind("\n") + 1) + 1
            self.faults.append(Fault(str(error), before.count("\n") + 1, column))
            return token[0]
        return self.names.setdefault(call, f"count_{len(self.names)}_")


def _call(word: Word, arguments: list[str], defenses: Collection[str] | None) -> Call:
    form = next(form for form in word.forms if len(form) == len(arguments))
    given: dict[str, Any] = {}
    for parameter, argument in zip(form, arguments, strict=True):
        text = argument.strip("\"'")
        if parameter is Parameter.WINDOW:
            given["window"] = seconds(text)
        elif parameter is Parameter.SCORE:
            given["score"] = float(text)
            if not 0 <= given["score"] <= 1:
                raise ValueError(f"a score is 0 to 1, not {text}")
        elif parameter is Parameter.HALF_LIFE:
            given["half_life"] = seconds(text)
            given["window"] = HALF_LIVES * given["half_life"]
        elif parameter is Parameter.SIGNAL and text not in SIGNALS:
            raise ValueError(f"no signal is called {text!r}{_near(text, SIGNALS)}")
        elif parameter is Parameter.DEFENSE and defenses is not None and text not in defenses:
            raise ValueError(f"no line of defense is called {text!r}{_near(text, defenses)}")
        else:
            given[parameter.value] = text
    return Call(word=word.name, **given)


def _type(word: Word) -> Any:
    return cel.Type.DOUBLE if word.fraction else cel.Type.INT


def _number(call: Call, values: Values) -> float:
    number = values.counts[call]
    return float(number) if WORDS[call.word].fraction else int(number)


_LITERAL = r"""(?:"[^"\\\n]*"|'[^'\\\n]*'|[0-9]+(?:\.[0-9]+)?)"""
_ARGUMENT = re.compile(_LITERAL)
# Comments and strings are matched so that a word inside one is left alone.
_TOKEN = re.compile(
    rf"""//[^\n]*
    | [bB]?[rR][bB]?(?:\"\"\".*?\"\"\"|'''.*?'''|"[^"\n]*"|'[^'\n]*')
    | [bB]?(?:\"\"\"(?:\\.|.)*?\"\"\"|'''(?:\\.|.)*?'''|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
    | (?<![\w.])(?P<word>{"|".join(WORDS)})\s*\(\s*(?P<arguments>{_LITERAL}(?:\s*,\s*{_LITERAL})*)\s*\)
    | [A-Za-z_]\w*""",
    re.VERBOSE | re.DOTALL,
)

_LEVELS = {name: int(level) for name, level in LEVELS.items()}


def _plain() -> dict[str, Any]:
    return {"age": cel.Type.DURATION, "standing": cel.Type.INT, **dict.fromkeys(LEVELS, cel.Type.INT)}


def _check(source: str) -> None:
    """Refuse what CEL's own checker refuses, and what is not a condition."""
    functions = [cel.FunctionDecl(word.name, list(_overloads(word))) for word in WORDS.values()]
    try:
        kind = cel.NewEnv(variables=_plain(), functions=functions).compile(source).return_type()
    except RuntimeError as error:
        raise ExpressionError(source, _faults(source, str(error))) from None
    if kind != cel.Type.BOOL:
        raise ExpressionError(source, (Fault(f"a condition is true or false; this is {_kind(kind.name())}"),))


def _overloads(word: Word) -> Iterator[Any]:
    for form in word.forms:
        scores = (cel.Type.DOUBLE, cel.Type.INT) if Parameter.SCORE in form else (cel.Type.DOUBLE,)
        for score in scores:
            types = [score if parameter is Parameter.SCORE else cel.Type.STRING for parameter in form]
            signature = "_".join((word.name, *form, score.name()))
            yield cel.Overload(signature, _type(word), types)


_ERROR = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (.*)")
_UNDECLARED = re.compile(r"undeclared reference to '([^']*)'")
_NO_OVERLOAD = re.compile(r"found no matching overload for '([^']*)' applied to '\((.*)\)'")


def _faults(source: str, text: str) -> tuple[Fault, ...]:
    faults = [_fault(source, int(m[1]), int(m[2]), m[3]) for m in _ERROR.finditer(text)]
    return tuple(faults) or (Fault(text.split("\n")[0].removesuffix("]").partition(" [")[0]),)


def _fault(source: str, line: int, column: int, message: str) -> Fault:
    line, column = max(line, 1), max(column, 1)
    message = message.removesuffix(" [INVALID_ARGUMENT]").removeprefix("Syntax error: ").partition(" expecting {")[0]
    message = message.replace("mismatched input '<EOF>'", "the expression ends too early")
    undeclared = _UNDECLARED.match(message)
    mismatched = _NO_OVERLOAD.match(message)
    name = undeclared[1] if undeclared else mismatched[1] if mismatched else ""
    # The checker points at the parenthesis of a call; a reader looks for its name.
    lines = source.splitlines() or [""]
    if name and lines[min(line, len(lines)) - 1][: column - 1].endswith(name):
        column -= len(name)
    if name in WORDS:
        forms = " or ".join(f"{name}({', '.join(form)})" for form in WORDS[name].forms)
        return Fault(f"{name} is written {forms}, the words in quotes", line, column)
    if undeclared:
        known = (*WORDS, *VALUES, *LEVELS)
        return Fault(f"nothing is called {name!r}{_near(name, known)}", line, column)
    if mismatched:
        operator = name.strip("_").replace("_", " ")
        if set(mismatched[2].split(", ")) == {"int", "double"}:
            return Fault(
                f"{operator!r} does not go with ({mismatched[2]}): write 3.0 where there are fractions", line, column
            )
        return Fault(f"{operator!r} does not go with ({mismatched[2]})", line, column)
    return Fault(message, line, column)


def _computed(source: str, taken: _Taken) -> Fault:
    """The fault of a word whose argument is not written out: it would be known only when the rule runs."""
    for token in re.finditer(rf"(?<![\w.])({'|'.join(WORDS)})\s*\(", source):
        if token.start() not in taken.places:
            before = source[: token.start()]
            message = f"{token[1]} takes words written out in quotes, not computed ones"
            return Fault(message, before.count("\n") + 1, token.start() - (before.rfind("\n") + 1) + 1)
    return Fault("the arguments of words must be written out")


def _near(name: str, known: Collection[str]) -> str:
    return did_you_mean(name, known, f"known are {', '.join(sorted(known))}")


def _kind(name: str) -> str:
    plain = {"INT": "a number", "DOUBLE": "a number", "STRING": "a string", "DURATION": "a duration"}
    return plain.get(name, name.lower())
