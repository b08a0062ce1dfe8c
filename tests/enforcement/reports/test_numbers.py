"""Numbers: each is what the events say, however they were read; estimates come with their interval."""

import csv
import io
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from outworks.action import Standing
from outworks.enforcement.desk.sample import draw, label
from outworks.enforcement.reports.numbers import SERIES, Numbers
from outworks.enforcement.reports.share import Share
from outworks.enforcement.reports.transparency import as_csv, as_page, report
from outworks.event import (
    Acted,
    Appealed,
    Body,
    CaseDecided,
    CaseOpened,
    CaseReopened,
    Event,
    Labelled,
    Notified,
    Reported,
    Sampled,
)
from outworks.ledger import Ledger
from outworks.verdict import Decision, Finding
from tests.enforcement.kit import ANN, NOW, acted, action, exchange, provider_refused, received, undone
from tests.enforcement.texts import said

DAY = 86_400.0
TODAY = "2027-01-15"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        yield ledger


def numbers(ledger: Ledger, most: int | None = None) -> Numbers:
    made = Numbers(ledger)
    while made.follow(most=most):
        pass
    return made


def totals(ledger: Ledger, name: str, most: int | None = None) -> dict[str, int]:
    return dict(numbers(ledger, most).totals(name, 0, NOW + 9 * DAY))


def about(body: Body, *, at: float = NOW, account: str = ANN) -> Event:
    return Event(body=body, at=at, account=account)


def decided(id: str, *, outcome: str = "keep", holds: bool | None = True, at: float = NOW, **more: object) -> Event:
    whole = {"case": f"case_{id}", "by": "eva", "rule": "repeat", **more}
    return about(CaseDecided(id=id, outcome=outcome, holds=holds, **whole), at=at)  # type: ignore[arg-type]


EVENTS = [
    received(at=NOW - DAY),
    *exchange(),
    *exchange("leak", Decision.MODIFY),
    *exchange("fingerprint", mode="shadow"),
    *exchange("refusal", Decision.ALLOW, findings=[Finding("refusal", 0.9)]),
    provider_refused(),
    *exchange("fingerprint", error="overran"),
    acted(action(Standing.WARNED, by="rule:repeat")),
    acted(action(Standing.BANNED)),
    acted(action(Standing.BANNED, by="rule:quiet", shadow=True)),
    about(Reported(id="rep_1", category="spam")),
    about(Notified(id="n", about="a", code="warned", text="x")),
]
COUNTED = [
    ("exchanges", {"": 6}),
    ("blocked", {"fingerprint": 1}),
    ("flagged", {"fingerprint": 1, "leak": 1}),
    ("shadow", {"fingerprint": 1}),
    ("refusals", {"refusal": 1, "upstream": 1}),
    ("failed", {"fingerprint": 1}),
    ("actions", {"warned by repeat": 1, "banned by a person": 1}),
    ("reports", {"spam": 1}),
    ("notices", {"warned": 1}),
]


@pytest.mark.parametrize("most", [None, 1, 3])
@pytest.mark.parametrize(("name", "expected"), COUNTED)
def test_what_happened_is_counted(ledger: Ledger, name: str, expected: dict[str, int], most: int | None) -> None:
    """Each kind is counted under its label, whether the ledger is read at once or in slices."""
    ledger.append_now(EVENTS)

    assert totals(ledger, name, most) == expected


@pytest.mark.parametrize("most", [None, 1, 2, 3])
def test_an_exchange_counts_once_however_it_is_cut(ledger: Ledger, most: int | None) -> None:
    """An answer that is judged many times is one exchange in the numbers, though slices cut it anywhere."""
    first, judged = exchange("leak", Decision.MODIFY)
    ledger.append_now([first, judged, received(), judged, judged, *exchange("leak", Decision.MODIFY), judged])

    assert totals(ledger, "flagged", most) == {"leak": 2}


def test_numbers_are_by_day(ledger: Ledger) -> None:
    """Days are days of UTC; asked about some, only those are told."""
    ledger.append_now([received(at=NOW - DAY), received(at=NOW), received(at=NOW + 60)])
    made = numbers(ledger)

    (days,) = made.series("exchanges", 0, NOW + DAY).values()
    (today,) = made.series("exchanges", NOW, NOW).values()

    assert [(day.day, day.value) for day in days] == [("2027-01-14", 1), (TODAY, 2)]
    assert [day.day for day in today] == [TODAY]


def test_an_unknown_number_is_refused(ledger: Ledger) -> None:
    """There are these numbers, and no others."""
    with pytest.raises(ValueError, match="there is no number 'nonsense'; there are exchanges"):
        numbers(ledger).series("nonsense", 0, NOW)


REOPENED = CaseReopened(case="c", decision="back", by="eva", reason="A slip.")


