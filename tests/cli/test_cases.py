"""`outworks cases` and `outworks webhooks`: deciding without a console, by the same rules."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from outworks.action import Standing
from outworks.cli import app
from outworks.enforcement.desk import lookup
from outworks.enforcement.desk.desk import Desk
from outworks.enforcement.telling.appeals import Tokens
from outworks.enforcement.telling.signing import key
from tests.enforcement.desk_kit import a_case, opened, standing

POLICY = '[ledger]\npath = "ledger.db"\n[[models]]\nname = "m"\nprovider = "scripted"\n[appeals]\nurl = "https://example.com"\n'
HOOK = '[[webhooks]]\nname = "shop"\nurl = "https://example.com/hooks"\nsecret_env = "HOOK"\n'


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    (tmp_path / "outworks.toml").write_text(POLICY + HOOK)
    with opened(tmp_path) as desk:
        yield desk


def run(desk: Desk, *arguments: str) -> Result:
    policy = desk.path.with_name("outworks.toml")
    return CliRunner().invoke(app, [*arguments, "-p", str(policy)], env={"COLUMNS": "200"})


def test_what_waits_is_listed(desk: Desk) -> None:
    """Queues with their counts, cases with where they come from, and a case with its evidence."""
    assert "Nothing waits." in run(desk, "cases", "queues").output
    assert "There are none." in run(desk, "cases", "list").output
    case = a_case(desk)

    assert re.search(r"rules +1 +0", run(desk, "cases", "queues").output)
    assert case.id in run(desk, "cases", "list", "--queue", "rules").output
    assert case.id not in run(desk, "cases", "list", "--state", "closed").output
    shown = run(desk, "cases", "show", case.id).output
    assert "from rule:repeat" in shown
    assert "received" in shown


def test_a_queue_s_nearest_name_is_told(desk: Desk) -> None:
    """Whoever mistypes a queue must not believe that nothing waits in it."""
    a_case(desk)

    assert "There are none; did you mean 'rules'?" in run(desk, "cases", "list", "--queue", "ruels").output


def test_a_ban_takes_two_people_and_is_undone(desk: Desk) -> None:
    """The command line decides by the same rules as the console: a ban waits, and everything has its way back."""
    case = a_case(desk)
    before = standing(desk)

    first = run(desk, "cases", "decide", case.id, "ban", "--reason", "For good.", "--by", "eva")
    same = run(desk, "cases", "decide", case.id, "ban", "--by", "eva")
    second = run(desk, "cases", "decide", case.id, "ban", "--by", "ben")

    assert "waits for another person" in first.output
    assert "waits for another person" in str(same.exception)
    assert standing(desk).standing is Standing.BANNED
    decision = lookup.decisions(desk, case=case.id)[0]
    assert decision.id in second.output
    assert run(desk, "cases", "undo", decision.id, "--reason", "A slip.", "--by", "ben").exit_code == 0
    assert standing(desk) == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("cases", "decide", "CASE", "bann"), "did you mean 'ban'?"),
        (("cases", "decide", "CASE", "suspend", "--reason", "x"), "suspended needs an expiry"),
        (("cases", "decide", "CASE", "suspend", "--reason", "x", "--expires", "soon"), "a duration is"),
        (("cases", "decide", "case_0", "dismiss"), "there is no case 'case_0'"),
        (("cases", "list", "--state", "opn"), "did you mean 'open'?"),
        (("cases", "show", "case_0"), "there is no case 'case_0'"),
        (("cases", "undo", "dec_0", "--reason", "x"), "there is no decision 'dec_0'"),
        (("cases", "link", "act_0"), "no action has the id 'act_0'"),
    ],
)
def test_mistakes_are_told(desk: Desk, arguments: tuple[str, ...], says: str) -> None:
    """What was mistyped is named with the nearest right one, and changes nothing."""
    case = a_case(desk)
    head = desk.ledger.head()

    found = run(desk, *(case.id if each == "CASE" else each for each in arguments))

    assert found.exit_code == 1
    assert says in str(found.exception)
    assert desk.ledger.head() == head


def test_the_link_to_an_appeal_is_the_gateways(desk: Desk) -> None:
    """Whoever answers mail can give the account the link that its error had."""
    case = a_case(desk)

    url = run(desk, "cases", "link", case.action).output.strip()

    secret = desk.path.with_name("ledger.secret").read_bytes()
    assert url == Tokens(secret).path(case.action, "https://example.com")


def test_webhooks_are_listed_and_get_secrets(desk: Desk) -> None:
    """Each secret is new and proper; the list needs none."""
    first, second = (CliRunner().invoke(app, ["webhooks", "secret"]).output.strip() for _ in range(2))

    assert first != second
    assert len(key(first)) == 32
    assert re.search(
        r"shop +https://example\.com/hooks +notice, appeal\.received, report\.decided +0",
        run(desk, "webhooks", "list").output,
    )
