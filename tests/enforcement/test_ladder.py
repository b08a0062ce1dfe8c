"""The quickstart's ladder: ordinary use and slips lead to nothing, persistence does, and only a person bans."""

import tomllib
from pathlib import Path

import msgspec
import pytest

from outworks.action import Standing
from outworks.defenses import DEFENSES
from outworks.enforcement.history import History
from outworks.enforcement.propose import propose
from outworks.enforcement.rules import Measure, Rule, RuleMode, Rules, compile_rules
from outworks.enforcement.taken import Taken
from outworks.ledger import Signal
from outworks.verdict import Decision
from tests.enforcement.kit import ANN, signal

POLICY = Path(__file__).parents[2] / "examples" / "quickstart" / "outworks.toml"


def ladder() -> Rules:
    given = msgspec.convert(tomllib.loads(POLICY.read_text())["rules"], list[Rule])
    return compile_rules(given, defenses=[line.name for line in DEFENSES])


def climbed(signals: list[Signal]) -> list[Standing]:
    """The standings that an account comes to in force, when each signal is evaluated as it comes."""
    taken: list[Taken] = []
    for count, last in enumerate(signals, 1):
        history = History(account=ANN, at=last.at, signals=tuple(signals[:count]), taken=tuple(taken))
        for action in propose(ladder(), history).actions:
            taken.append(Taken(last.seq, action))
    return [one.action.standing for one in taken if not one.action.shadow]


SLIPS = {
    "two stopped requests": [signal(1), signal(2)],
    "found, never stopped": [
        signal(n, defense="links", category="link", decision=Decision.MODIFY) for n in range(1, 50)
    ],
    "in shadow": [signal(n, mode="shadow") for n in range(1, 50)],
    "stopped for its standing": [signal(n, defense="standing", category="standing") for n in range(1, 50)],
    "a stopped request a day": [
        signal(n, ago=(60 - n) * 86400.0, defense="leak", category="leak") for n in range(1, 50)
    ],
    "the model refuses now and then": [
        signal(n, defense="refusal", category="refusal", decision=Decision.ALLOW) for n in range(1, 6)
    ],
}


@pytest.mark.parametrize("name", SLIPS)
def test_slips_lead_to_nothing(name: str) -> None:
    """What happens to ordinary people changes nobody's standing."""
    assert climbed(SLIPS[name]) == []


def test_persistence_climbs_the_ladder() -> None:
    """Whoever goes on is warned, then limited, then suspended, and never banned by a rule."""
    found = climbed([signal(n, ago=1000.0 - n) for n in range(1, 30)])

    assert found[0] is Standing.WARNED
    assert Standing.LIMITED in found
    assert Standing.SUSPENDED in found
    assert Standing.BANNED not in found


def test_only_people_ban() -> None:
    """No rule in force bans; every one of them says what the account is told and cites the policy."""
    for each in ladder().compiled:
        if each.rule.mode is RuleMode.LIVE:
            assert each.rule.action is not Measure.BAN
            assert each.rule.policy
            assert each.rule.told
