"""outworks tools: rows show what a policy does, and a draft is a policy."""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from outworks.cli import app
from outworks.config import load_policy, read_policy
from outworks.config.flow import load
from outworks.defenses.flow import Argument, Row, Settings, ToolPolicy
from outworks.defenses.flow.draft import draft, listed
from outworks.defenses.flow.policy import faults
from outworks.defenses.flow.rows import tried, untried
from tests.defenses.flow.kit import OFFICE

EXAMPLES = sorted(Path(__file__).parents[3].glob("examples/**/*.toml"))
FLOWS = [path for path in EXAMPLES if "defenses.flow" in path.read_text("utf-8")]
SCHEMA = {
    "type": "object",
    "properties": {
        "to": {"type": "array", "items": {"type": "string"}},
        "body": {"type": "string"},
        "link.url": {"type": "string"},
        "permission": {"enum": ["r", "rw"]},
        "amount": {"type": "number"},
        "start": {"type": "string", "format": "date-time"},
        "html": {"type": "boolean"},
    },
}


def shipped(path: Path) -> Settings:
    """The flow policy of an example, which may be a whole policy."""
    if "models" not in tomllib.loads(path.read_text("utf-8")):
        return load(path)
    settings = load_policy(path, environ=None).defenses["flow"]
    assert isinstance(settings, Settings)
    return settings


def run(*arguments: str, input: str | None = None) -> Any:
    return CliRunner().invoke(app, ["tools", *arguments], input=input)


@pytest.mark.parametrize("path", FLOWS, ids=lambda path: path.parent.name + "/" + path.name)
def test_every_branch_of_every_shipped_policy_is_tried_both_ways(path: Path) -> None:
    """Each rule has a row that it allows and one that it denies, and all of them hold."""
    done = run("test", str(path), "--strict")

    assert done.exit_code == 0, done.output


def widened(policy: ToolPolicy) -> Iterator[tuple[str, ToolPolicy]]:
    """The policy with one rule of it taken away, for each rule."""
    replace = msgspec.structs.replace
    if policy.effect != "read" and "static" not in policy.authorised:
        yield "authorised", replace(policy, authorised=("static",), words=())
    if policy.most is not None:
        yield "per_turn", replace(policy, per_turn=policy.most + 1)
    for name, said in policy.arguments.items():
        # In free text addresses are judged all the same.
        if said.kind not in ("free", "url", "email"):
            yield name, replace(policy, arguments={**policy.arguments, name: Argument(kind="free", max=said.max)})
        if said.named:
            yield f"{name}.named", replace(policy, arguments={**policy.arguments, name: replace(said, named=False)})
        if said.max is not None:
            yield f"{name}.max", replace(policy, arguments={**policy.arguments, name: replace(said, max=None)})
        if said.audience and any(row.rule == "readers" for row in policy.deny):
            yield (
                f"{name}.audience",
                replace(policy, arguments={**policy.arguments, name: replace(said, audience=False)}),
            )


@pytest.mark.parametrize("path", FLOWS, ids=lambda path: path.parent.name + "/" + path.name)
async def test_no_rule_of_a_shipped_policy_can_be_lost_unseen(path: Path) -> None:
    """With any one rule taken away, a row of its tool fails: an inverted rule cannot survive."""
    tools = shipped(path).tools
    bare = {name: msgspec.structs.replace(policy, allow=(), deny=()) for name, policy in tools.items()}
    unseen = []
    for name, policy in tools.items():
        for rule, without in widened(policy):
            if all(not one.wrong for one in await tried(Settings(tools={**bare, name: without}))):
                unseen.append(f"{name}: {rule}")

    assert unseen == []


def test_a_tool_that_says_not_who_receives_its_text_is_told(tmp_path: Path) -> None:
    """Where results name their readers, free text must not leave through a tool of which nobody said where to."""
    path = tmp_path / "flow.toml"
    text = (
        '[defenses.flow.tools.find]\neffect = "read"\nresult.readers = ["who"]\n'
        '[defenses.flow.tools.post]\neffect = "write"\nauthorised = ["static"]\narguments.text.kind = "free"\n'
    )
    path.write_text(text)
    assert "tools.post: who receives its free text?" in run("test", str(path)).output
    assert run("test", str(path), "--strict").exit_code == 1

    path.write_text(text + "audience = []\n")
    assert "who receives" not in run("test", str(path)).output
    assert run("test", str(path), "--strict").exit_code == 0


@pytest.mark.parametrize(
    ("row", "side", "wrong"),
    [
        (Row(user="delete f1", arguments={"id": "f1"}), "allow", "it is denied: id 'f1'"),
        (Row(user="Hello", arguments={}, rule="id"), "deny", "it is denied by authorised, not by id"),
        (Row(user="delete", arguments={}), "deny", "it is allowed"),
        (Row(user="delete", arguments={}), "allow", ""),
        (Row(user="delete", arguments={"id": "f1"}, rule="id"), "deny", ""),
        (Row(user="delete", arguments={"id": [[[[]]]] * 2}), "allow", ""),
    ],
)
async def test_rows_that_do_not_hold_are_told(row: Row, side: str, wrong: str) -> None:
    """A row that fails says what was decided instead."""
    tools = {**OFFICE, "delete_file": msgspec.structs.replace(OFFICE["delete_file"], **{side: (row,)})}

    (one,) = await tried(Settings(tools=tools))

    assert one.wrong.startswith(wrong)
    assert bool(one.wrong) is bool(wrong)


