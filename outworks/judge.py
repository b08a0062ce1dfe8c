"""Judging: one check of one defense, bounded in time, failing closed."""

import asyncio
import os
import traceback
import types
from collections.abc import Coroutine, Generator, Iterable
from math import isfinite
from time import perf_counter_ns
from typing import Any, TypeVar

import msgspec

from outworks.defense import InForce, Mode
from outworks.event import Judgement
from outworks.verdict import ALLOW, Decision, Finding, Notice, Verdict

T = TypeVar("T")

_FAULT = Notice(code="defense_unavailable", message="The request could not be checked, so it was stopped.", status=503)


class Judged(msgspec.Struct, frozen=True, gc=False):
    """A verdict with whose it is and how it came about."""

    name: str
    mode: Mode
    verdict: Verdict
    error: str = ""
    us: int = 0

    def record(self, findings: tuple[Finding, ...]) -> Judgement:
        """What the ledger keeps of it."""
        verdict = self.verdict
        if verdict is ALLOW:
            return Judgement(defense=self.name, mode=self.mode._value_, decision=Decision.ALLOW, us=self.us)
        return Judgement(
            defense=self.name,
            mode=self.mode._value_,
            decision=verdict.decision,
            reason=verdict.reason,
            findings=findings,
            covered=verdict.covered,
            error=self.error,
            us=self.us,
        )

    def failed(self, why: str) -> "Judged":
        """This judgement as a block, because the verdict itself was at fault."""
        verdict = Verdict(decision=Decision.BLOCK, reason=why, covered=self.verdict.covered, notice=_FAULT)
        return Judged(self.name, self.mode, verdict, "raised", self.us)

    @staticmethod
    def block(name: str, reason: str, *, covered: int) -> "Judged":
        """A block by the pipeline itself."""
        return Judged(name, Mode.LIVE, Verdict(decision=Decision.BLOCK, reason=reason, covered=covered))


def strictest(judged: Iterable[Judged]) -> Decision:
    """The strictest decision of those that count."""
    decision = Decision.ALLOW
    for one in judged:
        if one.verdict is not ALLOW and one.mode is Mode.LIVE and one.verdict.decision > decision:
            decision = one.verdict.decision
    return decision


class Pending(msgspec.Struct, frozen=True):
    """A check that waits for something."""

    each: InForce
    check: Coroutine[Any, Any, Verdict]
    waiting: Any
    """What it waits for."""
    began: int
    """Nanoseconds, by the clock that never goes back."""

    async def end(self) -> Judged:
        """Run it to its end, or to the end of its time."""
        each = self.each
        try:
            async with asyncio.timeout(each.settings.time_limit_ms / 1000):
                verdict = await _resume(self.check, self.waiting)
        except Exception as fault:
            return _failed(each, fault, _since(self.began))
        return _judged(each, verdict, _since(self.began))


def begin(each: InForce, check: Coroutine[Any, Any, Verdict]) -> Judged | Pending:
    """Run one check as far as it goes without waiting, which is nearly always to its end.

    One that raises, overruns its time, or returns no verdict blocks, unless the policy says otherwise for it by name;
    the failure is recorded either way.
    """
    began = perf_counter_ns()
    try:
        return Pending(each, check, check.send(None), began)
    except StopIteration as stop:
        us = (perf_counter_ns() - began) // 1000
        settings = each.settings
        if stop.value is ALLOW and us <= settings.time_limit_ms * 1000:
            return Judged(each.defense.name, settings.mode, ALLOW, "", us)
        return _judged(each, stop.value, us)
    except Exception as fault:
        return _failed(each, fault, _since(began))


async def judge(each: InForce, check: Coroutine[Any, Any, Verdict]) -> Judged:
    """Run one check to its end; see `begin`."""
    one = begin(each, check)
    return await one.end() if type(one) is Pending else one  # type: ignore[return-value]


def _since(began: int) -> int:
    return (perf_counter_ns() - began) // 1000


def _judged(each: InForce, verdict: Verdict, us: int) -> Judged:
    settings = each.settings
    if us > settings.time_limit_ms * 1000:
        why = f"took {us / 1000:.0f} ms, longer than {settings.time_limit_ms:g} ms"
        return _fallen(each, "overran", why, us)
    if verdict is not ALLOW:
        try:
            _check(verdict)
        except _UnsoundError as fault:
            return _fallen(each, "raised", str(fault), us)
    return Judged(each.defense.name, settings.mode, verdict, "", us)


def _failed(each: InForce, fault: Exception, us: int) -> Judged:
    if isinstance(fault, TimeoutError):
        return _fallen(each, "overran", f"took longer than {each.settings.time_limit_ms:g} ms", us)
    return _fallen(each, "raised", _where(fault), us)


def _fallen(each: InForce, error: str, reason: str, us: int) -> Judged:
    settings = each.settings
    decision = Decision.BLOCK if settings.on_error == "block" else Decision.ALLOW
    verdict = Verdict(decision=decision, reason=reason, notice=_FAULT)
    return Judged(each.defense.name, settings.mode, verdict, error, us)


class _UnsoundError(Exception):
    """A verdict that breaks the contract. Its words are ours."""


def _check(verdict: object) -> None:
    if type(verdict) is not Verdict:
        raise _UnsoundError(f"a check must return a Verdict, not {type(verdict).__name__}")
    if verdict.decision is Decision.MODIFY and verdict.request is None and not verdict.edits:
        raise _UnsoundError("MODIFY says neither what to replace nor what to go on with")
    if not all(isfinite(finding.score) for finding in verdict.findings):
        raise _UnsoundError("a finding's score is not a number")


def _where(fault: Exception) -> str:
    """What was raised and where, without its words: they may quote content, and a reason is never erased."""
    frame = traceback.extract_tb(fault.__traceback__)[-1]
    return f"{type(fault).__name__} in {os.path.basename(frame.filename)}:{frame.lineno}"


async def bounded(work: Coroutine[Any, Any, T], limit: float) -> T:
    """The coroutine's result, in so many seconds, or `TimeoutError`. Most checks never wait for anything: they finish
    in one step, and pay for no timer."""
    try:
        waiting = work.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    async with asyncio.timeout(limit):
        return await _resume(work, waiting)


@types.coroutine
def _resume(work: Coroutine[Any, Any, T], waiting: Any) -> Generator[Any, Any, T]:
    """Go on with a coroutine that has been stepped once and now waits for `waiting`."""
    while True:
        thrown, sent = None, None
        try:
            sent = yield waiting
        except BaseException as error:
            thrown = error
        try:
            waiting = work.send(sent) if thrown is None else work.throw(thrown)
        except StopIteration as stop:
            result: T = stop.value
            return result
