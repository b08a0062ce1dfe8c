"""Target: what an adversary stands before: a bare model, a product in this process, or one behind a URL."""

import re
from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec
from typing_extensions import override

from outworks.adversary import Access, Reply
from outworks.defense import InForce, Mode
from outworks.defenses.flow import Confirmable
from outworks.defenses.flow import Settings as FlowSettings
from outworks.message import Finish, Request
from outworks.model import Blocked, Joined, Model, UpstreamError, join
from outworks.pipeline import DefendedModel
from outworks.trials.lineup import Lineup

EVERYTHING = frozenset(Access) - {Access.WEIGHTS}
"""What a product grants whoever writes code against its API. What it locks an adversary finds refused, by the lines
themselves; what it has no way to send at all is taken out of this."""
_CODE = re.compile(r"\(\d+, ([a-z_]+)\)")
REFUSING_CODES = (
    "blocked_by_policy",
    "account_suspended",
    "account_banned",
    "account_limited",
    "parameter_refused",
    "prefill_refused",
    "content_refused",
    "role_refused",
    "tools_refused",
    "leak",
    "flow",
    "fingerprint",
    "adversarial_string",
)
"""Codes under which a product says over HTTP that it stopped a request; Outworks' own."""


class Target(Protocol):
    """What is attacked."""

    name: str
    grants: frozenset[Access]
    model: Model

    async def ask(self, request: Request, at: float) -> Reply:
        """What comes back; `at` is the product's time, in seconds. Raises `UpstreamError` where it does not answer."""
        ...

    def leave(self, accounts: Iterable[str]) -> None:
        """These accounts will not come back."""
        ...


class Bare:
    """A model as it is: the upstream itself, or a product behind a URL, whose lines are its own affair."""

    def __init__(
        self,
        name: str,
        model: Model,
        *,
        grants: frozenset[Access] = EVERYTHING,
        refusing_codes: Sequence[str] = REFUSING_CODES,
        block_messages: Sequence[str] = (),
    ) -> None:
        """`block_messages` are regular expressions for answers that are the product's block message, and no answer."""
        self.name = name
        self.model = model
        self.grants = grants
        self._codes = frozenset(refusing_codes)
        self._blocks = tuple(re.compile(each) for each in block_messages)

    async def ask(self, request: Request, at: float) -> Reply:
        """See `Target`."""
        try:
            joined = await join(self.model.generate(request))
        except UpstreamError as error:
            return _refused(error, request, self._codes)
        reply = _reply(joined)
        if any(each.search(reply.text) for each in self._blocks):
            return msgspec.structs.replace(reply, text="", stopped_by="product", notice=reply.text)
        return reply

    def leave(self, accounts: Iterable[str]) -> None:
        """Nothing is kept of them here."""


class Product:
    """A model with lines of defense around it, its rules and its standing, in this process."""

    def __init__(
        self,
        name: str,
        model: Model,
        lineup: Lineup,
        lines: Sequence[InForce],
        *,
        grants: frozenset[Access] = EVERYTHING,
    ) -> None:
        """`lines` are those of the line-up that stand."""
        self.name = name
        self.grants = grants
        self._house = lineup.house
        inner = Confirmable(model, lineup.seal) if any(_confirms(each) for each in lines) else model
        self.model: Model = DefendedModel(inner, lines, self._house, issue=lineup.seal.issue)

    async def ask(self, request: Request, at: float) -> Reply:
        """See `Target`."""
        self._house.set_clock(request.account, at)
        blocked: Blocked | None = None
        failed: UpstreamError | None = None
        joined = Joined()
        try:
            joined = await join(self.model.generate(request))
        except Blocked as stop:
            blocked = stop
        except UpstreamError as error:
            failed = error
        noted = self._house.noted(request.id)
        if failed is not None:
            reply = _refused(failed, request, frozenset())
        elif blocked is not None:
            reply = Reply(stopped_by=blocked.defense or noted.stopped_by, notice=blocked.notice.message)
        else:
            reply = _reply(joined)
            if reply.stopped_by:
                reply = msgspec.structs.replace(reply, stopped_by=noted.stopped_by or reply.stopped_by)
        return msgspec.structs.replace(reply, flagged=noted.flagged, altered=noted.altered, checked_ms=noted.checked_ms)

    def leave(self, accounts: Iterable[str]) -> None:
        """See `Target`."""
        for account in accounts:
            self._house.forget(account)


class Ungranted(Bare):
    """A target by its name and grants only, for checks before anything is asked."""

    @override
    async def ask(self, request: Request, at: float) -> Reply:
        raise UpstreamError("this target only stands for its name")


def _confirms(each: InForce) -> bool:
    settings = each.settings
    return isinstance(settings, FlowSettings) and bool(settings.tools) and settings.mode is Mode.LIVE


def _reply(joined: Joined) -> Reply:
    output = joined.outputs[0]
    filtered = output.finish is Finish.CONTENT_FILTER
    return Reply(
        text=output.text,
        tool_calls=output.tool_calls,
        stopped_by="provider" if filtered else "",
        notice=output.notice,
        refused=output.refused,
        usage=joined.usage or Reply().usage,
    )


def _refused(error: UpstreamError, request: Request, codes: frozenset[str]) -> Reply:
    """The reply, where the error means that something was refused on purpose; else the error is raised: a target that
    is down, or set up wrongly, has withstood nothing."""
    if error.kind == "policy":
        return Reply(stopped_by="provider", notice=error.message, refused=True)
    if error.kind in ("unsupported", "rejected") and error.param and error.param in request.parameters:
        return Reply(stopped_by="provider", notice=error.message)
    found = _CODE.search(error.message)
    if error.kind in ("rejected", "rate_limited") and found is not None and found[1] in codes:
        return Reply(stopped_by="product", notice=error.message)
    raise error
