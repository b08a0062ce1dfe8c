"""The ledger: what happened, kept so that nothing is lost and nothing can be changed unseen."""

from outworks.ledger.chain import Head
from outworks.ledger.erasure import erase
from outworks.ledger.exporting import Exported, export, json_line
from outworks.ledger.ledger import Ledger
from outworks.ledger.reader import Reader, Recorded
from outworks.ledger.schema import LedgerError
from outworks.ledger.signal import DEFENSE_FAILED, PROVIDER_REFUSAL, REJECTED, Signal
from outworks.ledger.summary import summary
from outworks.ledger.verification import Fault, Verification, verify

__all__ = [
    "DEFENSE_FAILED",
    "PROVIDER_REFUSAL",
    "REJECTED",
    "Exported",
    "Fault",
    "Head",
    "Ledger",
    "LedgerError",
    "Reader",
    "Recorded",
    "Signal",
    "Verification",
    "erase",
    "export",
    "json_line",
    "summary",
    "verify",
]
