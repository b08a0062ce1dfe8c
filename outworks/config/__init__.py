"""The policy file: its shape, its checks, and the policy that comes of it."""

from outworks.config.policy import ModelEntry, Policy, load_policy, read_policy
from outworks.config.sections import Document
from outworks.toml import PolicyError

__all__ = ["Document", "ModelEntry", "Policy", "PolicyError", "load_policy", "read_policy"]
