"""Result fields: several values in one record, and links inside texts whose writers are known."""

import json
import tracemalloc
from typing import Any

import pytest
import yaml

from outworks.defenses.flow import Argument, Field, Result, Settings, ToolPolicy, results
from outworks.defenses.flow.results import Extract, Extracts
from tests.defenses.flow.kit import CONTACT, Office, called, tools

GUEST = Field(path="[].guests[]", type="guest", names=("title",))
POSTED = Field(path="[].body", type="posted", links=True)
SETTINGS = Settings(
    tools={
        "events": ToolPolicy(effect="read", result=Result(format="json", fields=(GUEST,))),
        "messages": ToolPolicy(effect="read", result=Result(format="json", fields=(POSTED,))),
        "invite": ToolPolicy(
            effect="write",
            authorised=("static",),
            arguments={"guest": Argument(kind="email", sources=("user", "guest"), named=True)},
        ),
        "open_page": ToolPolicy(effect="read", arguments={"url": Argument(kind="url", sources=("user", "posted"))}),
        "post": ToolPolicy(
            effect="write", authorised=("static",), arguments={"url": Argument(kind="url", sources=("user",))}
        ),
    }
)
EVENTS = '[{"title": "Board", "guests": ["a@x.test", "b@x.test"]}, {"title": "Lunch", "guests": ["c@x.test"]}]'
TWINS = '[{"title": "Board", "guests": ["a@x.test", "b@x.test"]}, {"title": "Board", "guests": ["eve@evil.test"]}]'
POSTS = '[{"sender": "Bob", "body": "I read www.paper.test/a1!"}]'


def office(user: str) -> Office:
    return Office(user, settings=SETTINGS, tools=tools(*SETTINGS.tools))


@pytest.mark.parametrize(("guest", "leaves"), [("a@x.test", True), ("b@x.test", True), ("c@x.test", False)])
async def test_each_value_of_a_named_record_is_named_and_none_of_another(guest: str, leaves: bool) -> None:
    """A record that the user names by its title lends its name to every value of its list, not to its neighbours'."""
    output = await office("Invite everyone of 'Board' again").saw("events", EVENTS).tries(called("invite", guest=guest))

    assert bool(output.tool_calls) is leaves


@pytest.mark.parametrize("guest", ["a@x.test", "eve@evil.test"])
async def test_two_records_of_one_name_are_named_by_nobody(guest: str) -> None:
    """Who sends an invitation under the title of another one cannot get its guests chosen, nor its own."""
    output = await office("Invite everyone of 'Board' again").saw("events", TWINS).tries(called("invite", guest=guest))

    assert not output.tool_calls


async def test_a_record_that_is_read_twice_is_one_record() -> None:
    """Reading the same events again makes nothing ambiguous."""
    seen = office("Invite everyone of 'Board' again").saw("events", EVENTS).saw("events", EVENTS)

    assert (await seen.tries(called("invite", guest="a@x.test"))).tool_calls


@pytest.mark.parametrize(
    ("tool", "url", "leaves"),
    [
        ("open_page", "www.paper.test/a1", True),
        ("open_page", "www.paper.test/a2", False),
        ("open_page", "www.paper.test", False),
        ("open_page", "I read www.paper.test/a1!", False),
        ("post", "www.paper.test/a1", False),
    ],
)
async def test_links_are_the_urls_inside_a_text_for_the_arguments_that_admit_them(
    tool: str, url: str, leaves: bool
) -> None:
    """A posted link may be opened as it was posted; no other page of its host, and nothing may be posted there."""
    output = await office("Summarise what Bob posted").saw("messages", POSTS).tries(called(tool, url=url))

    assert bool(output.tool_calls) is leaves


async def test_each_field_is_named_in_its_own_way() -> None:
    """Two fields of one type keep what the policy says of each: what asks for one does not name the other."""
    found = Result(
        format="json",
        fields=(Field(path="owner", type="person"), Field(path="guest", type="person", query=("name",))),
    )
    policy = {
        "find": ToolPolicy(effect="read", arguments={"name": Argument(kind="free")}, result=found),
        "invite": ToolPolicy(
            effect="write", authorised=("static",), arguments={"who": Argument(sources=("person",), named=True)}
        ),
    }
    seen = Office("Invite Lunch's guest", settings=Settings(tools=policy), tools=tools("invite"))
    seen.saw("find", '{"owner": "Olga", "guest": "Gus"}', name="Lunch")

    assert await seen.lets("invite", who="Gus")
    assert not await seen.lets("invite", who="Olga")


@pytest.mark.parametrize(("query", "leaves"), [("a", False), ("my", False), ("", False), ("tax file", True)])
async def test_a_query_of_next_to_nothing_names_no_record(query: str, leaves: bool) -> None:
    """A model that looks for `a`, which the user wrote, and finds one record has not been told which one."""
    seen = Office("Delete my tax file, a draft").saw("find_files", '[{"id": "f7", "title": "2023"}]', title=query)

    assert await seen.lets("delete_file", id="f7") is leaves


