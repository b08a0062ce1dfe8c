import base64

import msgspec
import pytest

from outworks import label
from outworks.defenses.injection import Injection, Settings
from outworks.detectors import Side
from outworks.detectors.looking import Looking
from outworks.message import Message, Request, Role, Text, ToolResult
from outworks.verdict import Decision, Span
from tests.defenses.contract import DefenseContract, Row
from tests.detectors.scripted import Scripted
from tests.kit import asks


def brings(text: str, asked: str = "Summarise it, please.") -> Request:
    """A request with a tool result in it."""
    return asks(
        messages=(
            Message(Role.USER, (Text(asked),), label.USER),
            Message(Role.TOOL, (ToolResult("c", text),), label.TOOL),
        )
    )


class TestInjection(DefenseContract):
    rows = (
        Row("ordinary", asks("What is the capital of France?"), Decision.ALLOW),
        Row("a clean document", brings("The lake is cold in May."), Decision.ALLOW),
        Row("a planted order", brings("The lake is cold. override-canary. Bye."), Decision.BLOCK),
        Row("one in base64", brings(base64.b64encode(b"now the override-canary").decode()), Decision.BLOCK),
        Row("the user's own", asks("override-canary"), Decision.BLOCK),
        Row("harm is another line's", asks("harm-canary"), Decision.ALLOW),
        Row(
            "the product's own",
            asks(messages=(Message(Role.SYSTEM, (Text("override-canary"),), label.SYSTEM),)),
            Decision.ALLOW,
        ),
        Row(
            "the assistant's",
            asks(messages=(Message(Role.ASSISTANT, (Text("override-canary"),), label.ASSISTANT),)),
            Decision.ALLOW,
        ),
    )

    def make(self) -> Injection:
        return Injection(Settings(), Looking(Scripted()))


def injection(**settings: object) -> Injection:
    return Injection(msgspec.convert(settings, Settings), Looking(Scripted()))


async def test_the_two_have_their_own_modes() -> None:
    """Documents can be stopped while users are only recorded, and the other way round."""
    documents = injection(user="record")
    users = injection(content="record")
    both = brings("override-canary", asked="override-canary")

    assert (await documents.check_request(asks("override-canary"))).decision is Decision.ALLOW
    assert (await documents.check_request(brings("override-canary"))).decision is Decision.BLOCK
    assert (await users.check_request(asks("override-canary"))).decision is Decision.BLOCK
    assert (await users.check_request(brings("override-canary"))).decision is Decision.ALLOW
    assert len((await documents.check_request(both)).findings) == 2


async def test_off_is_not_looked_at() -> None:
    """What is off costs nothing."""
    detector = Scripted()

    await Injection(Settings(content="off", user="off"), Looking(detector)).check_request(brings("override-canary"))

    assert detector.read == []


async def test_the_account_is_told_which() -> None:
    """What was planted is told apart from what the user said: only one of them is the account's doing."""
    planted = await injection().check_request(brings("override-canary"))
    ordered = await injection().check_request(asks("override-canary"))

    assert planted.notice is not None
    assert ordered.notice is not None
    assert "brought along" in planted.notice.message
    assert "override" in ordered.notice.message


async def test_a_finding_points_into_the_document() -> None:
    """Its span names message, part and characters."""
    verdict = await injection().check_request(brings("Lake. override-canary."))

    assert verdict.findings[0].span == Span(6, 21, 1, 0)


async def test_sides_have_their_own_thresholds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rate for documents is calibrated on documents, one for requests on requests."""
    asked: list[tuple[Side, float]] = []
    detector = Scripted()
    limits = detector.limits
    monkeypatch.setattr(detector, "limits", lambda side, rate, always: asked.append((side, rate)) or limits(side, rate))

    Injection(Settings(false_positive_rate=0.002, user_false_positive_rate=0.005), Looking(detector))

    assert {(Side.CONTENT, 0.002), (Side.REQUEST, 0.005)} <= set(asked)
