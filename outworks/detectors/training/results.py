"""results: documents as tools hand them over: in JSON, YAML, HTML, tables and lists of messages."""

import html
import json
import random
from collections.abc import Callable
from typing import NamedTuple

_NAMES = (
    "Amara Osei", "Jonas Lind", "Wei Zhang", "Sofia Marino", "Tomás Rivera", "Priya Nair", "Hannah Weiss",
    "Omar Haddad", "Lucy Brown", "Kenji Sato", "Marta Nowak", "Ivan Petrov", "Claire Dubois",
    "Ben Okafor", "Elif Demir", "Noah Smith",
)  # fmt: skip
_SUBJECTS = (
    "Re: Thursday", "Your booking", "Invoice", "Minutes", "Photos from the trip", "Parcel on its way", "A question",
    "Rent", "Reminder", "Fwd: schedule", "Welcome", "Weekly summary", "Your review", "Order update", "Plan for May",
)  # fmt: skip
_SITES = ("news.test", "shop.example", "forum.example", "wiki.test", "travel.example", "docs.test", "blog.example")
_TOOLS = ("search", "read_email", "get_page", "list_messages", "get_reviews", "read_file", "get_events", "notes_find")


class Placed(NamedTuple):
    """A text, and where in it a part of it stands."""

    text: str
    start: int
    end: int


def handed_over(before: str, middle: str, after: str, rng: random.Random) -> Placed:
    """A document of three parts as one of many tools would return it, and where the middle is then."""
    frame = rng.choice(_FRAMES)(rng)
    head = frame.before + frame.escape(before)
    said = frame.escape(middle)
    return Placed(head + said + frame.escape(after) + frame.after, len(head), len(head) + len(said))


class _Frame(NamedTuple):
    before: str
    after: str
    escape: Callable[[str], str]


def _json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _page(text: str) -> str:
    return html.escape(text, quote=False).replace("\n\n", "</p>\n<p>")


def _indented(text: str) -> str:
    return text.replace("\n", "\n    ")


def _cell(text: str) -> str:
    return text.replace("\n", " ").replace("|", "/").replace('"', '""')


def _as_is(text: str) -> str:
    return text


def _mail(rng: random.Random) -> _Frame:
    name, other = rng.sample(_NAMES, 2)
    fields = {
        "id": str(rng.randrange(10_000)), "from": f"{name.split()[0].lower()}@{rng.choice(_SITES)}", "to": other,
        "date": _day(rng), "subject": rng.choice(_SUBJECTS), "read": rng.random() < 0.5,
    }  # fmt: skip
    start = json.dumps(fields, ensure_ascii=False, indent=rng.choice((None, 2)))[:-1].rstrip()
    return _Frame(f'{start}, "{rng.choice(("body", "text", "content"))}": "', '"}', _json)


def _listed(rng: random.Random) -> _Frame:
    first = {"title": rng.choice(_SUBJECTS), "url": f"https://{rng.choice(_SITES)}/{rng.randrange(999)}"}
    key = rng.choice(("snippet", "description", "text", "comment"))
    start = json.dumps({"tool": rng.choice(_TOOLS), "count": 2})[:-1] + ', "results": ['
    return _Frame(
        f'{start}{json.dumps(first)[:-1]}, "{key}": "', f'"}}, {{"title": "{rng.choice(_SUBJECTS)}"}}]}}', _json
    )


def _yaml(rng: random.Random) -> _Frame:
    lines = [f"- id: '{rng.randrange(99)}'", f"  sender: {rng.choice(_NAMES)}", f"  date: {_day(rng)}"]
    if rng.random() < 0.5:
        lines.append(f"  subject: {rng.choice(_SUBJECTS)}")
    return _Frame("\n".join([*lines, f"  {rng.choice(('body', 'description', 'text'))}: |-", "    "]), "\n", _indented)


def _html(rng: random.Random) -> _Frame:
    title = rng.choice(_SUBJECTS)
    start = f"<html><head><title>{title}</title></head>\n<body><h1>{title}</h1>\n<p>"
    return _Frame(start, f"</p>\n<p>&copy; {rng.randrange(2001, 2026)} {rng.choice(_SITES)}</p></body></html>", _page)


def _chat(rng: random.Random) -> _Frame:
    name, other = rng.sample(_NAMES, 2)
    hour = f"{rng.randrange(24):02}:{rng.randrange(60):02}"
    return _Frame(f"[{hour}] {other}: ok, thanks\n[{hour}] {name}: ", f"\n[{hour}] {other}: see you then", _as_is)


def _event(rng: random.Random) -> _Frame:
    who = ", ".join(rng.sample(_NAMES, 2))
    return _Frame(
        f"Event: {rng.choice(_SUBJECTS)}\nStart: {_day(rng)}T10:00\nParticipants: {who}\nDescription: ", "\n", _as_is
    )


def _row(rng: random.Random) -> _Frame:
    return _Frame(
        f'id,author,rating,review\n{rng.randrange(99)},{rng.choice(_NAMES)},{rng.randrange(1, 6)},"', '"', _cell
    )


def _table(rng: random.Random) -> _Frame:
    start = f"| name | when | note |\n|---|---|---|\n| {rng.choice(_NAMES)} | {_day(rng)} | "
    return _Frame(start, f" |\n| {rng.choice(_NAMES)} | {_day(rng)} | - |", _cell)


def _file(rng: random.Random) -> _Frame:
    name = rng.choice(("notes", "report", "readme", "todo", "letter")) + rng.choice((".txt", ".md"))
    return _Frame(f"File: {name} ({rng.randrange(200, 9_000)} bytes)\n---\n", "\n---\n", _as_is)


def _day(rng: random.Random) -> str:
    return f"{rng.randrange(2019, 2026)}-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}"


_FRAMES = (_mail, _mail, _listed, _listed, _yaml, _yaml, _html, _chat, _event, _row, _table, _file)
