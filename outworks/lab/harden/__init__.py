"""harden: worst-case training: the least, over weights, of the most that attacks achieve."""

from types import ModuleType

from outworks.lab.harden import adversarial, circuit, deep, hierarchy, latent

METHODS: dict[str, ModuleType] = {
    "deep": deep,
    "adversarial": adversarial,
    "latent": latent,
    "circuit": circuit,
    "hierarchy": hierarchy,
}
"""Each has a `Config` and a `harden`; none imports torch before it is called."""
