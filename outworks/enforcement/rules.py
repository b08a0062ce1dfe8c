"""Rules: which history of an account leads to which action, as the policy says it."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from enum import StrEnum
from itertools import product

import msgspec
from typing_extensions import override

from outworks.action import Action, Standing
from outworks.duration import seconds
from outworks.enforcement.language.expression import EvaluationError, Expression, ExpressionError, Values
from outworks.enforcement.language.words import ACTION_WORDS, INNOCENT, OF_TEXTS, ON_REQUESTS, Call


class RuleMode(StrEnum):
    """Whether a rule's actions count."""

    LIVE = "live"
    SHADOW = "shadow"
    """Its actions are recorded, never in force."""
    DRAFT = "draft"
    """Checked when the policy is loaded, never evaluated."""


class Measure(StrEnum):
    """What a rule does to an account."""

    WARN = "warn"
    LIMIT = "limit"
    SUSPEND = "suspend"
    BAN = "ban"
    CASE = "case"
    """Only opens a case: a person decides."""


STANDINGS = {
    Measure.WARN: Standing.WARNED,
    Measure.LIMIT: Standing.LIMITED,
    Measure.SUSPEND: Standing.SUSPENDED,
    Measure.BAN: Standing.BANNED,
    # Recorded as if in shadow, so that it is never in force.
    Measure.CASE: Standing.GOOD,
}

_REASONS = {
    Measure.WARN: "Some of your requests go against the usage policy. Going on may restrict this account.",
    Measure.LIMIT: "Earlier requests went against the usage policy, or came too fast.",
    Measure.SUSPEND: "Its requests went against the usage policy.",
    Measure.BAN: "Its requests went against the usage policy.",
    Measure.CASE: "For review.",
}


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule. It is evaluated after an exchange; what it leads to holds from the account's next request on."""

    name: str
    """Lower-case letters, digits, `-` and `_`; recorded with each action as `rule:NAME`."""
    description: str
    """Why the rule is there, for reviewers."""
    when: str
    """The condition: a CEL expression over the account's history."""
    action: Measure
    """`warn`, `limit`, `suspend`, `ban`, or `case`: only a case for a reviewer, of which the account is told
    nothing."""
    mode: RuleMode = RuleMode.LIVE
    """`live`, `shadow` (recorded, never in force) or `draft` (only checked)."""
    expires: str = ""
    """How long the action lasts: `"12h"`, `"7d"`. A ban may last for good: `"never"`, its default."""
    rate_per_minute: float | None = None
    """With `limit`: how many requests a minute the account may send."""
    policy: str = ""
    """The passage of the usage policy that the rule rests on."""
    reason: str = ""
    """What the account is told, instead of the default words."""
    case: str = ""
    """The queue of the case that its action opens, with its evidence; with `action = "case"` it must be there.
    Otherwise `[cases]` says which actions open one."""

    @property
    def lasts(self) -> float | None:
        """Seconds that the action lasts; None for good."""
        return None if self.expires in ("", "never") else seconds(self.expires)

    @property
    def told(self) -> str:
        """What the account is told."""
        return self.reason or _REASONS[self.action]


_BY_LINK_ALONE = (
    "it may hold by a link alone, and nobody is punished for whom he knows: "
    "join `linked` by && with what the account itself did, such as score or flagged"
)
_NO_SIGNALS = frozenset({"requests", "bursts", "linked"})


class RuleFault(msgspec.Struct, frozen=True):
    """What is wrong with a rule; `index` and `field` say where in the policy."""

    index: int
    rule: str
    field: str
    message: str

    @override
    def __str__(self) -> str:
        return f"rule {self.rule!r}: {self.field}: {self.message}"


