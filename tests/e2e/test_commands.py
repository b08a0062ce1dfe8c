"""The command line, for real: each command once on a gateway's ledger, and what it says to bad input."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from outworks import cli
from tests.e2e.conftest import Make
from tests.e2e.kit import Gateway, free_port, run, wait_for
from tests.e2e.loopback import KNOWN_BAD


@pytest.fixture(scope="module")
def used(policy: str, environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that has answered ann, and stopped bob."""
    gateway = Gateway(tmp_path_factory.mktemp("used"), policy, environ=environ)
    gateway.add_key()
    try:
        gateway.start()
        assert gateway.ask("[says] remember the tulips", user="ann").status == 200
        assert gateway.ask("hi", user="bob", temperature=1.9).status == 400
        yield gateway
    finally:
        gateway.stop()


class Said:
    """What a command said, and its status."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status = status
        self.out = out
        self.err = err


@pytest.fixture
def outworks(used: Gateway, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> object:
    """Runs a command through `main` in this process, which is quicker than a new one and otherwise the same."""
    monkeypatch.setenv("COLUMNS", "200")
    for name, value in used._environ.items():
        monkeypatch.setenv(name, value)

    def call(*arguments: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["outworks", *arguments, "-p", str(used.policy)])
        with pytest.raises(SystemExit) as exit:
            cli.main()
        out, err = capsys.readouterr()
        code = exit.value.code
        return Said(code if isinstance(code, int) else 0, out, err)

    return call


def test_keys_come_and_go(used: Gateway) -> None:
    """`keys add` prints a key once, `list` never, `revoke` shuts it out; a running gateway follows."""
    made = used.cli("keys", "add", "kiosk", "--by", "carla")
    key = next(word for word in made.stdout.split() if word.startswith("ow_"))
    wait_for(lambda: used.post({}, key=key).status == 400, 2)
    listed = used.cli("keys", "list")
    assert "kiosk" in listed.stdout
    assert "carla" in listed.stdout
    assert key not in listed.stdout

    assert used.cli("keys", "revoke", "kiosk").returncode == 0

    wait_for(lambda: used.post({}, key=key).status == 401, 2)
    assert "revoked" in used.cli("keys", "list").stdout


def test_fingerprints_come_and_go(used: Gateway, tmp_path: Path) -> None:
    """Added, listed without text, matched, exported, switched off and on, imported elsewhere: nothing is lost."""
    added = used.cli("fingerprints", "add", "-", "--source", "incident 7", "--reason", "seen twice", input=KNOWN_BAD)
    id = added.stdout.split()[0]
    listed = used.cli("fingerprints", "list").stdout
    assert id in listed
    assert "incident 7" in listed
    assert "otter" not in listed
    assert used.cli("fingerprints", "match", KNOWN_BAD.upper()).returncode == 0
    assert used.cli("fingerprints", "match", "good day").returncode == 1

    file = tmp_path / "bank.jsonl"
    assert used.cli("fingerprints", "export", str(file)).returncode == 0
    assert json.loads(file.read_text().splitlines()[0])["text"] == KNOWN_BAD
    assert file.stat().st_mode & 0o777 == 0o600
    assert used.cli("fingerprints", "disable", id, "--reason", "too broad").returncode == 0
    assert used.cli("fingerprints", "match", KNOWN_BAD).returncode == 1
    assert used.cli("fingerprints", "enable", id, "--reason", "not so").returncode == 0
    again = used.cli("fingerprints", "import", str(file))

    assert again.returncode == 0, again.stderr
    assert used.cli("fingerprints", "match", KNOWN_BAD).returncode == 0


def test_the_ledger_is_shown_and_exported(used: Gateway, tmp_path: Path) -> None:
    """`tail` shows no content, `show` does where it is asked to, `verify` passes, `export` writes what there is."""
    tail = used.cli("ledger", "tail", "-n", "50", "--account", "shop:ann")
    exchange = next(word for word in tail.stdout.split() if word.startswith("ex_"))
    assert "tulips" not in tail.stdout
    assert "tulips" not in used.cli("ledger", "show", exchange).stdout
    assert "remember the tulips" in used.cli("ledger", "show", exchange, "--content").stdout
    assert json.loads(used.cli("ledger", "tail", "-n", "1", "--json").stdout)["seq"] > 5

    for name in ("events.jsonl", "events.parquet"):
        exported = used.cli("ledger", "export", str(tmp_path / name))
        assert exported.returncode == 0, exported.stderr
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    assert (tmp_path / "events.parquet").read_bytes()[:4] == b"PAR1"


@pytest.mark.parametrize(
    "command", [("ledger", "export"), ("fingerprints", "export"), ("hunt", "fingerprint", "tulips", "--out")]
)
@pytest.mark.parametrize("file", ["outworks.db", "outworks.db-wal", "outworks.toml"])
def test_nothing_is_written_over_the_ledger_or_the_policy(used: Gateway, command: tuple[str, ...], file: str) -> None:
    """An export to the wrong name is refused, and everything is as it was."""
    assert used.policy.name == "outworks.toml"
    before = used.policy.read_bytes()

    refused = used.cli(*command, str(used.folder / file))

    assert refused.returncode == 1
    assert "would be lost" in refused.stderr
    assert used.policy.read_bytes() == before
    assert used.cli("ledger", "verify").returncode == 0


def test_a_milder_action_waits_behind_a_stricter_one(used: Gateway) -> None:
    """`act` says what the account's standing is, not what was asked for."""
    act = "accounts", "act", "shop:bob"
    strict = used.cli(*act, "suspended", "--reason", "Kept trying.", "--expires", "3d")
    mild = used.cli(*act, "limited", "--rate", "2", "--reason", "Slower.", "--expires", "3d")
    assert "shop:bob is suspended" in strict.stdout
    assert "shop:bob is suspended: of the actions in force the strictest holds" in mild.stdout

    for said in (strict, mild):
        used.cli("accounts", "undo", said.stdout.split("undo ")[1].split()[0], "--reason", "r")


