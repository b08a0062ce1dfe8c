"""The flow policy: what each tool does, which arguments carry authority, and which of its results may be trusted."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from outworks import defense
from outworks.message import Tool
from outworks.nearest import did_you_mean

Effect = Literal["read", "write", "irreversible"]
Kind = Literal["text", "phrase", "id", "email", "url", "number", "date", "path", "free"]
Authorisation = Literal["static", "asked", "declared", "planned"]
Otherwise = Literal["confirm", "block"]
Format = Literal["auto", "json", "yaml", "lines"]

WORDS = ("user", "system")
"""The sources that are nobody's tool: the user's own words, and the product's prompt."""


class Argument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an argument of a tool may say. It holds for every value inside: of a list each one, of an object each field
    that has no entry of its own (`event.participants`)."""

    kind: Kind = "text"
    """How values are compared. `text`: words, whatever their case and spacing. `phrase`: words that can be put together
    from trusted words and whole trusted values ("Dinner at" and a name). `id`: to the letter. `email`, `url`, `number`,
    `date`, `path`: by what they denote. `free`: content, which anyone may have written; URLs and e-mail addresses
    inside it carry authority all the same."""
    sources: tuple[str, ...] = msgspec.field(default=WORDS, name="from")
    """Where a value may come from: `user` (the user's own words), `system` (the product's prompt), and the types of
    trusted result fields. For `free`, where the URLs and addresses inside may come from."""
    values: tuple[str | int | float | bool, ...] = ()
    """Values that are good whoever chose them: `["r", "rw"]`."""
    named: bool = False
    """A value from a result field is good only where the user named its record (see `names` and `query` of the field):
    the model does not choose among the records, and neither does an injected text."""
    max: float | None = None
    """The largest number; with `kind = "free"`, of an amount that anyone may choose below it."""
    audience: bool = False
    """The value says who will read what is sent; data with readers goes only to them, or to whom the user named."""


class Field(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A field of a tool's results that the system itself issued: an id, an address in its directory. No free text."""

    path: str
    """Where it is: `id`, `owner.email`, `[].id` (of each element of a list), `*.price` (of each member), `~` (the keys
    of an object), `` (the whole result)."""
    type: str
    """What it is (`contact`, `file`, `channel`): arguments admit it under this name in `from`."""
    names: tuple[str, ...] = ()
    """Fields of the same record by which users name it (`["title"]`): it is named where one of them stands in the
    user's words."""
    query: tuple[str, ...] = ()
    """Arguments of this tool that ask for the record: it is named where all of them were given, each with a value from
    the user's words, and the result holds one record."""
    links: bool = False
    """The URLs inside a text rather than the text: for texts whose writers are known to the system, and for arguments
    that may lead wherever they point (a chat fetches what its members post, to show a preview). Of a third party's text
    it would give away what the line is for."""


