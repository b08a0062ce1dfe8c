"""Erasure: takes what people said out of a ledger, and leaves the chain as it was."""

import sqlite3
import time
from collections.abc import Sequence

from outworks.event import Erased, Event
from outworks.ledger.chain import Salts, seal
from outworks.ledger.journal import Journal
from outworks.ledger.reader import Reader
from outworks.ledger.schema import LedgerError

_BATCH = 500
"""Contents erased in one transaction: a gateway that writes to the same file waits for no more than these."""


def erase(
    ledger: Reader,
    *,
    account: str | None = None,
    exchange: str | None = None,
    before: float | None = None,
    by: str,
    reason: str,
    busy_timeout_s: float = 5.0,
) -> list[int]:
    """Erase the content of every event that meets all conditions given, and record that; returns their numbers.

    The content and its salt are overwritten in the file and gone from the write-ahead log; the chain keeps the salted
    commitment, from which neither can be guessed. The account's id stays: it is part of the chain. Copies elsewhere
    (exports, backups) are out of reach. `before` is in Unix seconds. Raises `ValueError` without any condition,
    `RecordError` where it can't be recorded, and `LedgerError` where a long reader keeps the log from being cut; then
    the content is erased, and doing it again cuts the log.
    """
    wanted = {"account = ?": account, "exchange = ?": exchange, "at < ?": before}
    conditions = {condition: value for condition, value in wanted.items() if value is not None}
    if not conditions:
        raise ValueError("erase what? expected an account, an exchange or a time before which everything goes")
    find = f"SELECT seq FROM event WHERE content IS NOT NULL AND {' AND '.join(conditions)} LIMIT {_BATCH}"  # noqa: S608
    journal = Journal(ledger.path, synchronous="full", busy_timeout_s=busy_timeout_s)
    salts = Salts()

    def erase_batch() -> Sequence[int]:
        seqs = tuple(sorted(journal.select(find, tuple(conditions.values()))))
        if seqs:
            journal.forget(seqs)
            body = Erased(by=by, reason=reason, events=seqs)
            event = Event(body=body, at=time.time(), account=account or "", exchange=exchange or "")
            journal.insert([seal(event, salts)])
        return seqs

    erased: list[int] = []
    try:
        while batch := journal.transact(erase_batch):
            erased += batch
        if not journal.truncate():
            raise LedgerError(
                f"the content was erased, but a reader kept the write-ahead log of {ledger.path} in use, and that may "
                "still hold it: end long reads and erase again"
            )
    except sqlite3.Error as error:
        raise journal.reason(error) from error
    finally:
        journal.close()
    return sorted(erased)
