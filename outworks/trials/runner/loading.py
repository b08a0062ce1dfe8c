"""Loading: a run from its folder; the logs in it are Inspect's own, so `inspect view` opens them too."""

import os
from pathlib import Path

import msgspec
from inspect_ai.log import EvalLog, EvalSample, list_eval_logs, read_eval_log

from outworks.adversary import Tier
from outworks.trials.record import Manifest, Record, Run
from outworks.trials.runner.task import RECORDS

EXPECTED = "expected a run's folder, an Inspect log (.eval or .json) or a garak report (.jsonl)"
_MANIFEST = "trial.json"
_LOGS = (".eval", ".json")


def save(manifest: Manifest, folder: Path) -> None:
    """Write down what a run is. Raises `ValueError` where the folder holds another one."""
    path = folder / _MANIFEST
    if path.exists():
        before = _manifest(path)
        differs = [name for name in _ASKED + _TERMS if getattr(before, name) != getattr(manifest, name)]
        if differs:
            raise ValueError(
                f"{folder} holds a run with another {', '.join(differs)}; give this one a folder of its own, or go on "
                "with the same settings"
            )
        return
    # It appears when it is whole: a folder with half of one could be neither gone on with nor reported.
    fresh = path.with_name(f"{path.name}.part")
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1))
    os.replace(fresh, path)


_ASKED = ("suite", "version", "digest", "targets", "tiers", "against")
_TERMS = ("budget", "prices", "seed", "pace", "parameters", "brought")


def load(folder: Path) -> Run:
    """The run in a folder. Raises `ValueError` where a log cannot be read, and names it."""
    path = folder / _MANIFEST
    if not path.is_file():
        raise ValueError(f"{folder} holds no run: there is no {_MANIFEST} in it")
    manifest = _manifest(path)
    latest: dict[str, Record] = {}
    logs = logs_in(folder / "logs")
    for log in logs:
        for record in records_of(log):
            latest[f"{record.target}|{record.configuration}|{record.adversary}|{record.goal}"] = record
    # A run that was stopped is worth reading, but never as if it were whole.
    done = {log.eval.task for log in logs if log.status == "success"}
    missing = tuple(name for name in manifest.tasks if name not in done)
    if missing:
        said = f"NOT COMPLETE: {', '.join(missing)} did not come to an end; the same command with --out goes on with it"
        manifest = msgspec.structs.replace(manifest, left_out=(said, *manifest.left_out))
    return Run(manifest=manifest, records=tuple(latest.values()), unfinished=missing)


def _manifest(path: Path) -> Manifest:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (msgspec.DecodeError, OSError) as error:
        raise ValueError(f"{path} is no manifest of a run: {error}") from None


def logs_in(folder: Path) -> list[EvalLog]:
    """The logs below a folder, the earliest first, so that what was retried later counts; by their own word, since the
    files of a copy may all be of one moment."""
    logs = [read(Path(info.name.removeprefix("file://"))) for info in list_eval_logs(str(folder), descending=False)]
    return sorted(logs, key=lambda log: log.eval.created)


def check_logs(folder: Path) -> None:
    """Raise `ValueError` for a log that cannot be read, so that it is named before a run is gone on with."""
    for info in list_eval_logs(str(folder)) if folder.is_dir() else ():
        read(Path(info.name.removeprefix("file://")), header_only=True)


def read(path: Path, *, header_only: bool = False) -> EvalLog:
    """A log. Raises `ValueError` where it is cut off or none at all."""
    if path.suffix not in _LOGS or not path.stat().st_size:
        what = "is no Inspect log" if path.suffix not in _LOGS else "is empty"
        raise ValueError(f"{path} {what}; {EXPECTED}")
    try:
        return read_eval_log(str(path), header_only=header_only)
    except Exception as error:
        raise ValueError(
            f"{path} cannot be read as an Inspect log: {type(error).__name__}: {error}; a log that a crash cut off can "
            "be mended with `inspect log recover`"
        ) from None


def records_of(log: EvalLog) -> list[Record]:
    """What the samples of a task of ours came to."""
    found = []
    for sample in log.samples or []:
        kept = sample.metadata.get(RECORDS)
        if kept is not None:
            found += msgspec.json.decode(kept, type=list[Record])
        else:
            found.append(_failed(log, sample))
    return found


def _failed(log: EvalLog, sample: EvalSample) -> Record:
    """An attack that came to no end: neither a success nor a defense that held."""
    adversary, _, goal = str(sample.id).partition("@")
    meta = log.eval.metadata or {}
    why = sample.error.message if sample.error else sample.limit.type if sample.limit else "it was not scored"
    return Record(
        target=meta.get("target", log.eval.model),
        configuration=meta.get("configuration", ""),
        adversary=adversary,
        tier=Tier(sample.metadata.get("tier", Tier.CASUAL)),
        adaptive=not log.eval.task.endswith("-fixed"),
        goal=goal,
        category="",
        benign=False,
        error=why,
    )