class Result(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a tool returns, as far as it can be trusted."""

    format: Format = "auto"
    """`json`, `yaml`, either (`auto`), or `lines`: a list of the lines of a text. What cannot be read so is untrusted
    whole."""
    strip: str = ""
    """With `lines`: what stands in front of the first one."""
    fields: tuple[Field, ...] = ()
    """The trusted fields. Everything else is a third party's."""
    readers: tuple[str, ...] = ()
    """Paths to those who may read it, each record by its own; several records may be read by those who may read all."""
    only: tuple[str, ...] = ()
    """Readers of every result, besides those at `readers`."""
    private: bool = False
    """Once this was read, nothing goes to any audience, not even to one that the user named."""


class Sample(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A result that a row's model has seen."""

    tool: str
    """Which tool it is of."""
    text: str
    """The result, as the tool writes it."""
    arguments: dict[str, Any] = {}
    """What the tool was called with."""


class Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A call that must be allowed, or denied: `outworks tools test` judges it."""

    user: str
    """The user's words."""
    arguments: dict[str, Any] = {}
    """What the tool is called with."""
    system: str = ""
    """The product's prompt."""
    actions: tuple[str, ...] = ()
    """What the product declares."""
    planned: tuple[str, ...] = ()
    """What the planner would have said."""
    results: tuple[Sample, ...] = ()
    """What the model read before."""
    calls: Annotated[int, Meta(ge=1)] = 1
    """How often the call is made in the turn; the last one is judged."""
    rule: str = ""
    """Denied rows: the branch that must deny it: `authorised`, `per_turn`, `readers`, an argument's name, or that with
    `.named` or `.max`."""


class ToolPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One tool. What is not declared here is denied: other arguments are authority `text`, other results untrusted."""

    effect: Effect = "irreversible"
    """`read` changes nothing and needs no authorisation (its arguments are judged: a URL can carry data away); `write`
    changes what can be changed back; `irreversible` cannot be undone, and is called once a turn unless `per_turn` says
    otherwise."""
    authorised: tuple[Authorisation, ...] = ("declared", "planned")
    """What authorises a `write` or `irreversible` function for a turn; any of these. `static`: this policy, always.
    `asked`: this policy, where one of `words` stands in the user's words of this turn. `declared`: the product, in the
    request. `planned`: one call to a model that sees trusted text and the tools' schemas alone."""
    words: tuple[str, ...] = ()
    """With `asked`: words by which users ask for it (`["delete", "remove"]`); `delet*` stands for every ending."""
    arguments: dict[str, Argument] = {}
    """By name; `a.b` is the field `b` of the object `a`."""
    audience: tuple[str, ...] | None = None
    """Who receives what the tool is given, beside those whom its arguments name: `["everyone"]` for a page that anyone
    can read. Data with readers goes there only where each of them is one. Empty: nobody else, as with a note to
    oneself. Unset is the same, but `outworks tools test` asks."""
    per_turn: Annotated[int, Meta(ge=0)] | None = None
    """Calls a turn of the user's, by the gateway's own count. Unset: 1 for `irreversible`, no limit otherwise."""
    otherwise: Otherwise | None = None
    """What becomes of a call that breaks a rule; unset: what `otherwise` of the defense says."""
    result: Result = Result()
    """What it returns."""
    allow: tuple[Row, ...] = ()
    """Calls that must be allowed."""
    deny: tuple[Row, ...] = ()
    """Calls that must not."""

    @property
    def most(self) -> int | None:
        """The calls a turn."""
        return 1 if self.per_turn is None and self.effect == "irreversible" else self.per_turn

    def argument(self, path: str) -> Argument:
        """What the policy says of the value at a path; of its nearest ancestor; else authority text."""
        while path:
            if path in self.arguments:
                return self.arguments[path]
            path = path.rpartition(".")[0]
        return _UNDECLARED


_UNDECLARED = Argument()
UNDECLARED = ToolPolicy(authorised=("declared",))
"""A tool that the policy does not name: irreversible, untrusted, every argument authority."""


class Settings(defense.Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What flows where. The defense stands aside while no tool is declared; with the first one, every tool that is not
    declared is irreversible and untrusted."""

    time_limit_ms: float = 1000.0
    """Milliseconds for one check: results of a megabyte are read in it."""
    tools: dict[str, ToolPolicy] = {}
    """By the name under which the model calls it."""
    otherwise: Otherwise = "confirm"
    """What becomes of a call that breaks a rule: `confirm` holds it for a person, `block` ends it."""
    confirm_seconds: Annotated[float, Meta(gt=0)] = 900.0
    """How long a confirmation may be given."""
    planner: str = ""
    """The model that plans, where a tool says `planned`. It must answer within `time_limit_ms`: raise that."""


def faults(tools: Mapping[str, ToolPolicy], *, offered: Iterable[Tool] = ()) -> Iterator[str]:
    """What is wrong in a policy beside its shape; with the tools that a product offers, also names that those do not
    have. Each names the place, what is there, and the nearest valid name."""
    types = {field.type for policy in tools.values() for field in policy.result.fields}
    known = {tool.name: tool for tool in offered}
    for name, policy in tools.items():
        at = f"tools.{name}"
        if known and name not in known:
            yield f"{at}: there is no tool {name!r}{_near(name, known)}"
        yield from _in_words(at, policy)
        for argument, said in policy.arguments.items():
            there = f"{at}.arguments.{argument}"
            for source in said.sources:
                if source not in types and source not in WORDS:
                    yield f"{there}.from: no result field has the type {source!r}{_near(source, [*types, *WORDS])}"
            if said.named and set(said.sources) <= set(WORDS):
                yield f"{there}.named: says nothing, for no result field may give the value"
            properties = (known[name].schema.get("properties") or {}) if name in known else {}
            if properties and not {argument, argument.partition(".")[0]} & properties.keys():
                yield f"{there}: the tool has no such argument{_near(argument, properties)}"
            if said.max is not None and said.kind not in ("number", "free"):
                yield f"{there}.max: needs kind = 'number' or 'free', not {said.kind!r}"
        for place, field in enumerate(policy.result.fields):
            yield from _in_field(f"{at}.result.fields.{place}", field, policy, known.get(name))
        for path in policy.result.readers:
            if not _PATH.fullmatch(path):
                yield f"{at}.result.readers: {path!r} is no path; expected one such as 'members' or '[].shared_with'"


def _in_words(at: str, policy: ToolPolicy) -> Iterator[str]:
    if "asked" in policy.authorised and not policy.words:
        yield f"{at}.words: is empty, so nobody can ask for it; name the words, or take 'asked' out of `authorised`"
    if policy.words and "asked" not in policy.authorised:
        yield f"{at}.words: say nothing while `authorised` does not hold 'asked'"
    if any(not word.strip("* ") for word in policy.words):
        yield f"{at}.words: an empty word stands in every text"


def _in_field(at: str, field: Field, policy: ToolPolicy, tool: Tool | None) -> Iterator[str]:
    for path in (field.path, *field.names):
        if not _PATH.fullmatch(path):
            yield f"{at}: {path!r} is no path; expected one such as 'id', '[].id' or 'owner.email'"
    if not field.type or field.type in WORDS:
        yield f"{at}.type: {field.type!r} cannot be the type of a result field"
    properties = (tool.schema.get("properties") or {}) if tool else policy.arguments
    for argument in field.query:
        if argument not in properties:
            yield f"{at}.query: the tool has no argument {argument!r}{_near(argument, properties)}"


_STEP = r"(?:\[\]|\*|~|[^.\[\]*~\s][^.\[\]*~]*(?:\[\])*)"
_PATH = re.compile(rf"|{_STEP}(?:\.{_STEP})*")


def _near(given: str, names: Iterable[str]) -> str:
    names = list(names)
    return did_you_mean(given, names, f"known: {', '.join(sorted(names))}" if names else "")
