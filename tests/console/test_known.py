"""Known texts: looked through by many pages while others add to them."""

import sys
import threading
import time
from pathlib import Path

from outworks.console.known import KnownTexts
from outworks.defenses.entry import Known, added
from outworks.event import Event
from outworks.ledger import Ledger


def _put(ledger: Ledger, first: int, count: int) -> None:
    texts = [f"PLACEHOLDER number {n}, with enough words to be near of" for n in range(first, first + count)]
    known = [Known(text=text, source="s", reason="r", category="c", match="both") for text in texts]
    ledger.append_now([Event(body=added(each, by="tests"), at=time.time(), content=each.text) for each in known])


def test_the_bank_is_looked_through_while_it_is_fed(tmp_path: Path) -> None:
    """A page that lists the entries never meets them half added."""
    sys.setswitchinterval(1e-5)
    faults: list[Exception] = []
    done = threading.Event()
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        _put(ledger, 0, 1000)
        known = KnownTexts(ledger)

        def look() -> None:
            while not done.is_set():
                try:
                    known.entries()
                    known.match("PLACEHOLDER number 5, with enough words to be near of")
                except Exception as error:
                    faults.append(error)

        threads = [threading.Thread(target=look) for _ in range(3)]
        for thread in threads:
            thread.start()
        for n in range(20):
            _put(ledger, 1000 + 40 * n, 40)
            time.sleep(0.02)
        done.set()
        for thread in threads:
            thread.join(20)
        sys.setswitchinterval(0.005)

        assert faults == []
        assert len(known.entries()) == 1800
