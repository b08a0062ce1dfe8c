"""injection: stops orders that third parties planted in what the model reads, and those of users to override it."""

from typing import Annotated, Literal

import msgspec
from typing_extensions import override

from outworks import defense
from outworks.defense import Mode
from outworks.defenses.scored import Judge, Judged, Thresholds, passages
from outworks.detectors import Category, Side
from outworks.detectors.looking import Looking, Stage
from outworks.label import Source
from outworks.message import Request
from outworks.verdict import Notice, Verdict

Rate = Annotated[float, msgspec.Meta(gt=0, le=0.1)]
Action = Literal["block", "record", "off"]


class Settings(defense.Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Untrusted content and the user's own words, each with its own threshold: an order is one in the user's mouth, and
    an attack in a document."""

    mode: Mode = Mode.OFF
    """`live`, `shadow` (recorded, never enforced) or `off`. Off until you ask for it: a look costs about a tenth of a
    millisecond. Begin in shadow: `outworks ledger tail` shows what it would have stopped on your own traffic."""
    time_limit_ms: Annotated[float, msgspec.Meta(gt=0)] = 1_000.0
    """Milliseconds for one check. A check that takes longer blocks, and is recorded."""
    content: Action = "block"
    """What to do with tool results and documents that carry instructions: `block`, only `record`, or do not look."""
    false_positive_rate: Rate = 0.001
    """The share of clean documents that may be stopped."""
    user: Action = "block"
    """What to do with the user's own orders to ignore, override or reveal the product's instructions."""
    user_false_positive_rate: Rate = 0.001
    """The share of ordinary requests that may be stopped."""
    record_rate: Rate = 0.01
    """The share of ordinary texts of which a finding may be recorded, without being stopped."""
    second_stage: Stage = "never"
    """When a small transformer looks too: `never`, where the first stage is `unsure`, or `always`. It needs the extra
    `outworks[classifier]`."""


class Injection(defense.Defense):
    """It raises the price of an attack and leaves a trace. What holds whatever the model reads is `flow`."""

    name = "injection"

    def __init__(self, settings: Settings, looking: Looking) -> None:
        """Raises ValueError for a rate finer than the calibration can tell."""
        self._settings = settings
        detector, which, stage = looking.detector, (Category.INJECTION,), settings.second_stage
        note = settings.record_rate
        content = Thresholds.of(detector, Side.CONTENT, which, settings.false_positive_rate, note, stage)
        user = Thresholds.of(detector, Side.REQUEST, which, settings.user_false_positive_rate, note, stage)
        self._content = Judge(self.name, looking, Side.CONTENT, content, stage)
        self._user = Judge(self.name, looking, Side.REQUEST, user, stage)

    @override
    async def check_request(self, request: Request) -> Verdict:
        settings = self._settings
        content = user = Judged()
        if settings.content != "off":
            content = await self._content.judge(passages(request, Source.TOOL))
        if settings.user != "off":
            user = await self._user.judge(passages(request, Source.USER))
        if content.over and settings.content == "block":
            return content.joined(user).verdict(blocks=True, notice=_PLANTED)
        if user.over and settings.user == "block":
            return user.joined(content).verdict(blocks=True, notice=_OVERRIDE)
        return content.joined(user).verdict(blocks=False, notice=_OVERRIDE)


_PLANTED = Notice(
    code="injection", message="This request was stopped: something that it brought along carries instructions."
)
_OVERRIDE = Notice(
    code="injection", message="This request was stopped: it tries to override the product's instructions."
)
