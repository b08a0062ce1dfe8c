"""The contract that every defense keeps: inherit `DefenseContract`, say how the defense is made, and supply rows."""

import asyncio
import copy
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from outworks.defense import Defense, InForce, Mode, Settings
from outworks.event import Judged
from outworks.message import Delta, Finish, Output, Request, ToolCallPiece
from outworks.model import Blocked, join
from outworks.pipeline import DefendedModel
from outworks.verdict import ALLOW, Decision, Finding, Verdict
from tests.kit import Says, Tape, asks, cut, on_output


class Row(msgspec.Struct, frozen=True):
    """One input and what the defense must decide about it. Supply benign rows and hostile ones."""

    name: str
    given: Request | Output | str
    """A request; or an output (a plain text is one), judged whole and in every cutting."""
    decision: Decision
    asked: Request = asks()
    """The request that an output answers."""
    leaves: str | None = None
    """What of the output's text leaves, where that should be stated; it is the same however the text is cut."""


class Told(msgspec.Struct, frozen=True):
    """What became of an output behind a gate."""

    text: str
    tool_calls: int
    finish: Finish | None
    findings: frozenset[Finding]


class DefenseContract:
    """Inherit as `class TestMine(DefenseContract)`, with `rows` and `make`. Everything below then holds of `mine`."""

    rows: Sequence[Row] = ()

    def make(self) -> Defense:
        """A fresh defense, as the rows expect it to be set."""
        raise NotImplementedError

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        for kind, wanted in (("request_row", True), ("output_row", False)):
            if kind in metafunc.fixturenames:
                rows = [row for row in self.rows if isinstance(row.given, Request) is wanted]
                metafunc.parametrize(kind, rows, ids=[row.name for row in rows])

    def test_rows_are_benign_and_hostile(self) -> None:
        """The rows show what the defense lets pass as well as what it does not, or finds."""
        assert any(row.decision is Decision.ALLOW for row in self.rows)
        assert len({row.decision for row in self.rows}) > 1 or not self._can_stop

    _can_stop = True
    """False for a defense that by design only finds."""

    async def test_requests_are_decided(self, request_row: Row) -> None:
        """Each request gets the decision that its row states."""
        assert isinstance(request_row.given, Request)

        verdict = await self.make().check_request(request_row.given)

        assert verdict.decision is request_row.decision, verdict.reason

    async def test_outputs_are_decided(self, output_row: Row) -> None:
        """Each finished output gets the decision that its row states, and is covered to its end."""
        output = _output(output_row.given)

        verdict = await self.make().check_output(output_row.asked, output)

        assert verdict.decision is output_row.decision, verdict.reason
        if verdict.decision < Decision.ESCALATE:
            assert verdict.covered is None or verdict.covered >= len(output.text)

    async def test_outputs_leave_as_decided(self, output_row: Row) -> None:
        """Behind the gate ALLOW changes nothing, MODIFY changes the text, and BLOCK ends it early."""
        output = _output(output_row.given)

        told = await _told(self.make(), output_row, [output.text])

        stopped = told.finish is Finish.CONTENT_FILTER and output.finish is not Finish.CONTENT_FILTER
        assert stopped is (output_row.decision >= Decision.ESCALATE)
        if output_row.decision is Decision.ALLOW:
            assert told.text == output.text
        if output_row.decision is Decision.MODIFY:
            assert told.text != output.text
        if output_row.decision >= Decision.ESCALATE:
            assert output.text.startswith(told.text)
            assert told.tool_calls == 0
        if output_row.leaves is not None:
            assert told.text == output_row.leaves

    @given(data=st.data())
    @hypothesis_settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
    def test_cutting_changes_nothing(self, output_row: Row, data: st.DataObject) -> None:
        """However an output is cut into pieces, and whatever another defense holds back meanwhile, the same text leaves
        and the same is found."""
        text = _output(output_row.given).text
        every = list(range(0, len(text), 1 + len(text) // 400))
        places = data.draw(st.lists(st.integers(0, len(text)), max_size=12) | st.just(every))
        stride = data.draw(st.sampled_from([0, 1, 3, 7, 50]))

        whole = asyncio.run(_told(self.make(), output_row, [text]))
        pieces = asyncio.run(_told(self.make(), output_row, cut(text, places), *_holding(stride)))

        if stride and whole.finish is Finish.CONTENT_FILTER:
            # What the other defense still held when this one stopped the answer never leaves.
            assert whole.text.startswith(pieces.text)
            pieces = msgspec.structs.replace(pieces, text=whole.text)
        assert pieces == whole

    async def test_shadow_changes_no_output(self, output_row: Row) -> None:
        """In shadow the output leaves whole, every piece of it at once."""
        output = _output(output_row.given)

        told = await _told(self.make(), output_row, cut(output.text, range(0, len(output.text), 5)), mode=Mode.SHADOW)

        assert told.text == output.text
        assert told.finish is (output.finish or Finish.STOP)
        assert told.tool_calls == len(output.tool_calls)

    async def test_shadow_changes_no_request(self, request_row: Row) -> None:
        """In shadow the request reaches the model as it came."""
        assert isinstance(request_row.given, Request)
        model = Says("Yes.")

        await join(_defended(model, self.make(), mode=Mode.SHADOW).generate(request_row.given))

        assert [msgspec.structs.replace(r, account="") for r in model.requests] == [
            msgspec.structs.replace(request_row.given, account="")
        ]

    async def test_raising_blocks(self) -> None:
        """A check that raises lets nothing through."""

        async def check(self: Defense, *given: object) -> Verdict:
            raise RuntimeError("a fault in the check")

        await _assert_nothing_leaves(_faulty(self.make(), check), time_limit_ms=250)

    async def test_overrunning_blocks(self) -> None:
        """A check that takes longer than its limit lets nothing through."""

        async def check(self: Defense, *given: object) -> Verdict:
            await asyncio.sleep(5)
            return ALLOW

        await _assert_nothing_leaves(_faulty(self.make(), check), time_limit_ms=10)


def _output(given: Request | Output | str) -> Output:
    if isinstance(given, Output):
        return msgspec.structs.replace(given, done=True, finish=given.finish or Finish.STOP)
    assert isinstance(given, str)
    return Output(text=given, done=True, finish=Finish.STOP)


def _defended(
    model: Says, defense: Defense, *others: InForce, tape: Tape | None = None, **settings: Any
) -> DefendedModel:
    # A loaded machine is no overrun.
    in_force = InForce(defense, msgspec.convert({"time_limit_ms": 60_000.0, **settings}, Settings))
    return DefendedModel(model, [in_force, *others], tape or Tape())


async def _told(defense: Defense, row: Row, pieces: Sequence[str], *others: InForce, mode: Mode = Mode.LIVE) -> Told:
    output, tape = _output(row.given), Tape()
    deltas: list[str | Delta] = list(pieces)
    if output.refused:
        deltas.append(Delta(refused=True))
    for index, call in enumerate(output.tool_calls):
        deltas.append(Delta(tool_call=ToolCallPiece(index, call.id, call.name, call.arguments)))
    model = Says(*deltas, finish=output.finish)
    request = msgspec.structs.replace(row.asked, stream=True)
    joined = await join(_defended(model, defense, *others, tape=tape, mode=mode).generate(request))
    judgements = [j for body in tape.bodies(Judged) for j in body.judgements if body.stage == "output"]
    return Told(
        joined.outputs[0].text,
        len(joined.outputs[0].tool_calls),
        joined.outputs[0].finish,
        frozenset(finding for j in judgements if j.defense == defense.name for finding in j.findings),
    )


def _holding(stride: int) -> list[InForce]:
    """A defense beside the one under test that covers only every `stride` characters; none for 0."""

    async def check(request: Request, output: Output) -> Verdict:
        return ALLOW if output.done else Verdict(covered=len(output.text) // stride * stride)

    return [on_output(check, time_limit_ms=60_000)] if stride else []


def _faulty(defense: Defense, check: Any) -> Defense:
    """The defense with its checks replaced: those that it has, under its own name."""
    kind = type(defense)
    checks = {
        name: check for name in ("check_request", "check_output") if getattr(kind, name) is not getattr(Defense, name)
    }
    faulty = copy.copy(defense)
    faulty.__class__ = type(kind.__name__, (kind,), checks)
    return faulty


async def _assert_nothing_leaves(faulty: Defense, time_limit_ms: float) -> None:
    tape, model = Tape(), Says("Anything ", "at all.")
    answer = join(_defended(model, faulty, tape=tape, time_limit_ms=time_limit_ms).generate(asks()))
    if faulty.checks_request:
        with pytest.raises(Blocked) as stop:
            await answer
        assert stop.value.defense == faulty.name
        assert model.requests == []
    else:
        output = (await answer).outputs[0]
        assert (output.text, output.finish) == ("", Finish.CONTENT_FILTER)
    errors = [j.error for body in tape.bodies(Judged) for j in body.judgements if j.defense == faulty.name]
    assert errors[-1] in ("raised", "overran")
