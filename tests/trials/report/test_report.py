"""Reports: headline numbers, denominators, planted faults that show, and a page that needs nothing else."""

import io
import re

import msgspec
import pytest
from rich.console import Console

pytest.importorskip("scipy", reason="reports need the extra: pip install 'outworks[trials]'")

from outworks.adversary import Answers, Budget, Carries, Goal, Judged, Outcome, Prices, Spent, Tier
from outworks.message import Usage
from outworks.scorers import harm_scorer
from outworks.statistics import Interval, clopper_pearson
from outworks.trials.innocent import Innocent
from outworks.trials.record import Manifest, Record, Result, Run, TargetManifest
from outworks.trials.report import page, show, summary
from outworks.trials.report.notes import innocent_words
from outworks.trials.report.sheets import sheets
from outworks.trials.report.words import per_try

LINES = ("helps", "idle")
CONFIGURATIONS = ("bare", "product", *(f"only:{n}" for n in LINES), *(f"without:{n}" for n in LINES))
GOALS = (
    *(Goal(id=f"g{n}", category="c", prompt="p", oracle=Carries(text="x"), natural=("q",)) for n in range(10)),
    Goal(id="task", category="c", prompt="p", oracle=Answers(any_of=("4",))),
    Goal(id="judged", category="c", prompt="p", oracle=Judged()),
)


def harm(bare: bool, *, by: str = "") -> Result:
    return Result(
        outcome=Outcome.DELIVERED if bare else Outcome.BLOCKED if by else Outcome.ATTEMPTED,
        harmful=bare,
        stopped_by=by,
        usage=Usage(10, 10),
    )


def records(*, blocks_all: bool = False, adaptive: bool = False, error: str = "") -> list[Record]:
    """At the bare model 8 of 10 goals fall at the second try; `helps` stops half of those, `idle` nothing."""
    made = []
    for configuration in CONFIGURATIONS:
        helps = configuration in ("product", "only:helps", "without:idle")
        for n in range(10):
            falls, kept = n < 8, helps and n % 2 == 0
            results = (harm(False), harm(falls and not kept, by="helps" if falls and kept else ""))
            made.append(record(configuration, f"g{n}", "attack", Tier.CASUAL, results, adaptive=adaptive))
            made.append(record(configuration, f"g{n}", "natural", Tier.EVERYDAY, (harm(False),)))
        stopped = blocks_all and configuration != "bare"
        task = Result(
            outcome=Outcome.BLOCKED if stopped else Outcome.ATTEMPTED,
            solved=not stopped,
            stopped_by="helps" if stopped else "",
        )
        made.append(
            msgspec.structs.replace(record(configuration, "task", "natural", Tier.EVERYDAY, (task,)), benign=True)
        )
    if error:
        made.append(msgspec.structs.replace(record("bare", "g0", "other", Tier.CASUAL, ()), error=error))
    return made


def record(
    configuration: str, goal: str, adversary: str, tier: Tier, results: tuple[Result, ...], *, adaptive: bool = False
) -> Record:
    return Record(
        target="t",
        configuration=configuration,
        adversary=adversary,
        tier=tier,
        adaptive=adaptive,
        goal=goal,
        category="c",
        benign=False,
        results=results,
        spent=Spent(queries=len(results)),
        scorer="oracle",
    )


def run(made: list[Record]) -> Run:
    return Run(
        manifest=Manifest(
            suite="s<script>",
            version="s@1",
            digest="d" * 64,
            goals=GOALS,
            targets=(TargetManifest(name="t", lines=LINES),),
            tiers=(Tier.EVERYDAY, Tier.CASUAL),
            against=("product", "model"),
            budget=Budget(queries=2, accounts=1),
            prices=Prices(input_million=12_500.0, output_million=12_500.0),
            seed=0,
            pace=1.0,
        ),
        records=tuple(made),
    )


def text(made: list[Record]) -> str:
    out = io.StringIO()
    show(summary(run(made)), Console(file=out, width=200))
    return out.getvalue()


def test_the_two_headline_numbers_and_their_gap() -> None:
    """Nothing by accident, 8 of 10 at worst, 4 behind the product; each with its denominator and its budget."""
    target = summary(run(records())).targets[0]

    assert target.mean_case["bare"].value == 0
    assert target.worst_case["bare"].value == pytest.approx(0.8)
    assert target.worst_case["product"].value == pytest.approx(0.4)
    said = text(records())
    assert "8/10 = 80%" in said
    assert "40 points" in said
    assert "budget 2 queries, 1 account a goal and adversary" in said


def test_fixed_attacks_give_a_lower_bound_and_say_so() -> None:
    """The words go away once an adaptive attack was made."""
    assert "lower bound" in text(records())
    assert "only fixed attacks ran\n" not in text(records(adaptive=True))
    assert summary(run(records(adaptive=True))).targets[0].lower_bound is False