def test_a_person_can_be_forgotten(used: Gateway) -> None:
    """`erase` takes an account's words for good; the events stay, and the ledger verifies."""
    assert used.ask("[says] forget the lilies", user="carl").status == 200
    assert b"lilies" in _bytes(used)

    erased = used.cli("ledger", "erase", "--account", "shop:carl", "--reason", "asked for it", "--yes")

    assert erased.returncode == 0, erased.stderr
    assert all(event.content is None for event in used.events() if event.account == "shop:carl")
    assert b"lilies" not in _bytes(used)
    verified = used.cli("ledger", "verify")
    assert verified.returncode == 0, verified.stdout


def _bytes(gateway: Gateway) -> bytes:
    return b"".join(path.read_bytes() for path in gateway.folder.glob("outworks.db*"))


def test_accounts_are_acted_on_and_restored(used: Gateway) -> None:
    """`act` sets a standing, `list` and `show` tell it with its reason, `undo` restores exactly."""
    act = "accounts", "act", "shop:bob", "suspended", "--reason", "Kept trying.", "--expires", "3d", "--by", "carla"
    acted = used.cli(*act)
    id = acted.stdout.split("undo ")[1].split()[0]
    assert "Kept trying." in used.cli("accounts", "list").stdout
    shown = used.cli("accounts", "show", "shop:bob").stdout
    assert "suspended" in shown
    assert "person:carla" in shown

    undone = used.cli("accounts", "undo", id, "--reason", "It was not he.")

    assert "shop:bob is good" in undone.stdout
    assert "good standing" in used.cli("accounts", "list").stdout


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("keys", "add", "a:b"), "no colon"),
        (("keys", "revoke", "shoppe"), "did you mean 'shop'"),
        (("fingerprints", "add", "\u200b ", "--source", "s", "--reason", "r"), "nothing of it is left"),
        (("fingerprints", "add", "x", "--source", " ", "--reason", "r"), "source: is empty"),
        (("fingerprints", "disable", "fp_000", "--reason", "r"), "there is no fingerprint 'fp_000'"),
        (("fingerprints", "import", "/nowhere/bank.jsonl"), "/nowhere/bank.jsonl"),
        (("ledger", "show", "ex_nobody"), "no exchange or event 'ex_nobody'"),
        (("ledger", "tail", "--kind", "relased"), "did you mean 'released'"),
        (("ledger", "verify", "--head", "what"), "what"),
        (("ledger", "erase", "--reason", "r", "--yes"), "account"),
        (("ledger", "erase", "--older", "soon", "--reason", "r", "--yes"), "soon"),
        (("ledger", "export", "/nowhere/events.jsonl"), "/nowhere"),
        (("ledger", "erase", "--account", "shop:anne", "--reason", "r", "--yes"), "did you mean 'shop:ann'"),
        (("ledger", "erase", "--exchange", "ex_nobody", "--reason", "r", "--yes"), "nothing of the exchange"),
        (("accounts", "act", "shop:ann", "baned", "--reason", "r", "--expires", "never"), "did you mean 'banned'"),
        (("accounts", "act", "shop:ann", "suspended", "--reason", "r", "--expires", "soon"), "soon"),
        (("accounts", "act", "shop:anne", "banned", "--reason", "r", "--expires", "never"), "shop:ann"),
        (("accounts", "act", "shop:ann", "limited", "--reason", "r", "--expires", "1d"), "rate"),
        (("accounts", "undo", "act_nobody", "--reason", "r"), "act_nobody"),
    ],
)
def test_bad_input_is_told(outworks: object, command: tuple[str, ...], said: str) -> None:
    """Status 1 and one message on stderr, with what was given and the nearest name; never a traceback."""
    result: Said = outworks(*command)  # type: ignore[operator]

    assert result.status == 1, result.out
    assert said in result.err
    assert result.err.startswith("outworks: ")
    assert result.out == ""


