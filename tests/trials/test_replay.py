"""Replays agree with the real product, for every subset of the lines."""

from itertools import combinations

import pytest

from outworks.adversary import Adversary, Budget
from outworks.enforcement.rules import Measure, Rule
from outworks.model import UpstreamError
from outworks.models.scripted import Scripted
from outworks.trials.adversaries.best_of_n import BestOfN
from outworks.trials.adversaries.decoding import Decoding
from outworks.trials.adversaries.escalation import Escalation
from outworks.trials.adversaries.insisting import Insisting
from outworks.trials.adversaries.obfuscation import Obfuscation
from outworks.trials.adversaries.prefill import Prefill
from outworks.trials.adversaries.suffixes import Suffixes
from outworks.trials.adversaries.templates import Templates
from outworks.trials.lineup import BARE, Configuration
from outworks.trials.people import complying
from outworks.trials.replay import replay
from outworks.trials.target import Product
from tests.trials.kit import SECRET, Asks, lineup, siege, target, walls

NAMES = ("standing", "parameter_lock", "adversarial_string", "leak", "links")
RULE = Rule(name="out", description="Stops add up.", when='blocked("1h") >= 3', action=Measure.SUSPEND, expires="1d")
BUDGET = Budget(queries=12)
LEAK = {"canaries": ("HAZEL-LANTERN-4417",)}


@pytest.mark.parametrize("adversary", [Templates(), Decoding(), BestOfN(), Obfuscation(), Suffixes(), Prefill()])
async def test_every_subset_of_the_lines_is_as_if_it_had_been_attacked(adversary: Adversary) -> None:
    """All 32 of them: who stops which query, what is delivered, and when the account is suspended."""
    model = complying([SECRET])
    lines = lineup(*NAMES, rules=[RULE], leak=LEAK)
    subsets = [frozenset(chosen) for n in range(6) for chosen in combinations(NAMES, n)]
    configurations = [Configuration(",".join(sorted(each)) or "none", each) for each in subsets]
    recorded = walls(adversary, target(model), SECRET, BUDGET)
    attempt = await recorded.run()
    replays = await replay(attempt.tries, lines, configurations, recorded.request)

    stops = set()
    for each, found in zip(configurations, replays, strict=True):
        product = Product("p", model, lines, lines.subset(each.lines))
        real = await siege(adversary, product, SECRET, BUDGET, name=f"real/{each.name}")
        got = [(reply.stopped_by, reply.text, reply.altered, reply.flagged) for reply in found.replies]
        want = [(t.reply.stopped_by, t.reply.text, t.reply.altered, t.reply.flagged) for t in real.tries]
        assert got == want, each.name
        stops |= {reply.stopped_by for reply in found.replies}
    assert "leak" in stops
    assert ("standing" in stops) == (len(attempt.tries) > 3)


@pytest.mark.parametrize("adversary", [Insisting(), Escalation()])
async def test_a_conversation_ends_where_a_line_stops_it(adversary: Adversary) -> None:
    """Who is stopped cannot go on from an answer that never came."""
    lines = lineup("leak", leak=LEAK)
    recorded = walls(adversary, target(complying([SECRET])), SECRET, BUDGET)
    attempt = await recorded.run()
    found = {
        each.configuration: each for each in await replay(attempt.tries, lines, lines.configurations, recorded.request)
    }

    stopped = [reply.stopped_by for reply in found["only:leak"].replies]
    first = stopped.index("leak")
    assert stopped[first:] == ["leak"] * (len(stopped) - first)
    assert "HAZEL" not in "".join(reply.text for reply in found["product"].replies)


async def test_the_bare_model_is_not_replayed() -> None:
    """What was recorded there is what it is."""
    lines = lineup("leak")
    recorded = walls(Asks("hello"), target(Scripted()), SECRET)
    attempt = await recorded.run()

    assert BARE not in {
        r.configuration for r in await replay(attempt.tries, lines, lines.configurations, recorded.request)
    }


async def test_a_rewritten_request_is_marked() -> None:
    """The model would have been asked something else: such a figure is only as good as that."""
    fixed = {"allow": {"temperature": {"type": "number", "fixed": 0.5}}}
    lines = lineup("parameter_lock", parameter_lock=fixed)
    recorded = walls(Asks("hello"), target(Scripted()), SECRET)
    attempt = await recorded.run()
    found = await replay(attempt.tries, lines, lines.configurations, recorded.request)

    altered = {each.configuration: each.replies[0].altered for each in found}
    assert altered == {"product": True, "only:parameter_lock": True, "without:parameter_lock": False}


async def test_an_upstreams_own_stop_is_replayed_as_one() -> None:
    """What the provider refused it refuses again, and no line is given the credit."""
    lines = lineup("leak")
    recorded = walls(Asks("hello"), target(Scripted(default=UpstreamError("no", kind="policy"))), SECRET)
    attempt = await recorded.run()
    found = await replay(attempt.tries, lines, lines.configurations, recorded.request)

    assert {reply.stopped_by for each in found for reply in each.replies} == {"provider"}
