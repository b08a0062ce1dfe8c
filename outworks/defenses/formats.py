"""Formats in which fingerprints are exchanged: JSON lines, CSV, and JSON as ThreatExchange has it."""

import contextlib
import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from outworks.defenses.entry import Entry, Known, added, exported, imported
from outworks.defenses.shingles import Print

Format = Literal["jsonl", "csv", "threatexchange"]
FORMATS: tuple[Format, ...] = get_args(Format)

_COLUMNS = ("id", "text", "source", "reason", "category", "match", "enabled", "print")
_NEEDED = ("text", "source", "reason")
# Meta's ThreatExchange (and its Hash-Matcher-Actioner) gives each indicator a type, a value and a status.
# https://developers.facebook.com/docs/threat-exchange/reference/apis/threat-descriptor
_TEXT = frozenset({"TEXT_STRING", "RAW_TEXT", "DEBUG_STRING", "BANNED_TEXT"})
_PRINT = "OUTWORKS_PRINT"
_BAD = frozenset({"MALICIOUS", "SUSPICIOUS", ""})
_HARMLESS = ("UNKNOWN", "NON_MALICIOUS")


class _Descriptor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A threat descriptor, of which the fields that say something here."""

    type: str
    indicator: str
    id: str | None = None
    status: str = ""
    description: str = ""
    owner: Any = None
    """A name, or an object with a `name`."""
    tags: Any = ()
    """Strings; or as the API returns them, `{"data": [{"text": ...}]}`."""


class _Document(msgspec.Struct, frozen=True):
    data: tuple[msgspec.Raw, ...]


def format_of(path: Path) -> Format:
    """The format that a file's ending tells: `.csv`, `.json` for ThreatExchange, else JSON lines."""
    endings: Mapping[str, Format] = {".csv": "csv", ".json": "threatexchange"}
    return endings.get(path.suffix.lower(), "jsonl")


def read_entries(text: str, format: Format) -> list[Known]:
    """The entries in a file's text. The whole is validated before any of it is used.

    Raises ValueError that names every line, row or indicator at fault.
    """
    text = text.removeprefix("\ufeff")  # spreadsheets and editors put a byte order mark first
    if format == "jsonl":
        # Not at what else Python takes for the end of a line: a text may hold it, and JSON does not escape it.
        return imported(text.split("\n"))
    rows = _csv_rows(text) if format == "csv" else _descriptors(text)
    read: list[Known] = []
    faults: list[str] = []
    seen: dict[str, str] = {}
    for where, row in rows:
        try:
            known = row()
            name = added(known, by="").name
        except (ValueError, msgspec.ValidationError) as error:
            faults.append(f"{where}: {error}")
            continue
        if name in seen:
            faults.append(f"{where}: id: {name!r} is in {seen[name]} already")
        seen.setdefault(name, where)
        read.append(known)
    if faults:
        raise ValueError("\n".join(faults))
    return read


def written(entries: Iterable[Entry], texts: Mapping[str, str], format: Format) -> str:
    """The entries as a file's text that `read_entries` reads; one whose text is not in `texts` goes by its print."""
    lines = exported(entries, dict(texts))
    if format == "jsonl":
        return "".join(f"{line}\n" for line in lines)
    known = [msgspec.json.decode(line, type=Known) for line in lines]
    return _as_csv(known) if format == "csv" else _as_threatexchange(known)


