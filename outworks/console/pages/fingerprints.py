"""Fingerprints: the bank of known bad texts, added to from what was seen, switched, taken in and given out."""

import time
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta
from starlette.datastructures import UploadFile
from starlette.responses import Response

from outworks.console.reveal import reveal
from outworks.console.web import Ask, Page, Refused
from outworks.defenses.entry import Entry, Known, added, switched
from outworks.defenses.formats import FORMATS, read_entries, written
from outworks.enforcement.desk import queues
from outworks.enforcement.desk.roles import Operation
from outworks.event import Event

_PAGE = 200


class _Asked(msgspec.Struct, frozen=True):
    q: Annotated[str, Meta(max_length=200)] = ""
    page: Annotated[int, Meta(ge=0, le=100_000)] = 0
    seq: int | None = None


class _New(msgspec.Struct, frozen=True, kw_only=True):
    text: Annotated[str, Meta(min_length=1, max_length=100_000)]
    source: Annotated[str, Meta(min_length=1, max_length=200)]
    reason: Annotated[str, Meta(min_length=1, max_length=1000)]
    category: Annotated[str, Meta(min_length=1, max_length=64)] = "known_bad"
    match: Literal["exact", "near", "both"] = "both"


class _From(msgspec.Struct, frozen=True):
    exchange: Annotated[str, Meta(min_length=1, max_length=100)]


class _Switched(msgspec.Struct, frozen=True):
    id: str
    reason: Annotated[str, Meta(min_length=1, max_length=1000)]


class _Try(msgspec.Struct, frozen=True):
    text: Annotated[str, Meta(max_length=100_000)]


class _Format(msgspec.Struct, frozen=True):
    format: str = "jsonl"


def overview(ask: Ask) -> Response:
    """The entries, never their texts."""
    return _overview(ask, ask.query(_Asked))


def _overview(ask: Ask, asked: _Asked, **more: Any) -> Response:
    entries = ask.console.known.entries()
    found = [each for each in reversed(entries) if _matches(each, asked.q)]
    shown = found[asked.page * _PAGE : (asked.page + 1) * _PAGE]
    context: dict[str, Any] = {"hits": None, "tried": "", "prefill": "", "source": ""}
    return ask.page(
        "fingerprints.html",
        entries=shown,
        total=len(entries),
        found=len(found),
        asked=asked,
        formats=list(FORMATS),
        more=len(found) > (asked.page + 1) * _PAGE,
        **{**context, **more},
    )


def _matches(entry: Entry, text: str) -> bool:
    said = text.strip().lower()
    return not said or any(said in each.lower() for each in (entry.id, entry.category, entry.source, entry.reason))


def add(ask: Ask) -> Response:
    """Add one text."""
    said = ask.read(_New)
    known = Known(text=said.text, source=said.source, reason=said.reason, category=said.category, match=said.match)
    body = added(known, by=f"person:{ask.name}")
    ask.console.ledger.append_now([Event(body=body, at=time.time(), content=said.text)])
    return ask.go("/fingerprints", notice=f"{body.name} is in the bank. Gateways follow within a second.")


def from_exchange(ask: Ask) -> Response:
    """The form, filled in with what the account last wrote in an exchange; that is a look at it, and recorded."""
    id = ask.read(_From).exchange
    shown = reveal(ask, [id])
    said = [turn for one in shown.exchanges for turn in one.turns if turn.role == "user"]
    if not said:
        raise LookupError(f"No content of the exchange {id!r} is kept.")
    text = "\n".join("".join(piece.text for piece in part.pieces) for part in said[-1].parts)
    return _overview(ask, _Asked(), prefill=text, source=f"exchange {id}")


def switch(ask: Ask, *, enabled: bool) -> Response:
    """Switch an entry on or off; it is kept."""
    said = ask.read(_Switched)
    entry = ask.console.known.get(said.id)
    body = switched(entry.id, enabled=enabled, by=f"person:{ask.name}", reason=said.reason)
    ask.console.record(body)
    return ask.go("/fingerprints", notice=f"{entry.id} is {'on' if enabled else 'off'}.")


def enable(ask: Ask) -> Response:
    """Switch an entry on."""
    return switch(ask, enabled=True)


def disable(ask: Ask) -> Response:
    """Switch an entry off."""
    return switch(ask, enabled=False)


def match(ask: Ask) -> Response:
    """Which entries a text matches."""
    text = ask.read(_Try).text
    return _overview(ask, _Asked(), hits=ask.console.known.match(text), tried=text)


def take_in(ask: Ask) -> Response:
    """Import a file, all of it or nothing."""
    form = ask.convert({"format": ask.form.get("format", "jsonl")}, _Format)
    file = ask.form.get("file")
    if form.format not in FORMATS:
        raise Refused(422, f"A format is one of {', '.join(FORMATS)}, not {form.format[:40]!r}.")
    if not isinstance(file, UploadFile):
        raise Refused(422, "Choose a file.")
    try:
        text = file.file.read().decode("utf-8")
    except UnicodeDecodeError:
        raise Refused(422, "The file is not UTF-8.") from None
    known = read_entries(text, form.format)
    by = f"person:{ask.name}"
    now = time.time()
    ask.console.ledger.append_now([Event(body=added(each, by=by), at=now, content=each.text) for each in known])
    return ask.go("/fingerprints", notice=f"{len(known):,} entries are in the bank.")


def give_out(ask: Ask) -> Response:
    """Export the whole bank, with the texts that are not erased; that is a look at each, and recorded."""
    format = ask.query(_Format).format
    if format not in FORMATS:
        raise Refused(422, f"A format is one of {', '.join(FORMATS)}, not {format[:40]!r}.")
    entries = ask.console.known.entries()
    kept = ask.console.known.texts()
    given = {entry.id: kept[entry.id] for entry in entries if entry.id in kept}
    if given:
        seqs = sorted(each.seq for each in given.values())
        queues.viewed(ask.console.desk, ask.who, seqs, category="fingerprints")
    body = written(entries, {id: each.text for id, each in given.items()}, format)
    end = {"jsonl": "jsonl", "csv": "csv"}.get(format, "json")
    headers = {"content-disposition": f'attachment; filename="fingerprints.{end}"'}
    return Response(body, media_type="application/octet-stream", headers=headers)


PAGES = (
    Page("GET", "/fingerprints", overview, Operation.SEE_FINGERPRINTS),
    Page("POST", "/fingerprints", add, Operation.WRITE_FINGERPRINTS),
    Page("POST", "/fingerprints-from", from_exchange, Operation.WRITE_FINGERPRINTS),
    Page("POST", "/fingerprints-match", match, Operation.SEE_FINGERPRINTS),
    Page("POST", "/fingerprints-import", take_in, Operation.WRITE_FINGERPRINTS),
    Page("GET", "/fingerprints-export", give_out, Operation.EXPORT),
    Page("POST", "/fingerprints-enable", enable, Operation.WRITE_FINGERPRINTS),
    Page("POST", "/fingerprints-disable", disable, Operation.WRITE_FINGERPRINTS),
)
