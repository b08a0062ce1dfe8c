"""Expressions: refused at load with the place and the nearest word, bounded when evaluated."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outworks.action import Standing
from outworks.enforcement.language.expression import EvaluationError, Expression, ExpressionError, Fault, Values
from outworks.enforcement.language.words import LEVELS, VALUES, WORDS, Call

DEFENSES = ("fingerprint", "leak")

REFUSED = [
    ('bloked("1h") >= 3', "1:1: nothing is called 'bloked'; did you mean 'blocked'?\n  bloked(\"1h\") >= 3\n  ^"),
    ("true && standing == limitd", "1:21: nothing is called 'limitd'; did you mean 'limited'?"),
    ('blocked("1h")', "1:1: a condition is true or false; this is a number"),
    ('"yes"', "a condition is true or false; this is a string"),
    ("dyn(true)", "a condition is true or false"),
    ('blocked("1h") >= ', "1:18: the expression ends too early"),
    ('blocked("1 hour") > 2', "1:1: a duration is a whole number and s, m, h, d or w"),
    ('true &&\n  blocked("0d") > 2', "2:3: a duration is a whole number"),
    ('flagged("fingerprnt", "1d") > 1', "no line of defense is called 'fingerprnt'; did you mean 'fingerprint'?"),
    ("blocked(3) > 1", "1:1: blocked is written blocked(window) or blocked(defense, window)"),
    ('requests("leak", "1h") > 1', "requests is written requests(window)"),
    ('blocked("1h") > 2.5', "'>' does not go with (int, double)"),
    ('found("x", "1d", 1.5) > 0', "a score is 0 to 1, not 1.5"),
    ('blocked("1" + "h") > 3', "1:1: blocked takes words written out in quotes, not computed ones"),
    ("['1h'].exists(w, blocked(w) > 3)", "1:18: blocked takes words written out in quotes"),
    ("nope(1) && nada", "nothing is called 'nope'"),
    ("nope(1) && nada", "1:12: nothing is called 'nada'"),
    ("", "the expression ends too early"),
    ("(" * 100 + "true" + ")" * 100, "recursion limit"),
    ("true" + " || true" * 20_000, "size exceeds"),
]


@pytest.mark.parametrize(("source", "says"), REFUSED)
def test_bad_expressions_are_refused(source: str, says: str) -> None:
    """What cannot be a condition is refused with what is wrong, where, and the nearest word."""
    with pytest.raises(ExpressionError) as raised:
        Expression(source, defenses=DEFENSES)

    assert says in str(raised.value)


def test_the_calls_of_an_expression_are_known() -> None:
    """What an expression reads is known before it runs; words in strings and comments are none of it."""
    source = """flagged('leak', "2w") + found("x", "30m", 1) > 0 // blocked("1h")
        || "blocked('1h')" == r"\\w" || flagged ( "leak" , "2w" ) > 9"""

    expression = Expression(source, defenses=DEFENSES)

    assert expression.calls == (
        Call(word="flagged", window=14 * 86400.0, defense="leak"),
        Call(word="found", window=1800.0, category="x", score=1.0),
    )


HOLDS = [
    ('blocked("1h") >= 3', 3, 0.0, Standing.GOOD, True),
    ('blocked("1h") >= 3', 2, 0.0, Standing.GOOD, False),
    ('blocked("1h") > 0 && age < duration("24h")', 1, 3600.0, Standing.GOOD, True),
    ('blocked("1h") > 0 && age < duration("24h")', 1, 90_000.0, Standing.GOOD, False),
    ('blocked("1h") > 0 && standing >= limited', 1, 0.0, Standing.LIMITED, True),
    ('blocked("1h") > 0 && standing >= limited', 1, 0.0, Standing.WARNED, False),
    ('blocked("1h") > 0 || standing == suspended', 0, 0.0, Standing.SUSPENDED, True),
]


@pytest.mark.parametrize(("source", "number", "age", "standing", "holds"), HOLDS)
def test_conditions_hold_or_not(source: str, number: int, age: float, standing: Standing, holds: bool) -> None:
    """A condition is true of an account, or it is not."""
    expression = Expression(source)

    values = Values(dict.fromkeys(expression.calls, number), age, standing)

    assert expression.holds(values) is holds


RANGE = ", ".join(str(n) for n in range(40))


@pytest.mark.parametrize(
    "source",
    [
        '10 / blocked("1h") > 1',
        'dyn("x") > blocked("1h")',
        f'[{RANGE}].all(a, [{RANGE}].all(b, [{RANGE}].all(c, a + b + c >= blocked("1h"))))',
    ],
)
def test_no_answer_is_an_error_and_soon(source: str) -> None:
    """An expression that fails on some history, or would run for long, raises at once: it never counts as true."""
    expression = Expression(source)
    began = time.perf_counter()

    with pytest.raises(EvaluationError):
        expression.holds(Values(dict.fromkeys(expression.calls, 0), 0.0, Standing.GOOD))

    assert time.perf_counter() - began < 1.0


@given(
    st.text() | st.lists(st.sampled_from([*WORDS, *VALUES, *LEVELS, *"()\"',.<>=&|!?:[]{}1hd \n\\", "&&"])).map("".join)
)
@settings(max_examples=300, deadline=None)
def test_any_text_compiles_or_is_refused(source: str) -> None:
    """Whatever stands in a policy file either compiles or raises ExpressionError: nothing else, and no crash."""
    faults: tuple[Fault, ...] = ()
    try:
        Expression(source, defenses=DEFENSES)
    except ExpressionError as error:
        faults = error.faults or (Fault("no fault is named", 0, 0),)

    assert all(fault.line >= 1 and fault.column >= 1 for fault in faults)
