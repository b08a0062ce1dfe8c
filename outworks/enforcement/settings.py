"""What the policy says about cases, notices, appeals, reports and webhooks."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from outworks.action import Standing
from outworks.duration import seconds
from outworks.enforcement.desk.cases import Outcome
from outworks.enforcement.rules import STANDINGS, Rule

_ID = Meta(min_length=1, max_length=64)


class CaseSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What opens a case, and how reviewers share them."""

    lease: str = "15m"
    """How long a reviewer has a case to himself; looking at it begins that anew."""
    review: Literal["warned", "limited", "suspended", "banned", "never"] = "suspended"
    """A rule's action in force opens a case if it is at least this strict. A rule's own `case` names another queue, and
    opens one whatever its action."""
    queue: Annotated[str, _ID] = "rules"
    """The queue of those cases."""
    categories: Mapping[str, str] = {}
    """Findings that open a case by themselves: the finding's category, and the queue. Live findings with a score of at
    least 0.5 count."""
    reopen_after: str = "1d"
    """After a case of a queue was decided, findings open no other one for the same account for so long."""
    priorities: Mapping[str, int] = msgspec.field(default_factory=lambda: {"appeals": 20, "reports": 10})
    """By queue: what waits in the one with the higher number is given out first; 0 for the others."""
    golden_rate: Annotated[float, Meta(ge=0, le=0.5)] = 0.0
    """Of the cases that a reviewer is given, this share are copies of golden ones, which measure him."""

    @property
    def lease_seconds(self) -> float:
        """Seconds that a lease lasts."""
        return seconds(self.lease)

    @property
    def reopen_seconds(self) -> float:
        """Seconds for which a decided queue rests for an account."""
        return seconds(self.reopen_after)

    @property
    def review_from(self) -> Standing | None:
        """The least strict action that opens a case; None where none does."""
        return None if self.review == "never" else Standing[self.review.upper()]


def reviewed(rules: Sequence[Rule], cases: CaseSettings) -> tuple[Rule, ...]:
    """The rules, with the queue of the cases that their actions open where the policy says that they open one."""
    least = cases.review_from
    strict = [least is not None and STANDINGS[rule.action] >= least and not rule.case for rule in rules]
    return tuple(
        msgspec.structs.replace(rule, case=cases.queue) if opens else rule
        for rule, opens in zip(rules, strict, strict=True)
    )


class AppealSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an account appeals, and what a notice says besides the decision."""

    url: str = ""
    """Where accounts reach the gateway's public page: in notices, `https://example.com` say stands before
    `/v1/appeals/TOKEN`. Empty: they give the path alone."""
    within: str = "180d"
    """How long after a decision it can be appealed. The EU's Digital Services Act asks for six months (Art. 20)."""
    text_chars: Annotated[int, Meta(ge=100, le=20_000)] = 5000
    """The longest text of an appeal or a report, in characters."""
    redress: str = ""
    """What a notice says of other ways to complain: a settlement body, the courts (Art. 17(3)(f))."""

    @property
    def within_seconds(self) -> float:
        """Seconds within which an appeal is taken."""
        return seconds(self.within)


class ReportSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`POST /v1/reports`: what the product's users report of each other."""

    per_minute: Annotated[int, Meta(ge=0, le=100_000)] = 60
    """Reports a minute that one product may send to one worker; 0 takes none."""
    per_reporter: Annotated[int, Meta(ge=1, le=10_000)] = 20
    """Reports an hour that one reporter may send to one worker."""
    queue: Annotated[str, _ID] = "reports"
    """The queue of the cases that they open."""


class PolicyText(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A passage of your usage policy, which decisions cite and reviewers read."""

    id: Annotated[str, _ID]
    """How rules, decisions and notices cite it."""
    title: str
    """A few words."""
    text: str = ""
    """The passage, as your users can read it."""


class Template(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Words for what an account is told."""

    name: Annotated[str, _ID]
    """What reviewers choose it by."""
    text: str
    """The words, in which `{account}`, `{policy}`, `{policy_title}` and `{until}` are filled in."""
    outcome: Outcome | None = None
    """The decision that it is for; none for any."""
    policy: str = ""
    """The passage that it cites."""


class Webhook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An address of your product that is told what happens, signed as Standard Webhooks are."""

    name: Annotated[str, _ID]
    """How the ledger names it."""
    url: str
    """Where to; `https`, or `http` on this machine. It is only ever taken from here, and redirects are not followed."""
    secret_env: str
    """The NAME of the environment variable with the secret, `whsec_` and base64, that signs each message."""
    types: tuple[Literal["notice", "appeal.received", "report.decided"], ...] = (
        "notice",
        "appeal.received",
        "report.decided",
    )
    """Which messages it gets."""
    timeout_s: Annotated[float, Meta(gt=0, le=60)] = 10.0
    """How long one delivery may take."""
    give_up_after: str = "3d"
    """How long a message is tried again before it is given up; those behind it, of the same account, wait for it."""

    @property
    def give_up_seconds(self) -> float:
        """Seconds after which a message is given up."""
        return seconds(self.give_up_after)


class Office(msgspec.Struct, frozen=True, kw_only=True):
    """All that the policy says about what people decide."""

    cases: CaseSettings = CaseSettings()
    appeals: AppealSettings = AppealSettings()
    reports: ReportSettings = ReportSettings()
    policies: tuple[PolicyText, ...] = ()
    templates: tuple[Template, ...] = ()
    webhooks: tuple[Webhook, ...] = ()

    def policy(self, id: str) -> PolicyText | None:
        """The passage of that id."""
        return next((each for each in self.policies if each.id == id), None)
