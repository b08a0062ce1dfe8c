"""Attacks: each breaks an aligned checkpoint in a way of its own; none needs a harmful answer to be written."""

from collections.abc import Mapping
from types import ModuleType

from outworks.lab.attack import ablate, decoding, finetune, gcg, prefill, prompts

METHODS: Mapping[str, ModuleType] = {
    "decoding": decoding,
    "prefill": prefill,
    "prompts": prompts,
    "gcg": gcg,
    "finetune": finetune,
    "ablate": ablate,
}
"""By name, those that leave the weights alone first. Each has `Config` and `attack`."""