def test_a_rule_s_precision_comes_from_reviewers(ledger: Ledger) -> None:
    """What reviewers found right and wrong counts; what is pending, golden or was taken back does not."""
    ledger.append_now([decided(f"d{n}") for n in range(8)])
    ledger.append_now([decided("wrong", outcome="dismiss", holds=False), decided("other", rule="other", holds=False)])
    ledger.append_now([decided("waits", pending=True, holds=False), decided("copy", golden="case_1", holds=False)])
    ledger.append_now([decided("back", holds=False), about(REOPENED)])

    found = numbers(ledger).precision("repeat")

    assert (found.held, found.failed, found.share) == (8, 1, 8 / 9)
    assert 0.5 < found.low < 8 / 9 < found.high < 1
    assert numbers(ledger).precision("unknown").share is None


def test_an_overturned_appeal_counts_against_the_rule(ledger: Ledger) -> None:
    """Appeals and what became of them are told by the rule whose action it was."""
    one = action(Standing.SUSPENDED, by="rule:repeat")
    ledger.append_now([acted(one), about(Appealed(id="ap_1", action=one.id)), undone(one)])
    ledger.append_now([decided("d1", outcome="overturn", holds=False)])

    assert totals(ledger, "appeals") == {"repeat": 1}
    assert totals(ledger, "undone") == {"repeat": 1}
    assert totals(ledger, "overturned") == {"repeat": 1}
    assert numbers(ledger).precision("repeat").failed == 1


def test_the_time_to_a_stop_is_from_the_first_violation(ledger: Ledger) -> None:
    """From the first live finding since the slate was clean; warnings stop nobody, shadow and failures are none."""
    ledger.append_now(exchange(mode="shadow", at=NOW - 900) + exchange(at=NOW - 800, error="raised"))
    ledger.append_now(exchange(at=NOW - 600) + exchange(at=NOW - 300))
    ledger.append_now([acted(action(Standing.WARNED, at=NOW - 200)), acted(action(Standing.SUSPENDED, at=NOW - 100))])
    ledger.append_now([*exchange(at=NOW - 50), acted(action(Standing.BANNED, at=NOW))])

    found = numbers(ledger).stops(0, NOW + 1)

    assert (found.count, found.median_s, found.p90_s) == (2, 500.0, 500.0)
    assert numbers(ledger).stops(NOW - 1, NOW + 1).median_s == 50.0
    assert numbers(ledger).stops(NOW + 5, NOW + 9).median_s is None


def test_queues_have_an_age(ledger: Ledger) -> None:
    """What waits is told by queue; what was decided waits no more, unless that was taken back."""
    for n, ago in enumerate((500, 300, 100)):
        ledger.append_now([about(CaseOpened(case=f"case_{n}", queue="q", source="rule:x"), at=NOW - ago)])
    ledger.append_now([about(CaseOpened(case="copy", queue="q", source="golden:case_1"), at=NOW)])
    ledger.append_now([decided("0", at=NOW), decided("1", at=NOW)])
    ledger.append_now([about(CaseReopened(case="case_1", decision="1", by="eva", reason="r"))])

    (age,) = numbers(ledger).ages(NOW)

    assert (age.queue, age.waiting, age.oldest_s, age.median_s) == ("q", 2, 300.0, 100.0)


def answered(number: int) -> list[Event]:
    return [e for n in range(number) for e in said(f"Question {n}", at=NOW + n, answer=f"Answer {n}")]


def test_samples_are_drawn_from_what_was_served(ledger: Ledger) -> None:
    """Only exchanges of that time with an answer are drawn, each once, at random, and it is recorded."""
    ledger.append_now(answered(30) + exchange(at=NOW + 5))

    drawn = draw(ledger, 10, since=NOW + 10, until=NOW + 28, by="eva")
    again = draw(ledger, 100, since=NOW + 10, until=NOW + 28, by="eva")
    made = numbers(ledger)

    assert (drawn, again) == (10, 8)
    assert made.violating(0, NOW + DAY).sampled == 18
    assert len(made.unlabelled(100)) == 18
    assert made.violating(NOW + 12, NOW + 14).sampled == 2


