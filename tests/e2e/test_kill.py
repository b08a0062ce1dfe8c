"""`kill -9` under load: whatever a client received is in the ledger, the ledger verifies, and no change goes unseen."""

import contextlib
import http.client
import json
import random
import shutil
import sqlite3
import threading
import time
from pathlib import Path

import msgspec
import pytest

from outworks.event import Released
from outworks.ledger import verify
from tests.e2e.conftest import Make
from tests.e2e.kit import ANTHROPIC, OPENAI, Gateway, Said, question, run, said

CLIENTS = 12
LEAST = 40
"""Whole answers before the kill, so that there was a load."""


class Got(msgspec.Struct):
    """What one client received of one answer, byte for byte, as its decoder reads it."""

    id: str
    said: Said
    status: int


class Client(threading.Thread):
    """Asks one unique question after the other, over both wires, streamed and not, until the gateway is gone."""

    def __init__(self, gateway: Gateway, number: int) -> None:
        super().__init__(daemon=True)
        self._gateway = gateway
        self._number = number
        self.got: list[Got] = []

    def run(self) -> None:
        for n in range(10_000):
            words = f"[says] answer {n} for client {self._number}: " + "lorem ipsum " * (n % 7)
            path = (OPENAI, ANTHROPIC)[n % 2]
            if not self._ask(path, question(words, model="patient", stream=n % 4 > 1)):
                return

    def _ask(self, path: str, body: object) -> bool:
        """Read to the end or as far as it comes; False once the gateway is gone."""
        connection = http.client.HTTPConnection("127.0.0.1", self._gateway.port, timeout=20)
        data, status = b"", 0
        headers: dict[str, str] = {}
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("POST", path, json.dumps(body), self._gateway.authorised())
            response = connection.getresponse()
            headers, status = {k.lower(): v for k, v in response.getheaders()}, response.status
            while piece := response.read1():
                data += piece
        connection.close()
        if not headers:
            return False
        # Half a JSON body says nothing to a client; half a stream does.
        streamed = "event-stream" in headers["content-type"]
        complete = said(data).whole if streamed else len(data) == int(headers["content-length"])
        if complete or streamed:
            self.got.append(Got(headers["x-request-id"], said(data), status))
        return complete


