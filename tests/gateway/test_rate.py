"""Rates: counted apart, forgotten in time, and never more than fits."""

from outworks.gateway import rate
from outworks.gateway.rate import Rate
from tests.enforcement.desk_kit import Clock


def test_so_many_and_no_more() -> None:
    """Each name has its own count; what was refused counts for nothing; time gives the right back."""
    clock = Clock(0.0)
    each = Rate(2, 10.0, clock=clock)

    assert [each.wait("a") for _ in range(3)] == [0, 0, 10]
    assert each.wait("b") == 0
    clock.now = 6
    assert each.wait("a") == 4
    clock.now = 10
    assert each.wait("a") == 0


def test_none_means_none() -> None:
    """A rate of nothing admits nothing."""
    assert Rate(0, 60.0).wait("a") == 60.0


def test_memory_is_bounded() -> None:
    """However many names come, only the latest are remembered."""
    each = Rate(1, 1e9)
    for n in range(rate._MOST + 10):
        each.wait(f"name {n}")

    assert len(each._times) == rate._MOST
    assert each.wait("name 0") == 0
    assert each.wait(f"name {rate._MOST + 9}") > 0
