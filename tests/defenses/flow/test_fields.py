"""Result fields: several values in one record, and links inside texts whose writers are known."""

import pytest

from outworks.defenses.flow import Argument, Field, Result, Settings, ToolPolicy
from tests.defenses.flow.kit import Office, called, tools

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


BOMB = "a: &a [x,x,x,x,x,x,x,x]\n" + "\n".join(
    f'{name}: {{"k":&{name} [{",".join(f"*{before}" for _ in range(8))}]}}'
    for before, name in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.parametrize("text", [BOMB, '{"a":&a [1],"b":*a}', "- &a [x]\n- [*a]", "- &a [x]\n-\t*a"])
async def test_aliases_make_a_result_untrusted_whole(text: str) -> None:
    """A few aliases of aliases are a billion values: wherever they stand, they are not followed."""
    policy = {"find_files": ToolPolicy(effect="read", result=Result(format="yaml", readers=("*",)))}
    seen = Office("Send mail to bob@office.test", settings=Settings(tools=policy)).saw("find_files", text)

    extract = seen.flow.known(seen.request).honest[0].extract

    assert extract.fault
    assert extract.readers == (frozenset(),)


async def test_a_result_that_nests_without_end_is_untrusted_whole() -> None:
    """Its readers are not known, so that it is for nobody; the conversation goes on."""
    deep = '[{"readers": ' + "[" * 900 + "]" * 900 + "}]"
    seen = Office("Send mail to bob@office.test, open https://a.test/x").saw("find_files", deep)

    assert await seen.lets("open_page", url="https://a.test/x")
