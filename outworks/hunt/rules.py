"""The hunt with a rule: whom it would have met, over the ledger or over exported files, by the evaluator used live."""

from collections.abc import Iterator, Sequence
from glob import escape
from itertools import groupby
from pathlib import Path

import msgspec

from outworks.enforcement.evidence.backtest import FAILURES, Tried, as_if_live, steps_of, try_on
from outworks.enforcement.evidence.replay import Step
from outworks.enforcement.rules import Rule, Rules
from outworks.event import Event
from outworks.hunt.found import Found, Looked, Unit
from outworks.hunt.sources import ParquetSource, database
from outworks.ledger.chain import body_decoder
from outworks.ledger.reader import Reader
from outworks.ledger.signal import signals_of

_ACCOUNTS = 500
_PARTS = 16
"""Parts into which the accounts of files are divided: each is one scan, and what one scan sorts fits into memory."""
_KINDS = "('received', 'judged', 'rejected', 'upstream_failed', 'acted', 'undone', 'restored')"


class RuleOverLedger:
    """The rule on the accounts of a ledger, some hundreds a unit."""

    def __init__(self, path: Path, rule: Rule) -> None:
        """Raises `RuleError`; and ValueError for a rule about links, which only `backtest` follows."""
        self._path = path
        self._rule = rule
        _check(as_if_live(rule))

    def units(self) -> list[Unit]:
        """The accounts, in parts."""
        on_requests = bool(as_if_live(self._rule).counting_requests.compiled)
        accounts = sorted(Reader(self._path).accounts(noted=not on_requests))
        return [
            Unit(source=str(self._path), first=n, last=n + _ACCOUNTS - 1, accounts=tuple(accounts[n : n + _ACCOUNTS]))
            for n in range(0, len(accounts), _ACCOUNTS)
        ]

    def __call__(self, unit: Unit) -> Looked:
        """What the rule would have done to these accounts."""
        rules = as_if_live(self._rule)
        reader = Reader(self._path)
        tried = Tried()
        try:
            for account in unit.accounts:
                try_on(rules, account, steps_of(reader, account, rules), tried)
        finally:
            reader.close_now()
        return _looked(self._rule, unit, tried, 0)


class RuleOverFiles:
    """The rule on the accounts of exported files: DuckDB puts each account's events together, and in order."""

    def __init__(self, paths: Sequence[Path], rule: Rule) -> None:
        """Raises `RuleError`; and ValueError for a rule about links, which files do not hold."""
        self._paths = tuple(map(str, paths))
        self._rule = rule
        _check(as_if_live(rule))

    def units(self) -> list[Unit]:
        """Parts of the accounts, over all files."""
        ParquetSource(
            [Path(path) for path in self._paths], ordered=False
        ).units()  # which says what is wrong with a file
        return [Unit(source="\n".join(self._paths), first=part, last=part) for part in range(_PARTS)]

    def __call__(self, unit: Unit) -> Looked:
        """What the rule would have done to the accounts of this part."""
        rules = as_if_live(self._rule)
        tried = Tried()
        size = 0
        for account, rows in groupby(self._rows(unit.first), key=lambda row: row.account):
            steps = list(map(_step, rows))
            size += sum(len(step.event.content or "") for step in steps)
            try_on(rules, account, steps, tried)
        return _looked(self._rule, unit, tried, size)

    def _rows(self, part: int) -> Iterator["_Row"]:
        cursor = database().execute(
            'SELECT hash, account, seq, "at", exchange, product, conversation, body, '  # noqa: S608
            "CASE WHEN kind = 'received' THEN content END FROM read_parquet($paths) "
            f"WHERE kind IN {_KINDS} AND account <> '' AND hash(account) % {_PARTS} = $part "
            "ORDER BY account, seq, hash",
            {"paths": [escape(path) for path in self._paths], "part": part},
        )
        last = ""
        while rows := cursor.fetchmany(2_000):
            for row in (_Row(*each) for each in rows):
                # Exports may overlap: an event that two of them hold counts once.
                if row.hash != last:
                    yield row
                last = row.hash


class _Row(msgspec.Struct, frozen=True, gc=False):
    hash: str
    account: str
    seq: int
    at: float
    exchange: str
    product: str
    conversation: str
    body: str
    content: str | None


def _step(row: _Row) -> Step:
    try:
        body = _decode(row.body)
    except msgspec.DecodeError as error:
        raise ValueError(
            f"event {row.seq} of {row.account} is none that this version of Outworks reads: {error}"
        ) from error
    event = Event(
        body=body,
        at=row.at,
        exchange=row.exchange,
        account=row.account,
        product=row.product,
        conversation=row.conversation,
        content=row.content,
    )
    return Step(seq=row.seq, event=event, signals=signals_of(event, row.seq))


_decode = body_decoder().decode


def _check(rules: Rules) -> None:
    if rules.reads({"linked"}):
        raise ValueError("a rule that reads `linked` is tried by `outworks rules backtest`, which follows links")


def _looked(rule: Rule, unit: Unit, tried: Tried, size: int) -> Looked:
    if tried.failed:
        failed = tried.failed[0]
        raise ValueError(
            f"rule {rule.name!r} came to no answer about {failed.account}: {failed.error} "
            f"({min(len(tried.failed), FAILURES)} accounts or more)"
        )
    found = (
        Found(
            account=hit.account,
            seq=hit.seq,
            exchange="",
            at=hit.action.at,
            what=rule.name,
            evidence=hit.action.evidence,
        )
        for hit in tried.hits
    )
    return Looked(unit=unit, found=tuple(found), bytes=size)
