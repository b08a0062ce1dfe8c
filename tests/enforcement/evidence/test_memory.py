"""Memory: an account with many signals is read from the ledger once, and no kind of signal pushes out another."""

from collections import Counter
from collections.abc import Iterator

import pytest

from outworks.enforcement.evidence.memory import KEPT, Memory
from outworks.ledger import DEFENSE_FAILED, Signal
from tests.enforcement.kit import ANN, NOW, signal


class Source:
    """A ledger's signals, and how often an account's were read."""

    def __init__(self, *signals: Signal) -> None:
        self.all = list(signals)
        self.reads: Counter[str | None] = Counter()

    def signals(self, account: str | None = None, after: int = 0, since: float | None = None) -> Iterator[Signal]:
        self.reads[account] += 1
        return (s for s in self.all if s.account == account and s.seq > after and s.at >= (since or 0))


def memory(source: Source) -> Memory:
    return Memory(source)  # type: ignore[arg-type]


def test_few_signals_are_read_each_time() -> None:
    """An ordinary account takes no memory: its few signals are read when they are asked for."""
    source = Source(*(signal(seq) for seq in range(1, 11)))
    made = memory(source)

    for _ in range(3):
        assert [s.seq for s in made.recall(ANN, NOW - 100)] == list(range(1, 11))
    assert source.reads[ANN] == 3


def test_many_signals_are_read_once_and_kept_up_to_date() -> None:
    """An account with many signals is read once; later ones are added as they come, each once."""
    source = Source(*(signal(seq) for seq in range(1, 301)))
    made = memory(source)
    made.recall(ANN, NOW - 100)

    for seq in (300, 301, 302):
        made.add(signal(seq))

    assert [s.seq for s in made.recall(ANN, NOW - 100)] == list(range(1, 303))
    assert source.reads[ANN] == 1


def test_a_longer_window_is_read_anew() -> None:
    """When a reload brings a rule with a longer window, what was kept is not enough."""
    source = Source(*(signal(seq, ago=50) for seq in range(1, 301)), *(signal(seq, ago=10) for seq in range(301, 601)))
    made = memory(source)

    assert len(made.recall(ANN, NOW - 20)) == 300
    assert made.recall(ANN, NOW - 100)[0].seq == 101
    assert source.reads[ANN] == 2


@pytest.mark.parametrize(
    "flood",
    [
        {"defense": "parameter_lock", "category": "parameter"},
        {"defense": "standing", "category": "standing"},
        {"category": DEFENSE_FAILED},
        {"mode": "shadow"},
    ],
)
def test_a_flood_of_one_kind_hides_nothing_of_another(flood: dict[str, str]) -> None:
    """Whoever sends thousands of cheap bad requests does not thereby make the telling ones disappear."""
    telling = [signal(1), signal(2)]
    made = memory(Source(*telling, *(signal(seq, **flood) for seq in range(3, 3000))))

    kept = made.recall(ANN, NOW - 100)

    assert kept[:2] == tuple(telling)
    assert len(kept) <= KEPT + 2


def test_other_accounts_are_not_mixed_in() -> None:
    """A signal that is added belongs to its own account only."""
    source = Source(*(signal(seq) for seq in range(1, 301)), signal(400, account="shop:bob"))
    made = memory(source)
    made.recall(ANN, NOW - 100)

    made.add(signal(401, account="shop:bob"))

    assert len(made.recall(ANN, NOW - 100)) == 300
    assert [s.seq for s in made.recall("shop:bob", NOW - 100)] == [400]


def test_memory_is_bounded() -> None:
    """However many accounts have many signals, only the latest of them are kept."""
    source = Source(*(signal(n * 300 + k, account=f"s:{n}") for n in range(40) for k in range(300)))
    made = memory(source)
    for n in range(40):
        made.recall(f"s:{n}", NOW - 100)

    made.recall("s:39", NOW - 100)
    made.recall("s:0", NOW - 100)

    assert source.reads["s:39"] == 1
    assert source.reads["s:0"] == 2