@pytest.mark.parametrize("few", [5_000, 0])
def test_every_answer_is_as_likely_to_be_drawn(ledger: Ledger, monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    """Drawn often enough, each exchange comes about as often, though some are released in many pieces."""
    monkeypatch.setattr("outworks.enforcement.desk.sample._FEW", few)
    events = answered(8)
    ledger.append_now(events[:3] + [events[2]] * 20 + events[3:])
    chance = random.Random(4)
    seen = []
    monkeypatch.setattr(Ledger, "append_now", lambda self, drawn: seen.append(drawn[0].exchange))
    for _ in range(400):
        draw(ledger, 1, since=NOW - 1, until=NOW + 9, by="eva", chance=chance)

    counts = [seen.count(exchange) for exchange in {e.exchange for e in events}]

    assert len(counts) == 8
    assert min(counts) > 25
    assert max(counts) < 80


def test_what_was_served_against_the_policy_is_estimated(ledger: Ledger) -> None:
    """Labels of the drawn give the share, with an interval; where people differ, most decide, and a tie counts."""
    ledger.append_now(answered(100))
    draw(ledger, 100, since=NOW - 1, until=NOW + 200, by="eva")
    for n, exchange_ in enumerate(numbers(ledger).unlabelled(60)):
        label(ledger, exchange_, by="eva", violating=n < 3)
    tie, outvoted = numbers(ledger).unlabelled(2)
    for by, violating in (("eva", True), ("max", False)):
        label(ledger, tie, by=by, violating=violating)
        label(ledger, outvoted, by=by, violating=violating)
    label(ledger, outvoted, by="kim", violating=False)

    found = numbers(ledger).violating(0, NOW + DAY)

    assert (found.sampled, found.labelled, found.violating) == (100, 62, 4)
    assert found.per_10_000 == pytest.approx(10_000 * 4 / 62)
    assert found.low < found.per_10_000 < found.high


def test_who_labels_again_labels_anew(ledger: Ledger) -> None:
    """A slip is mended by labelling again."""
    ledger.append_now(answered(1))
    draw(ledger, 1, since=0, until=NOW + 9, by="eva")
    (one,) = numbers(ledger).unlabelled()
    label(ledger, one, by="eva", violating=True)
    label(ledger, one, by="eva", violating=False)

    assert numbers(ledger).violating(0, NOW + DAY).violating == 0


def test_labels_of_what_was_not_drawn_are_refused(ledger: Ledger) -> None:
    """Answers that somebody chose would not tell how many there are of all."""
    ledger.append_now(answered(1))

    with pytest.raises(LookupError, match="was not drawn"):
        label(ledger, ledger.tail(1)[0].event.exchange, by="eva", violating=True)
    with pytest.raises(ValueError, match="draw how many"):
        draw(ledger, 0, since=0, until=NOW, by="eva")


# From R's binom.confint(x, n, methods = "wilson").
WILSON = [(0, 10, 0.0, 0.2775), (1, 10, 0.0179, 0.4042), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0)]


@pytest.mark.parametrize(("count", "of", "low", "high"), WILSON)
def test_intervals_are_wilson_s(count: int, of: int, low: float, high: float) -> None:
    """The interval holds at shares of 0 and 1, too."""
    found = Share(count, of)

    assert (found.low, found.high) == (pytest.approx(low, abs=1e-3), pytest.approx(high, abs=1e-3))


def test_nothing_counted_tells_nothing() -> None:
    """Of nothing the share is unknown, and may be anything."""
    assert (Share(0, 0).share, Share(0, 0).low, Share(0, 0).high) == (None, 0.0, 1.0)


def test_the_report_says_the_numbers(ledger: Ledger) -> None:
    """The table and the page hold what the numbers say; of the period alone."""
    ledger.append_now([*EVENTS, *answered(5)])
    draw(ledger, 5, since=0, until=NOW + 99, by="eva")
    label(ledger, numbers(ledger).unlabelled()[0], by="eva", violating=True)
    made = report(numbers(ledger), NOW - 100, NOW + 100)

    rows = {(row["name"], row["label"]): row for row in csv.DictReader(io.StringIO(as_csv(made)))}

    assert rows["exchanges", ""]["value"] == "10"
    assert rows["blocked", "fingerprint"]["value"] == "1"
    assert rows["violating_per_10000", ""]["value"] == "10000"
    assert float(rows["violating_per_10000", ""]["low"]) > 1000
    page = as_page(made)
    assert "Exchanges stopped by fingerprint" in page
    assert "<script" not in page
    assert not as_csv(report(numbers(ledger), NOW - 9 * DAY, NOW - 8 * DAY)).count("blocked")


def test_the_report_runs_nobody_s_words(ledger: Ledger) -> None:
    """A category that a reporter chose is neither markup on the page nor a formula in a spreadsheet."""
    ledger.append_now([about(Reported(id="r", category="=cmd()<script>x</script>"))])
    made = report(numbers(ledger), NOW - 100, NOW + 100)

    assert "<script>" not in as_page(made)
    assert ",'=cmd()" in as_csv(made)


def test_every_number_is_told_or_left_out_on_purpose() -> None:
    """The report has words for every series but those that it leaves out."""
    from outworks.enforcement.reports import transparency

    assert set(SERIES) - set(transparency._WORDS) == {"shadow"}


def test_the_kinds_are_events() -> None:
    """Draws and labels are events of the ledger like all others."""
    assert isinstance(Sampled(by="eva"), Body)
    assert isinstance(Labelled(by="eva", violating=True), Body)
    assert isinstance(acted(action(Standing.GOOD)).body, Acted)
