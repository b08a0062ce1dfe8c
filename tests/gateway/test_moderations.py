"""`/v1/moderations`: OpenAI's own client against the real application, with a scripted detector."""

import base64
import json
from typing import Any

import httpx2
import openai
import pytest
from prometheus_client import CollectorRegistry

from outworks.action import GOOD, Action, Standing
from outworks.detectors import MODERATION
from outworks.detectors.looking import Looking
from outworks.event import Ended, Judged, Received, Rejected
from outworks.gateway import keys
from outworks.gateway.app import application
from outworks.gateway.exchange import Asking, Door, Doorway, Who
from outworks.gateway.http import Limits
from outworks.gateway.keys import Keys
from outworks.gateway.moderator import Moderator, Settings
from outworks.verdict import Decision
from tests.detectors.scripted import SURE, Scripted
from tests.kit import Tape


class Standings:
    """Everybody is in good standing but those that are named."""

    def __init__(self, **actions: Action) -> None:
        self._actions = actions

    def of(self, account: str, now: float) -> Action:
        return self._actions.get(account.rpartition(":")[2], GOOD)

    async def requests_since(self, account: str, since: float) -> int:
        return 3


class House:
    """A gateway's application that answers moderations."""

    def __init__(
        self, *, tape: Tape | None = None, second_stage: Any = "never", on: bool = True, **asking: bool
    ) -> None:
        self.tape = tape or Tape()
        self.detector = Scripted()
        self.key = keys.make()
        known = Keys()
        known.apply(keys.added("shop", self.key, by="tests"))
        standings = Standings(
            sus=Action(id="ac_1", account="", standing=Standing.SUSPENDED, by="rule:x", reason="Misuse."),
            slow=Action(id="ac_2", account="", standing=Standing.LIMITED, by="rule:x", reason="", rate_per_minute=3),
            free=Action(id="ac_3", account="", standing=Standing.LIMITED, by="rule:x", reason="", rate_per_minute=4),
        )
        settings = Settings(mode="on", second_stage=second_stage)
        moderator = Moderator(Looking(self.detector), settings) if on else None
        limits = Limits(body_bytes=200_000)
        door = Door({}, self.tape, known, standings, limits, Asking(**asking), moderator=moderator)
        self.doorway = Doorway(door)
        self.app = application(self.doorway, ready=str, registry=CollectorRegistry())

    @property
    def client(self) -> openai.AsyncOpenAI:
        transport = httpx2.ASGITransport(app=self.app)
        return openai.AsyncOpenAI(
            base_url="http://house/v1",
            api_key=self.key,
            max_retries=0,
            http_client=httpx2.AsyncClient(transport=transport),
        )


async def test_a_text_is_moderated() -> None:
    """The official client gets a result with every category, its score and what it applies to."""
    answer = await House().client.moderations.create(input="a violent-canary appears", model="omni-moderation-latest")

    (result,) = answer.results
    assert answer.id.startswith("modr-")
    assert result.flagged
    assert result.categories.violence
    assert not result.categories.harassment_threatening
    assert result.category_scores.violence == SURE
    assert result.category_applied_input_types.violence == ["text"]
    assert set(result.categories.to_dict()) == set(result.category_scores.to_dict()) == set(MODERATION)


async def test_each_of_several_texts_has_a_result() -> None:
    """A list of strings gets as many results, in its order; disguises are taken off."""
    hidden = base64.b64encode(b"now the violent-canary again").decode()

    answer = await House().client.moderations.create(input=["good day", "violent-canary", hidden, ""])

    assert [result.flagged for result in answer.results] == [False, True, True, False]


async def test_parts_are_one_input() -> None:
    """Text parts are read together and get one result, as OpenAI gives."""
    parts = [{"type": "text", "text": "good day"}, {"type": "text", "text": "violent-canary"}]

    answer = await House().client.moderations.create(input=parts)

    assert [result.flagged for result in answer.results] == [True]


async def test_attacks_are_told_beside() -> None:
    """A jailbreak is none of OpenAI's categories: it flags none of them, and is told under `outworks`."""
    answer = await House().client.moderations.create(input="jailbreak-canary")

    (result,) = answer.results
    assert not result.flagged
    beside = result.to_dict()["outworks"]
    assert beside["flagged"]
    assert beside["scores"]["jailbreak"] == SURE


@pytest.mark.parametrize(
    ("body", "param", "why"),
    [
        ({"input": [{"type": "image_url", "image_url": {"url": "data:"}}]}, "input[0]", "images cannot be judged"),
        ({"input": [{"type": "text", "text": "a"}, "b"]}, "input[1]", "do not mix"),
        ({"input": [{"type": "audio"}]}, "input[0].type", "expected 'text'"),
        ({"input": [{"type": "text"}]}, "input[0].text", "expected a string"),
        ({"input": []}, "input", "expected a string"),
        ({"input": 7}, "input", "expected a string"),
        ({}, "input", "expected a string"),
        ({"input": ["a"] * 2_049}, "input", "at most 2048"),
        ({"input": "a", "model": 3}, "model", "expected a string"),
        ({"input": "a", "inputs": "b"}, "inputs", "is not known"),
        ({"input": "a", "user": 7}, "user", "expected a string"),
    ],
)
async def test_what_cannot_be_read_is_refused(body: dict[str, Any], param: str, why: str) -> None:
    """Each refusal is a 400 that names the field and what is expected, and is recorded."""
    house = House()

    with pytest.raises(openai.BadRequestError, match=why) as refused:
        await house.client.post("/moderations", body=body, cast_to=object)

    assert refused.value.param == param
    assert [rejected.wire for rejected in house.tape.bodies(Rejected)] == ["moderations"]


