"""The reference, from the code: without arguments it writes docs/reference; `--check` fails where that is stale."""

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import typer
from msgspec.inspect import DictType, ListType, Metadata, NoneType, StructType, Type, UnionType, VarTupleType, type_info

from outworks.cli import app
from outworks.config import Document
from outworks.defenses import DEFENSES
from outworks.defenses.parameter_lock import DEFAULT, Allowed
from outworks.toml.shape import expected

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
_GENERATED = "<!-- Written by tools/reference.py from the code: change the code, then run `make reference`. -->\n"


def pages() -> Mapping[str, str]:
    """Every page of the reference, by its file's name."""
    return {"policy.md": policy_page(), "cli.md": cli_page()}


# The policy file: one section a table, from the Structs and the docstrings under their fields.

_POLICY = """# The policy file

One `outworks.toml` says what the gateway serves, which lines of defense stand, and what misuse leads to.
`outworks check outworks.toml` tells every fault at once, each with its line, what is valid and the nearest name;
`outworks serve` refuses to start with any. SIGHUP loads it anew: a faulty file is refused, and the old policy stays in
force.

Every section and every key may be left out, unless it is required. A relative path begins at the policy file's folder.
A secret never stands here, only the name of the environment variable that holds it. Times, sizes and counts under
`[gateway.limits]`, and `time_limit_ms`, are greater than 0. The file has at most 1 MiB.

The words of a rule's `when` are in [Enforcement](../enforcement.md).
"""


def policy_page() -> str:
    """docs/reference/policy.md."""
    sections = "\n".join(_sections(Document, ""))
    return f"{_GENERATED}{_POLICY}\n{sections}"


def _sections(struct: type[msgspec.Struct], path: str) -> Iterator[str]:
    """The sections for the tables in a table, depth first."""
    for field in _fields(struct):
        below = f"{path}.{field.encode_name}".lstrip(".")
        node = field.type
        if isinstance(node, StructType):
            yield from _section(f"[{below}]", node, below)
        elif isinstance(node, DictType) and isinstance(node.value_type, StructType):
            yield from _section(f"[{below}.NAME]", node.value_type, f"{below}.NAME")
        elif isinstance(node, VarTupleType | ListType):
            for item in _variants(node.item_type):
                tag = f', {item.tag_field} = "{item.tag}"' if item.tag_field else ""
                yield from _section(f"[[{below}]]{tag}", item, below)


def _section(title: str, node: StructType, path: str) -> Iterator[str]:
    fields = [field for field in _fields(node.cls) if not _is_table(field.type)]
    if fields:
        yield f"## `{title}`\n\n{_says(node.cls, path)}\n"
        yield "| key | value | default | |\n| --- | --- | --- | --- |"
        if node.tag_field:
            yield f'| `{node.tag_field}` | `"{node.tag}"` | required | |'
        for field in fields:
            default = "required" if field.required else f"`{_default(field)}`"
            says = _cell(_docstring(node.cls, field.name))
            yield f"| `{field.encode_name}` | {_cell(_kind(field.type))} | {default} | {says} |"
        yield ""
    if node.cls is Allowed:
        yield from _parameters()
    yield from _sections(node.cls, path)


def _says(struct: type[msgspec.Struct], path: str) -> str:
    """What a section is. A defense's is what its module says, and its place in the order."""
    for place, line in enumerate(DEFENSES, 1):
        if path == f"defenses.{line.name}":
            module = inspect.getdoc(sys.modules[line.defense.__module__]) or ""
            what = module.partition(": ")[2]
            own = _docstring_of(struct)
            more = "" if own.startswith("What the policy can say") else f" {own}"
            return f"Line {place} of {len(DEFENSES)}: {what}{more}"
    return _docstring_of(struct)


def _parameters() -> Iterator[str]:
    yield "What is admitted by default:\n\n| parameter | what it may be |\n| --- | --- |"
    for name, allowed in DEFAULT.items():
        says: list[str] = [allowed.type]
        says += [f"at least {allowed.min}"] if allowed.min is not None else []
        says += [f"at most {allowed.max}"] if allowed.max is not None else []
        if allowed.values is not None:
            says.append(" or ".join(f"`{msgspec.json.encode(value).decode()}`" for value in allowed.values))
        yield f"| `{name}` | {', '.join(says)} |"
    yield ""


