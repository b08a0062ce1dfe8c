"""reload: the policy taken up anew, and what of it a running gateway cannot change."""

from pathlib import Path

import msgspec

from outworks.config import Policy, load_policy
from outworks.console.settings import Settings, Wellness


def reloaded(path: Path, running: Policy) -> Policy:
    """The policy as its file is now. Raises `PolicyError`, or `ValueError` for what a running gateway cannot change."""
    policy = load_policy(path)
    if policy.gateway.listen != running.gateway.listen:
        # Whether a key is needed was checked for the new address, and we would go on listening on the old one.
        raise ValueError("[gateway] listen: the address cannot be changed while the gateway runs; restart it")
    if policy.ledger_path != running.ledger_path:
        raise ValueError("[ledger] path: the ledger cannot be changed while the gateway runs; restart it")
    return policy


def waiting_for_a_restart(policy: Policy, running: Policy) -> str:
    """The changed settings that a running gateway does not take up."""
    now, then = policy.gateway, running.gateway
    changed = {
        "gateway.workers": now.workers != then.workers,
        "gateway.log": now.log != then.log,
        "gateway.secret_env": now.secret_env != then.secret_env,
        "gateway.shutdown_seconds": now.shutdown_seconds != then.shutdown_seconds,
        "ledger.synchronous": policy.ledger.synchronous != running.ledger.synchronous,
        "console": _of_its_start(policy.console) != _of_its_start(running.console),
        "telemetry": policy.telemetry != running.telemetry,
    }
    return ", ".join(name for name, differs in changed.items() if differs)


def _of_its_start(console: Settings) -> Settings:
    """What the console's process reads once; the rest it takes from the file at its next page."""
    return msgspec.structs.replace(console, playground="on", gateway_url="", wellness=Wellness())
