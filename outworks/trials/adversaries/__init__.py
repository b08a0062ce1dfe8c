"""THE list of adversaries, by tier. Adding one is a file here, a row below, a test, and a line in the changelog."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from outworks.adversary import Adversary, Tier
from outworks.model import Model
from outworks.nearest import did_you_mean
from outworks.trials.adversaries.artifacts import Artifacts
from outworks.trials.adversaries.attacker_model import AttackerModel
from outworks.trials.adversaries.best_of_n import BestOfN
from outworks.trials.adversaries.decoding import Decoding
from outworks.trials.adversaries.escalation import Escalation
from outworks.trials.adversaries.insisting import Insisting
from outworks.trials.adversaries.natural import Natural
from outworks.trials.adversaries.obfuscation import Obfuscation
from outworks.trials.adversaries.own_model import OwnModel
from outworks.trials.adversaries.planted import Documents, ToolResults
from outworks.trials.adversaries.prefill import Prefill
from outworks.trials.adversaries.random_search import RandomSearch
from outworks.trials.adversaries.roleplay import Roleplay
from outworks.trials.adversaries.rotation import Rotation
from outworks.trials.adversaries.suffixes import Suffixes
from outworks.trials.adversaries.templates import TEMPLATES, Templates
from outworks.trials.adversaries.voices import Voices


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What the user brings along."""

    templates: tuple[str, ...] = ()
    """Jailbreak templates, besides the project's own."""
    suffixes: tuple[str, ...] = ()
    """Suffixes found on other models, instead of the project's own."""
    artifacts: Mapping[str, Sequence[str]] = {}
    """Prompts that others found, by the goal's words; without any there is no `artifacts`."""
    attacker: Model | None = None
    """The model that rewrites prompts; without it there is no `attacker_model`."""


def adversaries(given: Given | None = None) -> tuple[Adversary, ...]:
    """Everybody, in the order in which a table lists them."""
    given = given or Given()
    attacker: Sequence[Adversary] = (AttackerModel(given.attacker),) if given.attacker is not None else ()
    found: Sequence[Adversary] = (Artifacts(given.artifacts),) if given.artifacts else ()
    return (
        Natural(),
        Templates((*TEMPLATES, *given.templates)),
        Insisting(),
        Roleplay(),
        Escalation(),
        Voices(),
        Decoding(),
        BestOfN(),
        Obfuscation(),
        Suffixes(given.suffixes),
        *found,
        Prefill(),
        RandomSearch(),
        *attacker,
        Rotation(),
        OwnModel(),
        Documents(),
        ToolResults(),
    )


def absent(given: Given, tiers: Iterable[str]) -> tuple[str, ...]:
    """Who is not there for want of something that only the user can bring, and what that is."""
    if Tier.CAPABLE not in set(tiers):
        return ()
    said = []
    if given.attacker is None:
        said.append("attacker_model is left out: `attacker` names no target whose model rewrites its prompts")
    if not given.artifacts:
        said.append("artifacts is left out: `artifacts` names no file of prompts that others found")
    return tuple(said)


def of_tiers(tiers: Iterable[str], among: Sequence[Adversary]) -> tuple[Adversary, ...]:
    """Those of these tiers. Raises `ValueError` for a tier that there is not, with the nearest name."""
    wanted = []
    for tier in tiers:
        if tier not in {each.value for each in Tier}:
            raise ValueError(f"there is no tier {tier!r}{did_you_mean(tier, Tier, 'known: ' + ', '.join(Tier))}")
        wanted.append(Tier(tier))
    return tuple(each for each in among if each.tier in wanted)


__all__ = ["Given", "absent", "adversaries", "of_tiers"]
