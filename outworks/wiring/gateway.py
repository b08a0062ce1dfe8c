"""gateway: the policy's models, defenses, rules and people around one ledger, and what keeps them up to date."""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from outworks import models
from outworks.config import ModelEntry, Policy, PolicyError
from outworks.defense import InForce, Mode
from outworks.defenses import DEFENSES, Lent
from outworks.defenses.flow import Confirmable, Seal
from outworks.defenses.flow import Settings as FlowSettings
from outworks.defenses.parameter_lock import Settings as LockSettings
from outworks.detectors.looking import shipped
from outworks.enforcement.desk.desk import Desk
from outworks.enforcement.enforcer import Enforcer
from outworks.enforcement.evidence import linked
from outworks.enforcement.language.written import WrittenRules, together
from outworks.enforcement.rules import Rules
from outworks.enforcement.standings import StandingTable
from outworks.enforcement.telling.appeals import Tokens
from outworks.enforcement.telling.clerk import Clerk
from outworks.event import Changed, Event, Recorder
from outworks.gateway.app import application
from outworks.gateway.exchange import Door, Doorway
from outworks.gateway.metrics import Metrics
from outworks.gateway.moderator import Moderator
from outworks.gateway.observe import Lines, Observed, Observer, Traces
from outworks.gateway.public import public_routes
from outworks.ledger import Ledger
from outworks.message import Request
from outworks.models.local import Local
from outworks.once import Confirmations, Counts
from outworks.pipeline import DefendedModel
from outworks.wiring.changes import Changes
from outworks.wiring.released import was_released
from outworks.wiring.reload import reloaded, waiting_for_a_restart
from outworks.wiring.say import say
from outworks.wiring.secret import pseudonym, secret
from outworks.wiring.traces import tracer_provider

FOLLOW_SECONDS = 0.2
"""How often a worker reads what others wrote: keys, fingerprints and standing take effect well within a second."""
_SLICE = 200
EXPIRE_SECONDS = 3600.0
"""How often content past its time is erased."""


