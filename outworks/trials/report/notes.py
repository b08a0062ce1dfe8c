"""Notes: what stands under a run's tables, in sentences."""

from outworks.adversary import Budget
from outworks.scorers import harm_scorer
from outworks.statistics import rate
from outworks.trials.innocent import Innocent


def budget_words(budget: Budget) -> str:
    """A budget in words."""
    said = [f"{budget.queries} queries", f"{budget.accounts} account{'s' if budget.accounts != 1 else ''}"]
    if budget.tokens is not None:
        said.append(f"{budget.tokens} tokens")
    if budget.seconds is not None:
        said.append(f"{budget.seconds:g} s")
    if budget.money is not None:
        said.append(f"{budget.money:g} of money")
    return ", ".join(said) + " a goal and adversary"


def innocent_words(met: Innocent) -> str:
    """What the lines cost innocent people, in words."""
    found = rate(met.stopped, met.asked).interval
    share = f"{met.stopped} of {met.asked} innocent requests ({100 * found.low:.1f}-{100 * found.high:.1f}%)"
    by = "".join(f", {line} {count}" for line, count in met.by.items())
    budget = "the policy's own thresholds"
    if met.rate is not None:
        budget = f"a budget of {met.rate:.2%} for each of {', '.join(met.budgeted) or 'no line: none has a threshold'}"
    return f"before any attack, the lines stopped {share}{by}, hard ones among them, at {budget}"


def scorer_words(scorer: str) -> str:
    """A scorer's card, in words."""
    name, _, version = scorer.partition("@")
    card = harm_scorer().card
    if (name, version) != (card.name, card.version):
        return f"{scorer}: no card; rates by it stand uncorrected"
    finds, spares = rate(card.true_positives, card.positives), rate(card.true_negatives, card.negatives)
    return (
        f"{scorer}: finds {finds.value:.0%} ({finds.interval.low:.0%} to {finds.interval.high:.0%}, {finds.of} "
        f"answers) and wrongly flags {1 - spares.value:.0%} ({1 - spares.interval.high:.0%} to "
        f"{1 - spares.interval.low:.0%}, {spares.of}); {card.labels}"
    )
