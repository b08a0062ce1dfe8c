"""Standings: the strictest action in force decides, and undoing restores exactly."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outworks.action import GOOD, Action, Standing
from outworks.enforcement.standings import StandingTable
from outworks.enforcement.taken import Taken, in_force
from outworks.event import Event, Undone
from outworks.ledger import Ledger
from tests.enforcement.kit import ANN, NOW, acted, action, received, undone

DAY = 86400.0


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        yield ledger


def table(ledger: Ledger, *events: Event) -> StandingTable:
    """A table of a ledger that holds these events."""
    for event in events:
        ledger.append_now([event])
    made = StandingTable(ledger)
    made.refresh()
    return made


def test_an_unknown_account_is_good(ledger: Ledger) -> None:
    """Where nothing was ever done, standing is good."""
    assert table(ledger).of(ANN, NOW) is GOOD


@pytest.mark.parametrize("standing", [Standing.WARNED, Standing.LIMITED, Standing.SUSPENDED, Standing.BANNED])
def test_an_action_holds_until_it_expires(ledger: Ledger, standing: Standing) -> None:
    """An action is in force before its expiry and not from it on, for its account alone."""
    one = action(standing, expires=NOW + DAY)

    made = table(ledger, acted(one))

    assert made.of(ANN, NOW) == one
    assert made.of(ANN, NOW + DAY - 0.001) == one
    assert made.of(ANN, NOW + DAY) is GOOD
    assert made.of(ANN, NOW) == one
    assert made.of("shop:bob", NOW) is GOOD


def test_the_strictest_decides_and_gives_way(ledger: Ledger) -> None:
    """Of several actions the strictest is in force; when it expires, the next strictest."""
    warned = action(Standing.WARNED, expires=NOW + 9 * DAY)
    suspended = action(Standing.SUSPENDED, expires=NOW + DAY)
    limited = action(Standing.LIMITED, expires=NOW + 2 * DAY)

    made = table(ledger, acted(warned), acted(suspended), acted(limited))

    assert [made.of(ANN, NOW + days * DAY).standing.name for days in (0, 1, 2, 9)] == [
        "SUSPENDED",
        "LIMITED",
        "WARNED",
        "GOOD",
    ]


def test_among_equals_the_tightest_rate_then_the_longest(ledger: Ledger) -> None:
    """Two limits are the tighter one; two suspensions the one that lasts longer."""
    wide = action(Standing.LIMITED, rate_per_minute=60.0, expires=NOW + 9 * DAY)
    tight = action(Standing.LIMITED, rate_per_minute=6.0, expires=NOW + DAY)
    for_good = action(Standing.BANNED, account="shop:bob")
    a_while = action(Standing.BANNED, account="shop:bob", expires=NOW + DAY)

    made = table(ledger, acted(tight), acted(wide), acted(for_good), acted(a_while))

    assert made.of(ANN, NOW) == tight
    assert made.of("shop:bob", NOW) == for_good


def test_shadow_never_changes_standing(ledger: Ledger) -> None:
    """An action in shadow is never in force, a reinstatement neither."""
    made = table(
        ledger,
        acted(action(Standing.BANNED, shadow=True)),
        acted(action(Standing.WARNED, account="shop:bob")),
        acted(action(Standing.GOOD, account="shop:bob", shadow=True)),
    )

    assert made.of(ANN, NOW) is GOOD
    assert made.of("shop:bob", NOW).standing is Standing.WARNED


def test_a_reinstatement_clears_what_came_before(ledger: Ledger) -> None:
    """GOOD lifts every earlier action, and none that comes later."""
    made = table(ledger, acted(action(Standing.BANNED)), acted(action(Standing.GOOD)))
    assert made.of(ANN, NOW) is GOOD

    later = action(Standing.LIMITED)
    ledger.append_now([acted(later)])
    made.refresh()

    assert made.of(ANN, NOW) == later


def test_undoing_a_reinstatement_brings_the_ban_back(ledger: Ledger) -> None:
    """Undoing restores what was there before, whatever was undone."""
    ban, good = action(Standing.BANNED), action(Standing.GOOD)

    made = table(ledger, acted(ban), acted(good), undone(good))

    assert made.of(ANN, NOW) == ban


def test_undo_takes_effect_at_the_next_refresh(ledger: Ledger) -> None:
    """A table that has read an action lets go of it when it reads that it was undone; once is enough."""
    ban = action(Standing.BANNED)
    made = table(ledger, acted(ban))
    assert made.of(ANN, NOW) == ban

    ledger.append_now([undone(ban), undone(ban, by="person:zoe")])

    assert made.refresh() == 2
    assert made.of(ANN, NOW) is GOOD
    assert [one.undone.by for one in made.taken(ANN) if one.undone] == ["person:eva"]


def test_a_refresh_reads_only_what_is_new(ledger: Ledger) -> None:
    """Reading on does not read again, and other events change nothing."""
    made = table(ledger, acted(action(Standing.WARNED)))
    ledger.append_now([received() for _ in range(10)])

    assert made.refresh() == 0

    ledger.append_now([acted(action(Standing.BANNED))])
    assert made.refresh() == 1
    assert made.of(ANN, NOW).standing is Standing.BANNED


@pytest.mark.parametrize("most", [1, 2, 3, 7])
def test_a_refresh_in_slices_reads_everything_once(ledger: Ledger, most: int) -> None:
    """A bulk action is taken in bit by bit, whatever else was recorded between, and nothing of it twice."""
    made = StandingTable(ledger)
    bans = [action(Standing.BANNED, account=f"shop:{n}") for n in range(6)]
    for ban in bans:
        ledger.append_now([acted(ban), received()])

    slices = [made.refresh(most=most)]
    while slices[-1] == most:
        slices.append(made.refresh(most=most))

    assert sum(slices) == len(bans)
    assert max(slices) <= most
    assert [made.of(ban.account, NOW) for ban in bans] == bans
    assert made.refresh(most=most) == 0
    assert made.seq == ledger.head().seq


def test_an_undone_that_names_no_action_is_passed_over(ledger: Ledger) -> None:
    """An `undone` for an id that is not there changes nothing."""
    assert table(ledger, undone(action(Standing.BANNED))).of(ANN, NOW) is GOOD


def test_two_tables_agree(tmp_path: Path) -> None:
    """Two processes' tables of one ledger say the same once both have read on."""
    with Ledger.open(tmp_path / "l.db") as one, Ledger.open(tmp_path / "l.db") as other:
        tables = StandingTable(one), StandingTable(other)
        ban = action(Standing.BANNED)
        for ledger, event in ((one, acted(ban)), (other, acted(action(Standing.GOOD))), (one, acted(ban))):
            ledger.append_now([event])
            for each in tables:
                each.refresh()
            assert tables[0].of(ANN, NOW) == tables[1].of(ANN, NOW)
            assert tables[0].taken(ANN) == tables[1].taken(ANN)


