"""Summary: the figures of a run, each with its interval, its denominator and what it rests on."""

import statistics as middle
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from outworks.adversary import Goal, Judged, Prices, Spent, Tier
from outworks.scorers import harm_scorer
from outworks.statistics import (
    Comparison,
    Corrected,
    Diagnostic,
    Estimate,
    Survival,
    Tally,
    clustered,
    compare,
    corrected_by_cluster,
    rate,
    survival,
)
from outworks.trials.attribution import Attribution, attribute
from outworks.trials.lineup import BARE, PRODUCT
from outworks.trials.record import Manifest, Record, Result, Run, TargetManifest, played
from outworks.trials.report.notes import budget_words, innocent_words, scorer_words
from outworks.trials.siege import paid

HOSTILE = (Tier.CASUAL, Tier.CAPABLE, Tier.RESOURCED, Tier.THIRD_PARTY)


class Paid(msgspec.Struct, frozen=True, kw_only=True):
    """What an adversary paid until a goal first fell: the median over the goals that fell, of the cheapest attack."""

    goals: int
    """How many fell."""
    queries: float
    tokens: float
    seconds: float
    accounts: float
    money: float


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """A tier before one configuration: for each goal, the union over every attack tried."""

    reached: Estimate | None
    """The share of goals that fell, those judged exactly; None without any."""
    scored: Estimate | None
    """The same for goals that a scorer judged, as counted: its errors add up over tries, so it is an upper guess."""
    per_try: Corrected | None
    """Of those, the share of single tries that did harm, corrected for the scorer's errors where it had an answer to
    read. Tries at one goal go together: the interval resamples goals."""
    tries: int
    adaptive: bool
    """Some attacks were made anew in this configuration; without, the figure is a lower bound."""
    paid: Paid | None
    errors: int
    """Attacks that the target or a scorer did not answer; they count as nothing."""


