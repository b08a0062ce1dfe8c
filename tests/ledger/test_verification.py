"""Verification: whatever is changed is found, and the event is named."""

import random
import shutil
import sqlite3
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from outworks.event import Event, UpstreamFailed
from outworks.ledger import Ledger, LedgerError, Verification, erase, verify
from tests.ledger.kit import acted, behind, blocked, conversation, judged, received, released


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Ten events, one of them erased, closed."""
    path = tmp_path / "l.db"
    with Ledger.open(path) as ledger:
        ledger.append_now(conversation())
        ledger.append_now([received("x2", "bob", said="to be erased"), judged(blocked("c", "leak"), account="bob")])
        ledger.append_now([Event(body=UpstreamFailed(error="policy", message="no", status=400), at=7.0, account="bob")])
        erase(ledger, exchange="x2", by="person:eve", reason="asked")
        ledger.append_now([acted(), released("x3")])
    return path


def named(verification: Verification) -> set[int | None]:
    return {fault.seq for fault in verification.faults}


LOWEST = -(1 << 63)


@pytest.mark.parametrize("row", ["event", "signal"])
def test_no_row_hides_below_all_others(path: Path, row: str) -> None:
    """The lowest number that SQLite knows is none of ours: a request, or a signal, put there counts in rules."""
    columns = {
        "event": (LOWEST, b"x" * 32, 1.0, "received", "ex", "bob", "p", "c", "{}", None, None, "forged"),
        "signal": (LOWEST, 0, 1.0, "bob", "p", "ex", "c", "fingerprint", "known_bad", 3, "live", 1.0),
    }[row]
    with sqlite3.connect(path) as changed:
        changed.execute(f"INSERT INTO {row} VALUES ({', '.join('?' * len(columns))})", columns)

    assert named(verify(path)) == {LOWEST}


def test_a_head_is_not_found_below_all_others(path: Path) -> None:
    """A hash kept elsewhere does not vouch for another ledger into which it was written."""
    kept = verify(path).head
    with sqlite3.connect(path) as changed:
        changed.execute("UPDATE event SET hash = ? WHERE seq = 10", (b"y" * 32,))
        changed.execute("UPDATE event SET seq = ?, hash = ? WHERE seq = 1", (LOWEST, bytes.fromhex(kept.hash)))

    assert any("no event has the hash" in str(fault) for fault in verify(path, head=kept.hash).faults)


@pytest.mark.parametrize("head", [f"{1 << 63}:{'a' * 64}", f"-2:{'a' * 64}"])
def test_a_head_that_no_ledger_can_have_is_refused(path: Path, head: str) -> None:
    """Before anything is read."""
    with pytest.raises(ValueError, match="expected SEQ:HASH"):
        verify(path, head=head)


def test_an_empty_file_is_no_old_ledger(tmp_path: Path) -> None:
    """What a copy that failed leaves: to open it for writing would make a new ledger of it."""
    empty = tmp_path / "l.db"
    empty.touch()

    (fault,) = verify(empty).faults

    assert "is empty; expected a ledger" in str(fault)


def test_a_sound_ledger_passes(path: Path) -> None:
    """An untouched ledger has no faults, an erased event and all, and tells its head."""
    steps: list[tuple[int, int]] = []

    found = verify(path, progress=lambda done, total: steps.append((done, total)))

    assert found.faults == ()
    assert found.ok
    assert found.events == 10
    assert found.head.seq == 10
    assert steps[-1] == (10, 10)


def flips(value: Any, seed: random.Random) -> Iterator[Any]:
    """The value with one bit of one byte flipped, for each byte; and as another type where there is one."""
    if isinstance(value, float):
        for n in range(8):
            raw = bytearray(struct.pack(">d", value))
            raw[n] ^= 1 << seed.randrange(4)
            yield struct.unpack(">d", raw)[0]
    elif isinstance(value, int):
        yield from (value ^ (1 << seed.randrange(4)), float(value))
    elif value is None:
        yield from (b"", "", b"x" * 16)
    else:
        for n in range(len(value)):
            raw = bytearray(value)
            raw[n] ^= 1 << seed.randrange(8)
            yield bytes(raw)
        yield value + b"\0"
        if value:
            yield value[:-1]


def test_every_byte_of_every_column_of_an_event_counts(path: Path) -> None:
    """One flipped bit in any byte of any column, one byte more or less, or another type, fails and names the event."""
    seed = random.Random(1)
    changed = behind(path)
    changed.text_factory = bytes
    columns = [row[1] for row in changed.execute("PRAGMA table_info(event)")][1:]
    for column in map(bytes.decode, columns):
        for seq, value, kind in changed.execute(f"SELECT seq, {column}, typeof({column}) FROM event").fetchall():
            affinity = "TEXT" if kind == b"text" else "BLOB"
            tampered = [(one, affinity) for one in flips(value, seed)]
            if affinity == "TEXT":
                tampered.append((value, "BLOB"))
            sample = tampered if len(tampered) < 6 else seed.sample(tampered, 6)
            for one, cast in sample:
                expression = "?" if isinstance(one, float) else f"CAST(? AS {cast})"
                try:
                    changed.execute(f"UPDATE event SET {column} = {expression} WHERE seq = ?", (one, seq))
                except sqlite3.IntegrityError:
                    continue  # a NaN, which SQLite refuses as NULL
                assert seq in named(verify(path)), (column, seq, value, one)
                original = "?" if isinstance(value, float) or value is None else f"CAST(? AS {affinity})"
                changed.execute(f"UPDATE event SET {column} = {original} WHERE seq = ?", (value, seq))
    assert verify(path).ok


def test_every_byte_of_the_index_of_signals_counts(path: Path) -> None:
    """Signals are derived: one that does not say what its event says fails and names the event."""
    seed = random.Random(2)
    changed = behind(path)
    changed.text_factory = bytes
    assert changed.execute("SELECT count(*) FROM signal").fetchone() == (3,)
    for column in (row[1].decode() for row in changed.execute("PRAGMA table_info(signal)").fetchall()):
        query = f"SELECT seq, n, {column}, typeof({column}) FROM signal"
        for seq, n, value, kind in changed.execute(query).fetchall():
            for one in flips(value, seed):
                if isinstance(value, int) and isinstance(one, float):
                    continue  # an integer column makes it the same integer again
                wanted = "CAST(? AS TEXT)" if kind == b"text" else "?"
                try:
                    changed.execute(f"UPDATE signal SET {column} = {wanted} WHERE seq = ? AND n = ?", (one, seq, n))
                except sqlite3.IntegrityError:
                    continue
                assert seq in named(verify(path)), (column, seq, value, one)
                now = (one if column == "seq" else seq, one if column == "n" else n)
                changed.execute(f"UPDATE signal SET {column} = {wanted} WHERE seq = ? AND n = ?", (value, *now))
    assert verify(path).ok
    changed.execute("DELETE FROM signal WHERE seq = 2")
    assert named(verify(path)) == {2}


def everything(path: Path) -> Any:
    """All that a reader of the file can see; None where it can't be read."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    connection.text_factory = lambda raw: ("text", raw)
    try:
        tables = {
            name: connection.execute(f"SELECT * FROM {name} NOT INDEXED ORDER BY 1, 2").fetchall()
            for name in ("event", "signal")
        }
        asked = ("user_version", "application_id", "integrity_check", "encoding")
        facts = {name: connection.execute(f"PRAGMA {name}").fetchall() for name in asked}
        schema = connection.execute("SELECT * FROM sqlite_schema ORDER BY name").fetchall()
    except (sqlite3.Error, UnicodeDecodeError):
        return None
    finally:
        connection.close()
    types = {name: [[type(value) for value in row] for row in rows] for name, rows in tables.items()}
    return tables, types, facts, schema


