"""align: mean-case training, which makes a checkpoint decline harm that is asked for plainly."""

from types import ModuleType

from outworks.lab.align import constitution, dpo, prompt, rlhf, sft

METHODS: dict[str, ModuleType] = {
    "sft": sft,
    "dpo": dpo,
    "constitution": constitution,
    "rlhf": rlhf,
    "prompt": prompt,
}
"""Each has a `Config` and an `align`; none imports torch before it is called."""
