"""Wellness: what a reviewer is shown, how much of it a day, and that nobody can ask for more than the policy allows."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from outworks.console import settings
from outworks.console.store import Store
from outworks.console.wellness import Choice, Wellness


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "x.console")
    yield made
    made.close()


def _wellness(store: Store, now: list[float] | None = None, **said: object) -> Wellness:
    given = settings.Wellness(**said)  # type: ignore[arg-type]
    return Wellness(store, lambda: given, clock=lambda: (now or [1_800_000_000.0])[0])


def test_the_gentler_word_holds(store: Store) -> None:
    """What the policy asks for cannot be switched off, and a reviewer may ask for more than it does."""
    wellness = _wellness(store, blur=True, greyscale=False, daily_limits={"violence": 10, "any": 100})
    wellness.choose("eva", Choice(blur=False, greyscale=True, limits={"violence": 50, "any": 20, "self_harm": 5}))

    choice = wellness.choice("eva")

    assert choice.blur
    assert choice.greyscale
    assert choice.limits == {"violence": 10, "any": 20, "self_harm": 5}


def test_a_limit_holds_for_the_day(store: Store) -> None:
    """At the limit nothing more of the category is shown that day; other categories and tomorrow are open."""
    now = [1_800_000_000.0]
    wellness = _wellness(store, now, daily_limits={"violence": 2})
    assert wellness.read("eva", "case:1", ["violence"]) is None
    assert wellness.read("eva", "case:2", ["violence"]) is None

    full = wellness.read("eva", "case:3", ["violence"])

    assert full is not None
    assert (full.category, full.read, full.limit) == ("violence", 2, 2)
    assert wellness.read("eva", "case:1", ["violence"]) is None, "what was read today may be read again"
    assert wellness.read("eva", "case:4", ["fraud"]) is None
    assert wellness.read("ben", "case:3", ["violence"]) is None
    now[0] += 86_400
    assert wellness.read("eva", "case:3", ["violence"]) is None


def test_nothing_is_counted_where_a_limit_stands(store: Store) -> None:
    """A look that one category forbids is not counted for the others."""
    wellness = _wellness(store, daily_limits={"violence": 0})

    assert wellness.read("eva", "case:1", ["fraud", "violence"]) is not None

    assert {room.category: room.read for room in wellness.rooms("eva")} == {"any": 0, "violence": 0}


def test_a_limit_over_all_counts_each_thing_once(store: Store) -> None:
    """`any` counts a conversation once, whatever it holds."""
    wellness = _wellness(store, daily_limits={"any": 1})
    assert wellness.read("eva", "case:1", ["a", "b", "c"]) is None

    assert {room.category: room.read for room in wellness.rooms("eva")}["any"] == 1
    assert wellness.read("eva", "case:2", []) is not None


def test_a_limit_below_nothing_is_refused(store: Store) -> None:
    """A negative limit is a mistake, and is told as one."""
    with pytest.raises(ValueError, match="0 or more"):
        _wellness(store).choose("eva", Choice(limits={"x": -1}))
