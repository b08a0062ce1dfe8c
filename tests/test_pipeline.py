"""The defended model: judged in order, held until covered, recorded before release."""

import asyncio
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outworks.event import Ended, Judged, Received, RecordError, Released, UpstreamFailed
from outworks.message import Delta, Finish, Output, Request, ToolCallPiece, Usage
from outworks.model import Blocked, Joined, UpstreamError, join
from outworks.pipeline import DefendedModel
from outworks.verdict import ALLOW, Decision, Edit, Finding, Notice, Span, Verdict
from tests.kit import UPSTREAM_DOWN, Says, Tape, asks, cut, forbids, longest_overlap, offers, on_output, on_request

BLOCK = Verdict(decision=Decision.BLOCK, reason="because", notice=Notice(code="no", message="No."))


async def ask(model: Says, *defenses: object, tape: Tape | None = None, request: Request | None = None) -> Joined:
    return await join(DefendedModel(model, defenses, tape or Tape()).generate(request or asks()))  # type: ignore[arg-type]


async def test_an_answer_passes_and_is_recorded() -> None:
    """An ordinary exchange leaves received, judged and released in the ledger, in this order."""
    tape = Tape()

    joined = await ask(Says("Par", "is."), on_request(ALLOW), on_output(ALLOW), tape=tape)

    assert joined.outputs[0].text == "Paris." == tape.released
    assert joined.usage == Usage(3, 5)
    kinds = [type(event.body) for event in tape.events]
    assert kinds[:2] == [Received, Judged]
    assert kinds[-2:] == [Released, Ended]


async def test_a_blocked_request_never_reaches_the_model() -> None:
    """A live BLOCK raises Blocked with its notice, and the upstream hears nothing."""
    model, tape = Says("Paris."), Tape()

    with pytest.raises(Blocked) as stop:
        await ask(model, on_request(BLOCK), tape=tape)

    assert stop.value.notice.code == "no"
    assert model.requests == []
    assert tape.bodies(Judged)[0].decision is Decision.BLOCK


async def test_escalate_holds_as_block_does() -> None:
    """A request that a person must decide on does not go on meanwhile."""
    model = Says("Paris.")

    with pytest.raises(Blocked):
        await ask(model, on_request(Verdict(decision=Decision.ESCALATE)))

    assert model.requests == []


async def test_the_first_stop_ends_the_judging() -> None:
    """Defenses after the one that stopped the request are neither asked nor recorded as asked."""
    tape = Tape()

    with pytest.raises(Blocked):
        await ask(Says(), on_request(ALLOW), on_request(BLOCK), on_request(ALLOW), tape=tape)

    assert len(tape.bodies(Judged)[0].judgements) == 2


async def test_modify_changes_what_the_rest_sees() -> None:
    """A request modified by one defense is what later defenses and the upstream get."""
    seen: list[Request] = []

    async def look(request: Request) -> Verdict:
        seen.append(request)
        return ALLOW

    changed = asks(parameters={"temperature": 0.2})
    model = Says("Paris.")
    await ask(model, on_request(Verdict(decision=Decision.MODIFY, request=changed)), on_request(look))

    assert seen[0].parameters == model.requests[0].parameters == {"temperature": 0.2}


async def test_upstream_never_learns_the_account() -> None:
    """The upstream sees the pseudonym in place of the account's id."""
    model = Says("Paris.")

    await join(DefendedModel(model, (), Tape(), pseudonym=lambda account: f"h({len(account)})").generate(asks()))

    assert model.requests[0].account == "h(8)"


@pytest.mark.parametrize("mode", ["live", "shadow"])
async def test_shadow_changes_nothing(mode: str) -> None:
    """What blocks live is only recorded in shadow, on requests and on outputs."""
    tape = Tape()
    hostile = on_request(BLOCK, mode=mode), forbids("is", mode=mode)

    if mode == "live":
        with pytest.raises(Blocked):
            await ask(Says("Paris."), *hostile, tape=tape)
    else:
        joined = await ask(Says("Paris."), *hostile, tape=tape)
        assert joined.outputs[0].text == "Paris."
        assert joined.outputs[0].finish is Finish.STOP
        assert tape.bodies(Judged)[0].judgements[0].decision is Decision.BLOCK
        assert tape.bodies(Judged)[0].decision is Decision.ALLOW


