"""Erasure: what was said is gone from the file, and the chain stands."""

from pathlib import Path

import pytest

from outworks.event import Erased
from outworks.ledger import Ledger, LedgerError, erase, verify
from tests.ledger.kit import acted, behind, received, released


def canary(n: int) -> str:
    return f"canary-{n:04}-" * (1 + 97 * (n % 7))


@pytest.fixture
def ledger(tmp_path: Path):
    with Ledger.open(tmp_path / "l.db") as ledger:
        for n in range(300):
            account = ("ann", "bob", "eve")[n % 3]
            ledger.append_now([received(f"x{n}", account, at=1000.0 + n, said=canary(n)), acted(account)])
        yield ledger


def on_disk(path: Path) -> bytes:
    return b"".join(one.read_bytes() for one in path.parent.iterdir() if one.name.startswith(path.name))


def test_erased_content_is_nowhere_in_the_files(ledger: Ledger) -> None:
    """What is erased lies neither in the file, nor in its free space, nor in the write-ahead log; the rest stays."""
    erased = erase(ledger, account="ann", by="person:eve", reason="asked for it")

    raw = on_disk(ledger.path)
    for n in range(300):
        assert (f"canary-{n:04}-".encode() in raw) == (n % 3 != 0), n
    assert len(erased) == 100
    assert [one.seq for one in ledger.events(account="ann") if one.erased] == erased
    assert ledger.event(erased[0]).event.content is None
    assert not ledger.event(3).erased
    assert verify(ledger.path).ok


def test_the_salt_goes_with_the_content(ledger: Ledger) -> None:
    """Without the salt, short content can't be guessed from the commitment that stays in the chain."""
    salt = behind(ledger.path).execute("SELECT salt FROM event WHERE seq = 1").fetchone()[0]

    erase(ledger, exchange="x0", by="p", reason="r")

    assert salt not in on_disk(ledger.path)
    assert behind(ledger.path).execute("SELECT salt FROM event WHERE seq = 1").fetchone() == (None,)


def test_the_erasure_is_recorded(ledger: Ledger) -> None:
    """An `erased` event says who, why and which; it belongs to the account's history."""
    erased = erase(ledger, account="bob", before=1100.0, by="person:eve", reason="asked for it")

    (record,) = ledger.events(kinds={"erased"})
    assert record.event.body == Erased(by="person:eve", reason="asked for it", events=tuple(erased))
    assert record.event.account == "bob"
    assert len(erased) == 33


def test_content_expires_by_age(ledger: Ledger) -> None:
    """Everything said before a time goes, of every account, and nothing after it; doing it again finds nothing."""
    assert len(ledger.expire(1150.0)) == 150
    assert ledger.expire(1150.0) == []

    kept = [one.event.at for one in ledger.events(kinds={"received"}, with_content=True) if one.event.content]
    assert min(kept) == 1150.0
    assert len(kept) == 150
    assert len(list(ledger.events(kinds={"erased"}))) == 1
    assert verify(ledger.path).ok


def test_many_contents_go_in_batches(tmp_path: Path) -> None:
    """More contents than fit one transaction are all erased, with an event for each batch."""
    with Ledger.open(tmp_path / "l.db") as ledger:
        ledger.append_now([received(f"x{n}") for n in range(1100)])

        assert len(erase(ledger, account="ann", by="p", reason="r")) == 1100

        assert len(list(ledger.events(kinds={"erased"}))) == 3
        assert verify(tmp_path / "l.db").ok


async def test_a_gateway_goes_on_meanwhile(ledger: Ledger) -> None:
    """The writer of the same ledger links on to the `erased` events of another connection."""
    await ledger.append([received("before")])
    erase(ledger, account="eve", by="p", reason="r")
    await ledger.append([released("after")])

    assert verify(ledger.path).ok
    assert ledger.tail(1)[0].event.exchange == "after"


def test_erasing_needs_a_condition(ledger: Ledger) -> None:
    """Without any condition nothing is erased: that would be everything."""
    with pytest.raises(ValueError, match="erase what"):
        erase(ledger, by="p", reason="r")
    assert erase(ledger, account="nobody", by="p", reason="r") == []


def test_a_reader_in_the_way_is_told_of(ledger: Ledger) -> None:
    """Where a long reader keeps the write-ahead log, which still has the content, the caller is told; again helps."""
    reader = behind(ledger.path)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM event").fetchone()

    with pytest.raises(LedgerError, match="erase again"):
        erase(ledger, exchange="x0", by="p", reason="r", busy_timeout_s=0.2)

    reader.execute("ROLLBACK")
    assert erase(ledger, exchange="x0", by="p", reason="r") == []
    assert canary(0).encode() not in on_disk(ledger.path)
