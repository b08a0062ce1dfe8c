"""What the defenses of a bench borrow: no account has done anything, and a bank of a usual size is loaded."""

from outworks.action import GOOD, Action
from outworks.defenses import Lent
from outworks.defenses.bank import Bank
from outworks.defenses.entry import Known, added
from outworks.message import Request


class Everyone:
    """Every account is in good standing."""

    def of(self, account: str, now: float) -> Action:
        return GOOD

    async def requests_since(self, account: str, since: float) -> int:
        return 0


async def _never(request: Request, text: str) -> bool:
    return False


def lent(*, fingerprints: int) -> Lent:
    """What the gateway lends its defenses."""
    bank = Bank()
    for number in range(fingerprints):
        words = " ".join(f"filler{number}word{place}" for place in range(60))
        bank.apply(added(Known(text=words, source="bench", reason="a bank of a usual size"), by="bench"))
    return Lent(Everyone(), bank, _never)
