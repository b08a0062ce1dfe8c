"""Linked accounts: who shares rare texts, in which sequence and at which pace; shown with the events that show it."""

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
from typing_extensions import override

from outworks.action import Standing
from outworks.defenses.shingles import keys
from outworks.enforcement.evidence.traces import hash_of, own_words
from outworks.enforcement.history import Restricted
from outworks.enforcement.reports.beside import Beside
from outworks.enforcement.standings import STANDING_KINDS, StandingTable
from outworks.enforcement.taken import Taken
from outworks.event import Erased, Event, Received
from outworks.ledger.reader import Reader
from outworks.ledger.signal import DEFENSE_FAILED
from outworks.normalise import normalise

LEAST = 60
"""Bytes of normal form from which a text can link: what is shorter, people write without knowing of each other."""
COMMON = 50
"""Accounts from which on a text, or a part of one, is common and links nobody."""
NEAR = 3
"""Of a text's eight kept shingles, how many another text shares that is its near-duplicate."""
FROM = 0.55
"""The strength from which a link counts in rules: one text that two wrote nearly alike is not enough, two such are."""
_SKETCH = 8
_READ = 20_000
_RING = 15
_TEXTS = 300
"""Texts of an account that are looked up, the latest."""
_TOGETHER_S = 10.0
_RETURN_S = 30 * 86_400.0


class Clue(msgspec.Struct, frozen=True):
    """One thing that two accounts have in common."""

    kind: str
    """`text`, `near_text`, `behaviour`, `sequence`, `together`, `pace` or `succession`."""
    says: str
    own: tuple[int, ...]
    """Events of the account."""
    other: tuple[int, ...]
    """Events of the other, in the same order where they go together."""
    weight: float
    """0 to 1."""


class Link(msgspec.Struct, frozen=True):
    """Another account that may be the same person's, or one of a ring. It is a lead, never a ground."""

    account: str
    clues: tuple[Clue, ...]
    strength: float
    """0 to 1: how unlikely the clues are to meet by chance, as far as their rarity tells."""


class _Text(msgspec.Struct, frozen=True):
    seq: int
    at: float
    digest: int
    keys: tuple[int, ...]
    shape: int | None


class _Shared(msgspec.Struct, frozen=True):
    """A text of the account that another shares."""

    own: _Text
    other: int
    at: float
    exact: bool
    others: int
    """How many other accounts share it."""


class _Asked(msgspec.Struct, frozen=True):
    parameters: msgspec.Raw = msgspec.Raw(b"{}")


_decode_asked = msgspec.json.Decoder(_Asked).decode
_EMPTY = (b"{}", b"")


ActionsOf = Callable[[str], Sequence[Taken]]


