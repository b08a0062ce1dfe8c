"""The enforcer: follows the ledger, and records the actions that the rules call for."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from outworks.enforcement.rules import Rules
from outworks.enforcement.turn import Turn
from outworks.enforcement.watch import Watch
from outworks.event import Event, RecordError
from outworks.ledger.ledger import Ledger
from outworks.ledger.reader import Reader
from outworks.ledger.schema import LedgerError

_log = logging.getLogger(__name__)
_TOLD = 1000


class Enforcer:
    """Runs in every worker; of those at one ledger, one enforces, and another takes over when it dies.

    Each action is recorded once. What a crash leaves unevaluated is evaluated by whoever comes next: how far everything
    is done is noted beside the ledger only after the actions are in it, and going over the same events again leads to
    nothing, because the ledger then tells that the rule has acted on them.
    """

    def __init__(
        self, ledger: Ledger, rules: Rules, *, interval: float = 0.1, clock: Callable[[], float] = time.time
    ) -> None:
        """`interval` is how often, in seconds, the ledger is looked at."""
        self._ledger = ledger
        self._rules = rules
        self._interval = interval
        self._clock = clock
        self._told: set[str] = set()

    def replace_rules(self, rules: Rules) -> None:
        """Go on with other rules. They are evaluated for an account at its next noteworthy exchange, not before."""
        self._rules = rules

    async def run(self) -> None:
        """Enforce, or wait for the turn, until cancelled."""
        while True:
            try:
                turn = Turn.take(self._ledger.path)
                if turn is not None:
                    with turn:
                        await self._enforce(turn)
            except (OSError, LedgerError) as error:
                self._tell(f"enforcement is held up: {error}")
            await asyncio.sleep(self._interval)

    async def _enforce(self, turn: Turn) -> None:
        # A reader of its own: a long query of enforcement must not keep a request waiting.
        with ExitStack() as stack:
            reader = Reader(self._ledger.path)
            stack.callback(reader.close_now)
            noted = turn.read()
            watch = await asyncio.to_thread(Watch, reader, self._rules, place=noted, clock=self._clock)
            while True:
                looked = await asyncio.to_thread(watch.look, self._rules)
                for failure in looked.failures:
                    self._tell(failure)
                if not turn.held():
                    return  # somebody else may enforce by now: what is not recorded is worked out anew
                recorded = not looked.events or await self._record(looked.events)
                if recorded:
                    place = watch.done(looked)
                    if place is not None and place != noted:
                        turn.note(place)
                        noted = place
                if not (looked.more and recorded):
                    await asyncio.sleep(self._interval)

    async def _record(self, events: Sequence[Event]) -> bool:
        """Whether the actions are in the ledger; if not, they are worked out anew at the next look."""
        try:
            await self._ledger.append(events)
        except RecordError as error:
            self._tell(f"actions could not be recorded, and will be tried again: {error}")
            return False
        return True

    def _tell(self, failure: str) -> None:
        """Log a failure, once: a rule that fails does so for every account."""
        if failure not in self._told and len(self._told) < _TOLD:
            self._told.add(failure)
            _log.warning("%s", failure)
