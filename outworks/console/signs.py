"""Signs: what adds up about an account, and which others resemble it; derived, and kept up in the background."""

from collections.abc import Sequence

import msgspec

from outworks.enforcement.evidence.linked import Link, Links
from outworks.enforcement.evidence.scored import scores
from outworks.enforcement.evidence.scores import Scored
from outworks.ledger import Reader

_SLICE = 5000
_MOST = 12


class Signs(msgspec.Struct, frozen=True):
    """What a page shows of it."""

    scored: Sequence[Scored]
    links: Sequence[Link]
    behind: int
    """Events that the index of links has not read yet."""


class SignReader:
    """Reads signs; `follow` keeps the index of links up to date."""

    def __init__(self, ledger: Reader) -> None:
        self._ledger = ledger
        self._links = Links(ledger)

    def close(self) -> None:
        """Give the index back."""
        self._links.close()

    def follow(self) -> bool:
        """Read on a little; whether there is more."""
        return self._links.follow(most=_SLICE)

    def of(self, account: str, now: float) -> Signs:
        """The signs of an account, its scores as they were at a moment (Unix seconds)."""
        scored = [one for one in scores(self._ledger, account, now) if one.points >= 0.05]
        behind = max(0, self._ledger.head().seq - self._links.seq)
        return Signs(scored, self._links.of(account)[:_MOST], behind)