@pytest.fixture(params=[1, 2])
def killed(request: pytest.FixtureRequest, make: Make) -> tuple[Gateway, list[Got]]:
    """A gateway of so many workers, killed under load, and what its clients had got."""
    gateway = make(more="", text=_with_workers(request))
    gateway.add_key()
    gateway.start()
    clients = [Client(gateway, number) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    end = time.monotonic() + 20
    while sum(len(client.got) for client in clients) < LEAST:
        assert time.monotonic() < end, gateway.log[-2000:]
        time.sleep(0.01)
    time.sleep(random.uniform(0, 0.3))
    gateway.kill_all()
    for client in clients:
        client.join(25)
    return gateway, [got for client in clients for got in client.got]


def _with_workers(request: pytest.FixtureRequest) -> str:
    policy: str = request.getfixturevalue("policy")
    return policy.replace("[gateway]", f"[gateway]\nworkers = {request.param}", 1)


def test_nothing_received_is_lost(killed: tuple[Gateway, list[Got]]) -> None:
    """Every answer that a client got, whole or in part, is in the ledger with the very characters; `verify` passes; the
    gateway starts again on the same ledger."""
    gateway, received = killed
    released: dict[str, str] = {}
    for event in gateway.events():
        if isinstance(event.body, Released):
            released[event.exchange] = released.get(event.exchange, "") + (event.content or "")

    whole = [got for got in received if got.said.whole]
    assert len(whole) >= LEAST
    assert all(got.status == 200 for got in received), [got for got in received if got.status != 200][:3]
    for got in whole:
        assert released[got.id] == got.said.text
    for got in received:
        assert released.get(got.id, "").startswith(got.said.text)
    checked = gateway.cli("ledger", "verify")
    assert checked.returncode == 0, checked.stdout
    assert "nothing changed" in checked.stdout
    assert gateway.start().ask("[says] again").text == "again"


COLUMNS = {
    "hash": "hash = zeroblob(32)",
    "at": "at = at + 0.001",
    "kind": "kind = 'received' || kind",
    "exchange": "exchange = exchange || 'x'",
    "account": "account = account || 'x'",
    "product": "product = product || 'x'",
    "conversation": "conversation = conversation || 'x'",
    "body": "body = replace(body, 'stop', 'stoq')",
    "commitment": "commitment = zeroblob(length(commitment))",
    "salt": "salt = zeroblob(length(salt))",
    "content": "content = substr(content, 1, length(content) - 1) || '!'",
}


@pytest.fixture(scope="module")
def ledger(policy: str, environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger that a gateway wrote before it was killed."""
    gateway = Gateway(tmp_path_factory.mktemp("killed"), policy, environ=environ)
    gateway.add_key()
    gateway.start()
    for n in range(8):
        assert gateway.ask(f"[says] answer number {n}").status == 200
    gateway.kill_all()
    with contextlib.closing(sqlite3.connect(gateway.ledger)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert verify(gateway.ledger).ok
    return gateway.ledger


@pytest.mark.parametrize("column", COLUMNS)
def test_a_change_of_any_column_is_found(ledger: Path, tmp_path: Path, column: str) -> None:
    """Whatever column of an event is changed, `verify` fails and names that event."""
    copy = Path(shutil.copy(ledger, tmp_path / "copy.db"))
    with contextlib.closing(sqlite3.connect(copy)) as connection, connection:
        seq = connection.execute("SELECT seq FROM event WHERE kind = 'released' LIMIT 1 OFFSET 3").fetchone()[0]
        changed = connection.execute(f"UPDATE event SET {COLUMNS[column]} WHERE seq = ?", (seq,))
        assert changed.rowcount == 1

    found = verify(copy)

    assert not found.ok
    assert seq in {fault.seq for fault in found.faults}


@pytest.mark.parametrize("how", ["delete", "renumber", "swap"])
def test_events_cannot_be_taken_out_or_moved(ledger: Path, tmp_path: Path, how: str) -> None:
    """A missing event, and one in another's place, break the chain where it happened."""
    copy = Path(shutil.copy(ledger, tmp_path / "copy.db"))
    with contextlib.closing(sqlite3.connect(copy)) as connection, connection:
        if how == "delete":
            connection.execute("DELETE FROM event WHERE seq = 9")
        elif how == "renumber":
            connection.execute("UPDATE event SET seq = seq + 1000 WHERE seq = 9")
        else:
            for seq, to in ((9, -1), (10, 9), (-1, 10)):
                connection.execute("UPDATE event SET seq = ? WHERE seq = ?", (to, seq))

    found = verify(copy)

    assert not found.ok
    assert {9, 10} & {fault.seq for fault in found.faults}


def test_a_flipped_byte_is_told_on_the_command_line(ledger: Path, tmp_path: Path) -> None:
    """A single bit, flipped in the file behind SQLite's back: status 1, and the event's number."""
    copy = Path(shutil.copy(ledger, tmp_path / "outworks.db"))
    (tmp_path / "outworks.toml").write_text('[[models]]\nname = "m"\nprovider = "scripted"\n')
    data = bytearray(copy.read_bytes())
    data[data.index(b"answer number 5") + 14] ^= 0x01
    copy.write_bytes(data)
    with contextlib.closing(sqlite3.connect(f"file:{copy}?mode=ro", uri=True)) as connection:
        row = connection.execute("SELECT seq FROM event WHERE content LIKE '%answer number 4%' ORDER BY seq DESC")
        seqs = [seq for (seq,) in row.fetchall()]

    checked = run("ledger", "verify", "-p", str(tmp_path / "outworks.toml"))

    assert checked.returncode == 1
    assert any(f"event {seq}:" in checked.stdout for seq in seqs), checked.stdout


def test_bytes_flipped_anywhere_are_found(ledger: Path, tmp_path: Path) -> None:
    """Bytes flipped at random among those that the database uses: found, each of them."""
    copy = tmp_path / "copy.db"
    whole = ledger.read_bytes()
    chance = random.Random(7)
    used = [at for at in range(100, len(whole)) if whole[at]]
    unseen = []
    for at in chance.sample(used, 150):
        data = bytearray(whole)
        data[at] ^= 1 << chance.randrange(8)
        copy.write_bytes(data)
        if verify(copy).ok:
            unseen.append(at)

    assert not unseen