@pytest.mark.parametrize(
    "command", [("keys", "ad", "x"), ("ledger", "tail", "-n", "-3"), ("accounts", "act", "shop:ann")]
)
def test_a_broken_invocation_is_status_2(outworks: object, command: tuple[str, ...]) -> None:
    """What the command line itself cannot read is status 2, with usage on stderr."""
    result: Said = outworks(*command)  # type: ignore[operator]

    assert result.status == 2
    assert "Usage" in result.err


def test_check_tells_every_fault_at_once(tmp_path: Path) -> None:
    """`check` names each line at fault with the nearest name, and fails; a correct file passes."""
    policy = tmp_path / "outworks.toml"
    policy.write_text('[gatewya]\n[[models]]\nname = "m"\nprovider = "scriptd"\n[defenses.leek]\nmode = "on"\n')

    bad = run("check", str(policy))
    good = run("check", "examples/quickstart/outworks.toml")

    assert bad.returncode == 1
    for said in ("outworks.toml:1:", "'gateway'", "outworks.toml:4:", "'scripted'", "outworks.toml:5:", "'leak'"):
        assert said in bad.stderr
    assert good.returncode == 0, good.stderr
    assert "correct" in good.stdout


KEYLESS = '[gateway]\nlisten = "0.0.0.0:{port}"\nlog = "json"\n{more}\n[[models]]\nname = "m"\nprovider = "scripted"\n'


def test_it_does_not_listen_beyond_this_machine_without_a_key(tmp_path: Path) -> None:
    """Neither where the policy wants no key, nor where it wants one and nobody holds any."""
    policy = tmp_path / "outworks.toml"
    for more, why in (("require_key = false", "require_key"), ("", "outworks keys add")):
        policy.write_text(KEYLESS.format(port=free_port(), more=more))
        ended = run("serve", str(policy))

        assert ended.returncode == 1
        assert why in ended.stderr
        assert "Traceback" not in ended.stderr


def test_it_listens_beyond_this_machine_with_a_key(make: Make) -> None:
    """Once somebody holds a key it does."""
    gateway = make(text=KEYLESS.replace("{more}", ""))
    gateway.write(KEYLESS.format(port=gateway.port, more=""))
    gateway.add_key()

    gateway.start()

    assert gateway.ask("hi", model="m").status == 200
    assert gateway.post({}, key="").status == 401


def test_a_taken_port_is_told(used: Gateway) -> None:
    """A second gateway at one address says so, and the first goes on."""
    ended = run("serve", str(used.policy), environ=used._environ)

    assert ended.returncode == 1
    assert f"cannot listen on 127.0.0.1:{used.port}" in ended.stderr
    assert used.get("/readyz").status == 200