def test_a_flipped_byte_anywhere_in_the_file_is_found(path: Path) -> None:
    """A random flipped bit in the file fails verification, unless it lies in free space: where everything that SQLite
    can read from the file (rows, types, schema, header facts, soundness of pages and indices) is as before."""
    seed = random.Random(3)
    behind(path).execute("PRAGMA wal_checkpoint(TRUNCATE)")
    whole = path.read_bytes()
    copy = path.with_name("copy.db")
    copy.write_bytes(whole)
    before = everything(copy)
    found = 0
    for _ in range(400):
        at = seed.randrange(len(whole))
        while whole[at] == 0 and seed.random() < 0.8:  # most of a small file is free space
            at = seed.randrange(len(whole))
        raw = bytearray(whole)
        raw[at] ^= 1 << seed.randrange(8)
        copy.write_bytes(raw)

        after = everything(copy)
        verification = verify(copy)

        assert verification.ok == (after == before), (at, verification.faults)
        found += not verification.ok
        if after is not None and after[0]["event"] != before[0]["event"]:
            old, new = ({row[0]: row for row in one[0]["event"]} for one in (before, after))
            different = {seq for seq in old.keys() | new.keys() if old.get(seq) != new.get(seq)}
            assert different & named(verification), (at, verification.faults)
        for end in ("-wal", "-shm"):
            copy.with_name(copy.name + end).unlink(missing_ok=True)
    assert found > 100


def test_a_flipped_byte_in_the_write_ahead_log_is_found(tmp_path: Path) -> None:
    """SQLite drops what follows a damaged frame without a word; verification says what is lost, up to the last frame,
    which looks like one that a dying process left half written."""
    seed = random.Random(4)
    ledger = Ledger.open(tmp_path / "l.db")
    for n in range(6):
        ledger.append_now([received(f"x{n}"), released(f"x{n}")])
    copy = tmp_path / "copy.db"
    shutil.copy(tmp_path / "l.db", copy)
    whole = (tmp_path / "l.db-wal").read_bytes()
    ledger.close_now()
    log = tmp_path / "copy.db-wal"
    log.write_bytes(whole)
    assert verify(copy).events == 12
    last_frame = len(whole) - 4096 - 24
    for _ in range(80):
        at = seed.randrange(len(whole))
        raw = bytearray(whole)
        raw[at] ^= 1 << seed.randrange(8)
        (tmp_path / "copy.db-shm").unlink(missing_ok=True)
        log.write_bytes(raw)

        verification = verify(copy)

        if at < last_frame:
            assert not verification.ok, at
        else:
            assert verification.events in (10, 12)