@given(at=st.lists(st.integers(0, 40), max_size=12))
def test_shadow_finds_what_live_finds(at: list[int]) -> None:
    """A defense in shadow reads on from where it was, not from where the others let go, so that it misses nothing."""
    text = "hay and a needle, hay and a needle, hay"
    tape = Tape()

    async def finds(request: Request, output: Output) -> Verdict:
        places = [m.start() for m in re.finditer("needle", output.text) if m.start() >= output.released]
        held = 0 if output.done else longest_overlap(output.text, "needle")
        findings = tuple(Finding("needle", 1.0, Span(place, place + 6)) for place in places)
        return Verdict(findings=findings, covered=len(output.text) - held)

    asyncio.run(ask(Says(*cut(text, at)), on_output(finds, mode="shadow"), on_output(ALLOW), tape=tape))

    found = [f.span.start for body in tape.bodies(Judged) for one in body.judgements for f in one.findings if f.span]
    assert sorted(found) == [m.start() for m in re.finditer("needle", text)]


async def raises(*_: object) -> Verdict:
    raise ZeroDivisionError("division by zero")


async def overruns(*_: object) -> Verdict:
    await asyncio.sleep(5)
    return ALLOW


async def dawdles(*_: object) -> Verdict:
    import time

    time.sleep(0.03)
    return ALLOW


async def returns_nothing(*_: object) -> Verdict:
    return None  # type: ignore[return-value]


async def scores_nothing(*_: object) -> Verdict:
    return Verdict(findings=(Finding("x", float("nan")),))


@pytest.mark.parametrize("check", [raises, overruns, dawdles, returns_nothing, scores_nothing])
async def test_a_request_check_that_fails_blocks(check: object) -> None:
    """Raising, waiting too long, computing too long and returning no verdict all block, and are recorded."""
    tape = Tape()

    with pytest.raises(Blocked) as stop:
        await ask(Says("Paris."), on_request(check, time_limit_ms=20), tape=tape)  # type: ignore[arg-type]

    assert stop.value.notice.status == 503
    assert tape.bodies(Judged)[0].judgements[0].error in ("raised", "overran")


@pytest.mark.parametrize("check", [raises, overruns, dawdles, returns_nothing])
async def test_an_output_check_that_fails_blocks(check: object) -> None:
    """An output whose check fails is never released."""
    tape = Tape()

    joined = await ask(Says("Paris."), on_output(check, time_limit_ms=20), tape=tape)  # type: ignore[arg-type]

    assert joined.outputs[0].text == tape.released == ""
    assert joined.outputs[0].finish is Finish.CONTENT_FILTER


async def test_on_error_allow_is_obeyed_and_recorded() -> None:
    """A defense that the policy lets fail open lets through, and the ledger says that it failed."""
    tape = Tape()

    joined = await ask(Says("Paris."), on_request(raises, on_error="allow"), tape=tape)

    assert joined.outputs[0].text == "Paris."
    assert tape.bodies(Judged)[0].judgements[0].error == "raised"


async def test_a_check_may_wait_within_its_time() -> None:
    """A check that awaits something and finishes in time is an ordinary check."""

    async def waits(request: Request) -> Verdict:
        await asyncio.sleep(0.001)
        await asyncio.sleep(0.001)
        return BLOCK

    with pytest.raises(Blocked) as stop:
        await ask(Says(), on_request(waits))

    assert stop.value.notice.code == "no"


async def test_nothing_is_released_without_a_record() -> None:
    """When the ledger cannot write, the client gets nothing at all."""
    got: list[Delta] = []

    with pytest.raises(RecordError):
        async for delta in DefendedModel(Says("Paris."), (), Tape(broken=True)).generate(asks()):
            got.append(delta)

    assert got == []


