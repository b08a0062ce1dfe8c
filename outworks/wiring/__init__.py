"""Wiring: one worker of the gateway, put together from a policy."""

from outworks.wiring.gateway import Gateway
from outworks.wiring.reload import reloaded
from outworks.wiring.secret import pseudonym, secret

__all__ = ["Gateway", "pseudonym", "reloaded", "secret"]