async def test_branches_without_rows_are_told() -> None:
    """What nobody tried is named, with the side that is missing."""
    missing = {(u.branch, u.side) for u in untried(Settings(tools=OFFICE), ()) if u.tool == "delete_file"}

    assert missing == {
        ("authorised", "allow"), ("authorised", "deny"), ("per_turn", "allow"), ("per_turn", "deny"), ("id", "allow"),
        ("id", "deny"), ("id from file", "allow"), ("id.named", "allow"), ("id.named", "deny"),
    }  # fmt: skip


def test_a_failing_row_is_status_1(tmp_path: Path) -> None:
    """The command says which row fails and why."""
    path = tmp_path / "flow.toml"
    path.write_text('[defenses.flow.tools.go]\nauthorised = ["static"]\n[[defenses.flow.tools.go.deny]]\nuser = "x"\n')

    done = run("test", str(path))

    assert done.exit_code == 1
    assert "tools.go.deny[0]: it is allowed" in done.output
    assert "tools.go: per_turn: no deny row" in done.output


def test_names_are_checked_against_the_tools(tmp_path: Path) -> None:
    """A misspelt tool or argument is an error with its line and the nearest name."""
    path, offered = tmp_path / "flow.toml", tmp_path / "tools.json"
    path.write_text('[defenses.flow.tools.send_mial]\n[defenses.flow.tools.send_mail.arguments.too]\nkind = "email"\n')
    offered.write_text(json.dumps([{"name": "send_mail", "input_schema": SCHEMA}]))

    with pytest.raises(ValueError, match="did you mean") as error:
        load(path, offered=[each.tool for each in listed(offered.read_bytes())])

    assert "flow.toml:1: defenses.flow.tools.send_mial: there is no tool 'send_mial'; did you mean 'send_mail'" in str(
        error.value
    )
    assert (
        "flow.toml:2: defenses.flow.tools.send_mail.arguments.too: the tool has no such argument; did you mean 'to'?"
        in str(error.value)
    )


OPENAI = [{"type": "function", "function": {"name": "send_mail", "description": "Sends\nmail", "parameters": SCHEMA}}]
ANTHROPIC = [{"name": "send_mail", "description": "Sends\nmail", "input_schema": SCHEMA}]
MCP = {
    "jsonrpc": "2.0",
    "id": 1,
    "result": {"tools": [{"name": "send_mail", "description": "Sends\nmail", "inputSchema": SCHEMA}]},
}


@pytest.mark.parametrize("given", [OPENAI, ANTHROPIC, {"tools": ANTHROPIC}, MCP])
def test_a_draft_is_a_policy(given: Any, tmp_path: Path) -> None:
    """From every listing comes the same draft, which can be loaded as it is."""
    done = run("draft", "--from", "-", input=json.dumps(given))
    path = tmp_path / "flow.toml"
    path.write_text(done.output)

    policy = load(path, offered=[each.tool for each in listed(json.dumps(given).encode())]).tools["send_mail"]

    assert policy.effect == "irreversible"
    assert policy.words == ("send", "mail")
    kinds = {name: said.kind for name, said in policy.arguments.items()}
    assert [kinds[name] for name in ("to", "body", "link.url", "amount", "start")] == [
        "email",
        "free",
        "url",
        "number",
        "date",
    ]
    assert kinds["permission"] == kinds["html"] == "text"
    assert policy.arguments["to"].audience
    assert policy.arguments["permission"].values == ("r", "rw")


@pytest.mark.parametrize(
    ("name", "hints", "effect"),
    [
        ("get_weather", {}, "read"),
        ("search_files", {"readOnlyHint": True}, "read"),
        ("get_rid_of", {"destructiveHint": True}, "irreversible"),
        ("read_and_burn", {"readOnlyHint": False}, "irreversible"),
        ("create_event", {}, "write"),
        ("wipe", {"readOnlyHint": True, "destructiveHint": False}, "irreversible"),
        ("getaway", {}, "irreversible"),
    ],
)
def test_a_servers_hints_only_make_a_draft_stricter(name: str, hints: dict[str, bool], effect: str) -> None:
    """Whoever wrote the server wrote the hints."""
    tools = listed(json.dumps([{"name": name, "annotations": hints}]).encode())

    assert tomllib.loads(draft(tools))["defenses"]["flow"]["tools"][name]["effect"] == effect


@pytest.mark.parametrize(
    "given",
    ["{", "{}", "[]", "[1]", "[{}]", '[{"name": "x", "parameters": []}]', '[{"name": "x", "input_schema": [1]}]'],
)
def test_what_is_no_listing_is_told(given: str) -> None:
    """The fault is named."""
    if given == '[{"name": "x", "parameters": []}]':
        assert listed(given.encode())
        return
    with pytest.raises(ValueError, match=r"tool|JSON"):
        listed(given.encode())


def test_names_may_hold_anything() -> None:
    """A tool's name is a key in the draft, not TOML."""
    name = 'a"]\n[x]\n#.b'
    tools = listed(json.dumps([{"name": name, "input_schema": {"properties": {name: {}}}}]).encode())

    flow = tomllib.loads(draft(tools))["defenses"]["flow"]
    settings = msgspec.convert(flow, Settings)

    assert list(settings.tools) == [name]
    assert list(faults(settings.tools)) == []


def test_a_planner_must_be_a_model_of_the_policy() -> None:
    """A misspelt planner would authorise nothing, so it is an error at load."""
    text = '[[models]]\nname = "small"\nprovider = "scripted"\n[defenses.flow]\nplanner = "smal"\n'

    with pytest.raises(ValueError, match=r"defenses.flow.planner: there is no model 'smal'; did you mean 'small'\?"):
        read_policy(text.encode(), Path("outworks.toml"))
    assert read_policy(text.replace('smal"', 'small"').encode(), Path("outworks.toml")).defenses["flow"].mode == "live"
