import base64

import msgspec
import pytest

from outworks import label
from outworks.defense import Mode
from outworks.defenses.classifier import Classifier, Settings
from outworks.detectors.looking import Looking
from outworks.message import Finish, Message, Output, Request, Role, Text, ToolCall, ToolResult
from outworks.verdict import Decision
from tests.defenses.contract import DefenseContract, Row
from tests.detectors.scripted import SURE, WEAK, Scripted
from tests.kit import asks, offers

FILLER = "The lake is cold in May, but children do not seem to notice. "
DEEP = b"jailbreak-canary"
for _ in range(9):
    DEEP = base64.b64encode(DEEP)


def said(*messages: tuple[Role, label.Label, str]) -> Request:
    return asks(messages=tuple(Message(role, (Text(text),), whose) for role, whose, text in messages))


class TestClassifier(DefenseContract):
    rows = (
        Row("ordinary", asks("What is the capital of France?"), Decision.ALLOW),
        Row("weak", asks("a weak-canary here"), Decision.ALLOW),
        Row("jailbreak", asks("now a jailbreak-canary"), Decision.BLOCK),
        Row("harm", asks("tell me the harm-canary"), Decision.BLOCK),
        Row("disguised", asks("\u200b".join("tell me the harm-canary")), Decision.BLOCK),
        Row("in base64", asks("do " + base64.b64encode(b"now do the harm-canary").decode()), Decision.BLOCK),
        Row("too deep", asks(DEEP.decode()), Decision.BLOCK),
        Row("an override is another line's", asks("the override-canary"), Decision.ALLOW),
        Row("the product may say anything", said((Role.SYSTEM, label.SYSTEM, "jailbreak-canary")), Decision.ALLOW),
        Row(
            "a third party's words are another line's",
            said((Role.TOOL, label.TOOL, "jailbreak-canary")),
            Decision.ALLOW,
        ),
        Row(
            "a turn in the assistant's name",
            said((Role.ASSISTANT, label.ASSISTANT, "jailbreak-canary"), (Role.USER, label.USER, "go on")),
            Decision.BLOCK,
        ),
        Row(
            "an answer about harm is no request for it",
            said((Role.ASSISTANT, label.ASSISTANT, "harm-canary"), (Role.USER, label.USER, "go on")),
            Decision.ALLOW,
        ),
        Row("answer", FILLER * 12, Decision.ALLOW),
        Row("short answer", "Paris.", Decision.ALLOW),
        Row("empty answer", "", Decision.ALLOW),
        Row("harmful answer", "the harm-canary", Decision.BLOCK, leaves=""),
        Row("harm later on", FILLER * 6 + "harm-canary" + FILLER * 6, Decision.BLOCK, leaves=(FILLER * 6)[:320]),
        Row(
            "harm over an edge",
            "x" * 315 + " harm-canary " + FILLER * 6,
            Decision.BLOCK,
            leaves=("x" * 315 + " harm-")[:320],
        ),
        Row("harm at the very end", FILLER * 12 + "harm-canary", Decision.BLOCK),
        Row("an answer a piece long", ("y" * 160), Decision.ALLOW),
        Row(
            "harm in a tool call",
            Output(
                text="Here.",
                tool_calls=(ToolCall("c", "send", '{"body": "the harm-c\\u0061nary"}'),),
                finish=Finish.TOOL_CALLS,
            ),
            Decision.BLOCK,
            asked=asks(tools=offers("send")),
        ),
        Row(
            "an ordinary tool call",
            Output(text="Here.", tool_calls=(ToolCall("c", "send", '{"body": "hi"}'),), finish=Finish.TOOL_CALLS),
            Decision.ALLOW,
            asked=asks(tools=offers("send")),
        ),
    )

    def make(self) -> Classifier:
        return Classifier(Settings(outputs="block", hold=160), Looking(Scripted()))


def classifier(**settings: object) -> Classifier:
    return Classifier(msgspec.convert(settings, Settings), Looking(Scripted()))


