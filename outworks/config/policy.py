"""The policy: one file that says what the gateway serves, which lines of defense stand, and what misuse leads to."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from outworks import models
from outworks.config import checks
from outworks.config.office import checked_office
from outworks.config.sections import Document, GatewaySettings, LedgerSettings, TelemetrySettings
from outworks.console.settings import Settings as ConsoleSettings
from outworks.defense import Settings
from outworks.enforcement.rules import Rule, Rules
from outworks.enforcement.settings import Office
from outworks.gateway.moderator import Settings as ModerationSettings
from outworks.nearest import did_you_mean
from outworks.toml import LARGEST, Fault, PolicyError, read


class ModelEntry(msgspec.Struct, frozen=True):
    """A model, and what clients call it."""

    name: str
    settings: models.Settings


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """A policy that was checked whole."""

    gateway: GatewaySettings
    ledger: LedgerSettings
    ledger_path: Path
    """Absolute."""
    telemetry: TelemetrySettings
    console: ConsoleSettings
    moderations: ModerationSettings
    models: tuple[ModelEntry, ...]
    """At least one; their names differ; their paths are absolute."""
    defenses: Mapping[str, Settings]
    """By name, in the order of the list: every one that there is, with its defaults where the file says nothing."""
    rules: tuple[Rule, ...]
    compiled_rules: Rules
    """Drafts were checked and left out."""
    office: Office
    """Cases, notices, appeals, reports and webhooks."""
    digest: str
    """SHA-256 of everything that the policy says, defaults included; not of the file's layout, comments or place."""


def load_policy(path: Path, *, environ: Mapping[str, str] | None = os.environ) -> Policy:
    """The policy in a file. Raises `PolicyError` with every fault.

    With `environ=None` nothing but the file is looked at: for programs that only want to know where the ledger is, and
    run where the gateway's secrets and extras are not.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        hint = _beside(path) if isinstance(error, FileNotFoundError) else ""
        raise PolicyError(str(path), [Fault(1, "", f"the policy cannot be read: {why}{hint}")]) from None
    return read_policy(data, path, environ=environ)


def _beside(path: Path) -> str:
    """The file that was probably meant, else how one is named."""
    names = [each.name for each in path.parent.glob("*.toml")] if os.access(path.parent, os.R_OK) else []
    return did_you_mean(path.name, names, "name another file, or set OUTWORKS_POLICY")


def read_policy(data: bytes, path: Path, *, environ: Mapping[str, str] | None = os.environ) -> Policy:
    """The policy in these bytes, which are those of the file at `path`; see `load_policy`."""
    reading = read(data, Document, file=str(path))
    folder = path.absolute().parent
    gateway = checks.checked_gateway(reading)
    ledger = checks.checked_ledger(reading, folder)
    telemetry = checks.checked_telemetry(reading, environ)
    console = checks.checked_console(reading)
    moderations = checks.checked_moderations(reading, environ)
    entries = checks.checked_models(reading, folder, environ)
    defenses = checks.checked_defenses(reading, environ)
    checks.check_planner(reading, defenses, [entry.name for entry in entries.values()])
    office = checked_office(reading, environ)
    checked = checks.checked_rules(reading, office.cases, [each.id for each in office.policies])
    reading.settle()
    assert gateway is not None
    assert ledger is not None
    assert telemetry is not None
    assert moderations is not None
    assert console is not None
    said = {
        "gateway": gateway,
        "ledger": ledger,
        "telemetry": telemetry,
        "console": console,
        "moderations": moderations,
        "models": list(entries.values()),
        "defenses": defenses,
        "rules": checked.rules,
        "office": office,
    }
    return Policy(
        gateway=gateway,
        ledger=ledger,
        ledger_path=checks.beside(folder, ledger.path),
        telemetry=telemetry,
        console=console,
        moderations=moderations,
        models=tuple(ModelEntry(each.name, checks.placed(each, folder)) for each in entries.values()),
        defenses=defenses,
        rules=checked.rules,
        compiled_rules=checked.compiled,
        office=office,
        digest=hashlib.sha256(msgspec.json.encode(said, order="sorted")).hexdigest(),
    )