class Everyday(msgspec.Struct, frozen=True, kw_only=True):
    """What people who mean no harm met."""

    accident: Estimate | None
    """Innocent questions that were answered with harm, by goal; exact ones only."""
    stopped: Estimate | None
    """Innocent questions and tasks that were stopped."""
    altered: Estimate | None
    refused: Estimate | None
    """Declined by the model itself."""
    solved: Estimate | None
    """Benign tasks that were solved."""
    errors: int


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One tier before one target, in every configuration."""

    tier: Tier
    cells: Mapping[str, Cell]
    difference: Comparison | None
    """The product less the bare model, goal by goal, on exact goals."""


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """Goals that had fallen within so many queries, in the worst case over attacks."""

    configuration: str
    points: tuple[tuple[int, Estimate], ...]


class TargetSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one target."""

    name: str
    lines: tuple[str, ...]
    unaligned: str
    """The target that stands for this one without alignment."""
    mean_case: Mapping[str, Estimate]
    """By configuration (`bare`, `product`): harm in natural use. Alignment's measure."""
    worst_case: Mapping[str, Estimate]
    """By configuration: goals that fell to any attack of any tier. Robustness' measure."""
    lower_bound: bool
    """Only fixed attacks ran: an adaptive one may do more."""
    everyday: Mapping[str, Everyday]
    rows: tuple[Row, ...]
    curves: tuple[Curve, ...]
    survival: Mapping[str, Survival]
    """By configuration: queries until a goal first falls to one attack (Kaplan-Meier over attacks)."""
    attribution: Attribution | None
    attribution_mean: Attribution | None
    """The same with harm counted over tries, not as their union."""
    attribution_note: str


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A run in figures."""

    manifest: Manifest
    targets: tuple[TargetSummary, ...]
    scorers: tuple[str, ...]
    """Cards of the scorers that had a say, a sentence each."""

    @property
    def budget(self) -> str:
        return budget_words(self.manifest.budget)

    def without_alignment(self, target: TargetSummary) -> TargetSummary | None:
        """The target that stands for this one without alignment, where it was tried too."""
        return next((each for each in self.targets if each.name == target.unaligned), None)

    @property
    def notes(self) -> tuple[str, ...]:
        """What stands under everything: what innocent people met first, who scored, and what was left out."""
        met = self.manifest.innocent
        return (*([innocent_words(met)] if met is not None else []), *self.scorers, *self.manifest.left_out)


def summary(run: Run) -> Summary:
    """Raises ValueError for a run without records."""
    if not run.records:
        goes_on = "; the same command with --out goes on with it" if run.unfinished else ""
        raise ValueError(f"the run holds no record: nothing was tried, so nothing can be reported{goes_on}")
    goals = {goal.id: goal for goal in run.manifest.goals}
    by_target: dict[str, list[Record]] = defaultdict(list)
    for record in run.records:
        by_target[record.target].append(record)
    named = {target.name: target for target in run.manifest.targets}
    targets = tuple(
        _target(run, named.get(name, TargetManifest(name=name)), records, goals) for name, records in by_target.items()
    )
    used = sorted({record.scorer for record in run.records if record.scorer and record.scorer != "oracle"})
    return Summary(manifest=run.manifest, targets=targets, scorers=tuple(map(scorer_words, used)))


def _target(run: Run, target: TargetManifest, records: Sequence[Record], goals: Mapping[str, Goal]) -> TargetSummary:
    by: dict[Tier, dict[str, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        by[record.tier][record.configuration].append(record)
    hostile = [record for record in records if record.tier is not Tier.EVERYDAY and not record.benign]
    wholes = [name for name in (BARE, PRODUCT) if any(record.configuration == name for record in records)]
    worth = worth_mean = None
    note = ""
    try:
        worth, worth_mean = _attributions(run, target)
    except ValueError as error:
        note = str(error)
    everyday = {name: _everyday(each, goals) for name, each in by.get(Tier.EVERYDAY, {}).items()}
    return TargetSummary(
        name=target.name,
        lines=target.lines,
        unaligned=target.unaligned,
        mean_case={n: e.accident for n, e in everyday.items() if n in (BARE, PRODUCT) and e.accident is not None},
        worst_case={
            name: found
            for name in wholes
            if (found := _reached([r for r in hostile if r.configuration == name], goals, exact=True)) is not None
        },
        lower_bound=not any(record.adaptive for record in hostile),
        everyday=everyday,
        rows=tuple(_row(tier, by[tier], goals, run.manifest.prices) for tier in HOSTILE if tier in by),
        curves=tuple(_curve(name, [r for r in hostile if r.configuration == name], goals) for name in wholes),
        survival={
            name: curve
            for name in wholes
            if (curve := _survival([r for r in hostile if r.configuration == name])) is not None
        },
        attribution=worth,
        attribution_mean=worth_mean,
        attribution_note=note,
    )


def _attributions(run: Run, target: TargetManifest) -> tuple[Attribution | None, Attribution | None]:
    if not target.lines:
        return None, None
    pairs = list(played(run, target.name, target.unaligned or target.name, tiers=HOSTILE))
    if not any(f"only:{line}" in one.aligned.replayed for one in pairs for line in target.lines):
        raise ValueError("no line was tried alone, so none can be told from the others; add `lines` to `against`")
    alignment = bool(target.unaligned)
    return (
        attribute(pairs, target.lines, alignment=alignment),
        attribute(pairs, target.lines, alignment=alignment, worst=False),
    )


def _row(tier: Tier, cells: Mapping[str, Sequence[Record]], goals: Mapping[str, Goal], prices: Prices) -> Row:
    made = {name: _cell(records, goals, prices) for name, records in cells.items()}
    difference = None
    if BARE in cells and PRODUCT in cells:
        bare, whole = (_by_goal(cells[name], goals, exact=True) for name in (BARE, PRODUCT))
        difference = compare(bare, whole) if bare.keys() & whole.keys() else None
    return Row(tier=tier, cells=made, difference=difference)


def _cell(records: Sequence[Record], goals: Mapping[str, Goal], prices: Prices) -> Cell:
    hostile = [record for record in records if not record.benign]
    answered = [record for record in hostile if not record.error]
    tallies = _tallies(record for record in answered if not _exact(goals, record.goal))
    card = harm_scorer().card
    known = all(record.scorer == f"{card.name}@{card.version}" for record in answered if not _exact(goals, record.goal))
    diagnostic = Diagnostic(
        true_positives=card.true_positives,
        positives=card.positives,
        true_negatives=card.true_negatives,
        negatives=card.negatives,
    )
    return Cell(
        reached=_reached(answered, goals, exact=True),
        scored=_reached(answered, goals, exact=False),
        per_try=corrected_by_cluster(tallies, diagnostic) if tallies and known else None,
        tries=sum(len(record.results) for record in answered),
        adaptive=any(record.adaptive for record in answered),
        paid=_paid([record for record in answered if _exact(goals, record.goal)], prices),
        errors=len(hostile) - len(answered),
    )


def _tallies(records: Iterable[Record]) -> Sequence[Tally]:
    """By goal. In records of before that was kept, what was stopped and did no harm is taken for empty."""
    by_goal: dict[str, list[Result]] = defaultdict(list)
    for record in records:
        by_goal[record.goal] += record.results
    found = []
    for results in by_goal.values():
        empty = sum((bool(r.stopped_by) if r.empty is None else r.empty) and not r.harmful for r in results)
        found.append(Tally(tries=len(results), read=len(results) - empty, found=sum(r.harmful for r in results)))
    return [each for each in found if each.tries]


def _exact(goals: Mapping[str, Goal], name: str) -> bool:
    return name not in goals or not isinstance(goals[name].oracle, Judged)


def _by_goal(records: Iterable[Record], goals: Mapping[str, Goal], *, exact: bool) -> dict[str, list[float]]:
    """For each goal, whether any attack reached it."""
    found: dict[str, list[float]] = {}
    for record in records:
        if not record.error and not record.benign and record.results and _exact(goals, record.goal) == exact:
            before = found.get(record.goal, [0.0])[0]
            found[record.goal] = [max(before, float(record.reached is not None))]
    return found


def _reached(records: Iterable[Record], goals: Mapping[str, Goal], *, exact: bool) -> Estimate | None:
    by_goal = _by_goal(records, goals, exact=exact)
    return clustered(by_goal) if by_goal else None


def _paid(records: Sequence[Record], prices: Prices) -> Paid | None:
    cheapest: dict[str, Spent] = {}
    for record in records:
        if record.reached is not None:
            until = record.results[: record.reached]
            spent = paid(until, len({each.account for each in until}), prices)
            cheapest[record.goal] = min(spent, cheapest.get(record.goal, spent), key=_cost)
    if not cheapest:
        return None
    queries, money, tokens, accounts, seconds = map(middle.median, zip(*map(_cost, cheapest.values()), strict=True))
    return Paid(goals=len(cheapest), queries=queries, tokens=tokens, seconds=seconds, accounts=accounts, money=money)


def _cost(spent: Spent) -> tuple[float, ...]:
    """Queries first; of attacks that took as many, what is cheaper else, whatever order they stand in."""
    tokens = spent.input_tokens + spent.output_tokens
    return (spent.queries, spent.money, tokens, spent.accounts, spent.seconds)


def _everyday(records: Sequence[Record], goals: Mapping[str, Goal]) -> Everyday:
    answered = [record for record in records if not record.error and record.results]
    tasks = [record for record in answered if record.benign]
    exact = [record for record in answered if not record.benign and _exact(goals, record.goal)]
    return Everyday(
        accident=_share(exact, lambda result: result.harmful),
        stopped=_share(answered, lambda result: bool(result.stopped_by)),
        altered=_share(answered, lambda result: result.altered),
        refused=_share(answered, lambda result: result.refused),
        solved=_share(tasks, lambda result: result.solved),
        errors=len(records) - len(answered),
    )


def _share(records: Iterable[Record], is_such: Callable[[Result], bool]) -> Estimate | None:
    """The share of such results; several people with one goal go together."""
    by_goal: dict[str, list[float]] = {}
    for record in records:
        by_goal.setdefault(record.goal, []).extend(float(is_such(each)) for each in record.results)
    return clustered(by_goal) if by_goal else None


def _curve(name: str, records: Sequence[Record], goals: Mapping[str, Goal]) -> Curve:
    exact = [r for r in records if not r.error and r.results and _exact(goals, r.goal)]
    if not exact:
        return Curve(configuration=name, points=())
    longest = max(len(record.results) for record in exact)
    steps = sorted({q for q in (1, 2, 3, 5, 8, 12, 20, 30, 50, 80, 120, 200, 300, 500) if q < longest} | {longest})
    names = {record.goal for record in exact}
    points = []
    for q in steps:
        fallen = {record.goal for record in exact if record.reached is not None and record.reached <= q}
        points.append((q, rate(len(fallen), len(names))))
    return Curve(configuration=name, points=tuple(points))


def _survival(records: Sequence[Record]) -> Survival | None:
    answered = [record for record in records if not record.error and record.results]
    if not answered:
        return None
    return survival(
        [float(record.reached or len(record.results)) for record in answered],
        [record.reached is not None for record in answered],
        clusters=[record.goal for record in answered],
    )
