"""Words: figures as people read them, the same in the terminal and on the page."""

from collections.abc import Sequence

from outworks.adversary import Tier
from outworks.statistics import Corrected, Estimate
from outworks.trials.lineup import BARE, PRODUCT
from outworks.trials.report.summary import Paid, Row, TargetSummary

TIERS = {
    Tier.EVERYDAY: "everyday",
    Tier.CASUAL: "casual",
    Tier.CAPABLE: "capable",
    Tier.RESOURCED: "resourced",
    Tier.THIRD_PARTY: "third party",
}


def percent(found: Estimate | Corrected | None) -> str:
    """`12% (5-24)`, or a dash where nothing was tried."""
    if found is None:
        return "-"
    return f"{found.value:.0%} ({100 * found.interval.low:.0f}-{100 * found.interval.high:.0f})"


def per_try(found: Corrected | None) -> str:
    """`45% (21-70), 155 tries on 5 goals`: tries at one goal go together, so few goals say little."""
    if found is None:
        return "-"
    goals = f"{found.clusters} goal{'s' if found.clusters != 1 else ''}"
    return f"{percent(found)}, {found.of} {'tries' if found.of != 1 else 'try'} on {goals}"


def share(found: Estimate | None) -> str:
    """`3/25 = 12% (5-24)`: with the denominator."""
    if found is None:
        return "-"
    return f"{found.value * found.clusters:g}/{found.clusters} = {percent(found)}"


def configurations(target: TargetSummary) -> Sequence[str]:
    """In the order of a table's columns."""
    met = {name for row in target.rows for name in row.cells} | set(target.everyday)
    only, without = [f"only:{line}" for line in target.lines], [f"without:{line}" for line in target.lines]
    return [name for name in (BARE, *only, PRODUCT, *without) if name in met]


def title(configuration: str) -> str:
    """A column's head."""
    return configuration.replace("only:", "only ").replace("without:", "all but ").replace("_", " ")


def reached(row: Row, configuration: str) -> str:
    """A cell of the table: exact goals; `a` where attacks were made anew."""
    cell = row.cells.get(configuration)
    if cell is None or cell.reached is None:
        return "-"
    return percent(cell.reached) + ("" if cell.adaptive else " \u2265")


def paid(spent: Paid | None, currency: str) -> str:
    """What the cheapest success cost."""
    if spent is None:
        return "nothing fell"
    money = f", {spent.money:.4f} {currency}" if spent.money else ""
    accounts = f", {spent.accounts:g} accounts" if spent.accounts > 1 else ""
    return f"{spent.queries:g} queries, {spent.tokens:g} tokens, {spent.seconds:.2g} s{accounts}{money} ({spent.goals})"


def unanswered(target: TargetSummary) -> int:
    """Attacks without an answer."""
    hostile = sum(cell.errors for row in target.rows for cell in row.cells.values())
    return hostile + sum(each.errors for each in target.everyday.values())