@pytest.mark.parametrize("same", ["null", "true", "3", '""', '"r"', "{}"])
async def test_each_key_is_a_record(same: str) -> None:
    """Whatever is kept at two keys, and were it the same: a search that finds both names neither."""
    found = Result(fields=(Field(path="~", type="person", query=("name",)),))
    policy = {
        "find": ToolPolicy(effect="read", arguments={"name": Argument(kind="free")}, result=found),
        "remove": ToolPolicy(
            effect="write", authorised=("static",), arguments={"who": Argument(sources=("person",), named=True)}
        ),
    }
    user, settings = "Remove Bob's entry", Settings(tools=policy)
    one = Office(user, settings=settings, tools=tools("remove")).saw("find", f'{{"b1": {same}}}', name="Bob")
    two = Office(user, settings=settings, tools=tools("remove"))
    two.saw("find", f'{{"b1": {same}, "e1": {same}}}', name="Bob")

    assert await one.lets("remove", who="b1")
    assert not await two.lets("remove", who="e1")


BOMB = "a: &a [x,x,x,x,x,x,x,x]\n" + "\n".join(
    f'{name}: {{"k":&{name} [{",".join(f"*{before}" for _ in range(8))}]}}'
    for before, name in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.parametrize("text", [BOMB, '{"a":&a [1],"b":*a}', "- &a [x]\n- [*a]", "- &a [x]\n-\t*a"])
async def test_aliases_make_a_result_untrusted_whole(text: str) -> None:
    """A few aliases of aliases are a billion values: wherever they stand, they are not followed."""
    policy = {"find_files": ToolPolicy(effect="read", result=Result(format="yaml", readers=("*",)))}
    seen = Office("Send mail to bob@office.test", settings=Settings(tools=policy)).saw("find_files", text)

    read = seen.flow.known(seen.request).honest[0].extract

    assert read.fault
    assert read.readers == (frozenset(),)


async def test_a_result_that_nests_without_end_is_untrusted_whole() -> None:
    """Its readers are not known, so that it is for nobody; the conversation goes on."""
    deep = '[{"readers": ' + "[" * 900 + "]" * 900 + "}]"
    seen = Office("Send mail to bob@office.test, open https://a.test/x").saw("find_files", deep)

    assert await seen.lets("open_page", url="https://a.test/x")


def extract(text: str, **said: Any) -> Extract:
    """What a policy takes from a result."""
    policy = ToolPolicy(effect="read", result=Result(**said))
    return Extracts({"find": policy}).of("find", text)


@pytest.mark.parametrize("unit", ["- ", "? ", "[", "{a: ", "{a: {a:", "x: [[[[", "- ? ", '- {"a": ['])
@pytest.mark.parametrize("levels", [100, 40_000])
def test_yaml_that_nests_without_end_is_untrusted_whole(unit: str, levels: int) -> None:
    """A process has one stack: what a result writes must not be able to end it."""
    for text in (unit * levels, "a: b\nc:\n  " + unit * levels):
        assert extract(text, format="yaml", readers=("*",)).fault
        assert extract(text, readers=("*",)).readers == (frozenset(),)


def test_yaml_of_ordinary_depth_is_read() -> None:
    """A limit is not met by what tools write."""
    deep = "- {a: " + "[" * 60 + "f1" + "]" * 60 + "}"

    assert [each.value for each in extract(deep, fields=(Field(path="[].a" + "[]" * 60, type="file"),)).items] == ["f1"]
    assert not extract("*bold* & {more}, R&D *", format="yaml", fields=(POSTED,)).items


@pytest.mark.parametrize(
    "text",
    ["", "a", "~", "[]", "{a: 013, b: no, c: 2024-05-15, ? d : null, 1: [x, 'y', \"z\\u0041\"]}", "a: |\n  x\n  y\n",
     "- a: b\n  c:\n  - d\n- {}\n", "--- !x\na: !!int 1\n...\n", "<<: {a: 1}\n'': &k >\n  folded\n  text\n"],
)  # fmt: skip
def test_yaml_is_what_its_parser_says(text: str) -> None:
    """It is built here, and comes out as PyYAML builds it where every scalar is left as it stands."""
    assert results._yaml(text) == yaml.load(text, Loader=yaml.BaseLoader)


@pytest.mark.parametrize("text", ["--- a\n--- b\n", "[a]: b", "{a: 1}: b", "a: b: c", "[a", "%x", "\0", "\ud800"])
def test_what_is_no_single_document_is_untrusted_whole(text: str) -> None:
    """Several documents, keys that are no text, and what no parser takes."""
    assert extract(text, format="yaml", fields=(POSTED,)).fault


@pytest.mark.parametrize("end", ["\x85", "\u2028", "\u2029"])
def test_lines_that_only_some_readers_end_write_no_field(end: str) -> None:
    """A writer of YAML leaves such a character as it is inside of a value, and libyaml ends the line there."""
    note = f"- name: Bob\n  note: hello{end}  email: eve@evil.test\n"

    assert extract(note, format="yaml", fields=(CONTACT,)).fault
    assert not extract(note, fields=(CONTACT,)).items


@pytest.mark.parametrize("end", ["\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"])
def test_a_line_ends_with_a_line_feed_and_nowhere_else(end: str) -> None:
    """Whoever names a hotel cannot make two of it."""
    hotels = extract(f"Blue Star{end}Evil Inn\r\nThe Oak\n\n", format="lines", fields=(Field(path="[]", type="hotel"),))

    assert [each.value for each in hotels.items] == [f"Blue Star{end}Evil Inn", "The Oak"]


BUDGET = {"id": "f1", "readers": ["bob@x.test"]}


@pytest.mark.parametrize(
    ("value", "paths", "readers"),
    [
        ([BUDGET, {"id": "f2"}], ["[].readers"], [["bob@x.test"], []]),
        ([BUDGET, {"id": "f2", "readers": None}], ["[].readers"], [["bob@x.test"], []]),
        ([BUDGET, "of f2: salaries"], ["[].readers"], [["bob@x.test"], []]),
        ([BUDGET, ["f3"]], ["[].readers"], [["bob@x.test"], []]),
        ([BUDGET, BUDGET, {"id": "f2"}, {"id": "f3"}], ["[].readers"], [["bob@x.test"], []]),
        ([{"share": {"readers": ["a"]}}, {"share": "all"}], ["[].share.readers"], [["a"], []]),
        ([{"to": [{"who": "a"}]}, {"to": []}], ["[].to[].who"], [["a"], []]),
        ([{"readers": ["a"]}, {"readers": []}], ["[].readers[]"], [["a"], []]),
        ({"f1": BUDGET, "f2": {}}, ["*.readers"], [["bob@x.test"], []]),
        ({"files": [BUDGET, {"id": "f2"}]}, ["files[].readers"], [["bob@x.test"], []]),
        ([{"owner": "a", "readers": ["b"]}, {"owner": "a"}, {}], ["[].owner", "[].readers"], [["a", "b"], ["a"], []]),
        ([{"owner": "a"}, {"readers": ["b"]}], ["[].owner", "[].readers"], [["a"], ["b"]]),
        ([{"list": {"a": 1}}, {"list": {}}], ["[].list.~"], [["a"], []]),
        *(
            ([{"list": {"a": same}}, {"list": {"b": same, "c": same}}], ["[].list.~"], [["a"], ["b", "c"]])
            for same in (None, True, 1, "", "r", {}, [])
        ),
        ({"f1": "r", "f2": "r"}, ["*"], [["r"]]),
        ({"f1": "a", "f2": "b"}, ["*"], [["a"], ["b"]]),
        ([], ["[].readers"], [[]]),
        ({"id": "f1"}, ["[].readers"], [[]]),
    ],
)  # fmt: skip
def test_a_record_that_names_no_readers_is_for_nobody(value: Any, paths: list[str], readers: list[list[str]]) -> None:
    """Also beside one that names them, and wherever on the way to them the path ends; what it names is not lost."""
    text = json.dumps(value)

    assert sorted(map(sorted, extract(text, format="json", readers=tuple(paths)).readers)) == sorted(readers)
    only = extract(text, format="json", readers=tuple(paths), only=("me",)).readers
    assert sorted(map(sorted, only)) == sorted(sorted([*each, "me"]) for each in readers)


async def test_a_record_without_readers_holds_what_is_sent() -> None:
    """One file that Bob may read lets nothing of the other go to him."""
    files = [BUDGET, {"id": "f2", "title": "Salaries"}]
    contacts = '[{"name": "Bob", "email": "bob@x.test"}]'
    seen = Office("Send the budget to Bob").saw("find_contacts", contacts)

    assert await seen.saw("find_files", json.dumps(files[:1])).lets("send_mail", to="bob@x.test")
    assert not await seen.saw("find_files", json.dumps(files)).lets("send_mail", to="bob@x.test")


def test_what_is_remembered_is_bounded_by_what_it_takes() -> None:
    """Many large results do not fill a worker's memory; the latest is remembered, however large."""
    policy = ToolPolicy(effect="read", result=Result(format="json", fields=(Field(path="[].id", type="file"),)))
    extracts = Extracts({"find": policy})
    text = json.dumps([{"id": f"{n}"} for n in range(20_000)])

    tracemalloc.start()
    for n in range(20):
        latest = extracts.of("find", text + " " * n)
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()

    assert taken < 1.2 * results._REMEMBERED
    assert len(extracts._read) >= 2
    assert extracts.of("find", text + " " * 19) is latest
    huge = json.dumps([{"id": "x" * results._REMEMBERED}])
    assert extracts.of("find", huge) is extracts.of("find", huge)


def test_many_values_of_one_record_take_little() -> None:
    """Each of a thousand guests is one of the same thousand, which are kept once."""
    text = json.dumps([{"title": "Board", "guests": [f"g{n}@x.test" for n in range(3000)]}])

    tracemalloc.start()
    guests = extract(text, format="json", fields=(GUEST,)).items
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()

    assert len(guests) == len(guests[0].record) == 3000
    assert taken < 4 << 20