async def test_a_field_that_the_client_made_up_is_recorded_as_content() -> None:
    """Its name may say anything: it stands where it can be erased, and in no line of the log."""
    house = House()

    with pytest.raises(openai.BadRequestError) as refused:
        await house.client.post("/moderations", body={"input": "a", "kingfisher " * 90: "b"}, cast_to=object)
    with pytest.raises(openai.BadRequestError):
        await house.client.post("/moderations", body={"input": [{"type": "audio"}]}, cast_to=object)

    assert len(refused.value.param or "") == 100
    assert [rejected.message for rejected in house.tape.bodies(Rejected)] == ["", "input[0].type"]
    assert "kingfisher" in (house.tape.events[0].content or "")


async def test_a_key_is_needed() -> None:
    """Without a known key nothing is judged."""
    house = House()
    client = house.client
    client.api_key = "ow_unknown"

    with pytest.raises(openai.AuthenticationError):
        await client.moderations.create(input="violent-canary")

    assert house.detector.read == []


async def test_an_account_is_needed_where_the_policy_says_so() -> None:
    """With `require_account` the end user is named in the body or in the header."""
    house = House(require_account=True)

    with pytest.raises(openai.BadRequestError, match="must name its end user"):
        await house.client.moderations.create(input="a")
    await house.client.moderations.create(input="a", extra_headers={"X-Outworks-Account": "ann"})
    await house.client.moderations.create(input="a", extra_body={"safety_identifier": "bob"})

    await house.client.moderations.create(input="a", extra_body={"safety_identifier": "eve", "user": "session 5"})

    await house.client.moderations.create(input="a", extra_body={"safety_identifier": " ", "user": "zoe"})

    accounts = [e.account for e in house.tape.events if isinstance(e.body, Received)]
    assert accounts == ["shop:ann", "shop:bob", "shop:eve", "shop:zoe"]


async def test_one_end_user_has_only_so_many_at_once() -> None:
    """As with exchanges; what has ended makes room."""
    house = House()
    asked, ann = {"user": "ann"}, Who()
    ann.product, ann.account = "shop", "shop:ann"
    held = house.doorway.door.limits.in_flight_per_account
    for _ in range(held):
        house.doorway.enter(ann, house.doorway.door.limits)
    with pytest.raises(openai.RateLimitError, match="too many exchanges in flight"):
        await house.client.moderations.create(input="a", extra_body=asked)
    house.doorway.leave(ann)

    await house.client.moderations.create(input="a", extra_body=asked)
    await house.client.moderations.create(input="a", extra_body=asked)


async def test_standing_holds_here_too() -> None:
    """A suspended account is refused with a reference for an appeal, a limited one beyond its rate."""
    house = House()

    with pytest.raises(openai.PermissionDeniedError) as refused:
        await house.client.moderations.create(input="a", extra_body={"user": "sus"})
    with pytest.raises(openai.RateLimitError):
        await house.client.moderations.create(input="a", extra_body={"user": "slow"})
    await house.client.moderations.create(input="a", extra_body={"user": "free"})

    assert "ac_1" in refused.value.response.text


async def test_it_is_recorded_before_it_is_told() -> None:
    """The ledger has what was asked and what was found, in shadow: it is no misuse by the account."""
    house = House()

    answer = await house.client.moderations.create(input="violent-canary")

    received, judged, ended = house.tape.events
    assert isinstance(received.body, Received)
    assert isinstance(ended.body, Ended)
    assert isinstance(judged.body, Judged)
    assert json.loads(received.content or "") == {"input": ["violent-canary"]}
    (judgement,) = judged.body.judgements
    assert (judgement.mode, judgement.decision) == ("shadow", Decision.ALLOW)
    assert {finding.category: finding.score for finding in judgement.findings} == {"violence": SURE}
    assert received.exchange.removeprefix("mod_") == answer.id.removeprefix("modr-")


async def test_what_cannot_be_recorded_is_not_told() -> None:
    """With a ledger that cannot be written the answer is 503."""
    with pytest.raises(openai.InternalServerError, match="cannot record"):
        await House(tape=Tape(broken=True)).client.moderations.create(input="a")


async def test_switched_off_it_is_not_there() -> None:
    """Without a moderator the answer is 404, which names the setting."""
    with pytest.raises(openai.NotFoundError, match="switched off"):
        await House(on=False).client.moderations.create(input="a")


async def test_a_body_too_large_is_refused() -> None:
    """The limits of the gateway hold."""
    with pytest.raises(openai.APIStatusError) as refused:
        await House().client.moderations.create(input="a" * 300_000)

    assert refused.value.status_code == 413


async def test_the_second_stage_looks_where_the_policy_says() -> None:
    """With `unsure` the transformer is asked about what the first stage cannot tell, and about nothing else."""
    house = House(second_stage="unsure")

    answer = await house.client.moderations.create(input=["unsure-canary", "plain"])

    assert house.detector.again == ["unsure-canary"]
    assert answer.results[0].to_dict()["outworks"]["scores"]["harm"] == SURE


async def test_a_text_that_is_not_fully_read_is_flagged() -> None:
    """What is encoded more deeply than is looked into is told to be so."""
    deep = b"violent-canary"
    for _ in range(9):
        deep = base64.b64encode(deep)

    answer = await House().client.moderations.create(input=deep.decode())

    assert answer.results[0].to_dict()["outworks"] == {
        "flagged": True,
        "scores": {"jailbreak": 0.0, "injection": 0.0, "adversarial_string": 0.0, "harm": 0.0},
        "unread": True,
    }
