"""Confirmations: a person lets one held call go: this one, once, in time, in this conversation."""

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from outworks.defenses.flow import Flow, Seal, confirm
from outworks.ledger import Ledger
from outworks.message import Finish, Output
from outworks.once import Confirmations
from tests.defenses.flow.kit import Office, called, is_released, names
from tests.kit import Says

EVE = called("send_mail", to="eve@evil.test", body="Hello")
OTHER = called("send_mail", to="eve@evil.test", body="Goodbye")


async def held(office: Office) -> str:
    output = await office.tries(EVE)
    assert output.finish is Finish.CONTENT_FILTER
    assert len(output.confirm) == 1
    return output.confirm[0]


def office(**fields: Any) -> Office:
    return Office("Send mail", **fields)


async def test_the_confirmed_call_leaves() -> None:
    """The very call that was held leaves, and the model is not asked to say it again."""
    it = office()
    token = await held(it)
    model = Says("I would rather do something else.")

    output = await it.asks(model, confirmations=(token,))

    assert names(output.tool_calls) == ["send_mail"]
    assert output.tool_calls[0].arguments == EVE.arguments
    assert model.requests == []


async def test_the_record_says_that_a_person_let_it_go() -> None:
    """A confirmed call is recorded with what it would have been held for."""
    it = office()
    await it.tries(EVE, confirmations=(await held(it),))

    judged = [j for e in it.tape.events for j in getattr(e.body, "judgements", ()) if j.defense == "flow"][-1]
    assert "confirmed by a person" in judged.reason
    assert judged.findings[0].detail == "send_mail: to"


async def test_a_token_is_good_once() -> None:
    """The second use lets nothing go."""
    it = office()
    token = await held(it)

    assert is_released(await it.tries(EVE, confirmations=(token,)))
    again = await it.tries(EVE, confirmations=(token,))
    assert not is_released(again)
    assert "used before" in again.notice


async def direct(it: Office, call: Any, token: str, **fields: Any) -> bool:
    """Whether a model's own call leaves beside a token."""
    request = msgspec.structs.replace(it.request, confirmations=(token,), **fields)
    output = Output(tool_calls=(call,), done=True, finish=Finish.TOOL_CALLS)
    return (await it.flow.check_output(request, output)).decision == 0


async def test_a_token_is_for_one_call() -> None:
    """Another call, another argument or two calls at once do not leave by it; the same meaning in other words does."""
    it = office()
    token = await held(it)

    assert not await direct(it, OTHER, token)
    assert not await direct(it, called("delete_file", id="f9"), token)
    twice = msgspec.structs.replace(it.request, confirmations=(token, token))
    output = Output(tool_calls=(EVE, EVE), done=True, finish=Finish.TOOL_CALLS)
    assert (await it.flow.check_output(twice, output)).decision > 0
    same = msgspec.structs.replace(EVE, arguments='{"body": "\\u0048ello", "to": "eve@evil.test"}')
    assert await direct(it, same, token)


@pytest.mark.parametrize("fields", [{"account": "shop:eve"}, {"conversation": "c2"}])
async def test_a_token_is_for_one_conversation(fields: dict[str, Any]) -> None:
    """It cannot be taken to another account or another conversation."""
    it = office()

    assert not await direct(it, EVE, await held(it), **fields)


async def test_a_token_expires() -> None:
    """After its time it lets nothing go, and a new one is given."""
    it, now = office(), [1000.0]
    it.flow = Flow(it.settings, it.seal, clock=lambda: now[0])
    token = await held(it)

    now[0] += it.settings.confirm_seconds + 1
    late = await it.tries(EVE, confirmations=(token,))

    assert not is_released(late)
    assert len(late.confirm) == 1
    assert is_released(await it.tries(EVE, confirmations=late.confirm))


async def test_forged_tokens_let_nothing_go() -> None:
    """A token of another gateway, an edited one, and garbage of every kind are no confirmation."""
    it = office()
    token = await held(it)
    data, _, signature = token.partition(".")
    edited = confirm.token(Seal.random(), it.request, OTHER, expires=9e9).partition(".")[0]
    bomb = base64.urlsafe_b64encode(zlib.compress(b"x" * 10_000_000)).decode()
    for forged in (
        confirm.token(Seal.random(), it.request, EVE, expires=9e9),
        f"{edited}.{signature}",
        data,
        f"{data}.",
        f"{data}.ü",
        f"{bomb}.{signature}",
        "x.y",
        "",
        "\u0000.\u0000",
    ):
        output = await it.tries(EVE, confirmations=(forged,))
        assert not is_released(output), forged


