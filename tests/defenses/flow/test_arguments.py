"""Arguments: what is judged is what the tool will read, whichever JSON reader it has."""

import pytest

from outworks.defenses.flow import Argument, Settings, ToolPolicy, arguments
from outworks.message import Tool, ToolCall
from tests.defenses.flow.kit import Office, called, is_released


@pytest.mark.parametrize(
    "written",
    [
        '{"to": 1, "to": 2}',
        '{"to": 1, "To": 2}',
        '{"to": 1, "\\u0074o": 2}',
        '{"a": {"key": 1, "\u212aEY": 2}}',
        '{"to": "bob@office.test\\u0000@evil.test"}',
        '{"to": ["bob", ["ev\\ud800il"]]}',
        '{"a\\udfff": 1}',
        '{"n": 18446744073709551616}',
        '{"n": -9223372036854775809}',
        '{"n": Infinity}',
        '{"n": -1e400}',
        '{"n": 123456789012345673.0}',
        '{"n": 123456789012345687e0}',
        '{"n": 0.30000000000000001}',
        '{"n": 1e-400}',
        '{"n": 1234567890123456.75}',
        '{"n": 1e-99999999999999999999}',
        '{"n": 0e99999999999999999999}',
        '{"n": 01}',
        '{"n": +1}',
        '{"n": .5}',
        '{"n": 0x10}',
        '{"to": "a\nb"}',
        "{'to': 1}",
        '{"to": 1,}',
        '{"to": 1} // x',
        '\ufeff{"to": 1}',
        "[" * 5000,
        "null",
        '"{}"',
    ],
)
def test_what_readers_differ_on_is_refused(written: str) -> None:
    """Two fields of one name, numbers beyond 64 bits, text that is none, and whatever one reader lets through."""
    with pytest.raises(ValueError, match="the arguments"):
        arguments.read(written)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("", {}),
        (
            ' \n{"a": 1.0, "b": [true, null], "c": {"a": "\\ud83d\\ude00"}} ',
            {"a": 1, "b": [True, None], "c": {"a": "😀"}},
        ),
        (
            '{"n": [0.1, -0.0, 1.50, 1E5, 1e22, 5e-324, 0.30000000000000004]}',
            {"n": [0.1, 0.0, 1.5, 1e5, 1e22, 5e-324, 0.1 + 0.2]},
        ),
        (
            '{"n": [123456789012345680.0, 100000e-5, 0.10000000000000001, 52.520006600000002]}',
            {"n": [123456789012345680, 1, 0.1, 52.5200066]},
        ),
        ('{"n": 18446744073709551615, "m": -9223372036854775808}', {"n": 2**64 - 1, "m": -(2**63)}),
    ],
)
def test_what_all_read_alike_is_read(written: str, read: object) -> None:
    """Ordinary arguments are what they are to everyone."""
    assert arguments.read(written).values == read


@pytest.mark.parametrize("schema", [{}, {"properties": {"to": {}, "amount": {}}}])
async def test_a_field_in_other_letters_is_no_other_field(schema: dict[str, object]) -> None:
    """A reader that takes `Amount` for `amount` would find a number there that was judged as a word."""
    limited = {"amount": Argument(kind="number", max=100.0), "to": Argument(kind="id")}
    policy = {"pay": ToolPolicy(authorised=("static",), arguments=limited)}
    tool = Tool("pay", schema=schema)
    office = Office("Pay DE77 50 of the 5000", settings=Settings(tools=policy), tools=(tool,))

    assert is_released(await office.tries(ToolCall("x", "pay", '{"to": "DE77", "amount": 50}')))
    for written in ('{"to": "DE77", "Amount": 5000}', '{"to": "DE77", "amount": 50, "AMOUNT": 5000}'):
        assert not is_released(await office.tries(ToolCall("x", "pay", written)))


EVENT = {
    "event": Argument(kind="free"),
    "event.calendar": Argument(kind="id", sources=("user",)),
    "event.room.id": Argument(kind="id", sources=("user",)),
}
INNER = {"event": {"properties": {"title": {}, "calendar": {}, "room": {"properties": {"id": {}}}, "amount": {}}}}


@pytest.mark.parametrize("schema", [{}, {"properties": INNER}])
@pytest.mark.parametrize(
    ("event", "leaves"),
    [
        ({"title": "Lunch", "calendar": "cal_ann"}, True),
        ([{"calendar": "cal_ann", "room": {"id": "r1"}}], True),
        ({"calendar": "cal_eve"}, False),
        ({"Calendar": "cal_eve"}, False),
        ({"Calendar": "cal_ann"}, False),
        ([[{"CALENDAR": "cal_eve"}]], False),
        ({"Room": {"id": "r1"}}, False),
        ({"room": {"ID": "r2"}}, False),
    ],
)
async def test_an_inner_field_in_other_letters_is_no_other_field(
    schema: dict[str, object], event: object, leaves: bool
) -> None:
    """It would be judged as whatever may stand around it, and be read as the field that it resembles."""
    policy = {"create": ToolPolicy(authorised=("static",), arguments=EVENT)}
    tool = Tool("create", schema=schema)
    office = Office("Lunch into cal_ann, room r1", settings=Settings(tools=policy), tools=(tool,))

    assert is_released(await office.tries(called("create", event=event))) is leaves


async def test_an_inner_field_of_the_schema_alone_has_its_letters_too() -> None:
    """The policy says nothing of it, and the tool reads it."""
    policy = {"create": ToolPolicy(authorised=("static",), arguments=EVENT)}
    office = Office("Lunch", settings=Settings(tools=policy), tools=(Tool("create", schema={"properties": INNER}),))

    assert is_released(await office.tries(called("create", event={"amount": 5})))
    assert not is_released(await office.tries(called("create", event={"AMOUNT": 5})))


async def test_an_object_that_only_its_fields_are_known_of_has_its_letters() -> None:
    """A policy that says `event.calendar` knows of `event`."""
    policy = {"create": ToolPolicy(authorised=("static",), arguments={"event.calendar": EVENT["event.calendar"]})}
    office = Office("Lunch into cal_ann", settings=Settings(tools=policy), tools=(Tool("create"),))

    assert is_released(await office.tries(called("create", event={"calendar": "cal_ann"})))
    assert not is_released(await office.tries(called("create", Event={"calendar": "cal_ann"})))