class RuleError(ValueError):
    """Rules that cannot be used; every fault at once."""

    def __init__(self, faults: Sequence[RuleFault]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = tuple(faults)


class Compiled(msgspec.Struct, frozen=True):
    """A rule ready to be evaluated."""

    rule: Rule
    condition: Expression

    @property
    def by(self) -> str:
        """How its actions are signed."""
        return f"rule:{self.rule.name}"

    @property
    def shadow(self) -> bool:
        """Its actions are recorded and never in force: it is in shadow, or only opens cases."""
        return self.rule.mode is RuleMode.SHADOW or self.rule.action is Measure.CASE

    @property
    def queue(self) -> str:
        """The queue of the cases that its actions open; none in shadow."""
        return "" if self.rule.mode is RuleMode.SHADOW else self.rule.case

    def made(self, action: Action) -> bool:
        """Whether an action is one of its own: what it did in shadow says nothing of what it does live."""
        if action.by != self.by or action.shadow != self.shadow:
            return False
        return not self.shadow or bool(action.case) == bool(self.queue)


class Rules(msgspec.Struct, frozen=True):
    """Every rule that is evaluated, and what they read between them."""

    compiled: tuple[Compiled, ...] = ()

    @property
    def calls(self) -> frozenset[Call]:
        """Every word that some rule uses."""
        return frozenset(call for each in self.compiled for call in each.condition.calls)

    @property
    def longest(self) -> float:
        """The longest window of signals, in seconds."""
        windows = (c.window for c in self.calls if c.word not in _NO_SIGNALS and c.word not in ACTION_WORDS)
        return max(windows, default=0.0)

    @property
    def longest_of_requests(self) -> float:
        """The longest window of requests, in seconds, of words that these alone can change."""
        return max((c.window for c in self.calls if c.word in ON_REQUESTS), default=0.0)

    @property
    def longest_of_texts(self) -> float:
        """The longest window of what the account wrote, in seconds."""
        return max((c.window for c in self.calls if c.word in OF_TEXTS), default=0.0)

    def reads(self, words: Collection[str]) -> bool:
        """Whether some rule uses one of these words."""
        return any(call.word in words for call in self.calls)

    @property
    def counting_requests(self) -> "Rules":
        """Those that a request alone can set off, whether or not any defense noted it."""
        return Rules(tuple(c for c in self.compiled if any(call.word in ON_REQUESTS for call in c.condition.calls)))


def compile_rules(rules: Sequence[Rule], *, defenses: Collection[str] | None = None) -> Rules:
    """Check and compile rules. Raises RuleError with every fault of every rule.

    With `defenses`, the names of the lines of defense that there are, a rule that names another is refused.
    """
    faults: list[RuleFault] = []
    compiled: list[Compiled] = []
    names = Counter(rule.name for rule in rules)
    for index, rule in enumerate(rules):
        if names[rule.name] > 1:
            faults.append(RuleFault(index, rule.name, "name", f"{names[rule.name]} rules are called {rule.name!r}"))
        faults += (RuleFault(index, rule.name, each.field, each.message) for each in _faults(rule))
        try:
            condition = Expression(rule.when, defenses=defenses)
        except ExpressionError as error:
            faults.append(RuleFault(index, rule.name, "when", str(error)))
            continue
        if not condition.calls:
            message = "the condition reads nothing that the account did; use a word such as flagged or requests"
            faults.append(RuleFault(index, rule.name, "when", message))
        if by_link_alone(condition):
            faults.append(RuleFault(index, rule.name, "when", _BY_LINK_ALONE))
        if rule.mode is not RuleMode.DRAFT:
            compiled.append(Compiled(rule, condition))
    if faults:
        raise RuleError(faults)
    return Rules(tuple(compiled))


def by_link_alone(condition: Expression) -> bool:
    """Whether a condition that reads links can hold of an account that itself did nothing that counts as misuse.

    It is tried with none of what is misuse, and little and much of all else. What this overlooks, `propose` sees when
    the rule meets an account.
    """
    if not any(call.word == "linked" for call in condition.calls):
        return False
    for linked, rest, age, standing in product((1, 1000), (0, 1, 1_000_000), (0.0, 1e9), Standing):
        counts = {
            call: linked if call.word == "linked" else rest if call.word in INNOCENT else 0 for call in condition.calls
        }
        try:
            if condition.holds(Values(counts, age, standing)):
                return True
        except EvaluationError:
            continue
    return False


class _Fault(msgspec.Struct, frozen=True):
    field: str
    message: str


def _faults(rule: Rule) -> Iterator[_Fault]:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", rule.name):
        message = "a name is 1 to 64 lower-case letters, digits, '-' and '_', and begins with a letter or digit"
        yield _Fault("name", f"{message}, not {rule.name[:80]!r}")
    if not rule.description.strip():
        yield _Fault("description", "say why the rule is there: whoever reviews its actions reads this")
    if rule.action is Measure.CASE and not rule.case:
        yield _Fault("case", "an action that only opens a case needs the queue that it goes into")
    yield from _expiry_faults(rule)
    limits = rule.action is Measure.LIMIT
    if limits and rule.rate_per_minute is None:
        yield _Fault("rate_per_minute", "a limit needs the requests a minute that the account may send")
    elif not limits and rule.rate_per_minute is not None:
        yield _Fault("rate_per_minute", f"only a limit has a rate; this rule's action is {rule.action.value!r}")
    elif rule.rate_per_minute is not None and not 0 < rule.rate_per_minute < float("inf"):
        yield _Fault("rate_per_minute", f"a rate is greater than 0, not {rule.rate_per_minute:g}; to stop all, suspend")


def _expiry_faults(rule: Rule) -> Iterator[_Fault]:
    bans = rule.action is Measure.BAN
    if not rule.expires and not bans:
        yield _Fault("expires", f'a {rule.action.value} needs an expiry, such as "12h" or "7d"')
    elif rule.expires == "never" and not bans:
        yield _Fault("expires", f'only a ban may last for good; give this {rule.action.value} an expiry such as "30d"')
    elif rule.expires not in ("", "never"):
        try:
            seconds(rule.expires)
        except ValueError as error:
            yield _Fault("expires", str(error))
