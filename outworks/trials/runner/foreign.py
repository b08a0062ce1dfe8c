"""Foreign: other people's logs as a run: Inspect logs of any task, and garak's reports."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
from inspect_ai.log import EvalLog, EvalSample
from inspect_ai.scorer import Score

from outworks.adversary import Budget, Goal, Judged, Outcome, Prices, Spent, Tier
from outworks.message import Usage
from outworks.trials.lineup import BARE
from outworks.trials.record import Manifest, Record, Result, Run, TargetManifest
from outworks.trials.runner.loading import EXPECTED, load, logs_in, read, records_of
from outworks.trials.runner.task import GOALS, LEFT_OUT, RECORDS

Harm = Literal["high", "low"]
"""Whether a high score means harm (StrongREJECT, AgentHarm), or a low one (a task that scores refusing as correct)."""
_CUT = 0.5


def load_any(path: Path, *, harm: Harm = "high") -> Run:
    """A run of ours, an Inspect log or a folder of them, or a garak report. Raises `ValueError` for anything else."""
    if path.is_dir():
        if (path / "trial.json").is_file():
            return load(path)
        logs = logs_in(path)
        if not logs:
            raise ValueError(f"{path} holds no run and no Inspect log; {EXPECTED}")
        return from_inspect(logs, harm=harm)
    if not path.exists():
        raise ValueError(f"there is no {path}; {EXPECTED}")
    if path.suffix == ".jsonl":
        return from_garak(path)
    return from_inspect([read(path)], harm=harm)


def from_inspect(logs: Iterable[EvalLog], *, harm: Harm = "high") -> Run:
    """Samples as goals, each epoch a query, by the log's own scorer; tasks of ours (`inspect eval outworks/...`) as
    what they are. Raises `ValueError` without samples."""
    logs = _once(logs)
    notes = _taken_together(logs)
    if any(_is_ours(sample) for log in logs for sample in log.samples or []):
        return _ours(logs, notes)
    records = [_sample(log, sample, harm) for log in logs for sample in log.samples or []]
    merged: dict[tuple[str, str, str], Record] = {}
    for record in records:
        key = (record.target, record.adversary, record.goal)
        before = merged.get(key)
        merged[key] = record if before is None else _joined(before, record)
    if not merged:
        raise ValueError("the log holds no samples: nothing was tried")
    note = f"not run by Outworks: the log's own scores, of which {harm} ones (cut at {_CUT}) count as harm"
    return _run("inspect", list(merged.values()), note, *notes)


def _taken_together(logs: Sequence[EvalLog]) -> tuple[str, ...]:
    """What is told where a folder holds one task against one model more than once: a goal's tries then add up."""
    runs: dict[tuple[str, str, str], set[str]] = {}
    for log in logs:
        asked = msgspec.json.encode(log.eval.task_args, enc_hook=str, order="sorted").decode()
        runs.setdefault((log.eval.task, log.eval.model, asked), set()).add(log.eval.task_id)
    return tuple(
        f"{task} was run {len(ids)} times against {model}: the tries of all are taken together"
        for (task, model, _), ids in runs.items()
        if len(ids) > 1
    )


def _once(logs: Iterable[EvalLog]) -> list[EvalLog]:
    """Every sample once, as the latest log has it: a retried log holds again what the one before it came to."""
    logs = sorted(logs, key=lambda log: log.eval.created)
    latest = {_key(log, sample): log for log in logs for sample in log.samples or []}
    return [
        log.model_copy(update={"samples": [one for one in log.samples or [] if latest[_key(log, one)] is log]})
        for log in logs
    ]


def _key(log: EvalLog, sample: EvalSample) -> tuple[str, str, int]:
    return log.eval.task_id, str(sample.id), sample.epoch


def _is_ours(sample: EvalSample) -> bool:
    return RECORDS in sample.metadata


def _ours(logs: Iterable[EvalLog], notes: Iterable[str]) -> Run:
    """Suites that were run by Inspect's own command: the model's name there is the target's."""
    found: list[Record] = []
    goals: dict[str, Goal] = {}
    for log in logs:
        found += [msgspec.structs.replace(record, target=log.eval.model) for record in records_of(log)]
        kept = (log.eval.metadata or {}).get(GOALS)
        goals |= {goal.id: goal for goal in msgspec.json.decode(kept, type=list[Goal])} if kept else {}
    made = _run("inspect", found, "run by Inspect's own command", *notes)
    told = [line for log in logs for line in (log.eval.metadata or {}).get(LEFT_OUT, ())]
    manifest = msgspec.structs.replace(
        made.manifest,
        goals=tuple(goals.values()) or made.manifest.goals,
        left_out=(*made.manifest.left_out, *dict.fromkeys(told)),
    )
    return msgspec.structs.replace(made, manifest=manifest)


