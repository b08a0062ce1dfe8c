"""Search, charts, notices and the small parts of pages."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from outworks.console import show
from outworks.console.chart import HEIGHT, WIDTH, chart, short
from outworks.console.console import Console
from outworks.console.search import Search
from outworks.console.web import Notice
from outworks.enforcement.reports.numbers import Day
from outworks.ledger import Ledger
from tools.console_data import exchange

DAY = 86_400.0


@pytest.fixture
def search(tmp_path: Path):
    """Three products with a few accounts each."""
    with Ledger.open(tmp_path / "l.db") as ledger:
        names = ["shop:ann", "shop:anna", "shop:bob", "tutor:ann", "tutor:zed", "helpdesk:%_x"]
        for n, name in enumerate(names * 3):
            ledger.append_now(list(exchange(name, 1000.0 + n, "hello", "hi", seed=n)))
        made = Search(ledger.path)
        yield made
        made.close()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("shop:ann", ["shop:ann", "shop:anna"]),
        ("ann", ["shop:ann", "shop:anna", "tutor:ann"]),
        ("z", ["tutor:zed"]),
        ("shop:", ["shop:ann", "shop:anna", "shop:bob"]),
        ("%_", ["helpdesk:%_x"]),
        ("nobody", []),
        ("shop:ann\U0010ffff", []),
    ],
)
def test_accounts_are_found_by_their_beginning(search: Search, text: str, found: list[str]) -> None:
    """With or without the product; nothing in the text is a pattern."""
    assert search.accounts(text) == found


def test_exchanges_come_latest_first_and_page_on(search: Search) -> None:
    """An account's exchanges, in pages that neither repeat nor leave one out."""
    first = search.exchanges("shop:bob", limit=2)
    rest = search.exchanges("shop:bob", limit=2, before=first[-1].at)

    assert [row.at for row in (*first, *rest)] == sorted({row.at for row in (*first, *rest)}, reverse=True)
    assert len(first) + len(rest) == 3
    assert search.count("shop:bob") == 3
    assert search.exchanges("") == []


@given(some.lists(some.integers(0, 10**7), max_size=40))
def test_bars_stay_in_the_picture(values: list[int]) -> None:
    """Every day has its bar, in order, none higher than the chart, whatever the numbers."""
    days = [Day(show.day(n * DAY), value) for n, value in enumerate(values)]

    made = chart("x", days, 0.0, max(0, len(values) - 1) * DAY)

    assert made.total == sum(values)
    assert len(made.bars) == max(1, len(values))
    for bar in made.bars:
        assert 0 <= bar.y <= HEIGHT
        assert bar.y + bar.height <= HEIGHT
        assert bar.x + bar.width <= WIDTH + 0.1


def test_days_without_a_number_are_there() -> None:
    """A gap in the series is a day of nothing, not a day left out."""
    made = chart("x", [Day("1970-01-01", 3), Day("1970-01-04", 5)], 0.0, 3 * DAY)

    assert [bar.value for bar in made.bars] == [3, 0, 0, 5]
    assert made.peak is not None
    assert made.peak.day == "1970-01-04"


def test_axis_numbers_are_short() -> None:
    """Numbers on an axis fit beside it."""
    assert [short(value) for value in (0, 7, 1200, 2_500_000)] == ["0", "7", "1.2k", "2.5M"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("two\nlines\t.", "two\nlines\t."),
        ("a\u202eb", "a\\u202eb"),
        ("a\x00\x1b[31m", "a\\x00\\x1b[31m"),
        ("\ud800", "\\ud800"),
        ("café 🦊", "café 🦊"),
        ("\u200bx", "\\u200bx"),
    ],
)
def test_formatting_characters_are_seen(text: str, shown: str) -> None:
    """What would turn a line around, hide in it or move a cursor appears as its escape; words stay words."""
    assert show.words(text) == shown


@pytest.mark.parametrize("cookie", ["", "%%%", "e30", "bnVsbA", "W10", "A" * 5000, "eyJ0ZXh0IjoxfQ"])
def test_a_planted_notice_is_no_notice(cookie: str) -> None:
    """A cookie that the console did not write shows nothing."""
    assert Console.unpack(cookie) is None


def test_a_notice_comes_through_a_cookie() -> None:
    """What was packed is unpacked."""
    notice = Notice("Kept: <b>", "dec_1")

    assert Console.unpack(Console.pack(notice)) == notice
