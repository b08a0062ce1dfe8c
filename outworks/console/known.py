"""Known texts: the bank as the ledger has it, folded as it grows."""

import contextlib
import threading
from collections.abc import Iterator, Mapping

import msgspec

from outworks.defenses.bank import Bank, Hit
from outworks.defenses.entry import Entry
from outworks.event import Changed
from outworks.ledger import Reader

WHAT = "fingerprint"


class KnownText(msgspec.Struct, frozen=True):
    """The text of an entry, and the event that holds it."""

    seq: int
    text: str


class KnownTexts:
    """The bank of known bad texts; used from any thread."""

    def __init__(self, ledger: Reader) -> None:
        self._ledger = ledger
        self._bank = Bank()
        self._seq = 0
        self._turn = threading.Lock()

    def entries(self) -> list[Entry]:
        """Every entry, in the order in which they came."""
        with self._fed() as bank:
            return list(bank.entries())

    def get(self, name: str) -> Entry:
        """The entry of that id. Raises LookupError."""
        with self._fed() as bank:
            return bank.get(name)

    def match(self, text: str) -> list[Hit]:
        """The entries that a text matches, the surest first."""
        with self._fed() as bank:
            return bank.match(text)

    @contextlib.contextmanager
    def _fed(self) -> Iterator[Bank]:
        """The bank, as far as the ledger goes now, for one at a time: nobody looks through it while it is fed."""
        with self._turn:
            head = self._ledger.head().seq
            if head != self._seq:
                for recorded in self._ledger.events(self._seq, kinds=("changed",), with_content=True):
                    body = recorded.event.body
                    if isinstance(body, Changed) and body.what == WHAT:
                        # An event that cannot be read, or that switches what is not there, is passed over.
                        with contextlib.suppress(ValueError, LookupError):
                            self._bank.apply(body, recorded.event.content)
                self._seq = head
            yield self._bank

    def texts(self) -> Mapping[str, KnownText]:
        """The texts that are not erased, by id."""
        return {
            recorded.event.body.name: KnownText(recorded.seq, recorded.event.content)
            for recorded in self._ledger.events(kinds=("changed",), with_content=True)
            if isinstance(recorded.event.body, Changed)
            and recorded.event.body.what == WHAT
            and recorded.event.content is not None
        }