class Links(Beside):
    """An index of who wrote what, by fingerprint, beside the ledger. When content is erased, its print goes too."""

    suffix = "links"
    version = 1
    tables = (
        "CREATE TABLE account (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, product TEXT NOT NULL,"
        " at REAL NOT NULL, seq INTEGER NOT NULL)",
        "CREATE TABLE text (seq INTEGER PRIMARY KEY, account INTEGER NOT NULL, at REAL NOT NULL,"
        " digest INTEGER NOT NULL, keys BLOB NOT NULL, shape INTEGER)",
        "CREATE UNIQUE INDEX text_account ON text (account, digest)",
        "CREATE TABLE posting (key INTEGER NOT NULL, account INTEGER NOT NULL, seq INTEGER NOT NULL,"
        " PRIMARY KEY (key, account)) WITHOUT ROWID",
    )

    @override
    def fold(self, after: int, until: int) -> None:
        for recorded in self._reader.events(after, kinds=("received", "erased"), with_content=True):
            if recorded.seq > until:
                break
            body = recorded.event.body
            if isinstance(body, Received):
                self._take(recorded.seq, recorded.event)
            elif isinstance(body, Erased):
                self._forget(body.events)
        self._forget_the_known(after, until)

    def of(self, account: str, *, upto: int | None = None, actions: ActionsOf | None = None) -> list[Link]:
        """The accounts linked to this one, the strongest first, as far as the index has read the ledger, or as they
        were at the event `upto`. `actions` says what was done to an account; by default the ledger does."""
        known = self._rows("SELECT id, product, at, seq FROM account WHERE name = ?", account)
        if not known:
            return []
        own, product, first_at, first_seq = known[0]
        limit = upto if upto is not None else 1 << 62
        shared = self._shared(own, limit)
        links = []
        for other, texts in shared.items():
            name, other_product = self._rows("SELECT name, product FROM account WHERE id = ?", other)[0]
            clues = [*_text_clues(texts), *_order_clues(texts)]
            if other_product == product:
                clues += self._behaviour(own, other, limit)
                taken = actions(name) if actions else _actions(self._reader, name)
                clues += _succession(taken, first_at, first_seq, limit)
            missing = 1.0
            for clue in clues:
                missing *= 1 - clue.weight
            links.append(Link(name, tuple(clues), 1 - missing))
        return sorted(links, key=lambda link: (-link.strength, link.account))

    def restricted(self, account: str, actions: ActionsOf, *, upto: int | None = None) -> tuple[Restricted, ...]:
        """The accounts with a link that counts in rules which were limited or stopped, by an action that stands."""
        found = []
        for link in self.of(account, upto=upto, actions=actions):
            last = max((one.action.at for one in actions(link.account) if _restricts(one, upto)), default=None)
            if last is not None and link.strength >= FROM:
                evidence = tuple(sorted({seq for clue in link.clues for seq in clue.own}))
                found.append(Restricted(link.account, last, evidence))
        return tuple(found)

    def forget(self) -> None:
        """Take out the prints of all that was erased since, without reading on."""
        with self._transaction():
            for recorded in self._reader.events(self.seq, kinds=("erased",)):
                if isinstance(recorded.event.body, Erased):
                    self._forget(recorded.event.body.events)

    def _take(self, seq: int, event: Event) -> None:
        if not event.account or event.content is None:
            return
        data = normalise(own_words(event.content)[:_READ]).data
        if len(data) < LEAST:
            return
        self._db.execute(
            "INSERT OR IGNORE INTO account (name, product, at, seq) VALUES (?, ?, ?, ?)",
            (event.account, event.product, event.at, seq),
        )
        account = self._rows("SELECT id FROM account WHERE name = ?", event.account)[0][0]
        sketch = np.unique(keys(data))[:_SKETCH].view(np.int64)
        text = _Text(seq, event.at, hash_of(data), tuple(sketch.tolist()), _shape(event))
        inserted = self._db.execute(
            "INSERT OR IGNORE INTO text VALUES (?, ?, ?, ?, ?, ?)",
            (seq, account, text.at, text.digest, sketch.tobytes(), text.shape),
        )
        if inserted.rowcount:
            postings = [(key, account, seq) for key in _keys(text)]
            self._db.executemany("INSERT OR IGNORE INTO posting VALUES (?, ?, ?)", postings)

    def _forget(self, seqs: Iterable[int]) -> None:
        for seq in seqs:
            for row in self._rows("SELECT * FROM text WHERE seq = ?", seq):
                gone = [(key, row[1], seq) for key in _keys(_text(row))]
                self._db.executemany("DELETE FROM posting WHERE key = ? AND account = ? AND seq = ?", gone)
                self._db.execute("DELETE FROM text WHERE seq = ?", (seq,))

    def _forget_the_known(self, after: int, until: int) -> None:
        """A text that the bank of fingerprints knows links nobody: published attacks are copied, and quoted, by people
        who do not know of each other."""
        exchanges: dict[str, None] = {}
        for signal in self._reader.signals(after=after):
            if signal.seq > until:
                break
            if signal.defense == "fingerprint" and signal.category != DEFENSE_FAILED:
                exchanges[signal.exchange] = None
        for exchange in exchanges:
            self._forget(r.seq for r in self._reader.events(exchange=exchange, kinds=("received",)))

    def _shared(self, own: int, limit: int) -> Mapping[int, list[_Shared]]:
        """The texts that each other account shares, in the order in which this one wrote them."""
        found: dict[int, list[_Shared]] = defaultdict(list)
        rows = self._rows(
            "SELECT * FROM text WHERE account = ? AND seq <= ? ORDER BY seq DESC LIMIT ?", own, limit, _TEXTS
        )
        for text in map(_text, reversed(rows)):
            exact = dict(self._holders(text.digest, own, limit))
            near: dict[int, list[int]] = defaultdict(list)
            for key in text.keys:
                for account, seq in self._holders(key, own, limit):
                    near[account].append(seq)
            sharing = {account: max(set(seqs), key=seqs.count) for account, seqs in near.items() if len(seqs) >= NEAR}
            for account, seq in {**sharing, **exact}.items():
                at = self._rows("SELECT at FROM text WHERE seq = ?", seq)
                others = len(exact) if account in exact else len(sharing)
                found[account].append(_Shared(text, seq, at[0][0] if at else 0.0, account in exact, others))
        return found

    def _holders(self, key: int, own: int, limit: int) -> list[tuple[int, int]]:
        """The other accounts that have a key, each with where it had it first; nobody where it is common."""
        rows = self._rows("SELECT account, seq FROM posting WHERE key = ? AND seq <= ? LIMIT ?", key, limit, COMMON + 2)
        return [(account, seq) for account, seq in rows if account != own] if len(rows) <= COMMON else []

    def _behaviour(self, own: int, other: int, limit: int) -> Iterator[Clue]:
        """One set of parameters, which hardly anybody else sends."""
        mine, theirs = (
            dict(
                self._rows(
                    "SELECT shape, min(seq) FROM text "
                    "WHERE account = ? AND seq <= ? AND shape IS NOT NULL GROUP BY shape",
                    account,
                    limit,
                )
            )
            for account in (own, other)
        )
        for shape in mine.keys() & theirs.keys():
            others = len(self._holders(shape, own, limit))
            if others:
                says = "the same product and the same rare parameters"
                yield Clue("behaviour", says, (mine[shape],), (theirs[shape],), 0.3 / others)