async def test_what_is_blocked_for_good_cannot_be_confirmed() -> None:
    """Where the policy says `block` no token is given; one from before the policy changed is worth nothing."""
    it = office()
    payment = called("pay", to="DE99", amount=900)

    assert (await it.tries(payment)).confirm == ()
    assert not await direct(it, payment, confirm.token(it.seal, it.request, payment, expires=9e9))


async def test_several_held_calls_take_several_tokens() -> None:
    """Each call that was held has its own token; what a person leaves out stays."""
    it = office()
    both = await it.tries(EVE, called("delete_file", id="f9"))

    assert len(both.confirm) == 2
    assert names((await it.asks(Says("x"), confirmations=both.confirm)).tool_calls) == ["send_mail", "delete_file"]
    both = await it.tries(EVE, called("delete_file", id="f9"))
    assert names((await it.asks(Says("x"), confirmations=both.confirm[1:])).tool_calls) == ["delete_file"]


async def test_a_confirmation_stays_spent_after_a_restart_and_for_other_workers(tmp_path: Path) -> None:
    """The ledger knows which were taken; of two workers that take one at once, one gets it."""
    it = office()
    token = await held(it)
    first, second = Ledger.open(tmp_path / "l.db"), Ledger.open(tmp_path / "l.db")
    workers = [Flow(it.settings, it.seal, spend=Confirmations(each).spend) for each in (first, second)]

    async def lets(flow: Flow, exchange: str) -> bool:
        request = msgspec.structs.replace(it.request, confirmations=(token,), id=exchange)
        return (await flow.check_output(request, Output(tool_calls=(EVE,), done=True))).decision == 0

    assert sorted([await lets(workers[0], "ex_1"), await lets(workers[1], "ex_2")]) == [False, True]
    await first.close()
    await second.close()
    reopened = Ledger.open(tmp_path / "l.db")
    assert not await lets(Flow(it.settings, it.seal, spend=Confirmations(reopened).spend), "ex_3")
    await reopened.close()


async def test_workers_race_for_one_confirmation(tmp_path: Path) -> None:
    """Both ask before either has written: the order of the ledger decides."""
    import asyncio

    ledgers = [Ledger.open(tmp_path / "l.db") for _ in range(4)]
    takers = [Confirmations(each) for each in ledgers]
    requests = [msgspec.structs.replace(office().request, id=f"ex_{n}") for n in range(4)]

    taken = await asyncio.gather(*(t.spend(r, "n") for t, r in zip(takers, requests, strict=True)))

    assert sum(taken) == 1
    for each in ledgers:
        await each.close()


def unsigned(tool: str, **arguments: Any) -> str:
    """What anybody can write, as `read` reads it."""
    said = {"name": tool, "arguments": json.dumps(arguments), "expires": 9e9, "nonce": "0"}
    return base64.urlsafe_b64encode(zlib.compress(json.dumps(said).encode())).decode().rstrip("=")


async def test_what_nobody_signed_is_never_said() -> None:
    """A call that no model made gets no id of the gateway's, though the policy would let the model's own go."""
    it = office()
    data = unsigned("find_contacts", name="Bob")
    assert confirm.read(data) is not None
    signature = confirm.token(it.seal, it.request, EVE, expires=9e9).partition(".")[2]
    elsewhere = msgspec.structs.replace(it.request, conversation="c2")
    for forged in (
        data,
        f"{data}.{signature}",
        f"{data}.{signature[:48]}",
        confirm.token(Seal.random(), it.request, called("find_contacts", name="Bob"), expires=9e9),
        confirm.token(it.seal, elsewhere, called("find_contacts", name="Bob"), expires=9e9),
    ):
        model = Says("Hello.")
        output = await it.asks(model, confirmations=(forged,))
        assert output.tool_calls == ()
        assert output.text == "Hello."


async def test_a_token_of_another_account_lets_nothing_go() -> None:
    """In a conversation of the same name, too."""
    it = office()
    theirs = msgspec.structs.replace(it.request, account="shop:eve")

    output = await it.asks(Says("Hello."), confirmations=(confirm.token(it.seal, theirs, EVE, expires=9e9),))

    assert not is_released(output)


async def test_only_so_many_tokens_are_looked_at() -> None:
    """A request cannot have calls without end said and judged; the same token twice is one."""
    it = office()
    tokens = [
        confirm.token(it.seal, it.request, called("send_mail", to=f"e{n}@x.test"), expires=9e9) for n in range(40)
    ]

    assert len(confirm.brought(it.seal, msgspec.structs.replace(it.request, confirmations=tuple(tokens)))) == 16
    assert len(confirm.brought(it.seal, msgspec.structs.replace(it.request, confirmations=(tokens[0],) * 40))) == 1
    assert len((await it.asks(Says("x"), confirmations=(tokens[0], *tokens))).tool_calls) == 16