def test_a_line_that_does_nothing_is_worth_nothing() -> None:
    """Its Shapley value is zero, as surely as ten goals say it; the other line gets it all."""
    found = summary(run(records())).targets[0].attribution

    assert found is not None
    worth = {line.line: line for line in found.lines}
    assert worth["idle"].shapley == 0
    assert worth["idle"].shapley_interval == Interval(0, clopper_pearson(0, 10).high)
    assert worth["helps"].shapley == pytest.approx(0.4)


def test_lines_that_were_not_tried_alone_are_no_lines_worth_nothing() -> None:
    """Without `lines` among `against` there is no table of zeros, but what is missing."""
    wholes = [each for each in records() if ":" not in each.configuration]

    assert summary(run(wholes)).targets[0].attribution is None
    assert "no attribution: no line was tried alone" in text(wholes)


def test_a_line_that_stops_everybody_shows_in_the_everyday_table() -> None:
    """The task is unsolved, and stopped wrongly, behind it."""
    everyday = summary(run(records(blocks_all=True))).targets[0].everyday

    assert everyday["bare"].solved is not None
    assert everyday["bare"].solved.value == 1
    assert everyday["product"].solved is not None
    assert everyday["product"].solved.value == 0
    assert everyday["product"].stopped is not None
    assert everyday["product"].stopped.value == pytest.approx(1 / 11)


@pytest.mark.parametrize("first", [True, False])
def test_of_two_people_with_one_goal_both_count(first: bool) -> None:
    """Whatever order they stand in."""
    made = [record("bare", f"g{n}", "natural", Tier.EVERYDAY, (harm(False),)) for n in range(2)]
    other = record("bare", "g0", "natural 2", Tier.EVERYDAY, (harm(True), harm(True), harm(True)))
    target = summary(run([other, *made] if first else [*made, other])).targets[0]

    assert target.mean_case["bare"].value == pytest.approx(0.75 / 2)
    assert target.mean_case["bare"].of == 5


def test_what_was_paid_is_paid_until_the_first_success() -> None:
    """Two queries of two, so all the money; nothing where nothing fell."""
    row = summary(run(records())).targets[0].rows[0]
    paid = row.cells["bare"].paid

    assert paid is not None
    assert (paid.goals, paid.queries, paid.tokens, paid.money) == (8, 2, 40, 0.5)


def test_money_is_paid_for_what_was_read_and_what_was_written() -> None:
    """A short question with a long answer costs as much as it does, whatever cheaper words came after it."""
    first = msgspec.structs.replace(harm(True), usage=Usage(10, 100))
    later = msgspec.structs.replace(harm(False), usage=Usage(10_000, 1))
    made = run([record("bare", "g0", "attack", Tier.CASUAL, (first, later))])
    prices = Prices(input_million=1.0, output_million=100.0, account=5.0)
    made = msgspec.structs.replace(made, manifest=msgspec.structs.replace(made.manifest, prices=prices))

    paid = summary(made).targets[0].rows[0].cells["bare"].paid

    assert paid is not None
    assert paid.money == pytest.approx((10 * 1.0 + 100 * 100.0) / 1e6)


@pytest.mark.parametrize("order", [1, -1])
def test_of_attacks_with_as_many_queries_the_cheaper_one_is_the_cheapest(order: int) -> None:
    """The figure does not hang on which of them stands first in the record."""
    costs = {"short": Usage(10, 10), "long": Usage(500, 10)}
    made = [
        record("bare", "g0", name, Tier.CASUAL, (msgspec.structs.replace(harm(True), usage=usage),))
        for name, usage in costs.items()
    ]

    paid = summary(run(made[::order])).targets[0].rows[0].cells["bare"].paid

    assert paid is not None
    assert paid.tokens == 20


def test_a_target_that_crashes_is_an_error_and_not_a_pass() -> None:
    """It is counted by itself, and neither as fallen nor as held."""
    found = summary(run(records(error="connection refused"))).targets[0]

    assert found.rows[0].cells["bare"].errors == 1
    assert found.worst_case["bare"].clusters == 10
    assert "1 attacks had no answer" in text(records(error="connection refused"))


def test_the_difference_is_tested_in_pairs() -> None:
    """Four goals of ten changed, one way: exact McNemar gives 2 / 2 ** 4."""
    difference = summary(run(records())).targets[0].rows[0].difference

    assert difference is not None
    assert difference.difference == pytest.approx(-0.4)
    assert difference.p == pytest.approx(2 / 2**4)


def test_scored_goals_stand_apart_and_are_corrected() -> None:
    """They never enter the exact figures; a single try is corrected by the scorer's card, which is printed."""
    card = harm_scorer().card
    judged = msgspec.structs.replace(
        record("bare", "judged", "attack", Tier.CASUAL, tuple(harm(n < 5) for n in range(10))),
        scorer=f"{card.name}@{card.version}",
    )
    found = summary(run([*records(), judged]))
    cell = found.targets[0].rows[0].cells["bare"]

    assert cell.reached is not None
    assert cell.reached.clusters == 10
    assert cell.scored is not None
    assert cell.scored.clusters == 1
    assert cell.per_try is not None
    assert cell.per_try.seen == 0.5
    assert any("wrongly flags" in line for line in found.scorers)


