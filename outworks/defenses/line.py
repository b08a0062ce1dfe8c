"""Line: how a defense enters the list, and what the gateway lends to those that need more than a request."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from outworks.action import Standings
from outworks.defense import Defense, Settings
from outworks.defenses.bank import Bank
from outworks.defenses.flow import Issued, Seal, Spend, Spent
from outworks.defenses.flow.flow import none_issued
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
    issued: Issued = none_issued
    """The tool calls that this conversation was given in the last minutes."""
    model: Callable[[str], Model | None] = lambda name: None
    """An upstream model by the name that the policy gives it."""


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