async def test_recorded_before_released() -> None:
    """At the moment a delta arrives, the ledger already holds its characters."""
    tape, got = Tape(), ""

    async for delta in DefendedModel(Says("Pa", "ri", "s."), (forbids("zzz"),), tape).generate(asks()):
        got += delta.text
        assert tape.released.startswith(got)

    assert got == "Paris."


@given(
    at=st.lists(st.integers(0, 40), max_size=8),
    word=st.sampled_from(["needle", "aab", "x" * 10]),
    stream=st.booleans(),
)
def test_a_forbidden_word_never_leaves_however_it_is_cut(at: list[int], word: str, stream: bool) -> None:
    """Under any chunking, streamed or not, the same leaves: all before the violation, nothing from it on."""
    text = f"aaaab hay {word} more hay"
    tape = Tape()

    joined = asyncio.run(ask(Says(*cut(text, at)), forbids(word), tape=tape, request=asks(stream=stream)))

    assert joined.outputs[0].text == tape.released == text[: text.index(word)]
    assert joined.outputs[0].finish is Finish.CONTENT_FILTER


@given(at=st.lists(st.integers(0, 60), max_size=10), stream=st.booleans())
def test_edits_are_the_same_however_it_is_cut(at: list[int], stream: bool) -> None:
    """A MODIFY rewrites the same spans under any chunking, and the record shows what really left."""

    async def stars(request: Request, output: Output) -> Verdict:
        places = [i for i, c in enumerate(output.text) if c == "*" and i >= output.released]
        edits = tuple(Edit(i, i + 1, "[star]") for i in places)
        return Verdict(decision=Decision.MODIFY, edits=edits) if edits else ALLOW

    text = "one * two ** three * four"
    tape = Tape()

    model, request = Says(*cut(text, at)), asks(stream=stream)
    joined = asyncio.run(ask(model, on_output(stars), forbids("zzz"), tape=tape, request=request))

    assert joined.outputs[0].text == tape.released == text.replace("*", "[star]")


async def test_overlapping_edits_become_one() -> None:
    """Two defenses that edit overlapping spans take out both, once."""
    first = Verdict(decision=Decision.MODIFY, edits=(Edit(2, 6, "[a]"),))
    second = Verdict(decision=Decision.MODIFY, edits=(Edit(4, 8, "[b]"),))

    joined = await ask(Says("0123456789"), on_output(first), on_output(second))

    assert joined.outputs[0].text == "01[a]89"


@pytest.mark.parametrize(
    "verdict",
    [
        Verdict(covered=3),
        Verdict(decision=Decision.MODIFY, edits=(Edit(3, 3, "x"),)),
        Verdict(decision=Decision.MODIFY, edits=(Edit(3, 5, ""),)),
        Verdict(decision=Decision.MODIFY),
    ],
)
async def test_a_verdict_that_breaks_the_contract_blocks(verdict: Verdict) -> None:
    """Text left uncovered at the end, an empty edit, an edit to nothing, a MODIFY of nothing: none is a pass."""
    joined = await ask(Says("0123456789"), on_output(verdict))

    assert joined.outputs[0].finish is Finish.CONTENT_FILTER


async def test_a_tool_call_is_whole_or_not_at_all() -> None:
    """A streamed tool call leaves in one piece, under an id of the gateway's own, recorded; the last with the end."""
    model = Says(
        Delta(tool_call=ToolCallPiece(0, "theirs", "look_up", '{"pla')),
        Delta(tool_call=ToolCallPiece(0, "", "", 'ce":"Paris"}')),
        finish=Finish.TOOL_CALLS,
    )
    tape = Tape()
    defended = DefendedModel(model, (), tape)

    deltas = [delta async for delta in defended.generate(asks(tools=offers("look_up")))]

    pieces = [delta.tool_call for delta in deltas if delta.tool_call]
    assert [(piece.name, piece.arguments) for piece in pieces] == [("look_up", '{"place":"Paris"}')]
    assert pieces[0].id.startswith("call_")
    assert pieces[0].id in tape.released
    assert [delta.finish for delta in deltas if delta.tool_call] == [Finish.TOOL_CALLS]


