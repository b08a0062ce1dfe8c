"""Observing: metrics, traces and log lines, all folded from the same events that the ledger keeps."""

import asyncio
import contextlib
import logging
import sys
from collections.abc import Sequence
from typing import Any, Protocol, TextIO

import msgspec

from outworks.event import Ended, Event, Judged, Received, Recorder, Rejected, Released, UpstreamFailed
from outworks.verdict import Decision

_log = logging.getLogger(__name__)


class Observer(Protocol):
    """Sees every event as it is handed to the ledger. It must be quick, and it must not raise."""

    def observe(self, event: Event) -> None:
        """Take in one event."""
        ...


class Observed:
    """A recorder with observers."""

    def __init__(self, recorder: Recorder, observers: Sequence[Observer]) -> None:
        self._recorder = recorder
        self._observers = tuple(observers)
        self._told = False

    def append(self, events: Sequence[Event], *, within: float = 0.0) -> asyncio.Future[None]:
        """Hand the events on, then show them."""
        written = self._recorder.append(events, within=within)
        for observer in self._observers:
            try:
                for event in events:
                    observer.observe(event)
            except Exception as error:
                # The record counts. A log that nobody reads any more must not turn everybody away.
                if not self._told:
                    _log.warning("%s fails: %s", type(observer).__name__, type(error).__name__)
                self._told = True
        return written


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How an exchange went, told once, at its end."""

    exchange: str
    account: str
    product: str
    wire: str
    model: str
    at: float
    """When the request was received, Unix seconds."""
    seconds: float
    outcome: str
    """`released`, `cut` (a defense ended the output), `blocked`, `rejected`, `upstream_failed`, `client_left`,
    `timed_out`, `shut_down` or `fault`: one word, for it is a label in the metrics."""
    by: str = ""
    """The defense that stopped it, the error's code, or the kind of fault."""
    reason: str = ""
    judged: tuple[Judged, ...] = ()


class _Begun:
    """What is kept of an exchange that is under way: never its content."""

    __slots__ = ("account", "at", "cut", "judged", "open", "product", "received")

    def __init__(self, event: Event, received: Received) -> None:
        self.account = event.account
        self.product = event.product
        self.at = event.at
        self.received = received
        self.judged: list[Judged] = []
        self.open = received.choices
        """Choices of its answer that have not ended."""
        self.cut: Judged | None = None
        """What ended one before its end."""


_MOST = 10_000


class Endings:
    """Follows exchanges from `received` to their end."""

    def __init__(self) -> None:
        self._open: dict[str, _Begun] = {}

    def fold(self, event: Event) -> Ending | None:
        """The ending, if this event is one."""
        body = event.body
        if isinstance(body, Received):
            self._open[event.exchange] = _Begun(event, body)
            if len(self._open) > _MOST:
                # Where nothing can be recorded, exchanges end without an event.
                del self._open[next(iter(self._open))]
            return None
        if isinstance(body, Rejected):
            return Ending(
                exchange=event.exchange,
                account=event.account,
                product=event.product,
                wire=body.wire,
                model="",
                at=event.at,
                seconds=0.0,
                outcome="rejected",
                by=body.code,
                reason=body.message,
            )
        begun = self._open.get(event.exchange)
        if begun is None:
            return None
        if isinstance(body, Judged):
            begun.judged.append(body)
            stopped = body.stage == "request" and body.decision >= Decision.ESCALATE
            return self._end(event, "blocked") if stopped else None
        if isinstance(body, UpstreamFailed):
            return self._end(event, "upstream_failed", body.error, body.message)
        if isinstance(body, Ended):
            outcome, _, fault = body.why.partition(": ")
            return self._end(event, outcome, fault)
        if isinstance(body, Released) and body.finish:
            last = begun.judged[-1] if begun.judged else None
            if last is not None and last.decision >= Decision.ESCALATE:
                begun.cut = begun.cut or last
            begun.open -= 1
            if begun.open <= 0:
                return self._end(event, "released" if begun.cut is None else "cut")
        return None

    def _end(self, event: Event, outcome: str, by: str = "", reason: str = "") -> Ending:
        begun = self._open.pop(event.exchange)
        judged = begun.judged
        stop = begun.cut if outcome == "cut" else judged[-1] if judged and outcome == "blocked" else None
        for one in stop.judgements if stop is not None else ():
            if one.decision >= Decision.ESCALATE and one.mode == "live":
                by, reason = one.defense, one.reason
        return Ending(
            exchange=event.exchange,
            account=begun.account,
            product=begun.product,
            wire=begun.received.wire,
            model=begun.received.model,
            at=begun.at,
            seconds=event.at - begun.at,
            outcome=outcome,
            by=by,
            reason=reason,
            judged=tuple(judged),
        )


