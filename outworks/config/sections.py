"""What the policy file can say, section by section; these docstrings are its reference."""

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from outworks import duration
from outworks.console.settings import Settings as ConsoleSettings
from outworks.defenses import DEFENSES
from outworks.enforcement.rules import Rule
from outworks.enforcement.settings import AppealSettings, CaseSettings, PolicyText, ReportSettings, Template, Webhook
from outworks.gateway.exchange import Asking
from outworks.gateway.http import Limits
from outworks.gateway.moderator import Settings as ModerationSettings
from outworks.ledger.schema import Synchronous
from outworks.models import anthropic, local, openai, scripted


class GatewaySettings(Asking, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the gateway listens, and whom it answers."""

    listen: str = "127.0.0.1:8600"
    """`HOST:PORT`. Beyond this machine (any host that is not loopback) it needs `require_key`."""
    workers: Annotated[int, Meta(ge=1, le=256)] = 1
    """Processes that share the address. They agree within a second on keys, fingerprints and standing."""
    limits: Limits = Limits()
    secret_env: str = "OUTWORKS_SECRET"  # noqa: S105
    """The NAME of the environment variable with the secret under which account ids are hashed before they go upstream.
    Where it is not set, a random secret is kept in a file next to the ledger, for its owner alone."""
    log: Literal["pretty", "json", "off"] = "pretty"
    """One line an exchange, to read or to parse, on the standard error stream; never content, never secrets."""
    shutdown_seconds: Annotated[int, Meta(ge=1, le=3600)] = 30
    """How long exchanges in flight may go on after SIGTERM."""

    @property
    def asking(self) -> Asking:
        """How it tells who is asking."""
        return Asking(require_key=self.require_key, require_account=self.require_account)


class LedgerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where events are kept, and for how long what was said."""

    path: str = "outworks.db"
    """The ledger's file. A relative path begins at the policy file's folder."""
    synchronous: Synchronous = "normal"
    """`normal`: what was released survives the death of the process. `full`: that of the machine too, at the price of
    waiting for the disk before each release."""
    retain_content: str = "30d"
    """How long content is kept: `"12h"`, `"30d"`, or `"forever"`. The events themselves stay, and so does the chain."""

    @property
    def retain_seconds(self) -> float | None:
        """How long content is kept; None for good."""
        return duration.lasting(self.retain_content)


class TelemetrySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is told to other systems. Prometheus metrics are at `/metrics` in any case."""

    otlp_endpoint: str = ""
    """Where OpenTelemetry traces go, such as `http://localhost:4318/v1/traces`; empty for nowhere. It needs the extra
    `outworks[otel]`."""


_NAME = Meta(min_length=1, max_length=128)


class OpenAIModel(openai.Settings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="openai"):
    """Any server that speaks OpenAI Chat Completions: OpenAI, vLLM, Ollama, llama.cpp, LiteLLM..."""

    name: Annotated[str, _NAME]
    """What clients ask for as `model`."""


class AnthropicModel(anthropic.Settings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="anthropic"):
    """The Anthropic Messages API, or a server that speaks it."""

    name: Annotated[str, _NAME]
    """What clients ask for as `model`."""


class LocalModel(local.Settings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="local"):
    """The embedded model, or a GGUF file of your own. It needs the extra `outworks[local]`."""

    name: Annotated[str, _NAME]
    """What clients ask for as `model`."""


class ScriptedModel(scripted.Settings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="scripted"):
    """A model that says what the policy says it says, for tests and trials."""

    name: Annotated[str, _NAME]
    """What clients ask for as `model`."""


Entry: TypeAlias = OpenAIModel | AnthropicModel | LocalModel | ScriptedModel


def _table(name: str, fields: Mapping[str, type[msgspec.Struct]]) -> type[msgspec.Struct]:
    """A Struct whose fields are tables, all of which may be left out."""
    defined = [(key, kind, msgspec.field(default_factory=kind)) for key, kind in fields.items()]
    return msgspec.defstruct(name, defined, frozen=True, kw_only=True, forbid_unknown_fields=True)


Defenses = _table("Defenses", {line.name: line.settings for line in DEFENSES})
"""`[defenses.NAME]`: made from the one list of defenses, so that a defense that is in it can be configured."""

Document = msgspec.defstruct(
    "Document",
    [
        ("gateway", GatewaySettings, GatewaySettings()),
        ("ledger", LedgerSettings, LedgerSettings()),
        ("telemetry", TelemetrySettings, TelemetrySettings()),
        ("console", ConsoleSettings, ConsoleSettings()),
        ("moderations", ModerationSettings, ModerationSettings()),
        ("models", tuple[Entry, ...], ()),
        ("defenses", Defenses, msgspec.field(default_factory=Defenses)),
        ("rules", tuple[Rule, ...], ()),
        ("cases", CaseSettings, CaseSettings()),
        ("appeals", AppealSettings, AppealSettings()),
        ("reports", ReportSettings, ReportSettings()),
        ("policies", tuple[PolicyText, ...], ()),
        ("templates", tuple[Template, ...], ()),
        ("webhooks", tuple[Webhook, ...], ()),
    ],
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
)
"""The shape of the file."""
