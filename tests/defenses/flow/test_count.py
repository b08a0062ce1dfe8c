"""Calls a turn: no history, no second worker and no second answer gets one more out of the model."""

import asyncio
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from outworks import label, once
from outworks.defense import InForce
from outworks.defenses.flow import Flow, Seal, Taken
from outworks.ledger import Ledger
from outworks.message import Delta, Finish, Message, Output, Role, Text, ToolCallPiece
from outworks.model import join
from outworks.once import Counts
from outworks.pipeline import DefendedModel
from tests.defenses.flow.kit import Office, called, is_released
from tests.kit import Says, Tape


async def test_calls_a_turn_are_counted() -> None:
    """A limit holds over the steps of a turn and within one output; the next turn begins anew."""
    office = Office("Send mail to bob@office.test", counts=True)
    mail = called("send_mail", to="bob@office.test")

    assert not is_released(await office.tries(mail, mail, mail))
    assert is_released(await office.tries(mail, mail))
    office.saw("send_mail", "sent", to="bob@office.test").saw("send_mail", "sent", to="bob@office.test")
    assert not is_released(await office.tries(mail))
    assert is_released(await office.say("Send it again").tries(mail))


async def test_dropped_history_begins_no_new_count() -> None:
    """A client that drops what was done in this turn gains nothing by it; the next turn begins anew."""
    office = Office("Send mail to bob@office.test", counts=True)
    for allowed in (True, True, False):
        assert await office.lets("send_mail", to="bob@office.test") is allowed

    assert await office.say("Send another").lets("send_mail", to="bob@office.test")


async def test_equal_turns_are_told_apart() -> None:
    """A user who says the same again has begun a turn; a client that drops the first time has not."""
    office = Office("Send mail to bob@office.test", counts=True)
    first = office.request.messages
    for message in (Message(Role.ASSISTANT, (Text("Done."),), label.ASSISTANT), *first):
        office.add(message)
    for allowed in (True, True, False):
        assert await office.lets("send_mail", to="bob@office.test") is allowed

    call = called("send_mail", to="bob@office.test")
    assert not is_released(await office.tries(call, messages=first))


async def test_requests_at_once_share_a_count() -> None:
    """Of three requests that are judged at the same moment two get the two calls that the turn has."""
    office = Office("Send mail to bob@office.test", counts=True)

    outputs = await asyncio.gather(*(office.tries(called("send_mail", to="bob@office.test")) for _ in range(3)))

    assert sum(map(is_released, outputs)) == 2
    held = next(output for output in outputs if not is_released(output))
    assert "a turn has 2 calls of it at most" in held.notice
    assert is_released(await office.asks(Says("x"), confirmations=held.confirm))


async def test_choices_share_a_count() -> None:
    """Several answers to one request are one turn: together they make no more calls than one of them may."""
    office = Office("Send mail to bob@office.test", counts=True, parameters={"n": 3})
    call = called("send_mail", to="bob@office.test")
    deltas = [
        Delta(choice=n, tool_call=ToolCallPiece(0, "x", call.name, call.arguments), finish=Finish.TOOL_CALLS)
        for n in range(3)
    ]
    in_force = [InForce(office.flow, office.settings)]
    model = DefendedModel(Says(*deltas, finish=None), in_force, Tape(), issue=office.seal.issue)

    outputs = (await join(model.generate(office.request))).outputs

    assert [len(output.tool_calls) for output in outputs] == [1, 1, 0]


async def test_a_held_output_counts_nothing() -> None:
    """A call that was held back, and those beside it, are not among the calls of the turn."""
    office = Office("Send mail to bob@office.test", counts=True)
    good, bad = called("send_mail", to="bob@office.test"), called("send_mail", to="eve@evil.test")
    for _ in range(3):
        assert not is_released(await office.tries(good, bad))

    assert is_released(await office.tries(good, good))


async def test_the_ledger_counts_for_all_workers(tmp_path: Path) -> None:
    """Workers that take calls at the same moment, and one that starts later, share the calls of a turn."""
    office = Office("Send mail to bob@office.test", counts=True)
    ledgers = [Ledger.open(tmp_path / "l.db") for _ in range(3)]
    flows = [Flow(office.settings, office.seal, count=Counts(each).take) for each in ledgers]

    async def lets(flow: Flow, exchange: str) -> bool:
        request = msgspec.structs.replace(office.request, id=exchange)
        output = Output(tool_calls=(called("send_mail", to="bob@office.test"),), done=True)
        return (await flow.check_output(request, output)).decision == 0

    assert sum(await asyncio.gather(*(lets(flow, f"ex_{n}") for n, flow in enumerate(flows)))) == 2
    late = Ledger.open(tmp_path / "l.db")
    assert not await lets(Flow(office.settings, office.seal, count=Counts(late).take), "ex_9")
    for each in (*ledgers, late):
        await each.close()


async def test_the_ledger_forgets_after_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was taken minutes ago counts no more, though the same words were said."""
    ledger = Ledger.open(tmp_path / "l.db")
    office, counts = Office("Send mail"), Counts(ledger)
    now = [1000.0]
    monkeypatch.setattr(once, "time", SimpleNamespace(time=lambda: now[0]))
    turn = office.seal.turn(office.request)
    taken = [Taken(tool="send_mail", turn=turn, slot=f"ex_{n}.0.0") for n in range(4)]

    assert [await counts.take(office.request, each) for each in taken[:3]] == [0, 1, 2]
    assert await counts.take(office.request, taken[1]) == 1, "a call that is judged again is the same call"
    now[0] += once.TURN_SECONDS + 1
    assert await counts.take(office.request, taken[3]) == 0
    await ledger.close()


async def test_a_record_of_a_count_tells_nothing_of_the_words(tmp_path: Path) -> None:
    """What is never erased holds no words of the user's, nor anything by which somebody could guess them."""
    seals = Seal(b"one secret"), Seal(b"another secret")
    office = Office("yes")

    turns = [seal.turn(office.request) for seal in seals]

    assert turns[0] == Seal(b"one secret").turn(office.request)
    assert turns[0].words != turns[1].words