async def test_a_function_that_was_not_offered_is_blocked() -> None:
    """No match means deny: a call to an undeclared function never leaves."""
    model = Says("On it.", Delta(tool_call=ToolCallPiece(0, "id", "wipe_disk", "{}")), finish=Finish.TOOL_CALLS)

    joined = await ask(model, request=asks(tools=offers("look_up")))

    assert joined.outputs[0].tool_calls == ()
    assert joined.outputs[0].finish is Finish.CONTENT_FILTER
    assert joined.outputs[0].text == "On it."


async def test_choices_are_judged_apart() -> None:
    """With n=2 a violation in one choice stops that one alone."""
    model = Says(
        Delta(choice=0, text="fine"),
        Delta(choice=1, text="a needle"),
        Delta(choice=0, finish=Finish.STOP),
        Delta(choice=1, finish=Finish.STOP),
        finish=None,
    )

    joined = await ask(model, forbids("needle"), request=asks(parameters={"n": 2}))

    assert [output.text for output in joined.outputs] == ["fine", "a "]
    assert [output.finish for output in joined.outputs] == [Finish.STOP, Finish.CONTENT_FILTER]


@pytest.mark.parametrize("n", [2**63, -1, 0, True, 1.5, "2", None, [], {}])
async def test_any_number_of_choices_is_recorded_and_judged(n: object) -> None:
    """No `n`, whatever it is, keeps a request from the defenses and the ledger."""
    tape = Tape()

    with pytest.raises(Blocked):
        await ask(Says("Paris."), on_request(BLOCK), tape=tape, request=asks(parameters={"n": n}))

    assert tape.bodies(Received)[0].choices <= 128
    assert tape.bodies(Judged)[0].decision is Decision.BLOCK


@given(at=st.lists(st.integers(0, 40), max_size=8), stream=st.booleans())
def test_an_upstreams_refusal_is_held_and_recorded_as_any_text(at: list[int], stream: bool) -> None:
    """What the upstream says as its refusal keeps that mark, and what a defense forbids in it does not leave."""
    text = "I can't: hay and a needle, hay"
    pieces = [Delta(text=piece, refused=True, as_refusal=True) for piece in cut(text, at)]
    free, held = Tape(), Tape()

    whole = asyncio.run(ask(Says(*pieces), tape=free, request=asks(stream=stream))).outputs[0]
    stopped = asyncio.run(ask(Says(*pieces), forbids("needle"), tape=held, request=asks(stream=stream))).outputs[0]

    assert (whole.text, whole.as_refusal, whole.finish) == (text, True, Finish.STOP)
    assert (stopped.text, stopped.as_refusal, stopped.finish) == (text[:19], True, Finish.CONTENT_FILTER)
    assert (free.released, held.released) == (text, text[:19])


async def test_a_refusal_of_which_nothing_left_leaves_no_mark() -> None:
    """The mark goes with words: where a defense kept all of them, the last delta says no more than its notice."""
    says = Says(Delta(text="needle", as_refusal=True))

    deltas = [delta async for delta in DefendedModel(says, (forbids("needle"),), Tape()).generate(asks())]

    assert [(delta.text, delta.as_refusal) for delta in deltas if delta.finish] == [("", False)]


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"stop": ["END", "."]}, "END"),
        ({"stop": ["."]}, ""),
        ({"stop": "THE END"}, ""),
        ({"stop": 5}, ""),
        ({}, ""),
    ],
)
async def test_only_the_requests_own_stop_strings_are_told(parameters: dict[str, object], told: str) -> None:
    """An upstream cannot pass words that nobody judged for a stop string."""
    model = Says("Paris", Delta(finish=Finish.STOP, stop_string="END"), finish=None)

    joined = await ask(model, request=asks(parameters=parameters))

    assert (joined.outputs[0].finish, joined.outputs[0].stop_string) == (Finish.STOP, told)


