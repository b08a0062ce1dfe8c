"""Actions by people: each is signed, can be undone once, and a wrong name gets the nearest right one."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from outworks.action import GOOD, Standing
from outworks.enforcement.actions import account_record, act, standings, undo
from outworks.enforcement.standings import StandingTable
from outworks.ledger import Ledger, verify
from tests.enforcement.kit import ANN, NOW, acted, action, received


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.append_now([received(at=NOW - 100)])
        yield ledger


SIGNED: dict[str, Any] = {"by": "eva", "reason": "Because.", "now": NOW}

ACTS: list[tuple[Standing, dict[str, Any]]] = [
    (Standing.GOOD, {}),
    (Standing.WARNED, {"lasts": 60.0}),
    (Standing.LIMITED, {"lasts": 60.0, "rate_per_minute": 5.0}),
    (Standing.SUSPENDED, {"lasts": 60.0, "policy": "Use 3.1", "evidence": (1,)}),
    (Standing.BANNED, {}),
    (Standing.BANNED, {"lasts": 60.0}),
]

ACTS_NOT: list[tuple[Standing, dict[str, Any], str]] = [
    (Standing.WARNED, {}, "warned needs an expiry"),
    (Standing.LIMITED, {"rate_per_minute": 5.0}, "limited needs an expiry"),
    (Standing.SUSPENDED, {}, "suspended needs an expiry"),
    (Standing.GOOD, {"lasts": 60.0}, "a reinstatement has no expiry"),
    (Standing.BANNED, {"lasts": -1.0}, "an expiry lies ahead"),
    (Standing.SUSPENDED, {"lasts": 6e11}, "at most a thousand years"),
    (Standing.LIMITED, {"lasts": 60.0}, "a rate of requests a minute"),
    (Standing.LIMITED, {"lasts": 60.0, "rate_per_minute": 0.0}, "greater than 0; not 0"),
    (Standing.BANNED, {"rate_per_minute": 5.0}, "only limited has a rate"),
    (Standing.BANNED, {"by": " "}, "say who decides"),
    (Standing.BANNED, {"reason": ""}, "give a reason"),
]


@pytest.mark.parametrize(("standing", "fields"), ACTS)
def test_people_act(ledger: Ledger, standing: Standing, fields: dict[str, Any]) -> None:
    """An action by a person is recorded whole, under the name of the person, and in force."""
    made = act(ledger, ANN, standing, **{**SIGNED, **fields})

    record = account_record(ledger, ANN, NOW + 1)
    assert [one.action for one in record.taken] == [made]
    assert made.by == "person:eva"
    assert made.expires == (NOW + 60 if "lasts" in fields else None)
    assert record.action == (GOOD if standing is Standing.GOOD else made)
    assert record.first_seen == NOW - 100


@pytest.mark.parametrize(("standing", "fields", "says"), ACTS_NOT)
def test_what_does_not_fit_is_refused(ledger: Ledger, standing: Standing, fields: dict[str, Any], says: str) -> None:
    """An action that lacks what it needs, or says what makes no sense, is refused and leaves no trace."""
    with pytest.raises(ValueError, match=re.escape(says)):
        act(ledger, ANN, standing, **{**SIGNED, **fields})

    assert standings(ledger, NOW) == []
    assert ledger.head().seq == 1


def test_an_unknown_account_is_not_acted_on(ledger: Ledger) -> None:
    """A mistyped account gets the nearest one, unless it is meant."""
    with pytest.raises(LookupError, match="'shop:anne' is in the ledger; did you mean 'shop:ann'"):
        act(ledger, "shop:anne", Standing.BANNED, **SIGNED)
    with pytest.raises(LookupError):
        account_record(ledger, "shop:anne", NOW)

    act(ledger, "shop:anne", Standing.BANNED, unseen=True, **SIGNED)

    assert account_record(ledger, "shop:anne", NOW).action.standing is Standing.BANNED


def test_undo_restores_and_says_who(ledger: Ledger, tmp_path: Path) -> None:
    """Undoing brings back what was in force before, and the ledger tells who did it and why."""
    limited = act(ledger, ANN, Standing.LIMITED, lasts=900.0, rate_per_minute=5.0, **SIGNED)
    ban = act(ledger, ANN, Standing.BANNED, **SIGNED)

    assert undo(ledger, ban.id, by="zoe", reason="The wrong account.", now=NOW + 1) == ban

    record = account_record(ledger, ANN, NOW + 2)
    assert record.action == limited
    assert record.taken[1].undone is not None
    assert (record.taken[1].undone.by, record.taken[1].undone.reason) == ("person:zoe", "The wrong account.")
    assert verify(tmp_path / "ledger.db").ok


def test_undo_refuses_what_it_cannot_do(ledger: Ledger) -> None:
    """A mistyped id gets the nearest one; an action is undone once; one in shadow was never in force."""
    ban = act(ledger, ANN, Standing.BANNED, **SIGNED)
    shadow = action(Standing.BANNED, shadow=True)
    ledger.append_now([acted(shadow)])
    wrong = ban.id[:-1] + ("0" if ban.id[-1] != "0" else "1")

    with pytest.raises(LookupError, match=f"did you mean '{ban.id}'"):
        undo(ledger, wrong, by="eva", reason="x")
    with pytest.raises(ValueError, match="in shadow"):
        undo(ledger, shadow.id, by="eva", reason="x")
    with pytest.raises(ValueError, match="give a reason"):
        undo(ledger, ban.id, by="eva", reason="")
    undo(ledger, ban.id, by="zoe", reason="A mistake.")
    with pytest.raises(ValueError, match=f"{ban.id} was already undone by person:zoe: A mistake."):
        undo(ledger, ban.id, by="eva", reason="x")

    table = StandingTable(ledger)
    assert table.refresh() == 3


def test_the_restricted_are_listed_strictest_first(ledger: Ledger) -> None:
    """Only accounts that are restricted now are listed."""
    for account, standing in (("s:a", Standing.WARNED), ("s:b", Standing.BANNED), ("s:c", Standing.SUSPENDED)):
        act(ledger, account, standing, lasts=60.0, unseen=True, **SIGNED)
    act(ledger, "s:d", Standing.GOOD, unseen=True, **SIGNED)

    assert [one.account for one in standings(ledger, NOW + 1)] == ["s:b", "s:c", "s:a"]
    assert standings(ledger, NOW + 61) == []
