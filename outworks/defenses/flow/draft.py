"""Draft: a first policy from tools' schemas, for a person to correct."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from outworks.defenses.flow.policy import Effect, Kind
from outworks.message import Tool


class Listed(msgspec.Struct, frozen=True):
    """A tool as a product or a server lists it."""

    tool: Tool
    hints: Mapping[str, Any] = {}
    """An MCP server's annotations: a third party's word, so they only make a draft stricter."""


def listed(data: bytes) -> Sequence[Listed]:
    """Tools from a file: OpenAI's `tools`, Anthropic's, or what an MCP server answers to `tools/list`.

    Raises ValueError with what is wrong, and where.
    """
    try:
        given = msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        raise ValueError(f"it is no JSON: {error}") from None
    for key in ("result", "tools"):
        given = given.get(key, given) if isinstance(given, dict) else given
    if not isinstance(given, list) or not given:
        raise ValueError(
            'expected a list of tools, or an object with "tools", such as an MCP server answers to tools/list'
        )
    return [_listed(entry, place) for place, entry in enumerate(given)]


def _listed(entry: Any, place: int) -> Listed:
    if not isinstance(entry, dict):
        raise ValueError(f"tools[{place}]: expected an object, not {type(entry).__name__}")
    said = entry["function"] if isinstance(entry.get("function"), dict) else entry
    name = said.get("name")
    if not isinstance(name, str) or not name:
        raise ValueError(f"tools[{place}]: has no name")
    schema: object = next((said[key] for key in ("parameters", "input_schema", "inputSchema") if said.get(key)), {})
    if not isinstance(schema, dict):
        raise ValueError(f"tools[{place}]: the schema of {name!r} is no object")
    hints = entry.get("annotations")
    return Listed(Tool(name, str(said.get("description") or ""), schema), hints if isinstance(hints, dict) else {})


_READS = re.compile(
    r"^(?:get|list|read|search|find|fetch|show|view|query|count|check|lookup|look_up|describe|browse)(?:_|$)"
)
_WRITES = re.compile(r"^(?:create|add|append|draft|save|set|update|edit|rename|mark|schedule|reschedule)(?:_|$)")
_KINDS: Mapping[Kind, str] = {
    "email": r"e?mails?(?:_address(?:es)?)?|recipients?|to|cc|bcc|participants|attendees|invitees",
    "url": r".*(?:url|uri|link|webhook|endpoint|domain).*",
    "path": r".*(?:path|file|filename|folder|directory)",
    "number": r".*(?:amount|price|sum|total|budget)",
    "id": r".*_?(?:id|ids|iban|account|number|key|token|uuid)",
    "date": r".*(?:date|day|time)",
    "free": r".*(?:body|content|text|message|subject|title|description|notes?|query|comment|summary)",
}
_AUDIENCE = re.compile(r"to|cc|bcc|recipients?|participants|attendees|invitees|channel|audience|share_with|user_email")


def draft(tools: Sequence[Listed]) -> str:
    """The tables of a policy as TOML, for a person to look at. Where names tell nothing it is the strict way."""
    return "\n".join(line for each in tools for line in _table(each)) + "\n"


def _table(listed: Listed) -> Iterator[str]:
    tool = listed.tool
    at = f"defenses.flow.tools.{_key(tool.name)}"
    effect = _effect(listed)
    yield f"[{at}]"
    if tool.description:
        yield f"# {' '.join(tool.description.split())[:100]}"
    yield f"effect = {json.dumps(effect)}"
    if effect != "read":
        words = [word for word in re.split(r"[^a-z]+", tool.name.lower()) if len(word) > 2]
        yield 'authorised = ["asked", "declared"]'
        yield f"words = {json.dumps(words or [tool.name])}  # by which users ask for it: add theirs"
    yield "# result: what it returns is untrusted. Name the fields that the system itself issued, such as:"
    yield '# result.fields = [{ path = "[].id", type = "thing", names = ["title"] }]'
    yield ""
    properties = tool.schema.get("properties")
    for name, schema in (properties if isinstance(properties, dict) else {}).items():
        yield f"[{at}.arguments.{_key(name)}]"
        schema = schema if isinstance(schema, dict) else {}
        kind = _kind(name, schema)
        yield f"kind = {json.dumps(kind)}"
        values = schema.get("enum")
        if isinstance(values, list) and values and all(isinstance(value, str | int | float) for value in values):
            yield f"values = {json.dumps(values)}"
        if schema.get("type") == "boolean":
            yield "values = [true, false]"
        if effect != "read" and _AUDIENCE.fullmatch(name.lower()):
            yield "audience = true"
        yield ""


def _effect(listed: Listed) -> Effect:
    """What the name says. A server's hints can make it worse, never better: it may have been written by anyone."""
    name = listed.tool.name.lower()
    if listed.hints.get("destructiveHint") is True:
        return "irreversible"
    if _READS.match(name) and listed.hints.get("readOnlyHint") is not False:
        return "read"
    return "write" if _WRITES.match(name) else "irreversible"


def _kind(name: str, schema: Mapping[str, Any]) -> Kind:
    formats: Mapping[str, Kind] = {"email": "email", "uri": "url", "url": "url", "date": "date", "date-time": "date"}
    given = formats.get(str(schema.get("format")))
    if given is not None:
        return given
    for kind, pattern in _KINDS.items():
        if re.fullmatch(pattern, name.lower()):
            return kind
    return "number" if schema.get("type") in ("number", "integer") else "text"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)
