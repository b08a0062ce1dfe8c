"""Defense: one line of defense."""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

import msgspec
from typing_extensions import override

from outworks.message import Output, Request
from outworks.verdict import ALLOW, Verdict


class Mode(StrEnum):
    """Whether a defense's verdicts count."""

    LIVE = "live"
    SHADOW = "shadow"
    """Judged and recorded, never enforced: it neither blocks, alters nor holds anything."""
    OFF = "off"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the policy can say of any defense; each defense adds its own."""

    mode: Mode = Mode.LIVE
    """`live`, `shadow` (recorded, never enforced) or `off`."""
    time_limit_ms: Annotated[float, msgspec.Meta(gt=0)] = 250.0
    """Milliseconds for one check. A check that takes longer blocks, and is recorded."""
    on_error: Literal["block", "allow"] = "block"
    """What a check that raises or overruns means. `allow` gives up the guarantee for this defense, by name."""


class Defense:
    """A line of defense. Override either check, or both; the other allows.

    A check keeps no state on `self` between calls and costs time linear in what it has not yet read.
    """

    name: ClassVar[str]
    checks_request: ClassVar[bool] = True
    """False where `check_request` is not overridden: it is then neither called nor recorded."""
    checks_output: ClassVar[bool] = True
    """False where `check_output` is not overridden."""

    @override
    def __init_subclass__(cls) -> None:
        cls.checks_request = cls.check_request is not Defense.check_request
        cls.checks_output = cls.check_output is not Defense.check_output

    async def check_request(self, request: Request) -> Verdict:
        """Judge a request before the model sees it."""
        return ALLOW

    async def check_output(self, request: Request, output: Output) -> Verdict:
        """Judge one choice of the output so far; called again as it grows, and once more with `output.done`.

        `Verdict.covered` says how far the verdict is final. With `output.done` everything must be covered.
        """
        return ALLOW


class InForce(msgspec.Struct, frozen=True):
    """A defense as the policy runs it."""

    defense: Defense
    settings: Settings
