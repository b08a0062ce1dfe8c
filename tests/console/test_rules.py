"""Rules in the console: each step only after the one before, and the gateway's rules have the last word."""

from typing import Any

import pytest

from outworks.console.console import Console
from outworks.enforcement.language.written import WHAT
from outworks.enforcement.rules import RuleMode
from outworks.event import Changed
from tests.console.kit import Somebody
from tests.e2e.kit import wait_for

FORM = {"name": "insists", "description": "Again.", "when": 'blocked("1h") >= 3', "action": "warn", "expires": "1d"}


def _mode(console: Console, name: str = "insists") -> RuleMode:
    return {each.rule.name: each.rule.mode for each in console.written_rules()}[name]


def _try(ada: Somebody, console: Console) -> None:
    assert ada.post("/rules/insists/backtest", {"days": "30"}).status_code == 303
    wait_for(
        lambda: (found := console.trials.find("insists")) is not None and not found.running, 20, lambda: "the trial"
    )


def _step(ada: Somebody, mode: str) -> int:
    return int(ada.post("/rules/insists/mode", {"mode": mode}).status_code)


def test_a_rule_goes_its_way_step_by_step(console: Console) -> None:
    """Draft, tried, shadow, live: no step can be left out, and changing what it does begins anew."""
    ada = Somebody(console, "ada.admin")
    assert ada.post("/rules", FORM).status_code == 303
    assert _step(ada, "live") == 422
    assert _step(ada, "shadow") == 422
    _try(ada, console)
    assert _step(ada, "live") == 422
    assert _step(ada, "shadow") == 303
    assert _step(ada, "live") == 303
    assert _mode(console) is RuleMode.LIVE

    ada.post("/rules", {**FORM, "when": 'blocked("1h") >= 2'})

    assert _mode(console) is RuleMode.DRAFT
    assert _step(ada, "shadow") == 422


def test_words_can_be_changed_without_trying_again(console: Console) -> None:
    """What was tried is what the rule does: a better description needs no second backtest."""
    ada = Somebody(console, "ada.admin")
    ada.post("/rules", FORM)
    _try(ada, console)

    ada.post("/rules", {**FORM, "description": "Again and again."})

    assert _step(ada, "shadow") == 303


@pytest.mark.parametrize(
    "changes",
    [
        {"when": 'blockd("1h") >= 3'},
        {"when": "true"},
        {"when": 'blocked("firewall", "1h") >= 3'},
        {"when": ""},
        {"name": "Not A Name"},
        {"description": " "},
        {"expires": ""},
        {"expires": "soon"},
        {"action": "limit"},
        {"rate": "NaN", "action": "limit"},
        {"rate": "abc"},
        {"action": "explode"},
        {"when": 'linked("7d") >= 1'},
    ],
    ids=str,
)
def test_a_faulty_rule_is_not_kept(console: Console, changes: dict[str, Any]) -> None:
    """Whatever is wrong with a rule is said, with what was written still in the form, and nothing is recorded."""
    ada = Somebody(console, "ada.admin")

    answer = ada.post("/rules", {**FORM, **changes})

    assert answer.status_code == 422
    assert not [body for body in ada.events(Changed) if body.what == WHAT]


def test_removing_a_rule_removes_it(console: Console) -> None:
    """A removed rule is gone from the list and from what gateways evaluate."""
    ada = Somebody(console, "ada.admin")
    ada.post("/rules", FORM)

    assert ada.post("/rules/insists/remove").status_code == 303

    assert list(console.written_rules()) == []
    assert ada.get("/rules/insists").status_code == 404


def test_backtests_run_one_at_a_time(console: Console) -> None:
    """A rule that is being tried is not tried again meanwhile; its result stays to be read."""
    ada = Somebody(console, "ada.admin")
    ada.post("/rules", FORM)
    _try(ada, console)

    page = ada.get("/rules/insists").text

    assert "Would have met" in page
    assert "0 accounts" in page
    done = ada.get("/rules/insists/progress", hx_request="true")
    assert done.headers["hx-refresh"] == "true"
