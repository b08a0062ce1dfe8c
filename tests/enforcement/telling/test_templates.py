"""Templates: names are filled in, and nothing else is ever done."""

import pytest

from outworks.enforcement.desk.cases import Outcome
from outworks.enforcement.settings import Office, Template
from outworks.enforcement.telling.templates import NAMES, faults, render, suggested

VALUES = {"account": "ann", "policy": "use-2", "policy_title": "Known attacks", "until": "2027-01-01"}


def test_names_are_filled_in() -> None:
    """Each name stands for its value, braces written twice for themselves; values are never looked into again."""
    text = "{account}: {policy_title} ({policy}) until {until}; {{no name}}"
    values = {**VALUES, "account": "{until}"}

    assert render(Template(name="t", text=text), values) == (
        "{until}: Known attacks (use-2) until 2027-01-01; {no name}"
    )
    assert set(VALUES) == set(NAMES)


WRONG = {
    "{acount}": "{acount} is not filled in; did you mean {account}?",
    "{account.__class__.__init__.__globals__}": "is not filled in",
    "{account[0]}": "is not filled in",
    "{account!r}": "{account} takes no format",
    "{account:>1000000000}": "{account} takes no format",
    "{0}": "{0} is not filled in",
    "{}": "{} is not filled in",
    "{account": "the braces do not match",
    "} ": "the braces do not match",
    " ": "the text is empty",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_plain_name_is_refused(text: str) -> None:
    """Neither attributes, items, formats nor conversions: what a template is given cannot be used to read the
    program."""
    template = Template(name="t", text=text)

    assert WRONG[text] in " ".join(faults(template))
    with pytest.raises(ValueError, match="the template 't'"):
        render(template, VALUES)


def test_templates_for_a_decision_come_first() -> None:
    """Those made for the decision, then those for any; never those for another."""
    each = (
        Template(name="any", text="x"),
        Template(name="warn", text="x", outcome=Outcome.WARN),
        Template(name="ban", text="x", outcome=Outcome.BAN),
    )

    assert [one.name for one in suggested(Office(templates=each), Outcome.WARN)] == ["warn", "any"]
