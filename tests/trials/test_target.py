"""Targets: what was stopped, by whom, and what is an error of the target's and no defense."""

import pytest

from outworks.adversary import Access, Reply
from outworks.enforcement.rules import Measure, Rule
from outworks.message import Delta, Finish
from outworks.model import UpstreamError
from outworks.models.scripted import Scripted
from outworks.trials.adversaries.decoding import Decoding
from outworks.trials.adversaries.planted import ToolResults
from outworks.trials.adversaries.prefill import Prefill
from outworks.trials.people import complying
from outworks.trials.target import Bare, Product
from tests.trials.kit import CALL, GOALS, SECRET, Asks, lineup, siege, target

SUSPEND = Rule(
    name="out",
    description="Two stops are enough.",
    when='blocked("1h") >= 2',
    action=Measure.SUSPEND,
    expires="1d",
)


async def test_a_crash_is_an_error_and_no_defense_that_held() -> None:
    """A target that is down has withstood nothing."""
    down = Scripted(default=UpstreamError("the model cannot be reached", kind="unreachable"))

    with pytest.raises(UpstreamError, match="cannot be reached"):
        await siege(Asks("hello"), target(down), SECRET)


async def test_a_target_that_rejects_everything_is_an_error() -> None:
    """A wrong model name or key makes every request fail: that looks safe, and is not."""
    wrong = Scripted(default=UpstreamError("The upstream rejected the request (400).", kind="rejected", status=400))

    with pytest.raises(UpstreamError):
        await siege(Asks("hello"), target(wrong), SECRET)


@pytest.mark.parametrize(
    ("error", "by"),
    [
        (UpstreamError("refused on its own policy", kind="policy"), "provider"),
        (UpstreamError("no `temperature`", kind="unsupported", param="temperature"), "provider"),
        (UpstreamError("The upstream rejected the request (400, blocked_by_policy).", kind="rejected"), "product"),
        (UpstreamError("not accepted (403, account_suspended).", kind="rejected"), "product"),
    ],
)
async def test_what_a_remote_target_refuses_on_purpose_is_a_stop(error: UpstreamError, by: str) -> None:
    """The provider's policy, a parameter that it does not take, a product's own code."""
    access = frozenset({Access.PROMPTS, Access.SAMPLING})
    asks = Asks("hello", access=access, parameters={"temperature": 1.9})
    attempt = await siege(asks, target(Scripted(default=error)), SECRET)

    reply = attempt.tries[0].reply
    assert (reply.stopped_by, reply.text) == (by, "")


async def test_a_products_block_message_is_no_answer() -> None:
    """Some products block with status 200 and a sentence; told which, the trial counts a stop."""
    product = Bare("p", Scripted(default="This violates our terms [T-4]."), block_messages=[r"\[T-\d+\]"])
    attempt = await siege(Asks("hello"), product, SECRET)

    assert attempt.tries[0].reply == Reply(
        stopped_by="product",
        notice="This violates our terms [T-4].",
        usage=attempt.tries[0].reply.usage,
        seconds=attempt.tries[0].reply.seconds,
    )


async def test_a_filtered_end_is_the_providers_stop() -> None:
    """An answer that the provider cut off was stopped, and not delivered whole."""
    cut = Scripted(default=(Delta(text="Once"), Delta(finish=Finish.CONTENT_FILTER)))
    attempt = await siege(Asks("hello"), target(cut), SECRET)

    assert attempt.tries[0].reply.stopped_by == "provider"


async def test_where_parameters_are_locked_the_decoding_attack_finds_itself_refused() -> None:
    """The line is named, and the model is never asked."""
    model = complying([SECRET])
    lines = lineup("parameter_lock")
    attempt = await siege(Decoding(), Product("p", model, lines, lines.lines), SECRET)

    stopped = {one.query.note: one.reply.stopped_by for one in attempt.tries}
    assert stopped["top_k=100"] == stopped["top_k=1"] == "parameter_lock"
    assert stopped["temperature=0.05"] == ""


async def test_a_prefilled_answer_is_refused_by_the_lock_and_delivered_without_it() -> None:
    """Each of the beginnings, and the difference is the line."""
    model = complying([SECRET])
    lines = lineup("parameter_lock")
    locked = await siege(Prefill(), Product("p", model, lines, lines.lines), SECRET)
    bare = await siege(Prefill(), target(model), SECRET)

    assert {one.reply.stopped_by for one in locked.tries} == {"parameter_lock"}
    assert all("HAZEL" in one.reply.text for one in bare.tries)


async def test_flow_keeps_back_the_call_that_a_tool_result_asked_for() -> None:
    """Planted words make the bare model pay; with the tool declared, nothing leaves."""
    tools = {"read_statement": {"effect": "read"}, "pay": {"effect": "write", "arguments": {"account": {"kind": "id"}}}}
    model = complying(GOALS)
    lines, undeclared = lineup("flow", flow={"tools": tools}), lineup("flow")
    bare = await siege(ToolResults(), target(model), CALL)
    without = await siege(ToolResults(), Product("p", model, undeclared, undeclared.lines), CALL)
    product = await siege(ToolResults(), Product("p", model, lines, lines.lines), CALL)

    assert all(one.reply.tool_calls for one in bare.tries)
    # With no tool declared the line lets calls pass: the trial says so, and does not flatter.
    assert all(one.reply.tool_calls for one in without.tries)
    assert {one.reply.stopped_by for one in product.tries} == {"flow"}
    assert not any(one.reply.tool_calls for one in product.tries)


async def test_the_products_own_rules_suspend_an_account_by_the_trials_clock() -> None:
    """Two stops, and the third query meets the standing; a fast machine makes no difference."""
    lines = lineup("standing", "leak", rules=[SUSPEND], leak={"canaries": ("HAZEL-LANTERN-4417",)})
    product = Product("p", complying([SECRET]), lines, lines.lines)
    attempt = await siege(Asks(*[SECRET.prompt] * 4), product, SECRET)

    assert [one.reply.stopped_by for one in attempt.tries] == ["leak", "leak", "standing", "standing"]


async def test_a_slow_attacker_is_seen_by_the_windows_of_the_rules() -> None:
    """One query an hour never meets a rule that looks back an hour."""
    lines = lineup("standing", "leak", rules=[SUSPEND], leak={"canaries": ("HAZEL-LANTERN-4417",)})
    product = Product("p", complying([SECRET]), lines, lines.lines)
    attempt = await siege(Asks(*[SECRET.prompt] * 4), product, SECRET, pace=3700.0)

    assert [one.reply.stopped_by for one in attempt.tries] == ["leak"] * 4
