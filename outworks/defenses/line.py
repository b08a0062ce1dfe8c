"""Line: how a defense enters the list, and what the gateway lends to those that need more than a request."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from outworks.action import Standings
from outworks.defense import Defense, Settings
from outworks.defenses.bank import Bank
from outworks.defenses.flow import Count, Counted, Seal, Spend, Spent
from outworks.detectors.looking import Looking, shipped
from outworks.message import Request
from outworks.model import Model


class Lent(msgspec.Struct, frozen=True):
    """Read models that outlive any one policy. They are kept by the gateway, and fed from the ledger."""

    standings: Standings
    bank: Bank
    released: Callable[[Request, str], Awaitable[bool]]
    """Whether a text left this gateway before, as an answer to the same account."""
    seal: Seal = msgspec.field(default_factory=Seal.random)
    """What the ids of released tool calls are made with."""
    spend: Spend = msgspec.field(default_factory=Spent)
    """Takes a person's confirmation, once for all workers."""
    count: Count = msgspec.field(default_factory=Counted)
    """Takes a tool call that a turn has only so many of, before it leaves."""
    model: Callable[[str], Model | None] = lambda name: None
    """An upstream model by the name that the policy gives it."""
    looking: Callable[[bool], Looking] = lambda second: shipped(second=second)
    """The detectors; with True, with their second stage."""


class Line(msgspec.Struct, frozen=True):
    """One row of the list."""

    defense: type[Defense]
    settings: type[Settings]
    """What `[defenses.NAME]` may say; its defaults are what the defense does when the policy says nothing."""
    build: Callable[[Any, Lent], Defense]

    @property
    def name(self) -> str:
        """The defense's name in the policy and in the ledger."""
        return self.defense.name