async def test_a_stopped_output_met_no_stop_string() -> None:
    """What a defense ended ended there, whatever the upstream met later."""
    model = Says("a needle", Delta(finish=Finish.STOP, stop_string="END"), finish=None)

    joined = await ask(model, forbids("needle"), request=asks(parameters={"stop": ["END"]}, stream=False))

    assert (joined.outputs[0].finish, joined.outputs[0].stop_string) == (Finish.CONTENT_FILTER, "")


async def test_a_choice_that_was_not_asked_for_is_dropped() -> None:
    """An upstream that sends more choices than `n` cannot smuggle them out."""
    model = Says("asked", Delta(choice=7, text="not asked"), Delta(choice=7, finish=Finish.STOP))

    joined = await ask(model)

    assert [output.text for output in joined.outputs] == ["asked"]


async def test_a_streamed_answer_leaves_as_it_comes() -> None:
    """What is covered leaves at once when somebody waits for it, and in one piece when nobody does."""
    streamed, whole = Tape(), Tape()

    await ask(Says(*"abcdef"), tape=streamed)
    await ask(Says(*"abcdef"), tape=whole, request=asks(stream=False))

    assert len(streamed.bodies(Released)) > 5
    assert len(whole.bodies(Released)) == 1


async def test_a_stopped_output_cancels_the_upstream() -> None:
    """Once every choice was stopped, the rest of the answer is neither read nor paid for."""
    model = Says("a needle", *["more"] * 100)

    await ask(model, forbids("needle"))

    assert model.closed


@pytest.mark.parametrize("pieces", [(), ("half an ans",)])
async def test_an_answer_that_breaks_off_is_an_error(pieces: tuple[str, ...]) -> None:
    """A stream that ends without its end is an upstream error, and is recorded as one."""
    tape = Tape()

    with pytest.raises(UpstreamError) as error:
        await ask(Says(*pieces, finish=None), on_output(Verdict(covered=0)), tape=tape)

    assert error.value.kind == "broken"
    assert tape.released == ""
    assert tape.bodies(UpstreamFailed)


async def test_an_upstream_failure_is_recorded_and_raised() -> None:
    """What the upstream failed of is in the ledger, under the account that asked."""
    tape = Tape()

    with pytest.raises(UpstreamError):
        await ask(Says("Par", UPSTREAM_DOWN), tape=tape)

    assert tape.bodies(UpstreamFailed)[0].error == "unreachable"
    assert tape.events[-1].account == "shop:ann"


async def test_a_client_that_leaves_is_recorded_and_cancels() -> None:
    """Closing the iterator closes the upstream and leaves an event."""
    model, tape = Says(*["word "] * 50), Tape()
    deltas = DefendedModel(model, (), tape).generate(asks())

    await anext(deltas)
    await deltas.aclose()

    assert model.closed
    assert tape.bodies(Ended)[0].why == "client_left"


async def test_one_finding_counts_once_however_finely_streamed() -> None:
    """A finding that stays true while an answer streams is recorded once."""
    finding = Finding("refusal", 0.9, Span(0, 3))
    tape = Tape()

    await ask(Says(*"I cannot help you."), on_output(Verdict(findings=(finding,))), tape=tape)

    found = [f for body in tape.bodies(Judged) for one in body.judgements for f in one.findings]
    assert found == [finding]


async def test_every_released_character_is_covered_by_each_live_defense() -> None:
    """Each release follows a judgement by every live output defense that covers it to its end."""
    tape = Tape()

    await ask(Says(*"hay and needless hay"), forbids("needle!"), on_output(ALLOW), tape=tape)

    judged: list[Judged] = []
    for event in tape.events:
        if isinstance(event.body, Judged) and event.body.stage == "output":
            judged.append(event.body)
        if isinstance(event.body, Released):
            assert len(judged[-1].judgements) == 2
            for one in judged[-1].judgements:
                assert (judged[-1].length if one.covered is None else one.covered) >= event.body.end


def test_events_survive_encoding() -> None:
    """A body decodes to what was encoded: the ledger loses nothing."""
    body = Judged(stage="output", judgements=(), decision=Decision.ALLOW, choice=1, length=9)

    assert msgspec.json.decode(msgspec.json.encode(body), type=Judged) == body