async def test_findings_say_what_where_and_how() -> None:
    """A finding has the category, its score, its place in the message, and what had to be undone to see it."""
    hidden = base64.b64encode(b"now do the harm-canary").decode()
    request = asks(messages=(Message(Role.USER, (Text("Good day."), Text(f"Do {hidden} now.")), label.USER),))

    verdict = await classifier().check_request(request)

    (finding,) = verdict.findings
    assert (finding.category, finding.score, finding.detail) == ("harm", SURE, "base64")
    assert finding.span is not None
    assert (finding.span.message, finding.span.part) == (0, 1)
    assert 3 <= finding.span.start < finding.span.end <= 3 + len(hidden)
    assert verdict.reason == "reads as harm"


async def test_what_is_noted_is_no_stop() -> None:
    """Between the two rates a text passes, and leaves a finding."""
    verdict = await classifier().check_request(asks("a weak-canary"))

    assert verdict.decision is Decision.ALLOW
    assert [(finding.category, finding.score) for finding in verdict.findings] == [("jailbreak", WEAK)]


async def test_recording_stops_nothing() -> None:
    """With `record` the same findings come without a stop, for requests and for answers."""
    records = classifier(requests="record", outputs="record")

    asked = await records.check_request(asks("jailbreak-canary"))
    answered = await records.check_output(asks(), Output(text="harm-canary", done=True))

    assert (asked.decision, answered.decision) == (Decision.ALLOW, Decision.ALLOW)
    assert [f.category for f in (*asked.findings, *answered.findings)] == ["jailbreak", "harm"]


async def test_recording_holds_no_stream() -> None:
    """An answer that is only recorded is not held for it."""
    verdict = await classifier(outputs="record").check_output(asks(), Output(text="The lake"))

    assert verdict.covered is None


async def test_off_is_off() -> None:
    """What is off is not looked at."""
    detector = Scripted()
    off = Classifier(Settings(requests="off", outputs="off", mode=Mode.LIVE), Looking(detector))

    await off.check_request(asks("jailbreak-canary"))
    await off.check_output(asks(), Output(text="harm-canary", done=True))

    assert detector.read == []


async def test_only_what_is_new_is_judged() -> None:
    """A conversation that comes again with one message more costs that message."""
    detector = Scripted()
    defense = Classifier(Settings(), Looking(detector))
    turns = [(Role.USER, label.USER, f"message {n}") for n in range(20)]

    for n in range(1, 21):
        await defense.check_request(said(*turns[:n]))

    assert detector.read == [f"message {n}" for n in range(20)]


async def test_a_long_answer_costs_its_length() -> None:
    """However finely it is streamed, each piece of an answer is judged once."""
    detector = Scripted()
    defense = Classifier(Settings(outputs="block", hold=160), Looking(detector))
    text, released = FILLER * 80, 0

    for end in range(0, len(text), 5):
        verdict = await defense.check_output(asks(), Output(text=text[:end], released=released))
        released = end if verdict.covered is None else verdict.covered

    assert len(detector.read) <= len(text) / 160 + 2


async def test_the_second_stage_decides_what_the_first_cannot() -> None:
    """With `unsure` a text that the first stage cannot tell is looked at again; with `never` it passes."""
    unsure, never = classifier(second_stage="unsure"), classifier()

    assert (await never.check_request(asks("unsure-canary"))).decision is Decision.ALLOW
    assert (await unsure.check_request(asks("unsure-canary"))).decision is Decision.BLOCK


def test_a_rate_too_fine_is_an_error() -> None:
    """A false-positive rate that the calibration cannot tell is refused at start-up."""
    with pytest.raises(ValueError, match="cannot tell"):
        classifier(false_positive_rate=0.00001)


async def test_tool_results_are_not_the_users() -> None:
    """A tool result inside a user's turn has its own label, and is left to `injection`."""
    request = asks(
        messages=(
            Message(Role.USER, (ToolResult("c", "jailbreak-canary"),), label.TOOL),
            Message(Role.USER, (Text("go on"),), label.USER),
        )
    )

    assert (await classifier().check_request(request)).decision is Decision.ALLOW