def test_missing_events_are_named(path: Path) -> None:
    """Events taken out of the middle are named; so are events renumbered to hide that."""
    changed = behind(path)
    changed.execute("BEGIN")
    changed.execute("DELETE FROM event WHERE seq IN (3, 4)")
    changed.execute("DELETE FROM event WHERE seq = 9")
    changed.execute("COMMIT")

    faults = verify(path).faults

    assert [str(fault) for fault in faults] == ["events 3 to 4 are missing", "event 9 is missing"]
    for seq in (5, 6, 7, 8):
        changed.execute("UPDATE event SET seq = ? WHERE seq = ?", (seq - 2, seq))
        changed.execute("UPDATE signal SET seq = ? WHERE seq = ?", (seq - 2, seq))
    assert {3, 4, 5, 6} <= named(verify(path))


def test_reordered_and_inserted_events_are_named(path: Path) -> None:
    """Two events that changed places, and one that was slipped in, are named."""
    changed = behind(path)
    for here, there in ((3, 99), (4, 3), (99, 4)):
        changed.execute("UPDATE event SET seq = ? WHERE seq = ?", (there, here))

    assert {3, 4} <= named(verify(path))

    for here, there in ((3, 99), (4, 3), (99, 4)):
        changed.execute("UPDATE event SET seq = ? WHERE seq = ?", (there, here))
    changed.execute(
        "INSERT INTO event SELECT 11, hash, at, kind, exchange, account, product, conversation, body, commitment, "
        "salt, content FROM event WHERE seq = 1"
    )
    assert named(verify(path)) == {11}
    changed.execute("UPDATE event SET seq = 0 WHERE seq = 11")
    assert named(verify(path)) == {0}


def test_only_the_altered_event_is_named(path: Path) -> None:
    """An altered hash is told from an altered next event: one fault, not two."""
    behind(path).execute("UPDATE event SET hash = randomblob(32) WHERE seq = 3")

    assert named(verify(path)) == {3}


def test_content_without_an_erasure_is_missed(path: Path) -> None:
    """Content that vanished without an `erased` event is named, and so is content that came back."""
    changed = behind(path)
    salt, said = changed.execute("SELECT salt, content FROM event WHERE seq = 1").fetchone()
    changed.execute("UPDATE event SET salt = NULL, content = NULL WHERE seq = 1")
    assert [str(fault) for fault in verify(path).faults] == [
        "the content of event 1 is missing, and no erasure was recorded"
    ]

    with Ledger.open(path) as ledger:
        changed.execute("UPDATE event SET salt = ?, content = ? WHERE seq = 1", (salt, said))
        erase(ledger, exchange="x1", by="p", reason="r")
    changed.execute("UPDATE event SET salt = ?, content = ? WHERE seq = 1", (salt, said))
    assert [str(fault) for fault in verify(path).faults] == ["the content of event 1 is there, although it was erased"]


def test_a_cut_tail_is_seen_with_a_head_from_elsewhere(path: Path) -> None:
    """From the inside a ledger cut short is sound; a head kept elsewhere shows it, and shows a replaced one."""
    head = verify(path).head
    with Ledger.open(path) as ledger:
        ledger.append_now([received("later")])
    assert verify(path, head=str(head)).ok
    assert verify(path, head=head.hash).ok
    changed = behind(path)
    changed.execute("DELETE FROM event WHERE seq > 9")

    assert verify(path).ok
    assert "cut short after event 9" in str(verify(path, head=str(head)).faults[0])
    assert not verify(path, head=head.hash).ok
    assert named(verify(path, head=f"9:{head.hash}")) == {9}


@pytest.mark.parametrize("head", ["", "12", "12:ab", "x:" + "0" * 64, "zz" * 32])
def test_a_malformed_head_is_refused(path: Path, head: str) -> None:
    """A head that is none is an error of whoever gave it, not a fault of the ledger."""
    with pytest.raises(ValueError, match="expected SEQ:HASH"):
        verify(path, head=head)


def test_an_altered_schema_is_found(path: Path) -> None:
    """A trigger or an index that does not belong there, or one that is gone, is a fault."""
    behind(path).execute("CREATE TRIGGER quiet AFTER INSERT ON event BEGIN DELETE FROM signal; END")
    behind(path).execute("DROP INDEX event_rare")

    faults = " ".join(str(fault) for fault in verify(path).faults)

    assert "the trigger 'quiet' does not belong in a ledger" in faults
    assert "the index 'event_rare' is missing or altered" in faults


def test_a_file_that_sqlite_cannot_read_is_a_clear_fault(tmp_path: Path) -> None:
    """Rubbish is a fault that says so; no file at all is an error."""
    (tmp_path / "rubbish.db").write_bytes(b"not a database " * 400)

    found = verify(tmp_path / "rubbish.db")

    assert not found.ok
    assert "not a ledger" in str(found.faults[0])
    with pytest.raises(LedgerError, match="there is no ledger at"):
        verify(tmp_path / "none.db")
