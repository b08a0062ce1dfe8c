"""Trying: backtests in the background, one at a time, with their progress and the last results."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

import msgspec

from outworks.enforcement.evidence.backtest import Backtest, backtest
from outworks.enforcement.rules import Rule
from outworks.ledger import Reader

_KEPT = 50


class Trial(msgspec.Struct):
    """One backtest, under way or done."""

    rule: Rule
    by: str
    days: float
    began: float
    done: int = 0
    """Accounts."""
    total: int = 0
    result: Backtest | None = None
    error: str = ""

    @property
    def running(self) -> bool:
        return self.result is None and not self.error

    @property
    def percent(self) -> int:
        return 100 * self.done // self.total if self.total else 0


class Trials:
    """Backtests by the rule's name."""

    def __init__(self, reader: Callable[[], Reader]) -> None:
        """`reader` opens one of its own: a long look at the past holds up no page."""
        self._reader = reader
        self._trials: OrderedDict[str, Trial] = OrderedDict()
        self._turn = threading.Lock()
        self._one = threading.Lock()

    def find(self, name: str) -> Trial | None:
        """The last backtest of a rule, if it was begun since the console started."""
        return self._trials.get(name)

    def begin(self, rule: Rule, *, by: str, days: float, ended: Callable[[Trial], None]) -> Trial:
        """Begin one; `ended` is told when it is done. Raises `ValueError` while one of the same rule runs."""
        with self._turn:
            known = self._trials.get(rule.name)
            if known is not None and known.running:
                raise ValueError(f"a backtest of {rule.name!r} is running already")
            trial = Trial(rule, by, days, time.time())
            self._trials[rule.name] = trial
            self._trials.move_to_end(rule.name)
            while len(self._trials) > _KEPT:
                self._trials.popitem(last=False)
        threading.Thread(target=self._run, args=(trial, ended), name="backtest", daemon=True).start()
        return trial

    def _run(self, trial: Trial, ended: Callable[[Trial], None]) -> None:
        def progress(done: int, total: int) -> None:
            trial.done, trial.total = done, total

        with self._one:
            reader = None
            try:
                reader = self._reader()
                since = trial.began - trial.days * 86_400
                trial.result = backtest(reader, trial.rule, since=since, progress=progress)
                ended(trial)
            except Exception as error:
                trial.error = str(error) or type(error).__name__
            finally:
                if reader is not None:
                    reader.close_now()