async def test_requests_are_counted_by_every_worker(tmp_path: Path) -> None:
    """The requests of an account are those that any process recorded, since the moment asked about."""
    with Ledger.open(tmp_path / "l.db") as one, Ledger.open(tmp_path / "l.db") as other:
        one.append_now([received(at=NOW - 70), received(at=NOW - 10)])
        other.append_now([received(at=NOW - 5), received(account="shop:bob", at=NOW - 5)])

        assert await StandingTable(one).requests_since(ANN, NOW - 60) == 2


async def test_a_hammering_account_is_counted_seldom(ledger: Ledger) -> None:
    """Above its rate an account is counted at most four times a second; below it, every time."""
    made = table(ledger, acted(action(Standing.LIMITED, rate_per_minute=10.0)))
    ledger.append_now([received(at=NOW - 1) for _ in range(9)])
    made.of(ANN, NOW)

    assert await made.requests_since(ANN, NOW - 60) == 9
    ledger.append_now([received(at=NOW)])
    assert await made.requests_since(ANN, NOW - 60) == 10
    ledger.append_now([received(at=NOW)])
    assert await made.requests_since(ANN, NOW - 59.9) == 10
    assert await made.requests_since(ANN, NOW - 59) == 11
    assert await made.requests_since(ANN, NOW - 60) == 11


