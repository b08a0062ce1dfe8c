"""Rules: refused whole at load, with every fault at once."""

import msgspec
import pytest

from outworks.enforcement.rules import Rule, RuleError, compile_rules
from tests.enforcement.kit import rule

FAULTS = [
    (rule('blocked("1h") > 2', description=" "), "description", "say why the rule is there"),
    (rule('blocked("1h") > 2', name="No Spaces"), "name", "a name is 1 to 64"),
    (rule('blocked("1h") > 2', expires=""), "expires", 'a suspend needs an expiry, such as "12h"'),
    (rule('blocked("1h") > 2', "warn", expires="never"), "expires", "only a ban may last for good"),
    (rule('blocked("1h") > 2', "ban", expires="soon"), "expires", "a duration is a whole number"),
    (
        rule('blocked("1h") > 2', "limit", rate_per_minute=None),
        "rate_per_minute",
        "a limit needs the requests a minute",
    ),
    (rule('blocked("1h") > 2', "limit", rate_per_minute=0), "rate_per_minute", "greater than 0"),
    (rule('blocked("1h") > 2', rate_per_minute=5.0), "rate_per_minute", "only a limit has a rate"),
    (rule('bloked("1h") > 2'), "when", "did you mean 'blocked'?"),
    (rule('age < duration("1h")'), "when", "reads nothing that the account did"),
]


@pytest.mark.parametrize(("given", "field", "says"), FAULTS)
def test_a_bad_rule_is_refused(given: Rule, field: str, says: str) -> None:
    """A rule that cannot be used is refused, with its name, the field and what is wrong."""
    with pytest.raises(RuleError) as raised:
        compile_rules([rule('blocked("1h") > 2', name="sound"), given])

    (fault,) = raised.value.faults
    assert (fault.index, fault.rule, fault.field) == (1, given.name, field)
    assert says in fault.message
    assert f"rule {given.name!r}: {field}: " in str(raised.value)


def test_every_fault_is_told_at_once() -> None:
    """All faults of all rules come together, a repeated name among them."""
    with pytest.raises(RuleError) as raised:
        compile_rules([rule("nope", expires=""), rule("1 > ", name="other"), rule('blocked("1h") > 2')])

    assert [(f.index, f.field) for f in raised.value.faults] == [
        (0, "name"),
        (0, "expires"),
        (0, "when"),
        (1, "when"),
        (2, "name"),
    ]


@pytest.mark.parametrize(
    "given",
    [
        rule('blocked("1h") > 2', "warn"),
        rule('blocked("1h") > 2', "limit"),
        rule('blocked("1h") > 2', "suspend"),
        rule('blocked("1h") > 2', "ban"),
        rule('blocked("1h") > 2', "ban", expires="never"),
        rule('blocked("1h") > 2', "ban", expires="30d"),
    ],
)
def test_a_sound_rule_compiles(given: Rule) -> None:
    """A rule that says what it must is accepted, and only a ban may last for good."""
    (compiled,) = compile_rules([given]).compiled

    assert compiled.rule == given
    assert (given.lasts is None) == (given.expires in ("", "never"))


def test_a_draft_is_checked_and_never_evaluated() -> None:
    """A draft is compiled like any rule, so that its faults show, and is then left out."""
    assert compile_rules([rule('blocked("1h") > 2', mode="draft")]).compiled == ()
    with pytest.raises(RuleError):
        compile_rules([rule('bloked("1h") > 2', mode="draft")])


def test_a_defense_that_is_not_there_is_refused() -> None:
    """With the list of defenses known, a rule that names another is refused."""
    assert compile_rules([rule('flagged("leek", "1d") > 0')]).compiled
    with pytest.raises(RuleError, match="did you mean 'leak'"):
        compile_rules([rule('flagged("leek", "1d") > 0')], defenses=["leak"])


def test_unknown_fields_are_refused() -> None:
    """A misspelt setting is not ignored."""
    with pytest.raises(msgspec.ValidationError, match="expire"):
        rule('blocked("1h") > 2', expire="7d")


def test_what_the_rules_read_between_them() -> None:
    """The longest window is that of signals; requests and earlier actions are read elsewhere."""
    between = compile_rules(
        [
            rule('blocked("2h") > 2', name="a"),
            rule('requests("30d") > 2 || suspensions("90d") > 1', name="b"),
        ]
    )

    assert between.longest == 7200.0
    assert [each.rule.name for each in between.counting_requests.compiled] == ["b"]


def test_the_example_rules_compile() -> None:
    """The rules that the documentation gives figures for are rules."""
    from benchmarks.population import population_rules

    assert len(population_rules().compiled) == 5