def forget(reader: Reader) -> None:
    """Take the prints of erased texts out of a ledger's index, where there is one: nobody may be following it. Raises
    `LedgerError`; it may be done again."""
    if reader.path.with_name(f"{reader.path.name}.{Links.suffix}").exists():
        with closing(Links(reader)) as links:
            links.forget()


def _keys(text: _Text) -> Iterator[int]:
    yield text.digest
    yield from text.keys
    if text.shape is not None:
        yield text.shape


def _text(row: tuple[Any, ...]) -> _Text:
    seq, _, at, digest, sketch, shape = row
    return _Text(seq, at, digest, tuple(np.frombuffer(sketch, np.int64).tolist()), shape)


def _shape(event: Event) -> int | None:
    """How a request was asked, but for its words; None where nothing was said about it."""
    try:
        parameters = _decode_asked(event.content or "").parameters
    except msgspec.DecodeError:
        return None
    asked = bytes(parameters)
    body = event.body
    if asked in _EMPTY or not isinstance(body, Received):
        return None
    return hash_of(b"\0".join((event.product.encode(), body.model.encode("utf-8", "surrogatepass"), asked)))


def _text_clues(texts: Sequence[_Shared]) -> Iterator[Clue]:
    for exact, kind, what in ((True, "text", "the same text"), (False, "near_text", "a text much like it")):
        those = [text for text in texts if text.exact is exact]
        if not those:
            continue
        missing = 1.0
        for text in those[:10]:
            missing *= 1 - (0.6 if exact else 0.5) * _rarity(text.others)
        rarest = min(text.others for text in those)
        by = "nobody else" if rarest == 1 else f"{rarest - 1} others"
        says = f"{len(those)} times {what}, which {by} wrote"
        yield Clue(kind, says, tuple(t.own.seq for t in those), tuple(t.other for t in those), 1 - missing)


def _rarity(others: int) -> float:
    """What it says that so many other accounts share a text: some may be a ring; of more, it is soon just a text."""
    return 1 / math.sqrt(others) if others <= _RING else 1 / others


def _order_clues(texts: Sequence[_Shared]) -> Iterator[Clue]:
    """Sequence and timing of what both wrote."""
    run = _longest_run(texts)
    own, other = tuple(t.own.seq for t in run), tuple(t.other for t in run)
    if len(run) >= 3:
        yield Clue("sequence", f"{len(run)} such texts in the same order", own, other, min(0.5, 0.1 * len(run)))
    together = [t for t in texts if t.at and abs(t.at - t.own.at) <= _TOGETHER_S]
    if len(together) >= 2:
        says = f"{len(together)} such texts within {_TOGETHER_S:g} seconds of each other"
        yield Clue("together", says, tuple(t.own.seq for t in together), tuple(t.other for t in together), 0.3)
    gaps = [(b.own.at - a.own.at, b.at - a.at) for a, b in pairwise(run)]
    even = [abs(mine - theirs) <= 0.1 * max(mine, theirs) for mine, theirs in gaps if max(mine, theirs) > 1]
    if len(even) >= 4 and sum(even) >= 0.8 * len(even):
        yield Clue("pace", "such texts at the same pace", own, other, 0.3)


def _longest_run(texts: Sequence[_Shared]) -> list[_Shared]:
    """The longest run of texts that both wrote in the same order (patience sorting)."""
    tops: list[int] = []
    ends: list[int] = []
    before: list[int] = []
    for place, text in enumerate(texts):
        at = bisect_left(tops, text.other)
        before.append(ends[at - 1] if at else -1)
        tops[at : at + 1] = [text.other]
        ends[at : at + 1] = [place]
    run: list[_Shared] = []
    place = ends[-1] if ends else -1
    while place >= 0:
        run.append(texts[place])
        place = before[place]
    return run[::-1]


def _succession(taken: Sequence[Taken], first_at: float, first_seq: int, limit: int) -> Iterator[Clue]:
    """The account appeared soon after the other was stopped."""
    for one in taken:
        stops = one.action.standing >= Standing.SUSPENDED and not one.action.shadow and one.undone is None
        if stops and one.seq <= limit and 0 <= first_at - one.action.at <= _RETURN_S:
            days = (first_at - one.action.at) / 86_400
            says = f"first seen {days:.1f} days after the other was {one.action.standing.name.lower()}"
            yield Clue("succession", says, (first_seq,), (one.seq,), 0.4)
            return


def _restricts(one: Taken, upto: int | None) -> bool:
    action = one.action
    live = action.standing >= Standing.LIMITED and not action.shadow and one.undone is None
    return live and (upto is None or one.seq <= upto)


def _actions(reader: Reader, account: str) -> Sequence[Taken]:
    table = StandingTable(reader)
    for recorded in reader.events(kinds=STANDING_KINDS, account=account):
        table.apply(recorded.seq, recorded.event)
    return table.taken(account)