class _Row:
    """A row that is made into an entry when it is asked to be, so that each fault is told with its place."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = fields

    def __call__(self) -> Known:
        return msgspec.convert(self._fields, Known)


def _csv_rows(text: str) -> "Iterator[tuple[str, _Row]]":
    # The module's own bound for a cell is 128 KiB, and what is written here must be read again.
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        header = next(reader, [])
        unknown = [name for name in header if name not in _COLUMNS]
        missing = [name for name in _NEEDED if name not in header]
        if unknown or missing:
            said = [f"the columns {', '.join(unknown)} are unknown"] if unknown else []
            said += [f"the columns {', '.join(missing)} are missing"] if missing else []
            raise ValueError(f"line 1: {'; '.join(said)}; there are {', '.join(_COLUMNS)}")
        for cells in reader:
            if not cells:
                continue
            where = f"line {reader.line_num}"
            if len(cells) != len(header):
                raise ValueError(f"{where}: {len(cells)} cells under {len(header)} columns")
            yield where, _Row(_of_cells(dict(zip(header, cells, strict=True))))
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: {error}") from error


def _of_cells(cells: Mapping[str, str]) -> dict[str, Any]:
    fields: dict[str, Any] = {name: _opened(value) for name, value in cells.items() if value}
    if "enabled" in fields:
        said = fields["enabled"].lower()
        fields["enabled"] = {"true": True, "1": True, "false": False, "0": False}.get(said, fields["enabled"])
    if "print" in fields:
        # One that cannot be read is told with its line when the row is made into an entry.
        with contextlib.suppress(msgspec.DecodeError):
            fields["print"] = msgspec.json.decode(fields["print"])
    return fields


# Spreadsheets run what begins like this, and the texts in the bank were written by adversaries (CWE-1236).
_RUN = ("=", "+", "-", "@", "\t", "\r", "'")


def _closed(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_RUN) else cell


def _opened(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_RUN) else cell


def _as_csv(entries: Iterable[Known]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(_COLUMNS)
    for known in entries:
        print_ = "" if known.print is None else msgspec.json.encode(known.print).decode()
        cells = (known.id or "", known.text or "", known.source, known.reason, known.category, known.match)
        writer.writerow([*map(_closed, cells), str(known.enabled).lower(), print_])
    return out.getvalue()


def _descriptors(text: str) -> "Iterator[tuple[str, _FromDescriptor]]":
    try:
        document = msgspec.json.decode(text, type=_Document)
    except msgspec.DecodeError as error:
        raise ValueError(f"it is not ThreatExchange's JSON, an object with a list `data`: {error}") from error
    for number, raw in enumerate(document.data, 1):
        yield f"indicator {number}", _FromDescriptor(raw)


class _FromDescriptor:
    def __init__(self, raw: msgspec.Raw) -> None:
        self._raw = raw

    def __call__(self) -> Known:
        found = msgspec.json.decode(self._raw, type=_Descriptor)
        if found.status in _HARMLESS:
            raise ValueError(f"status: {found.status} is nothing to be stopped; expected MALICIOUS or SUSPICIOUS")
        if found.status not in _BAD:
            raise ValueError(f"status: {found.status[:40]!r} is unknown; expected MALICIOUS or SUSPICIOUS")
        tags = list(_tags(found.tags))
        said = dict(tag.split(":", 1) for tag in tags if ":" in tag)
        fields: dict[str, Any] = {
            "source": _owner(found.owner) or "ThreatExchange",
            "reason": found.description or f"shared as {found.type}",
            "enabled": "disabled" not in tags,
        }
        fields |= {name: said[f"outworks_{name}"] for name in ("category", "match") if f"outworks_{name}" in said}
        if found.id:
            fields["id"] = found.id
        if found.type in _TEXT:
            fields["text"] = found.indicator
        elif found.type == _PRINT:
            fields["print"] = msgspec.json.decode(found.indicator, type=Print)
        else:
            known = ", ".join(sorted({*_TEXT, _PRINT}))
            why = "a hash of a text cannot be found in others" if "HASH" in found.type else "it is no text"
            raise ValueError(f"type: {found.type[:40]!r} cannot be an entry, {why}; expected one of {known}")
        return msgspec.convert(fields, Known, from_attributes=True)


def _tags(given: Any) -> Iterator[str]:
    items = given.get("data", ()) if isinstance(given, dict) else given
    for item in items if isinstance(items, list | tuple) else ():
        text = item.get("text") if isinstance(item, dict) else item
        if isinstance(text, str):
            yield text


def _owner(given: Any) -> str:
    name = given.get("name") if isinstance(given, dict) else given
    return name if isinstance(name, str) else ""


def _as_threatexchange(entries: Iterable[Known]) -> str:
    data = []
    for known in entries:
        indicator = known.text if known.text is not None else msgspec.json.encode(known.print).decode()
        tags = [f"outworks_category:{known.category}", f"outworks_match:{known.match}"]
        data.append(
            _Descriptor(
                id=known.id,
                type="TEXT_STRING" if known.text is not None else _PRINT,
                indicator=indicator,
                status="MALICIOUS",
                description=known.reason,
                owner={"name": known.source},
                tags=tags if known.enabled else [*tags, "disabled"],
            )
        )
    return msgspec.json.format(msgspec.json.encode({"data": data}), indent=1).decode() + "\n"
