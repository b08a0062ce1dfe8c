"""Cases, appeals, reports, policies, templates and webhooks in the policy file: what they say and are refused for."""

import base64
from pathlib import Path

import pytest

from outworks.config import Policy, PolicyError, read_policy
from outworks.enforcement.desk.cases import Outcome
from outworks.enforcement.settings import Office

MODEL = '[[models]]\nname = "m"\nprovider = "scripted"\n'
SECRET = "whsec_" + base64.b64encode(bytes(32)).decode()
HOOK = '[[webhooks]]\nname = "shop"\nurl = "https://example.com/hooks"\nsecret_env = "HOOK"\n'
RULE = '[[rules]]\nname = "r"\ndescription = "d"\nwhen = \'blocked("1h") > 3\'\nexpires = "1d"\n'


def read(text: str, environ: dict[str, str] | None = None) -> Policy:
    given = {"HOOK": SECRET} if environ is None else environ
    return read_policy(f"{MODEL}{text}".encode(), Path("outworks.toml"), environ=given)


def faults(text: str, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(PolicyError) as error:
        read(text, environ)
    return [str(fault) for fault in error.value.faults]


def test_without_a_word_everything_is_at_its_default() -> None:
    """A policy that says nothing of people has cases, notices and appeals all the same, and no webhook."""
    assert read("").office == Office()


def test_all_that_can_be_said() -> None:
    """Every section is read into what the desk works with."""
    office = read(
        '[cases]\nlease = "5m"\nreview = "warned"\ngolden_rate = 0.1\n[cases.categories]\nknown_bad = "attacks"\n'
        '[cases.priorities]\nattacks = 30\n[appeals]\nurl = "https://example.com"\nwithin = "30d"\n'
        '[reports]\nper_minute = 5\n[[policies]]\nid = "use-2"\ntitle = "Known attacks"\n'
        '[[templates]]\nname = "t"\ntext = "{account}: {policy_title}"\noutcome = "warn"\npolicy = "use-2"\n' + HOOK
    ).office

    assert (office.cases.lease_seconds, office.cases.categories) == (300.0, {"known_bad": "attacks"})
    assert (office.appeals.within_seconds, office.reports.per_minute) == (30 * 86_400, 5)
    assert office.policy("use-2") == office.policies[0]
    assert office.templates[0].outcome is Outcome.WARN
    assert office.webhooks[0].url == "https://example.com/hooks"


@pytest.mark.parametrize(
    ("action", "cases", "queue"),
    [
        ("suspend", "", "rules"),
        ("warn", "", ""),
        ("warn", '[cases]\nreview = "warned"\nqueue = "all"\n', "all"),
        ("suspend", '[cases]\nreview = "never"\n', ""),
    ],
)
def test_rules_learn_from_the_policy_which_cases_they_open(action: str, cases: str, queue: str) -> None:
    """What `[cases]` says of review is in the rules that the enforcer gets."""
    rule = read(f'{RULE}action = "{action}"\n{cases}').compiled_rules.compiled[0]

    assert rule.queue == queue


def test_without_passages_a_rule_may_rest_on_any() -> None:
    """Whoever keeps the usage policy elsewhere cites it as it stands there."""
    assert read(f'{RULE}action = "ban"\npolicy = "section 4"\n').rules[0].policy == "section 4"


HOOK_WITHOUT_URL = '[[webhooks]]\nname = "w"\nsecret_env = "HOOK"\nurl = '

WRONG: list[tuple[str, str]] = [
    ('[cases]\nlease = "soon"\n', "5: cases.lease: a duration is a whole number"),
    ('[cases]\nreview = "suspend"\n', "did you mean 'suspended'?"),
    ("[cases]\ngolden_rate = 0.6\n", "5: cases.golden_rate: 0.6 is out of range"),
    ('[cases.categories]\nknown_bad = ""\n', "5: cases.categories.known_bad: a queue's name has 1 to 64 characters"),
    ('[appeals]\nwithin = "forever"\n', "5: appeals.within: a duration is"),
    ('[appeals]\nurl = "example.com"\n', "5: appeals.url: 'example.com' is no address"),
    ('[[policies]]\nid = "a"\ntitle = "x"\n[[policies]]\nid = "a"\ntitle = "y"\n', "'a' stands on line 5 already"),
    ('[[templates]]\nname = "t"\ntext = "{acount}"\n', "6: templates[0].text: {acount} is not filled in; did you mean"),
    (
        '[[templates]]\nname = "t"\ntext = "x"\npolicy = "use-9"\n',
        "7: templates[0].policy: there is no [[policies]] with the id 'use-9'",
    ),
    (f'{HOOK_WITHOUT_URL}"http://example.com"\n', "7: webhooks[0].url: what is sent says who was suspended and why"),
    (f'{HOOK_WITHOUT_URL}"ftp://example.com"\n', "7: webhooks[0].url: 'ftp://example.com' is no address to send to"),
    (f'{HOOK_WITHOUT_URL}"https://a:b@example.com"\n', "7: webhooks[0].url: "),
    (f'{HOOK_WITHOUT_URL}"https://"\n', "7: webhooks[0].url: "),
    (f"{HOOK}{HOOK}", "9: webhooks[1].name: 'shop' stands on line 5 already"),
    (f'{HOOK}give_up_after = "never"\n', "8: webhooks[0].give_up_after: "),
    (f'{HOOK}types = ["notices"]\n', "did you mean 'notice'?"),
    (
        f'[[policies]]\nid = "use-2"\ntitle = "x"\n{RULE}action = "ban"\npolicy = "use-9"\n',
        "rules[0].policy: there is no [[policies]] with the id 'use-9'; did you mean 'use-2'?",
    ),
    (
        f'[[policies]]\nid = "use-2"\ntitle = "x"\n{RULE}action = "ban"\npolicy = "harm"\n',
        "rules[0].policy: there is no [[policies]] with the id 'harm'; there are: use-2",
    ),
    (f'{RULE}action = "case"\n', "rules[0].case: an action that only opens a case needs the queue"),
]


@pytest.mark.parametrize(("text", "fault"), WRONG)
def test_each_fault_is_told_with_its_line(text: str, fault: str) -> None:
    """Whatever cannot be meant is refused when the policy is loaded, with the place and what is expected."""
    assert any(fault in each for each in faults(text)), faults(text)


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({}, "HOOK is not set in the environment"),
        ({"HOOK": "hunter2hunter2"}, "HOOK holds no such thing"),
    ],
)
def test_a_secret_comes_from_the_environment_and_never_into_an_error(environ: dict[str, str], says: str) -> None:
    """A webhook without a proper secret is refused; neither the secret nor one in the wrong place is printed."""
    (fault,) = faults(HOOK, environ)
    assert says in fault
    assert "hunter2" not in fault

    (fault,) = faults(HOOK.replace('"HOOK"', f'"{SECRET}"'))
    assert "the secret itself never stands here" in fault
    assert SECRET not in fault


def test_on_this_machine_http_will_do() -> None:
    """A receiver on loopback needs no certificate."""
    office = read(f'{HOOK_WITHOUT_URL}"http://127.0.0.1:9000/hooks"\n').office

    assert office.webhooks[0].name == "w"
