"""changes: keys and fingerprints, as the ledger has them now."""

from outworks.defenses.bank import Bank
from outworks.event import Changed
from outworks.gateway.keys import Keys
from outworks.ledger import Ledger
from outworks.wiring.say import say


class Changes:
    """Keys and fingerprints, folded from the ledger's `changed` events; `refresh` reads on."""

    def __init__(self, ledger: Ledger) -> None:
        self.keys = Keys()
        self.bank = Bank()
        self._ledger = ledger
        self._seq = 0

    def refresh(self, *, most: int | None = None) -> int:
        """Take in what was recorded since, `most` events at a time; returns how many those were."""
        head = self._ledger.head().seq
        if head == self._seq:
            return 0
        count = 0
        for recorded in self._ledger.events(self._seq, kinds=("changed",), limit=most, with_content=True):
            count += 1
            self._seq = recorded.seq
            body = recorded.event.body
            try:
                if isinstance(body, Changed) and body.what == "key":
                    self.keys.apply(body)
                elif isinstance(body, Changed) and body.what == "fingerprint":
                    self.bank.apply(body, recorded.event.content)
            except (ValueError, LookupError) as error:
                say(f"event {recorded.seq} of the ledger is passed over: {error}")
        if count != most:
            # Everything is read: actions, which the index holds too, are not passed over anew each time.
            self._seq = max(self._seq, head)
        return count