def _fields(struct: type[msgspec.Struct]) -> list[msgspec.inspect.Field]:
    """A Struct's fields: its own first, then its bases'; what is required before the rest."""
    own = [name for cls in struct.__mro__ for name in inspect.get_annotations(cls)]
    node = type_info(struct)
    assert isinstance(node, StructType)
    return sorted(node.fields, key=lambda field: (not field.required, own.index(field.name)))


def _is_table(node: Type) -> bool:
    items = isinstance(node, VarTupleType | ListType) and any(_variants(node.item_type))
    return isinstance(node, StructType) or items


def _variants(node: Type) -> tuple[StructType, ...]:
    nodes = node.types if isinstance(node, UnionType) else (node,)
    return tuple(each for each in nodes if isinstance(each, StructType))


def _kind(node: Type) -> str:
    if isinstance(node, Metadata):
        return _kind(node.type)
    if isinstance(node, UnionType):
        return " or ".join(_kind(each) for each in node.types if not isinstance(each, NoneType))
    if isinstance(node, VarTupleType | ListType):
        return f"list of: {_kind(node.item_type)}"
    if isinstance(node, DictType):
        return f"table of: {_kind(node.value_type)}"
    return expected(node).removeprefix("a ").replace("'", "`")


def _default(field: msgspec.inspect.Field) -> str:
    value = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    return "none" if value is None else msgspec.json.encode(value).decode()


def _docstring(struct: type, name: str) -> str:
    """The docstring under a field, of the class nearest to the Struct that has one. Raises `LookupError` for none."""
    for cls in struct.__mro__:
        if cls.__module__.startswith("outworks."):
            says = _field_docstrings(sys.modules[cls.__module__]).get((cls.__name__, name))
            if says:
                return says
    raise LookupError(
        f"{struct.__module__}.{struct.__qualname__}.{name} has no docstring under it; the reference needs one"
    )


@cache
def _field_docstrings(module: ModuleType) -> dict[tuple[str, str], str]:
    found = {}
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if not isinstance(node, ast.ClassDef):
            continue
        for field, says in zip(node.body, node.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(says, ast.Expr):
                text = says.value.value if isinstance(says.value, ast.Constant) else None
                if isinstance(text, str):
                    found[node.name, field.target.id] = inspect.cleandoc(text)
    return found


def _docstring_of(struct: type) -> str:
    says = struct.__dict__.get("__doc__")
    if not says:
        raise LookupError(f"{struct.__module__}.{struct.__qualname__} has no docstring; the reference needs one")
    return inspect.cleandoc(says)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


# The command line.


def cli_page() -> str:
    """docs/reference/cli.md."""
    root: Any = typer.main.get_command(app)
    parts = [f"{_GENERATED}# The command line\n\n{root.help}\n", *_commands(root, "outworks")]
    return "\n".join(parts)


def _commands(group: Any, path: str) -> Iterator[str]:
    for name, command in group.commands.items():
        below = f"{path} {name}"
        if hasattr(command, "commands"):
            yield f"## `{below}`\n\n{_flat(command.help)}\n"
            yield from _commands(command, below)
            continue
        arguments = [p.metavar or p.name.upper() for p in command.params if p.param_type_name == "argument"]
        yield f"### `{' '.join([below, *arguments])}`\n\n{_flat(command.help)}\n"
        rows = [_parameter(p) for p in command.params if p.name != "help"]
        if rows:
            yield "| | | default |\n| --- | --- | --- |\n" + "\n".join(rows) + "\n"


def _parameter(parameter: Any) -> str:
    is_option = parameter.param_type_name == "option"
    names = parameter.opts if is_option else [parameter.metavar or parameter.name.upper()]
    names = [*names, *getattr(parameter, "secondary_opts", [])]
    default = parameter.default
    shown = "required" if parameter.required else "" if default in (None, "", False, (), []) else f"`{default}`"
    if parameter.envvar:
        shown += f" or `${parameter.envvar}`"
    return f"| {_cell(', '.join(f'`{name}`' for name in names))} | {_cell(parameter.help or '')} | {shown} |"


def _flat(text: str | None) -> str:
    return inspect.cleandoc(text or "").replace("\f", "").strip()


def main(arguments: list[str]) -> int:
    """Write the pages, or check them; the exit status."""
    if arguments not in ([], ["--check"]):
        print(f"given {arguments}; expected nothing, or --check", file=sys.stderr)
        return 2
    stale = []
    for name, text in pages().items():
        path = FOLDER / name
        text = text.rstrip("\n") + "\n"
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not arguments:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(FOLDER.parents[1])}")
    if stale and arguments:
        print(f"docs/reference is stale: {', '.join(stale)}; run `make reference`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
