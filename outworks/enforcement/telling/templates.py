"""Templates: words for what an account is told, with names that are filled in and nothing else."""

import string
from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from outworks.enforcement.desk.cases import Outcome
from outworks.enforcement.settings import Office, Template

NAMES: Mapping[str, str] = {
    "account": "The account, without the product's name.",
    "policy": "The id of the passage that is cited.",
    "policy_title": "Its title.",
    "until": "The last day of the decision; `for good` where it has none.",
}
"""What a template can say, and what it stands for."""


def faults(template: Template) -> Iterator[str]:
    """What is wrong with a template's text. Only plain names are taken: `{account.__class__}` would read the
    program."""
    try:
        pieces = list(string.Formatter().parse(template.text))
    except ValueError as error:
        yield f"the braces do not match: {error}; a brace itself is written twice"
        return
    for _, name, spec, conversion in pieces:
        if name is None:
            continue
        if name not in NAMES:
            near = get_close_matches(name, NAMES, n=1)
            hint = f"did you mean {{{near[0]}}}?" if near else f"there are: {', '.join(NAMES)}"
            yield f"{{{name}}} is not filled in; {hint}"
        elif spec or conversion:
            yield f"{{{name}}} takes no format"
    if not template.text.strip():
        yield "the text is empty"


def render(template: Template, values: Mapping[str, str]) -> str:
    """The words, with the names filled in. Raises ValueError for a template with faults, KeyError for a value
    missing."""
    wrong = "; ".join(faults(template))
    if wrong:
        raise ValueError(f"the template {template.name!r}: {wrong}")
    return "".join(
        text + (values[name] if name is not None else "")
        for text, name, _, _ in string.Formatter().parse(template.text)
    )


def suggested(office: Office, outcome: Outcome) -> tuple[Template, ...]:
    """The templates for a decision, those made for it first."""
    own = [each for each in office.templates if each.outcome is outcome]
    return (*own, *(each for each in office.templates if each.outcome is None))