class Lines:
    """One line an exchange: for people on a terminal, JSON otherwise. Never content, never a secret."""

    def __init__(self, out: TextIO = sys.stderr, *, style: str = "json") -> None:
        self._out = out
        self._style = style
        self._endings = Endings()

    def observe(self, event: Event) -> None:
        """Print the line, if the exchange ended."""
        ending = self._endings.fold(event)
        if ending is None:
            return
        line = _pretty(ending, colours=self._out.isatty()) if self._style == "pretty" else _json(ending)
        # Whoever read the lines may be gone; what happened is in the ledger.
        with contextlib.suppress(OSError):
            self._out.write(line + "\n")
            self._out.flush()


def _json(ending: Ending) -> str:
    fields = {name: getattr(ending, name) for name in ending.__struct_fields__ if name != "judged"}
    return msgspec.json.encode(fields).decode()


def _pretty(ending: Ending, *, colours: bool) -> str:
    colour = {"released": 32, "blocked": 31, "cut": 31, "rejected": 33}.get(ending.outcome, 35)
    flagged = sorted({one.defense for body in ending.judged for one in body.judgements if one.findings})
    why = f" by {ending.by}: {ending.reason}" if ending.by else (f" (flagged: {', '.join(flagged)})" if flagged else "")
    what = f"  {ending.seconds * 1000:7.1f} ms  {ending.account or '-':<20.40} {ending.exchange}{why}"
    outcome = f"{ending.outcome:>15}"
    return (f"\x1b[{colour}m{outcome}\x1b[0m" if colours else outcome) + printable(what)


def printable(text: str) -> str:
    """The text with control and formatting characters as their escapes: other people chose the words in it, and a
    terminal obeys what it is told."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


class Traces:
    """OpenTelemetry spans: one an exchange, one a check inside it."""

    def __init__(self, tracer: Any) -> None:
        self._tracer = tracer
        self._endings = Endings()

    def observe(self, event: Event) -> None:
        """Export the exchange's spans, if it ended. A check's span has its measured length, not its exact place."""
        ending = self._endings.fold(event)
        if ending is None:
            return
        from opentelemetry.trace import set_span_in_context

        attributes = {
            "outworks.exchange": ending.exchange,
            "outworks.product": ending.product,
            "outworks.wire": ending.wire,
            "gen_ai.request.model": ending.model,
            "outworks.outcome": ending.outcome,
            "outworks.stopped_by": ending.by,
        }
        start = int(ending.at * 1e9)
        span = self._tracer.start_span("outworks.exchange", start_time=start, attributes=attributes)
        within = set_span_in_context(span)
        for body in ending.judged:
            for one in body.judgements:
                name = f"outworks.{body.stage}.{one.defense}"
                facts = {"outworks.decision": one.decision.name, "outworks.mode": one.mode}
                check = self._tracer.start_span(name, context=within, start_time=start, attributes=facts)
                check.end(end_time=start + one.us * 1000)
        span.end(end_time=int((ending.at + ending.seconds) * 1e9))
