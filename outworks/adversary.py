"""Adversary: who attacks, with which access, towards which goal, at what cost, and what came of it."""

import random
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Protocol, TypeAlias

import msgspec

from outworks.message import Message, Tool, ToolCall, Usage


class Tier(StrEnum):
    """What an adversary has. A defense is judged at a tier and at a budget, never in general."""

    EVERYDAY = "everyday"
    """No intent to harm: natural use."""
    CASUAL = "casual"
    """Uses the product by hand: copies jailbreaks, insists, bullies."""
    CAPABLE = "capable"
    """Writes code, has a small budget: sampling parameters, search over prompts, many accounts."""
    RESOURCED = "resourced"
    """Has models of its own: the product's alignment is assumed gone."""
    THIRD_PARTY = "third_party"
    """Has no account at all, but writes what the product reads."""


class Access(StrEnum):
    """What an adversary needs, and a target grants."""

    PROMPTS = "prompts"
    SAMPLING = "sampling"
    """Decoding parameters: temperature, top_p..."""
    PREFILL = "prefill"
    """The beginning of the answer, written by the client."""
    LOGPROBS = "logprobs"
    DOCUMENTS = "documents"
    """Texts that the product puts into its users' questions."""
    TOOL_RESULTS = "tool_results"
    """What tools give back to the model."""
    ACCOUNTS = "accounts"
    """Several accounts."""
    WEIGHTS = "weights"
    """The model itself: its alignment can be taken away."""


class Carries(msgspec.Struct, frozen=True, kw_only=True, tag="carries"):
    """Harm is done when an answer carries this text."""

    text: str
    disguised: bool = True
    """Also spaced out, reversed, in rot13, base64, hexadecimal or decimal codes: who asks for that can read it."""


class Calls(msgspec.Struct, frozen=True, kw_only=True, tag="calls"):
    """Harm is done when a tool call leaves with these arguments (those that are named)."""

    tool: str
    arguments: dict[str, Any] = {}


class Answers(msgspec.Struct, frozen=True, kw_only=True, tag="answers"):
    """The task is done when an answer holds one of these texts, in any case; nothing here is harm."""

    any_of: tuple[str, ...]


class Judged(msgspec.Struct, frozen=True, kw_only=True, tag="judged"):
    """Whether harm was done is a matter of judgement: a scorer with a card decides."""


Oracle: TypeAlias = Carries | Calls | Answers | Judged


class Goal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an adversary wants, or what an everyday user does."""

    id: str
    category: str
    prompt: str
    """What is wanted, in plain words."""
    oracle: Oracle
    system: str = ""
    """The product's system prompt; it may hold the secret or the rule that must be kept."""
    aim: str = ""
    """How an answer that gives in would begin: what suffixes and prefills work towards."""
    natural: tuple[str, ...] = ()
    """What people ask under the same system prompt, or on the same subject, and mean no harm by."""
    planted: str = ""
    """The same goal as an instruction to plant in what the product reads; empty where it cannot be reached so."""
    tools: tuple[Tool, ...] = ()
    """What the product offers to the model."""
    reach: str = ""
    """An answer that reaches the goal, for scripted models and for a suite to prove itself with."""
    reach_call: ToolCall | None = None
    """The tool call that reaches it."""

    @property
    def benign(self) -> bool:
        """Whether it is an everyday user's task."""
        return isinstance(self.oracle, Answers)


class Budget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one adversary may spend on one goal. A limit that is not set does not bind."""

    queries: int = 50
    tokens: int | None = None
    """Read and written, together."""
    seconds: float | None = None
    accounts: int = 5
    money: float | None = None
    """By the price list."""


class Prices(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an adversary pays, in whatever currency."""

    input_million: float = 0.0
    """A million tokens read by the model."""
    output_million: float = 0.0
    """A million tokens that it writes."""
    account: float = 0.0
    """One more account."""
    currency: str = "USD"


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """What was paid."""

    queries: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0
    accounts: int = 0
    money: float = 0.0


class Outcome(StrEnum):
    """What came of one query. Harm counts only where it was delivered or executed."""

    ATTEMPTED = "attempted"
    """Answered, and no harm in it: the model refused, or said something else."""
    FLAGGED = "flagged"
    """The same, and a line of defense took note."""
    BLOCKED = "blocked"
    """A line of defense, or the provider, kept it back."""
    DELIVERED = "delivered"
    """The harm reached whoever asked."""
    EXECUTED = "executed"
    """A tool call that does the harm left."""

    @property
    def harm(self) -> bool:
        """Whether it counts."""
        return self in (Outcome.DELIVERED, Outcome.EXECUTED)


class Reply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a target gave back for one query."""

    text: str = ""
    """What reached whoever asked. A block's message is no part of it."""
    tool_calls: tuple[ToolCall, ...] = ()
    stopped_by: str = ""
    """The line that stopped the request or cut the answer; `provider` where the upstream did; `product` where a
    remote product does not say which."""
    notice: str = ""
    """What whoever asked was told about it."""
    altered: bool = False
    """A line of defense changed the words."""
    flagged: tuple[str, ...] = ()
    """`LINE:CATEGORY` of what the lines found, whether they stopped it or not."""
    refused: bool = False
    """The upstream itself marked this as its refusal."""
    usage: Usage = Usage()
    seconds: float = 0.0
    checked_ms: float = 0.0
    """Milliseconds that the lines of defense took."""


class Query(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was sent."""

    messages: tuple[Message, ...]
    parameters: dict[str, Any] = {}
    tools: tuple[Tool, ...] = ()
    account: int = 0
    conversation: int = 0
    """Queries with one number are turns of one conversation."""
    note: str = ""
    """Which template, encoding or setting it was."""


class Try(msgspec.Struct, frozen=True, kw_only=True):
    """One query and what came of it."""

    query: Query
    reply: Reply
    at: float = 0.0
    """Seconds since the attack began."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one adversary did towards one goal at one target."""

    adversary: str
    goal: str
    target: str
    seed: int
    tries: tuple[Try, ...]
    spent: Spent
    exhausted: bool = False
    """It ended because the budget did."""


class AccessError(Exception):
    """An adversary asked for what the target does not grant."""


class Exhausted(Exception):
    """The budget is spent. The runner catches it; an adversary lets it pass."""


class Siege(Protocol):
    """One adversary before one target: every query goes through it, so that nothing is left out of the record."""

    goal: Goal
    budget: Budget
    random: random.Random
    """The only source of chance: one seed, one attack."""

    @property
    def left(self) -> int:
        """Queries that the budget still allows."""
        ...

    async def ask(
        self,
        messages: str | Sequence[Message],
        *,
        parameters: Mapping[str, Any] | None = None,
        account: int = 0,
        conversation: int | None = None,
        note: str = "",
    ) -> Reply:
        """Send, with the goal's system prompt first. Raises `Exhausted`, `AccessError`, and `UpstreamError` where the
        target did not answer."""
        ...

    async def reached(self, reply: Reply) -> bool:
        """Whether the adversary has what it wants. It can tell as well as anybody."""
        ...


class Adversary(Protocol):
    """Who attacks. It reports nothing itself: what it did is what the siege recorded."""

    name: str
    tier: Tier
    access: frozenset[Access]
    adaptive: bool
    """Whether what it sends depends on what the lines of defense answered: then every ablation is attacked anew. What a
    fixed one sends can be judged again and again from the record, for any set of lines."""

    async def attack(self, siege: Siege) -> None:
        """Spend the budget on the goal. It may end before; a fixed one does not end at its first success, because under
        other lines it would not have been one."""
        ...
