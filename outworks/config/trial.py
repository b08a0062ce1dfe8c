"""A trial in a file: which suite, against whom, with which budget."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta

from outworks.adversary import Access, Budget, Prices, Tier
from outworks.models import anthropic, local, openai, scripted
from outworks.nearest import did_you_mean
from outworks.toml import LARGEST, read

_NAME = Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")


class Complying(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="complying", tag_field="provider"
):
    """A scripted model that does whatever anybody tells it: what remains is what the lines do."""


class Refusing(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="refusing", tag_field="provider"
):
    """A scripted model that refuses everything."""


Asked: TypeAlias = openai.Settings | anthropic.Settings | local.Settings | scripted.Settings | Complying | Refusing


class TargetEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is attacked."""

    name: Annotated[str, _NAME]
    """What tables call it."""
    model: Asked
    """The model, as a policy describes one; `provider` may also be `complying` or `refusing`."""
    unaligned: str = ""
    """The target whose model stands for this one's without alignment: a scripted one, or a checkpoint."""
    remote: bool = False
    """A product behind a URL: its lines are its own, and none of yours are put around it."""
    refuses: tuple[Access, ...] = ()
    """Access that it gives nobody, whatever an adversary has."""
    connections: Annotated[int, Meta(ge=1)] = 4
    """How many may ask it at once."""
    block_messages: tuple[str, ...] = ()
    """Regular expressions for answers that are the product's block message, and no answer of the model."""


_AGAINST = ("model", "product", "lines", "ablations")


class TrialFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a trial's file can say."""

    suite: str = "quickstart"
    """`quickstart`, `canaries`, `behaviours`, `everyday`, `all`; a CSV or JSON file of goals; or a garak probe,
    as `garak:MODULE.PROBE`."""
    tiers: tuple[Tier, ...] = tuple(Tier)
    """Which adversaries: `everyday`, `casual`, `capable`, `resourced`, `third_party`."""
    against: tuple[str, ...] = ("model", "product", "lines", "ablations")
    """`model` (the bare upstream), `product` (all lines), `lines` (each line alone, and all but each, from the record
    of fixed attacks), `ablations` (these attacked anew by adaptive adversaries: many times the work)."""
    seed: int = 0
    """The same seed, the same attacks."""
    pace_s: Annotated[float, Meta(gt=0)] = 15.0
    """Seconds of the product's time between an adversary's queries. Rules count by it, so that a fast machine makes no
    product look stricter."""
    samples: Annotated[int, Meta(ge=1)] = 4
    """Attacks at once."""
    policy: str = ""
    """The policy whose lines and rules stand around the targets; empty for every line at its defaults, no rules."""
    false_positive_rate: Annotated[float, Meta(gt=0, lt=1)] | None = None
    """The share of innocent requests that a line with a threshold may stop, for all of them alike, in place of what the
    policy says of each. It is set before anything is attacked; what the lines stop of innocent people is measured then,
    and told with the result."""
    fingerprints: str = ""
    """A file of known bad texts for the bank, as `outworks fingerprints export` writes it."""
    templates: str = ""
    """A file of jailbreak templates of your own, a plain line or a JSON string each; `{goal}` is its place."""
    suffixes: str = ""
    """A file of suffixes found on other models, a JSON string or a plain line each."""
    artifacts: str = ""
    """A JailbreakBench artifact file: its prompts are sent as they are, for the goals that they name."""
    attacker: str = ""
    """The target whose model rewrites prompts for `attacker_model`; without it that adversary is left out."""
    budget: Budget = Budget()
    """What one adversary may spend on one goal."""
    prices: Prices = Prices()
    """What it pays."""
    parameters: dict[str, Any] = {}
    """Parameters of every request, under their canonical names, such as `max_tokens`."""
    targets: tuple[TargetEntry, ...] = ()
    """Who is attacked; none means the embedded model, the one that always complies, and the one that always refuses."""


def load_trial(path: Path) -> TrialFile:
    """The trial in a file; its paths begin at the file's folder. Raises `PolicyError` with every fault."""
    with path.open("rb") as file:
        reading = read(file.read(LARGEST + 1), TrialFile, file=str(path))
    trial = reading.take(TrialFile)
    if trial is not None:
        names = [target.name for target in trial.targets]
        for n, target in enumerate(trial.targets):
            if names.index(target.name) != n:
                reading.fault(("targets", n, "name"), f"{target.name!r} is the name of another target")
            if target.unaligned and target.unaligned not in names:
                reading.fault(("targets", n, "unaligned"), _unknown(target.unaligned, names))
        if trial.attacker and trial.attacker not in names:
            reading.fault(("attacker",), _unknown(trial.attacker, names))
        for n, against in enumerate(trial.against):
            if against not in _AGAINST:
                reading.fault(("against", n), f"{against!r} is none of {', '.join(_AGAINST)}")
        for name in ("queries", "tokens", "seconds", "accounts", "money"):
            value = getattr(trial.budget, name)
            if value is not None and value <= 0:
                reading.fault(("budget", name), f"{value:g}; expected more than nothing")
    reading.settle()
    assert trial is not None
    return msgspec.structs.replace(trial, **_placed(trial, path.absolute().parent))


def _placed(trial: TrialFile, folder: Path) -> Mapping[str, Any]:
    return {
        **_beside(trial, folder, "policy", "fingerprints", "templates", "suffixes", "artifacts"),
        "targets": tuple(_target_placed(each, folder) for each in trial.targets),
    }


def _target_placed(target: TargetEntry, folder: Path) -> TargetEntry:
    files = _beside(target.model, folder, "path", "adapter", "ca_file")
    return msgspec.structs.replace(target, model=msgspec.structs.replace(target.model, **files))


def _beside(given: msgspec.Struct, folder: Path, *names: str) -> Mapping[str, str]:
    """The files among these settings, from the folder."""
    return {name: str(folder / path) for name in names if (path := getattr(given, name, ""))}


def _unknown(name: str, names: list[str]) -> str:
    return f"there is no target {name!r}{did_you_mean(name, names, 'known: ' + ', '.join(names))}"