def test_good_accounts_cost_next_to_nothing(ledger: Ledger) -> None:
    """Asking is a look-up in a dictionary, however many accounts are restricted: far from a scan of them."""
    made = StandingTable(ledger)
    for seq in range(1, 20_001):
        made.apply(seq, acted(action(Standing.BANNED, account=f"shop:{seq}")))
    began = time.perf_counter()

    for _ in range(10_000):
        made.of(ANN, NOW)

    assert time.perf_counter() - began < 1.0


MOMENTS = st.sampled_from([NOW + hours * 3600 for hours in range(12)])
ACTS = st.builds(
    lambda standing, at, lasts, shadow, rate: action(
        standing,
        at=at,
        expires=None if lasts is None or standing is Standing.GOOD else at + lasts,
        shadow=shadow,
        rate_per_minute=rate if standing is Standing.LIMITED else None,
    ),
    st.sampled_from(Standing),
    MOMENTS,
    st.sampled_from([None, 3600.0, 7200.0, 6 * 3600.0]),
    st.booleans(),
    st.sampled_from([1.0, 60.0]),
)


def model(actions: list[Action], now: float) -> Action:
    """What should be in force, said slowly: walk the history, forget everything at a reinstatement, take the worst."""
    live: list[Action] = []
    for one in actions:
        if one.shadow:
            continue
        live = [] if one.standing is Standing.GOOD else [*live, one]
    current = [one for one in live if one.expires is None or now < one.expires]
    worst = GOOD
    for one in current:
        if _worse(one, worst):
            worst = one
    return worst


def _worse(one: Action, other: Action) -> bool:
    if one.standing is not other.standing:
        return one.standing > other.standing
    if (one.rate_per_minute or 0) != (other.rate_per_minute or 0):
        return (one.rate_per_minute or 0) < (other.rate_per_minute or 0)
    return (other.expires is not None and (one.expires is None or one.expires >= other.expires)) or one.expires is None


@given(st.lists(ACTS, max_size=8), st.data())
@settings(max_examples=300, deadline=None)
def test_undo_restores_exactly(actions: list[Action], data: st.DataObject) -> None:
    """After any acts, undos and expiries, standing is that of a history in which what was undone never happened."""
    made = StandingTable(None)  # type: ignore[arg-type]  # events are handed in: no ledger is read
    kept = list(actions)
    seq = 0
    for one in actions:
        seq += 1
        made.apply(seq, acted(one))
        made.of(ANN, data.draw(MOMENTS))
    for back in data.draw(st.lists(st.sampled_from(actions), unique=True) if actions else st.just([])):
        seq += 1
        made.apply(seq, undone(back))
        kept.remove(back)

        now = data.draw(MOMENTS)
        never = StandingTable(None)  # type: ignore[arg-type]
        for place, one in enumerate(kept, 1):
            never.apply(place, acted(one))
        assert made.of(ANN, now) == never.of(ANN, now) == model(kept, now)


def test_what_became_of_an_action_in_one_word() -> None:
    """People read whether an action is in force, expired, undone or in shadow."""
    one = action(Standing.WARNED, expires=NOW + 10)
    shadow = action(Standing.WARNED, shadow=True)

    assert Taken(1, one).state(NOW) == "in force"
    assert Taken(1, one).state(NOW + 10) == "expired"
    assert Taken(1, one, Undone(action=one.id, by="person:eva")).state(NOW) == "undone"
    assert Taken(1, shadow).state(NOW) == "shadow"
    assert Taken(1, one).state(NOW, since=2) == "lifted"
    assert Taken(3, one).state(NOW, since=2) == "in force"


def test_force_says_when_to_look_again() -> None:
    """What is in force is known until the next expiry of anything that counts."""
    two = [Taken(1, action(Standing.BANNED, expires=NOW + 9)), Taken(2, action(Standing.WARNED, expires=NOW + 5))]

    assert in_force(two, NOW).until == NOW + 5
    assert in_force(two, NOW + 9).until == float("inf")