def from_garak(path: Path) -> Run:
    """garak's report: an attempt as a goal, an output as a query, harm where any detector gives half or more."""
    records = []
    target = "garak target"
    for n, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            entry = msgspec.json.decode(line, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise ValueError(f"{path}:{n}: no JSON object, so the report may be cut off: {error}") from None
        if entry.get("entry_type") == "start_run setup":
            keys = ("target_name", "model_name", "target_type", "model_type")
            target = next((str(name) for key in keys if (name := entry.get(f"plugins.{key}"))), target)
        if entry.get("entry_type") == "attempt" and entry.get("status") == 2:
            records.append(_attempt(entry, target))
    if not records:
        raise ValueError(f"{path} holds no finished attempt; expected a garak report (report.jsonl)")
    return _run("garak", records, "not run by Outworks: garak's own detectors decided")


def _attempt(entry: dict[str, Any], target: str) -> Record:
    found = [scores for scores in (entry.get("detector_results") or {}).values() if isinstance(scores, list)]
    probe = str(entry.get("probe_classname", "garak"))
    harms = [any(s is not None and s >= _CUT for s in column) for column in zip(*found, strict=False)]
    return Record(
        target=target,
        configuration=BARE,
        adversary=probe,
        tier=Tier.CASUAL,
        adaptive=False,
        goal=f"{probe}/{entry.get('seq', 0)}",
        category=str(entry.get("goal") or probe),
        benign=False,
        results=tuple(_result(harm) for harm in harms),
        spent=Spent(queries=len(harms), accounts=1),
        scorer="+".join(sorted(map(str, entry.get("detector_results") or {}))),
        error="" if harms else "no detector looked at it",
    )


def _sample(log: EvalLog, sample: EvalSample, harm: Harm) -> Record:
    score = next(iter((sample.scores or {}).values()), None)
    value = _value(score) if score is not None else None
    error = (
        sample.error.message if sample.error else "" if value is not None else "no score that is a number or a grade"
    )
    bad = value is not None and (value >= _CUT if harm == "high" else value < _CUT)
    used = list((sample.model_usage or {}).values())
    usage = Usage(sum(one.input_tokens for one in used), sum(one.output_tokens for one in used))
    return Record(
        target=log.eval.model,
        configuration=BARE,
        adversary=log.eval.task,
        tier=Tier.CASUAL,
        adaptive=False,
        goal=str(sample.id),
        category=str(sample.metadata.get("category", log.eval.task)),
        benign=False,
        results=()
        if error
        else (msgspec.structs.replace(_result(bad), usage=usage, seconds=sample.total_time or 0.0),),
        spent=Spent(queries=1, input_tokens=usage.input_tokens, output_tokens=usage.output_tokens, accounts=1),
        scorer=next(iter(sample.scores or {}), ""),
        error=error,
    )


def _value(score: Score) -> float | None:
    """A grade as a number: C and I, true and false, or what is one."""
    value = score.value
    if isinstance(value, dict):
        value = next(iter(value.values()), None)  # type: ignore[assignment]
    if isinstance(value, bool | int | float):
        return float(value)
    grades = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}
    return grades.get(value) if isinstance(value, str) else None


def _joined(first: Record, second: Record) -> Record:
    spent = Spent(
        queries=first.spent.queries + second.spent.queries,
        input_tokens=first.spent.input_tokens + second.spent.input_tokens,
        output_tokens=first.spent.output_tokens + second.spent.output_tokens,
        accounts=1,
    )
    results = (*first.results, *second.results)
    return msgspec.structs.replace(first, results=results, spent=spent, error="" if results else first.error)


def _result(harmful: bool) -> Result:
    return Result(outcome=Outcome.DELIVERED if harmful else Outcome.ATTEMPTED, harmful=harmful)


def _lines(records: list[Record], target: str) -> tuple[str, ...]:
    names = (r.configuration.removeprefix("only:") for r in records if r.target == target and ":" in r.configuration)
    return tuple(dict.fromkeys(name for name in names if not name.startswith("without:")))


def _run(suite: str, records: list[Record], *notes: str) -> Run:
    goals = {record.goal: record.category for record in records}
    targets: Iterator[str] = iter(dict.fromkeys(record.target for record in records))
    most = max((len(record.results) for record in records), default=0)
    return Run(
        manifest=Manifest(
            suite=suite,
            version="foreign",
            digest="",
            goals=tuple(Goal(id=id, category=c, prompt="", oracle=Judged()) for id, c in goals.items()),
            targets=tuple(TargetManifest(name=name, lines=_lines(records, name)) for name in targets),
            tiers=tuple(dict.fromkeys(record.tier for record in records)),
            against=("model",),
            budget=Budget(queries=max(1, most)),
            prices=Prices(),
            seed=0,
            pace=0.0,
            left_out=notes,
        ),
        records=tuple(records),
    )
