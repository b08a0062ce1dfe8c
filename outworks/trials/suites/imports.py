"""Imports: goals, templates and prompts of others, read at run time; none of them ship with the project."""

import csv
import hashlib
import importlib
import io
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from outworks.adversary import Goal, Judged
from outworks.nearest import did_you_mean
from outworks.trials.suites.suite import Suite

_PROMPTS = ("goal", "behavior", "forbidden_prompt", "prompt", "instruction")
"""Columns that hold the goal: AdvBench and JailbreakBench, HarmBench, StrongREJECT, and plain lists."""
_AIMS = ("target", "aim")
_CATEGORIES = ("category", "semanticcategory", "semantic_category", "functionalcategory")
_IDS = ("behaviorid", "id", "index", "behavior_id")


def goals(path: Path) -> Suite:
    """A suite of the goals in a CSV file (AdvBench, HarmBench, StrongREJECT, JailbreakBench), a JSON list, JSON lines,
    or a JailbreakBench artifact. Its version is the digest of the file. Raises `ValueError` where there are none."""
    data = path.read_bytes()
    rows = list(_rows(path, data))
    made: dict[str, Goal] = {}
    for n, row in enumerate(rows, 1):
        row = {str(key).strip().lower().replace(" ", ""): value for key, value in row.items()}
        prompt = _first(row, _PROMPTS)
        if not prompt:
            continue
        context = str(row.get("contextstring") or "").strip()
        category = _first(row, _CATEGORIES) or "imported"
        id = f"{path.stem}/{_first(row, _IDS) or n}"
        asked = f"{context}\n\n{prompt}" if context else prompt
        made[id] = Goal(id=id, category=category, prompt=asked, oracle=Judged(), aim=_first(row, _AIMS))
    if not made:
        columns = ", ".join(sorted(map(str, rows[0]))) if rows else "nothing"
        raise ValueError(f"{path} holds no goals: it has {columns}; expected a column {', '.join(_PROMPTS)}")
    version = hashlib.sha256(data).hexdigest()[:12]
    return Suite(name=path.stem, version=version, goals=tuple(made.values()))


def artifacts(path: Path) -> Mapping[str, Sequence[str]]:
    """A JailbreakBench artifact's prompts, by the goal's words. Raises `ValueError` where it is none."""
    read = _json(path)
    found: dict[str, list[str]] = {}
    for one in read.get("jailbreaks", ()) if isinstance(read, dict) else ():
        if isinstance(one, dict) and one.get("prompt") and one.get("goal"):
            found.setdefault(str(one["goal"]), []).append(str(one["prompt"]))
    if not found:
        raise ValueError(f"{path} is no artifact: expected `jailbreaks`, each with `goal` and `prompt`")
    return found


def lines(path: Path) -> Iterator[str]:
    """One string a line, as it stands or as JSON. Empty lines are passed over."""
    for n, line in enumerate(path.read_text("utf-8").split("\n"), 1):
        if not line.strip():
            continue
        if not line.startswith('"'):
            yield line
            continue
        try:
            yield msgspec.json.decode(line, type=str)
        except msgspec.DecodeError as error:
            raise ValueError(f"{path}:{n}: no JSON string: {error}") from None


def garak(probe: str) -> Suite:
    """The prompts of one of garak's probes, as goals. Needs the extra `outworks[garak]`. Raises `ValueError` for a
    probe that there is not, with the nearest name."""
    try:
        found: Any = importlib.import_module("garak.probes")
    except ModuleNotFoundError as error:
        why = "garak's probes need the extra: pip install 'outworks[garak]'"
        raise ModuleNotFoundError(why, name=error.name) from error
    module, _, name = probe.partition(".")
    known = [each.name for each in pkgutil.iter_modules(found.__path__)]
    if module not in known:
        raise ValueError(_unknown("module of probes", module, known))
    probes: Any = importlib.import_module(f"garak.probes.{module}")
    classes = [each for each in vars(probes) if isinstance(vars(probes)[each], type) and not each.startswith("_")]
    if name not in classes:
        raise ValueError(_unknown(f"probe in garak.probes.{module}", name, classes))
    made = getattr(probes, name)()
    prompts = [text for one in made.prompts if (text := _words(one))]
    if not prompts:
        raise ValueError(f"the probe {probe!r} has no prompts in words")
    aim, version = (
        str(getattr(made, "goal", "") or ""),
        str(getattr(importlib.import_module("garak"), "__version__", "?")),
    )
    return Suite(
        name=f"garak:{probe}",
        version=f"garak {version}",
        goals=tuple(
            Goal(id=f"garak/{probe}/{n}", category=aim or module, prompt=text, oracle=Judged())
            for n, text in enumerate(prompts, 1)
        ),
    )


def _words(prompt: Any) -> str:
    """The text of a probe's prompt: a string, or the last turn of a conversation."""
    if isinstance(prompt, str):
        return prompt
    last = getattr(prompt, "last_message", None)
    text = getattr(last(), "text", None) if callable(last) else getattr(prompt, "text", None)
    return text if isinstance(text, str) else ""


def _rows(path: Path, data: bytes) -> Iterator[Mapping[str, Any]]:
    if path.suffix == ".csv":
        text = data.decode("utf-8-sig")
        csv.field_size_limit(max(csv.field_size_limit(), len(text)))
        yield from csv.DictReader(io.StringIO(text, newline=""))
        return
    if path.suffix == ".jsonl":
        for n, line in enumerate(data.splitlines(), 1):
            if line.strip():
                yield _row(path, line, n)
        return
    read = _json(path)
    rows = read.get("jailbreaks", ()) if isinstance(read, dict) else read
    yield from (row for row in rows if isinstance(row, dict))


def _row(path: Path, line: bytes, n: int) -> Mapping[str, Any]:
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise ValueError(f"{path}:{n}: no JSON object: {error}") from None


def _json(path: Path) -> Any:
    try:
        return msgspec.json.decode(path.read_bytes())
    except msgspec.DecodeError as error:
        raise ValueError(f"{path} is no JSON: {error}") from None


def _first(row: Mapping[str, Any], names: Sequence[str]) -> str:
    return next((str(row[name]).strip() for name in names if row.get(name) not in (None, "")), "")


def _unknown(what: str, given: str, known: Sequence[str]) -> str:
    hint = did_you_mean(given, known, f"known: {', '.join(sorted(known)[:20])}")
    return f"garak has no {what} {given!r}{hint}"
