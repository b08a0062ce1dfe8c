"""`outworks ledger`, and every command that looks something up in one: what is not there is not made, and said."""

from collections.abc import Callable
from pathlib import Path

import pytest

from outworks.cli.options import MOST
from outworks.event import Event, UpstreamFailed
from outworks.ledger import Ledger
from tests.cli.kit import Done, Ran

POLICY = '[ledger]\npath = "ledger.db"\n[[models]]\nname = "m"\nprovider = "scripted"\n'
Command = Callable[..., Done]


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    policy = tmp_path / "outworks.toml"
    policy.write_text(POLICY)
    return policy


@pytest.fixture
def command(policy: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """A whole command line."""

    def run(group: str, *arguments: object) -> Done:
        return Ran(group, capsys, monkeypatch)(*arguments, "-p", policy)

    return run


@pytest.fixture
def ledger(policy: Path) -> Path:
    path = policy.with_name("ledger.db")
    with Ledger.open(path) as made:
        made.append_now([Event(body=UpstreamFailed(error="policy", message="no", status=400), at=7.0, account="bob")])
    return path


@pytest.mark.parametrize(
    "line",
    [
        "cases list", "cases queues", "cases show case_1", "webhooks list", "accounts undo act_1 --reason x",
        "accounts act shop:ann warned --expires 1d --reason x", "keys revoke shop", "ledger tail",
        "ledger erase --reason x --account shop:ann --yes", "reviewers disable eva",
        "fingerprints disable x --reason y",
    ],
)  # fmt: skip
def test_a_ledger_that_is_not_there_is_not_made(command: Command, policy: Path, line: str) -> None:
    """Whoever has its path wrong is told so, and not that nothing waits."""
    said = command(*line.split()).complaint

    assert said.startswith(f"outworks: there is no ledger at {policy.with_name('ledger.db')}")
    assert [file.name for file in policy.parent.iterdir()] == [policy.name]


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (f"ledger show {MOST + 1}", 1), ("ledger show \u00b2", 1), (f"ledger tail -n {MOST + 1}", 2),
        (f"ledger export out.jsonl --after {MOST + 1}", 2), (f"ledger verify --head {MOST + 1}:{'a' * 64}", 1),
        (f"cases list --count {MOST + 1}", 2), (f"ledger tail -n {MOST}", 0), (f"ledger show {MOST}", 1),
    ],
)  # fmt: skip
def test_numbers_that_no_ledger_gives_are_refused(command: Command, ledger: Path, line: str, status: int) -> None:
    """In words, and with a status; never with a traceback."""
    done = command(*line.split())

    assert done.status == status, done.err
    assert "Traceback" not in done.err
    assert "invalid literal" not in done.err


@pytest.mark.parametrize("what", ["account", "exchange"])
def test_an_empty_name_erases_nothing(command: Command, ledger: Path, what: str) -> None:
    """A shell's variable that is not set is no name: it would look like success."""
    said = command("ledger", "erase", "--reason", "asked", f"--{what}", "", "--yes").complaint

    assert said == f"outworks: --{what} is empty: name one, or leave the option out"


def test_a_file_that_is_no_utf8_is_named(command: Command, ledger: Path, tmp_path: Path) -> None:
    """With its line."""
    file = tmp_path / "bank.toml"
    file.write_bytes(b"# fine\n\x8f")

    for line in (("fingerprints", "import", file), ("hunt", "fingerprint", "--file", file), ("hunt", "rule", file)):
        assert command(*line).complaint == f"outworks: {file}:2: the byte 0x8f is not UTF-8"


def test_a_fault_s_words_are_not_obeyed(command: Command, ledger: Path) -> None:
    """What was written into a ledger is shown, never obeyed by a terminal."""
    import sqlite3

    with sqlite3.connect(ledger) as changed:
        changed.execute("CREATE TABLE 'x\u001b[2Jnothing changed.' (a)")

    done = command("ledger", "verify")

    assert done.status == 1
    assert "\x1b" not in done.out
    assert "\\x1b[2Jnothing changed." in done.out


def test_nothing_is_erased_before_it_was_said_what(command: Command, ledger: Path) -> None:
    """The question names what would be gone; without a choice there is no question."""
    nothing = command("ledger", "erase", "--reason", "asked")
    asked = command("ledger", "erase", "--reason", "asked", "--account", "bob", "--older", "7d")

    assert nothing.complaint == "outworks: erase what? expected --account, --exchange or --older"
    assert "Erase what was said of the account 'bob', older than 7d? This cannot be undone." in asked.out


def test_a_name_without_its_product_is_told_how_accounts_are_called(command: Command, ledger: Path) -> None:
    """A user's bare name is the likeliest mistake."""
    said = command("accounts", "show", "ann").complaint

    assert said == "outworks: no request of the account 'ann' is in the ledger; accounts are called PRODUCT:USER"


def test_a_policy_that_is_not_there_is_named_with_the_nearest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else with how one is named."""
    keys = Ran("keys", capsys, monkeypatch)
    alone = keys("list", "-p", tmp_path / "outwork.toml").complaint
    (tmp_path / "outworks.toml").write_text(POLICY)
    beside = keys("list", "-p", tmp_path / "outwork.toml").complaint

    missing = f"outworks: {tmp_path}/outwork.toml:1: the policy cannot be read: no such file or directory; "
    assert alone == f"{missing}name another file, or set OUTWORKS_POLICY"
    assert beside == f"{missing}did you mean 'outworks.toml'?"


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("--account bop", "the ledger holds nothing of the account 'bop'; did you mean 'bob'?\n"),
        ("--account bob", ""),
        ("--account bob --kind released", ""),
        ("--account bob -n 0", ""),
        ("", ""),
    ],
)
def test_whoever_mistypes_an_account_is_told_why_nothing_is_shown(command: Command, line: str, hint: str) -> None:
    done = command("ledger", "tail", *line.split())

    assert done.status == 0
    assert done.err == hint