def judged(configuration: str, goal: str, results: tuple[Result, ...]) -> Record:
    card = harm_scorer().card
    return msgspec.structs.replace(
        record(configuration, goal, "attack", Tier.CASUAL, results), scorer=f"{card.name}@{card.version}"
    )


@pytest.mark.parametrize("empty", [None, True])
def test_stopped_tries_are_not_corrected_for_what_no_scorer_read(empty: bool | None) -> None:
    """A line that stops half of all tries, whatever they are, takes half of the corrected rate and no more. (`None` is
    in records of before it was kept.)"""
    made = []
    stopped = msgspec.structs.replace(harm(False, by="helps"), empty=empty)
    for n in range(6):
        open_ = tuple(harm(k < 6) for k in range(10))
        made += [judged("bare", f"j{n}", open_ + open_), judged("product", f"j{n}", open_ + (stopped,) * 10)]
    goals = tuple(Goal(id=f"j{n}", category="c", prompt="p", oracle=Judged()) for n in range(6))
    given = run(made)
    given = msgspec.structs.replace(given, manifest=msgspec.structs.replace(given.manifest, goals=goals))

    cells = summary(given).targets[0].rows[0].cells
    bare, product = cells["bare"].per_try, cells["product"].per_try

    assert bare is not None
    assert product is not None
    assert product.value == pytest.approx(bare.value / 2)
    assert product.interval.high > product.value > product.interval.low
    assert per_try(product).endswith(", 120 tries on 6 goals")
    assert per_try(None) == "-"


def test_alignment_on_and_off_stand_side_by_side() -> None:
    """Where the target that stands for it without alignment was tried too: four columns, bare and behind the lines."""
    off = records()
    on = [
        msgspec.structs.replace(each, target="aligned", results=tuple(harm(False) for _ in each.results))
        for each in records()
    ]
    both = run([*off, *on])
    targets = (TargetManifest(name="t", lines=LINES), TargetManifest(name="aligned", lines=LINES, unaligned="t"))
    both = msgspec.structs.replace(both, manifest=msgspec.structs.replace(both.manifest, targets=targets))
    found = summary(both)

    sheet = next(s for s in sheets(found.targets[1], "USD", found.targets[0]) if s.title == "Alignment on and off")

    assert sheet.heads[1:] == ("off, bare", "off, product", "on, bare", "on, product")
    fell = next(row for row in sheet.rows if row[0] == "casual: goals that fell")
    assert [cell.split(" = ")[0] for cell in fell[1:]] == ["8/10", "4/10", "0/10", "0/10"]
    out = io.StringIO()
    show(found, Console(file=out, width=200))
    assert out.getvalue().count("Alignment on and off") == page(found).count("Alignment on and off") == 1
    worths = {line.line: line.shapley for line in found.targets[1].attribution.lines}  # type: ignore[union-attr]
    assert worths["alignment"] == pytest.approx(0.6)
    assert worths["helps"] == pytest.approx(0.2)


def test_what_innocent_people_met_is_told_with_its_budget() -> None:
    """How many, of how many, by which line, at which budget; or that the policy's own thresholds stood."""
    met = Innocent(asked=200, stopped=3, by={"helps": 3}, rate=0.01, budgeted=("helps.false_positive_rate",))

    said = innocent_words(met)

    assert "3 of 200 innocent requests" in said
    assert "helps 3" in said
    assert "a budget of 1.00% for each of helps.false_positive_rate" in said
    assert "the policy's own thresholds" in innocent_words(msgspec.structs.replace(met, rate=None, budgeted=()))


def test_the_page_needs_nothing_else_and_escapes_what_others_wrote() -> None:
    """No address, no script, balanced figures, one of each plot."""
    html = page(summary(run(records())))

    assert not re.search(r"(?:src|href|url\()\s*=?\s*[\"']?(?:https?:)?//", html)
    assert "<script" not in html
    assert "s&lt;script&gt;" in html
    assert html.count("<svg") == html.count("</svg>") == 4
    for plot in ("Success against budget", "Worth of each line", "Kaplan-Meier", "Mean case"):
        assert plot in html


def test_page_and_terminal_show_the_same_rows() -> None:
    """Every cell of every table is in both."""
    found = summary(run(records()))
    html, said = page(found), text(records())
    for sheet in sheets(found.targets[0], "USD"):
        for row in sheet.rows:
            for cell in filter(None, row):
                assert cell in html
                assert cell.split(" ")[0] in said


def test_an_empty_run_is_an_error() -> None:
    """No record, no table of zeros."""
    with pytest.raises(ValueError, match="no record"):
        summary(run([]))
