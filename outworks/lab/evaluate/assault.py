"""assault: the attacks that a checkpoint is measured under, each run once and kept."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from outworks.lab import attack as attacks
from outworks.lab.attempt import Attacked, Tried
from outworks.lab.behaviours import Behaviours, Split
from outworks.lab.evaluate.keeping import digest, keep, kept_head, kept_rows
from outworks.lab.progress import Tell
from outworks.lab.settings import configured, method
from outworks.lab.subject import Subject

ADAPTIVE = frozenset(("gcg", "finetune", "ablate"))
"""Those that are optimised against the very checkpoint: a defense that was only tried on the others may be obscurity
(Athalye et al., arXiv 1802.00420)."""
DEFAULT = ("decoding", "prefill", "prompts", "finetune", "ablate")
_WHOLE_WEIGHTS = frozenset(("ablate",))
"""They would leave a copy of all weights behind, for every checkpoint; they are asked and forgotten."""


class Assault(msgspec.Struct, frozen=True, kw_only=True):
    """One attack as it is chosen: a method, and what is changed of its configuration."""

    method: str
    settings: tuple[str, ...] = ()
    """Each `name=value`."""
    named: str = ""
    """How it is called, where that is not to be its settings."""

    @classmethod
    def read(cls, text: str) -> "Assault":
        """From `METHOD` or `METHOD:name=value;name=value`. Raises ValueError for what there is not."""
        name, _, rest = text.partition(":")
        found = cls(method=name.strip(), settings=tuple(each.strip() for each in rest.split(";") if each.strip()))
        found.config(0)
        return found

    @property
    def label(self) -> str:
        """As it was chosen: two configurations of a method are two attacks."""
        if self.named or not self.settings:
            return self.named or self.method
        return f"{self.method}:{';'.join(self.settings)}"

    @property
    def adaptive(self) -> bool:
        return self.method in ADAPTIVE

    def config(self, seed: int) -> Any:
        """The method's configuration. The seed is the checkpoint's, so that a row's spread holds the attack's too."""
        return configured(method("attack", self.method, attacks.METHODS).Config, self.settings, seed=seed)


class _Head(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of an attack beside its answers."""

    key: str
    attacked: Attacked


def attacked(
    chosen: Assault, subject: Subject, behaviours: Behaviours, folder: Path, tell: Tell, *, seed: int, split: Split
) -> Attacked:
    """What the attack does to the subject: as it was kept in the folder, or now."""
    config = chosen.config(seed)
    key = digest(chosen.method, config, behaviours, split)
    name = "attack-" + "".join(c if c.isalnum() else "-" for c in chosen.label)
    head, rows = kept_head(folder, name, _Head), kept_rows(folder, name, Tried)
    if head is not None and rows is not None and head.key == key:
        return msgspec.structs.replace(head.attacked, tried=rows)
    # A folder for each way of asking: another number of requests is other work, and must not find this one's there.
    work = None if chosen.method in _WHOLE_WEIGHTS else folder / f"{name}-{key[:8]}"
    module = method("attack", chosen.method, attacks.METHODS)
    found: Attacked = module.attack(subject, behaviours, config, tell=tell, out=work, split=split)
    keep(folder, name, _Head(key=key, attacked=msgspec.structs.replace(found, tried=())), found.tried)
    return found


def chosen(texts: Sequence[str]) -> tuple[Assault, ...]:
    """Attacks from words. Raises ValueError where one is there twice."""
    found = tuple(Assault.read(text) for text in texts)
    for n, each in enumerate(found):
        if each.label in [other.label for other in found[:n]]:
            raise ValueError(f"the attack {each.label!r} is chosen twice")
    return found
