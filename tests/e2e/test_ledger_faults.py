"""A ledger that cannot be written: no release without a record, in any form; recovery once it can."""

import contextlib
import resource
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from outworks.event import Released
from outworks.ledger import Ledger, verify
from tests.e2e.conftest import Make
from tests.e2e.kit import ANTHROPIC, OPENAI, Gateway, run, wait_for
from tests.e2e.test_upstream_faults import ask_every_way


def is_closed(gateway: Gateway, words: str) -> bool:
    """Whether a question gets nothing of its answer, streamed or whole, and is told why."""
    answers = ask_every_way(gateway, f"[says] {words}", "fake", [(OPENAI, True), (ANTHROPIC, False)])
    for answer in answers:
        assert words.encode() not in answer.body
        assert (answer.status, answer.code) == (503, "ledger_unavailable")
        assert int(answer.headers["retry-after"]) >= 1
    return True


def test_a_locked_ledger_releases_nothing(make: Make) -> None:
    """While another process keeps the ledger locked, every answer is 503; afterwards all is as before."""
    gateway = make()
    gateway.add_key()
    gateway.start()
    with contextlib.closing(sqlite3.connect(gateway.ledger, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        assert is_closed(gateway, "unrepeatable")
        assert time.monotonic() - began < 25
        other.execute("ROLLBACK")

    assert gateway.ask("[says] again").text == "again"
    assert verify(gateway.ledger).ok


def test_a_full_disk_releases_nothing(make: Make, policy: str) -> None:
    """When the ledger's disk is full, what was answered is recorded, and nothing more is answered; with room again the
    gateway goes on by itself."""
    # No file of the process may grow beyond this: to SQLite that is a full disk.
    prelude = "import resource as r; r.setrlimit(r.RLIMIT_FSIZE, (1_500_000, r.RLIM_INFINITY)); "
    gateway = make(text=policy.replace('log = "json"', 'log = "off"'), prelude=prelude)
    gateway.add_key()
    gateway.start()
    answered: dict[str, str] = {}
    words = "a long answer " * 2000
    for n in range(200):
        answer = gateway.ask(f"[says] {n} {words}")
        if answer.status != 200:
            assert (answer.status, answer.code) == (503, "ledger_unavailable")
            break
        answered[answer.id] = answer.text
    assert 3 < len(answered) < 200
    # What was too long may have left a page for less.
    resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
    assert is_closed(gateway, words)

    resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    wait_for(lambda: gateway.ask("[says] again").status == 200, 10, lambda: gateway.log[-2000:])

    released: dict[str, str] = {}
    for event in gateway.events():
        if isinstance(event.body, Released):
            released[event.exchange] = released.get(event.exchange, "") + (event.content or "")
    assert answered.items() <= released.items()
    checked = gateway.cli("ledger", "verify")
    assert checked.returncode == 0, checked.stdout


def test_a_ledger_that_is_removed_releases_nothing(make: Make) -> None:
    """With its file gone the gateway answers nothing: it does not write where nobody would find it."""
    gateway = make()
    gateway.add_key()
    gateway.start()
    assert gateway.ask("[says] before").status == 200
    gateway.ledger.unlink()

    wait_for(lambda: gateway.ask("[says] after").status == 503, 5)
    for answer in ask_every_way(gateway, "[says] unrepeatable", "fake"):
        assert answer.status == 503
        assert b"unrepeatable" not in answer.body


def test_other_processes_leave_the_ledger_to_the_gateway(make: Make) -> None:
    """Commands come and go at a running gateway's ledger, and reader and writer see the same file afterwards."""
    gateway = make()
    gateway.add_key()
    gateway.start()
    for n in range(2):
        with Ledger.open(gateway.ledger):
            pass
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda _: gateway.cli("ledger", "tail", "-n", "1"), range(2)))
        said = gateway.ask(f"[says] {n}")
        assert gateway.events(said.id), "the gateway writes to a file that nobody finds"

    assert gateway.ledger.with_name("outworks.db-wal").exists()
    assert gateway.cli("ledger", "verify").returncode == 0


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        ("garbage", "not a ledger"),
        ("other", "another program's"),
        ("folder", "no file"),
        ("newer", "newer"),
    ],
)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_spoilt_ledger_is_told_at_the_start(make: Make, policy: str, spoil: str, why: str, workers: int) -> None:
    """What is at the ledger's path and is none is never overwritten: a clear message, status 1."""
    gateway = make(text=policy.replace("[gateway]", f"[gateway]\nworkers = {workers}", 1))
    _spoil(gateway.ledger, spoil)
    before = gateway.ledger.read_bytes() if gateway.ledger.is_file() else b""

    ended = run("serve", str(gateway.policy), environ=gateway._environ)

    assert ended.returncode == 1, ended.stderr
    assert why in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "outworks.db" in ended.stderr
    assert before == (gateway.ledger.read_bytes() if gateway.ledger.is_file() else b"")


def _spoil(path: Path, how: str) -> None:
    if how == "garbage":
        path.write_bytes(b"\x93NUMPY garbage " * 1000)
    elif how == "folder":
        path.mkdir()
    elif how == "other":
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE songs (title TEXT)")
    else:
        with Ledger.open(path):
            pass
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA user_version = 999")