class Gateway:
    """A worker: the policy's models, defenses and rules around one ledger."""

    app: ASGIApp

    def __init__(self, path: Path, policy: Policy, *, metrics_folder: Path | None = None) -> None:
        """`metrics_folder` is where workers of one gateway find each other's counts."""
        self._path = path
        self._metrics = Metrics(metrics_folder)
        self._policy = policy
        self._registry = CollectorRegistry()
        self._registry.register(self._metrics)
        self._tasks: list[asyncio.Task[None]] = []
        self._models: dict[str, _Running] = {}
        self._retired: set[asyncio.Task[None]] = set()
        self._provider: Any = None

    async def start(self) -> None:
        """Open the ledger, fold what it says, build the door, and begin to follow."""
        policy = self._policy
        self._ledger = Ledger.open(policy.ledger_path, synchronous=policy.ledger.synchronous)
        self._recorder: Recorder = Observed(self._ledger, self._observers(policy))
        self._changes = Changes(self._ledger)
        self._confirmations = Confirmations(self._ledger)
        self._counts = Counts(self._ledger)
        self._standings = StandingTable(self._ledger)
        self._changes.refresh()
        self._standings.refresh()
        key = secret(policy)
        self._pseudonym = pseudonym(key)
        self._seal = Seal(key)
        self._doorway = Doorway(self._door(policy), self._metrics)
        self._written = WrittenRules(self._ledger)
        self._written.refresh()
        self._enforcer = Enforcer(self._ledger, self._rules(policy))
        tokens = Tokens(key)
        self._desk = await asyncio.to_thread(Desk, self._ledger, policy.office)
        self._clerk = Clerk(self._ledger, policy.office, tokens)
        self._doorway.appeal_url = lambda action: tokens.path(action, self._policy.office.appeals.url)
        public = public_routes(self._doorway, self._desk, tokens, lambda: self._policy.office)
        self.app = application(self._doorway, ready=self._trouble, registry=self._registry, more=public)
        for running in self._models.values():
            if isinstance(running.model, Local):
                await running.model.start()
        lasting = {
            "following": self._following,
            "expiry": self._expiring,
            "enforcement": self._enforcer.run,
            "clerk": self._clerk.run,
        }
        self._tasks = [asyncio.create_task(_lasting(name, run)) for name, run in lasting.items()]
        await self._ledger.append([_loaded(policy)])

    def reload(self) -> None:
        """Load the policy anew. A bad one is refused, and the old one stays in force."""
        try:
            policy = reloaded(self._path, self._policy)
            door = self._door(policy)
        except (PolicyError, ValueError, OSError) as error:
            say(f"the new policy is refused, and the old one stays in force:\n{error}")
            return
        waits = waiting_for_a_restart(policy, self._policy)
        self._policy = policy
        self._doorway.door = door
        self._retire({entry.name for entry in policy.models}, policy.gateway.limits.exchange_seconds)
        self._enforcer.replace_rules(self._rules(policy))
        self._desk.office = policy.office
        self._clerk.replace_office(policy.office)
        self._ledger.append([_loaded(policy)])
        say(f"policy {policy.digest[:12]} is in force" + (f"; a restart is needed for {waits}" if waits else ""))

    async def stop(self) -> None:
        """Stop following, close the models, drain the ledger."""
        tasks = [*self._tasks, *self._retired]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(one.model.aclose() for one in self._models.values()), return_exceptions=True)
        self._desk.close()
        await self._ledger.close()
        if self._provider is not None:
            await asyncio.to_thread(self._provider.shutdown)

    def _door(self, policy: Policy) -> Door:
        upstreams = {entry.name: self._model(entry) for entry in policy.models}
        lent = Lent(
            self._standings,
            self._changes.bank,
            self._was_released,
            seal=self._seal,
            spend=self._confirmations.spend,
            count=self._counts.take,
            model=upstreams.get,
        )
        defenses = []
        for line in DEFENSES:
            settings = policy.defenses[line.name]
            if settings.mode is not Mode.OFF:
                defenses.append(InForce(line.build(settings, lent), settings))
        confirms = any(_confirms(each) for each in defenses)
        defended = {
            name: DefendedModel(
                Confirmable(model, self._seal) if confirms else model,
                defenses,
                self._recorder,
                pseudonym=self._pseudonym,
                issue=self._seal.issue,
                admits=_admitted(policy),
            )
            for name, model in upstreams.items()
        }
        return Door(
            defended,
            self._recorder,
            self._changes.keys,
            self._standings,
            policy.gateway.limits,
            policy.gateway.asking,
            self._pseudonym,
            _moderator(policy),
        )

    def _model(self, entry: ModelEntry) -> models.Upstream:
        """The model as it runs, or a new one where the policy says something else of it than before."""
        running = self._models.get(entry.name)
        if running is None or running.settings != entry.settings:
            if running is not None:
                self._models[f"{entry.name} before {time.time_ns()}"] = running
            running = self._models[entry.name] = _Running(entry.settings, models.build(entry.name, entry.settings))
        return running.model

    def _retire(self, wanted: set[str], seconds: float) -> None:
        """Close the models that the policy no longer names, once the exchanges that they began have ended."""
        for name in self._models.keys() - wanted:
            task = asyncio.create_task(_close_later(self._models.pop(name).model, seconds))
            self._retired.add(task)
            task.add_done_callback(self._retired.discard)

    def _rules(self, policy: Policy) -> Rules:
        """The policy's rules, and those that people wrote in the console."""
        return together(
            policy.compiled_rules,
            self._written.all,
            taken=[rule.name for rule in policy.rules],
            cases=policy.office.cases,
            defenses=[line.name for line in DEFENSES],
        )

    def _observers(self, policy: Policy) -> list[Observer]:
        observers: list[Observer] = [self._metrics]
        if policy.gateway.log != "off":
            observers.append(Lines(style=policy.gateway.log))
        if policy.telemetry.otlp_endpoint:
            self._provider = tracer_provider(policy.telemetry.otlp_endpoint)
            observers.append(Traces(self._provider.get_tracer("outworks")))
        return observers

    def _trouble(self) -> str:
        return self._doorway.fault or self._metrics.trouble

    async def _following(self) -> None:
        """Keep up with the ledger. A worker that cannot knows no standing any more, so it lets nobody in, and goes on
        trying."""
        while True:
            try:
                # In slices: a bulk action or a long import must not stall the exchanges.
                while self._standings.refresh(most=_SLICE) == _SLICE:  # noqa: ASYNC110
                    await asyncio.sleep(0)
                if self._written.refresh():
                    self._enforcer.replace_rules(self._rules(self._policy))
                while self._changes.refresh(most=_SLICE) == _SLICE:  # noqa: ASYNC110
                    await asyncio.sleep(0)
                self._doorway.fault = ""
            except Exception as error:
                if not self._doorway.fault:
                    say(f"the ledger cannot be followed: {type(error).__name__}: {error}")
                self._doorway.fault = "accounts and keys cannot be looked up"
            # Counts that cannot be left, on a full disk say, are no reason to turn anybody away.
            with contextlib.suppress(OSError):
                self._metrics.leave()
            await asyncio.sleep(FOLLOW_SECONDS)

    async def _expiring(self) -> None:
        """Erase content that is older than the policy keeps it."""
        while True:
            kept = self._policy.ledger.retain_seconds
            if kept is not None:
                try:
                    await asyncio.to_thread(self._expire, time.time() - kept)
                except Exception as error:
                    say(f"content could not be expired, and will be tried again: {error}")
            await asyncio.sleep(EXPIRE_SECONDS)

    def _expire(self, before: float) -> None:
        try:
            self._ledger.expire(before)
        finally:
            # Where a long reader keeps the log from being cut, the content is erased all the same.
            linked.forget(self._ledger)

    async def _was_released(self, request: Request, text: str) -> bool:
        """Whether a text is, in full, one of the last answers that this account was given in this conversation."""
        return await asyncio.to_thread(was_released, self._ledger, request, text)


def _admitted(policy: Policy) -> Sequence[str]:
    """The kinds of content that the policy admits unread, whatever the mode of the defense that speaks of them."""
    settings = policy.defenses["parameter_lock"]
    return settings.content if isinstance(settings, LockSettings) else ()


def _confirms(each: InForce) -> bool:
    settings = each.settings
    return isinstance(settings, FlowSettings) and bool(settings.tools) and settings.mode is Mode.LIVE


def _moderator(policy: Policy) -> Moderator | None:
    settings = policy.moderations
    if settings.mode == "off":
        return None
    return Moderator(shipped(second=settings.second_stage != "never"), settings)


class _Running(msgspec.Struct, frozen=True):
    settings: models.Settings
    model: models.Upstream


async def _close_later(model: models.Upstream, seconds: float) -> None:
    try:
        await asyncio.sleep(seconds)
    finally:
        await model.aclose()


async def _lasting(name: str, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run what must never end. If it does, by a fault of ours, it is said and begun anew: without enforcement, say,
    nobody would ever be suspended again."""
    while True:
        try:
            await run()
        except Exception as error:
            say(f"{name} broke off, and begins anew: {type(error).__name__}: {error}")
        await asyncio.sleep(FOLLOW_SECONDS)


def _loaded(policy: Policy) -> Event:
    detail = {"sha256": policy.digest}
    return Event(body=Changed(what="policy", name="policy", by=f"process:{os.getpid()}", detail=detail), at=time.time())
