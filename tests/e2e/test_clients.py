"""The official clients, unchanged, against a real gateway on a real port, on both wires."""

import time

import anthropic
import openai
import pytest

from outworks.event import Judged, Rejected, Released
from tests.e2e.conftest import CANARY
from tests.e2e.kit import Gateway, question
from tests.e2e.loopback import DEFAULT, KNOWN_BAD, LINK, Loopback

WEATHER = {"type": "object", "properties": {"place": {"type": "string"}}}
GPT_TOOLS = [{"type": "function", "function": {"name": "weather", "description": "Tells it.", "parameters": WEATHER}}]
CLAUDE_TOOLS = [{"name": "weather", "description": "Tells it.", "input_schema": WEATHER}]


@pytest.fixture
def gpt(shared: Gateway) -> openai.OpenAI:
    """OpenAI's client; it does not try again by itself, so that each test sees its own answer."""
    return openai.OpenAI(base_url=f"{shared.url}/v1", api_key=shared.key, max_retries=0, timeout=20)


@pytest.fixture
def claude(shared: Gateway) -> anthropic.Anthropic:
    """Anthropic's client."""
    return anthropic.Anthropic(base_url=shared.url, api_key=shared.key, max_retries=0, timeout=20)


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def test_openai_answers(gpt: openai.OpenAI, shared: Gateway) -> None:
    """A whole answer has the vendor's shape, the upstream's usage, and an id under which the ledger knows it."""
    answer = gpt.chat.completions.create(model="fake", messages=user("Capital of France?"))

    assert answer.choices[0].message.content == DEFAULT
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (7, 9)
    assert answer._request_id == answer.id
    assert [e.content for e in shared.events(answer.id) if isinstance(e.body, Released)] == [DEFAULT]


def test_openai_streams(gpt: openai.OpenAI) -> None:
    """A stream joins to the same answer, in several chunks, with usage last where it was asked for."""
    with gpt.chat.completions.create(
        model="fake", messages=user("[slowly] " + DEFAULT), stream=True, stream_options={"include_usage": True}
    ) as stream:
        chunks = list(stream)

    words = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert "".join(words) == DEFAULT
    assert len(words) > 1
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 16
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"


@pytest.mark.parametrize("stream", [False, True])
def test_openai_tools_go_round(gpt: openai.OpenAI, stream: bool) -> None:
    """The model's call reaches the client, and the client's result reaches the model."""
    messages: list[object] = [*user("[tool] What's the weather?")]
    if stream:
        with gpt.chat.completions.stream(model="fake", messages=messages, tools=GPT_TOOLS) as events:
            message = events.get_final_completion().choices[0].message
    else:
        message = gpt.chat.completions.create(model="fake", messages=messages, tools=GPT_TOOLS).choices[0].message
    assert message.tool_calls is not None
    call = message.tool_calls[0]
    assert (call.function.name, call.function.arguments) == ("weather", '{"place": "Paris"}')

    call_back = {"id": call.id, "type": "function", "function": {"name": "weather", "arguments": '{"place": "Paris"}'}}
    messages += [
        {"role": "assistant", "content": None, "tool_calls": [call_back]},
        {"role": "tool", "tool_call_id": call.id, "content": "[says] Sun all day."},
    ]
    answer = gpt.chat.completions.create(model="fake", messages=messages, tools=GPT_TOOLS)

    assert answer.choices[0].message.content == "Sun all day."


def test_openai_n_and_response_format(gpt: openai.OpenAI, upstream: Loopback) -> None:
    """Several choices come back, each gated and recorded; `response_format`, `seed` and `stop` go up unchanged."""
    form = {"type": "json_schema", "json_schema": {"name": "city", "schema": {"type": "object"}}}

    answer = gpt.chat.completions.create(
        model="fake", messages=user('[says] {"n": 2}'), n=2, response_format=form, seed=7, stop=["END"]
    )

    assert [choice.message.content for choice in answer.choices] == ['{"n": 2}'] * 2
    sent = upstream.asked('{"n": 2}').json
    assert (sent["n"], sent["response_format"], sent["seed"], sent["stop"]) == (2, form, 7, ["END"])


def test_openai_streams_n(gpt: openai.OpenAI) -> None:
    """Two choices stream side by side."""
    said = ["", ""]
    for chunk in gpt.chat.completions.create(model="fake", messages=user("[says] two of them"), n=2, stream=True):
        for choice in chunk.choices:
            said[choice.index] += choice.delta.content or ""

    assert said == ["two of them", "two of them"]


def test_anthropic_answers(claude: anthropic.Anthropic, shared: Gateway) -> None:
    """The other wire in front of the same upstream: the vendor's shape, with usage, recorded under its id."""
    answer = claude.messages.create(
        model="fake", max_tokens=100, messages=user("Capital of France?"), system="Be brief."
    )

    assert answer.content[0].text == DEFAULT  # type: ignore[union-attr]
    assert answer.stop_reason == "end_turn"
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (7, 9)
    assert answer._request_id == answer.id
    assert [e.content for e in shared.events(answer.id) if isinstance(e.body, Released)] == [DEFAULT]


def test_anthropic_streams(claude: anthropic.Anthropic) -> None:
    """A stream joins to the same message."""
    with claude.messages.stream(model="fake", max_tokens=100, messages=user("[slowly] " + DEFAULT)) as stream:
        words = list(stream.text_stream)
        final = stream.get_final_message()

    assert "".join(words) == DEFAULT
    assert len(words) > 1
    assert final.stop_reason == "end_turn"
    assert final.usage.output_tokens == 9


@pytest.mark.parametrize("stream", [False, True])
def test_anthropic_tools_go_round(claude: anthropic.Anthropic, stream: bool) -> None:
    """The model's call reaches the client, and the client's result reaches the model."""
    messages: list[object] = [*user("[tool] What's the weather?")]
    if stream:
        with claude.messages.stream(model="fake", max_tokens=9, messages=messages, tools=CLAUDE_TOOLS) as events:
            message = events.get_final_message()
    else:
        message = claude.messages.create(model="fake", max_tokens=9, messages=messages, tools=CLAUDE_TOOLS)
    assert message.stop_reason == "tool_use"
    call = next(block for block in message.content if block.type == "tool_use")
    assert (call.name, call.input) == ("weather", {"place": "Paris"})

    result = {"type": "tool_result", "tool_use_id": call.id, "content": "[says] Sun all day."}
    messages += [
        {"role": "assistant", "content": [{"type": "tool_use", "id": call.id, "name": call.name, "input": call.input}]},
        {"role": "user", "content": [result]},
    ]
    answer = claude.messages.create(model="fake", max_tokens=100, messages=messages, tools=CLAUDE_TOOLS)

    assert answer.content[0].text == "Sun all day."  # type: ignore[union-attr]


@pytest.mark.parametrize("stream", [False, True])
def test_anthropic_is_told_that_the_limit_cut_a_call_off(claude: anthropic.Anthropic, stream: bool) -> None:
    """Half a call is none: what came before it arrives, with the limit as the reason."""
    asked = {"model": "fake", "max_tokens": 9, "messages": user("[cut tool] Weather?"), "tools": CLAUDE_TOOLS}
    if stream:
        with claude.messages.stream(**asked) as events:
            message = events.get_final_message()
    else:
        message = claude.messages.create(**asked)

    assert message.stop_reason == "max_tokens"
    assert [block.text for block in message.content] == ["Let me see."]  # type: ignore[union-attr]


@pytest.mark.parametrize("stream", [False, True])
def test_anthropics_tool_runner_needs_no_settings(claude: anthropic.Anthropic, stream: bool) -> None:
    """The runner asks the server to keep the conversation; told that none is kept here, it sends every turn itself."""

    @anthropic.beta_tool
    def weather(place: str) -> str:
        """Tells the weather."""
        return f"[says] Sun in {place}."

    runner = claude.beta.messages.tool_runner(
        model="fake", max_tokens=100, messages=user("[tool] What's the weather?"), tools=[weather], stream=stream
    )
    message = runner.until_done()

    assert message.content[0].text == "Sun in Paris."  # type: ignore[union-attr]


def test_a_thread_is_refused_by_name(claude: anthropic.Anthropic) -> None:
    """Whoever insists on a conversation that the server keeps is told so, under the vendor's own code."""
    with pytest.raises(anthropic.BadRequestError, match="conversations are not kept here") as told:
        claude.beta.messages.thread(model="fake", max_tokens=9).send({"role": "user", "content": "hi"})

    assert told.value.error_code == "thread_unsupported_request"


def test_models_are_listed(gpt: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    """Both clients list the policy's models."""
    names = ["down", "fake", "patient", "scripted"]

    assert [model.id for model in gpt.models.list()] == names
    assert [model.id for model in claude.models.list()] == names
    assert gpt.models.retrieve("fake").id == "fake"
    assert claude.models.retrieve("fake").id == "fake"
    with pytest.raises(openai.NotFoundError, match="no model 'fakes/x'"):
        gpt.models.retrieve("fakes/x")
    with pytest.raises(anthropic.NotFoundError, match="did you mean 'fake'"):
        claude.models.retrieve("faked")


def test_a_refused_parameter_is_a_bad_request(gpt: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    """A blocked request raises the vendor's own exception, with our code and the parameter at fault."""
    with pytest.raises(openai.BadRequestError) as first:
        gpt.chat.completions.create(model="fake", messages=user("hi"), temperature=1.9)
    with pytest.raises(anthropic.BadRequestError) as second:
        claude.messages.create(model="fake", max_tokens=9, messages=user("hi"), extra_body={"top_k": 3})

    assert (first.value.code, first.value.param) == ("parameter_refused", "temperature")
    assert "0 to 1" in first.value.message
    assert second.value.body["error"]["outworks"]["code"] == "parameter_refused"  # type: ignore[index]
    assert second.value.body["error"]["outworks"]["param"] == "top_k"  # type: ignore[index]


@pytest.mark.parametrize("stream", [False, True])
def test_a_known_bad_request_is_stopped(
    gpt: openai.OpenAI, claude: anthropic.Anthropic, shared: Gateway, upstream: Loopback, stream: bool
) -> None:
    """A text of the bank, dressed up, is refused on both wires, streamed or not; the upstream never hears of it."""
    dressed = KNOWN_BAD.upper().replace(" ", "\u200b  ")
    with pytest.raises(openai.BadRequestError) as first:
        gpt.chat.completions.create(model="fake", messages=user(dressed), stream=stream)
    with pytest.raises(anthropic.BadRequestError) as second:
        claude.messages.create(model="fake", max_tokens=9, messages=user(dressed), stream=stream)

    for error in (first.value, second.value):
        assert error.request_id is not None
        judged = shared.bodies(Judged, error.request_id)[-1]
        assert judged.judgements[-1].defense == "fingerprint"
    assert not upstream.was_asked(dressed)


@pytest.mark.parametrize("words", [f"The word is {CANARY}, keep it.", "It begins: {known bad} and on it goes."])
def test_an_output_is_stopped_midway(
    gpt: openai.OpenAI, claude: anthropic.Anthropic, shared: Gateway, words: str
) -> None:
    """What may leave leaves; then the clients see the vendor's own way to say that the rest was filtered."""
    before = words.partition(CANARY)[0].partition("{known bad}")[0]
    whole = gpt.chat.completions.create(model="fake", messages=user(f"[says] {words}"))
    chunks = list(gpt.chat.completions.create(model="fake", messages=user(f"[slowly] {words}"), stream=True))
    message = claude.messages.create(model="fake", max_tokens=99, messages=user(f"[says] {words}"))
    with claude.messages.stream(model="fake", max_tokens=99, messages=user(f"[slowly] {words}")) as stream:
        streamed = "".join(stream.text_stream)
        final = stream.get_final_message()

    assert whole.choices[0].finish_reason == "content_filter" == chunks[-1].choices[0].finish_reason
    assert message.stop_reason == "refusal" == final.stop_reason
    texts = [
        whole.choices[0].message.content,
        "".join(chunk.choices[0].delta.content or "" for chunk in chunks),
        "".join(block.text for block in message.content if block.type == "text"),
        streamed,
    ]
    assert {(text or "").strip() for text in texts} == {before.strip()}
    ids = [whole.id, chunks[0].id, message.id, final.id]
    recorded = ["".join(e.content or "" for e in shared.events(id) if isinstance(e.body, Released)) for id in ids]
    assert recorded == [text or "" for text in texts]


def test_links_are_taken_out(gpt: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    """An image that would carry data to a stranger's host never arrives; one from a host the account named does."""
    asked = "[slowly] Done. {link} Bye."

    stranger = gpt.chat.completions.create(model="fake", messages=user(asked))
    with claude.messages.stream(model="fake", max_tokens=99, messages=user(asked)) as stream:
        streamed = stream.get_final_message()
    own = gpt.chat.completions.create(model="fake", messages=user(f"{asked} As before, from collect.invalid?"))

    assert stranger.choices[0].message.content == "Done. [image removed] Bye."
    assert streamed.content[0].text == "Done. [image removed] Bye."  # type: ignore[union-attr]
    assert LINK in (own.choices[0].message.content or "")


def test_the_upstreams_refusal_is_evidence(gpt: openai.OpenAI, shared: Gateway) -> None:
    """A provider's filter reaches the client as its own, and is recorded against nobody else than the account."""
    answer = gpt.chat.completions.create(model="fake", messages=user("[filter] I"), user="ann")

    assert answer.choices[0].finish_reason == "content_filter"
    judged = [one for body in shared.bodies(Judged, answer.id) for one in body.judgements if one.defense == "refusal"]
    assert any(finding.category == "refusal" for one in judged for finding in one.findings)
    assert {event.account for event in shared.events(answer.id)} == {"shop:ann"}


def test_an_unknown_model_is_not_found(gpt: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    """The exception is the vendor's, and the message names the nearest model."""
    with pytest.raises(openai.NotFoundError, match="did you mean 'fake'") as first:
        gpt.chat.completions.create(model="fakee", messages=user("hi"))
    with pytest.raises(anthropic.NotFoundError, match="did you mean 'scripted'"):
        claude.messages.create(model="scripted-5", max_tokens=9, messages=user("hi"))

    assert (first.value.code, first.value.param) == ("model_not_found", "model")


@pytest.mark.parametrize("key", ["ow_unknown", "Bearer"])
def test_an_unknown_key_is_an_authentication_error(shared: Gateway, key: str) -> None:
    """Whatever is not a key that was given out is turned away, in the vendor's words."""
    with pytest.raises(openai.AuthenticationError) as first:
        openai.OpenAI(base_url=f"{shared.url}/v1", api_key=key, max_retries=0).models.list()
    with pytest.raises(anthropic.AuthenticationError):
        anthropic.Anthropic(base_url=shared.url, api_key=key, max_retries=0).messages.create(
            model="fake", max_tokens=9, messages=user("hi")
        )

    assert first.value.code == "invalid_api_key"


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_a_missing_key_is_told(shared: Gateway, path: str) -> None:
    """Without a key the answer says how to send one, and the attempt is in the ledger."""
    answer = shared.post(question("hi"), path, key="")

    assert (answer.status, answer.code) == (401, "invalid_api_key")
    assert "Authorization: Bearer" in answer.message
    assert shared.events(answer.id)


def test_keys_that_are_tried_on_the_list_of_models_are_seen(shared: Gateway) -> None:
    """Whoever guesses keys leaves a trace at every door, and gets an id to ask about where his client looks for it."""
    with pytest.raises(openai.AuthenticationError) as first:
        openai.OpenAI(base_url=f"{shared.url}/v1", api_key="ow_guessed", max_retries=0).models.list()
    with pytest.raises(anthropic.AuthenticationError) as second:
        anthropic.Anthropic(base_url=shared.url, api_key="ow_guessed", max_retries=0).models.list()

    for id in (first.value.request_id, second.value.request_id):
        assert id
        assert [event.body.status for event in shared.events(id) if isinstance(event.body, Rejected)] == [401]


def test_too_large_a_body_is_refused(gpt: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    """413 in both vendors' words."""
    huge = user("x" * 1_100_000)
    with pytest.raises(openai.APIStatusError) as first:
        gpt.chat.completions.create(model="fake", messages=huge)
    with pytest.raises(anthropic.RequestTooLargeError):
        claude.messages.create(model="fake", max_tokens=9, messages=huge)

    assert (first.value.status_code, first.value.code) == (413, "request_too_large")


def test_a_banned_account_is_told_why(gpt: openai.OpenAI, claude: anthropic.Anthropic, shared: Gateway) -> None:
    """A ban raises PermissionDeniedError with the reason and the reference for an appeal; others go on."""
    ban = "accounts", "act", "shop:mallory", "banned", "--reason", "Spam.", "--expires", "never", "--unseen"
    acted = shared.cli(*ban)
    assert acted.returncode == 0, acted.stderr
    reference = acted.stdout.split("undo ")[1].split()[0]

    def banned() -> openai.PermissionDeniedError | None:
        try:
            gpt.chat.completions.create(model="fake", messages=user("hi"), user="mallory")
        except openai.PermissionDeniedError as error:
            return error
        return None

    end = time.monotonic() + 2
    while (first := banned()) is None and time.monotonic() < end:
        time.sleep(0.05)
    with pytest.raises(anthropic.PermissionDeniedError) as second:
        claude.messages.create(model="fake", max_tokens=9, messages=user("hi"), metadata={"user_id": "mallory"})

    assert first is not None
    assert first.code == "account_banned"
    assert "Spam." in first.message
    assert first.body["outworks"]["appeal"] == reference  # type: ignore[index]
    assert second.value.body["error"]["outworks"]["appeal"] == reference  # type: ignore[index]
    gpt.chat.completions.create(model="fake", messages=user("hi"), user="somebody-else")


def test_a_limited_account_is_told_when_to_come_back(gpt: openai.OpenAI, shared: Gateway) -> None:
    """Above its rate an account gets RateLimitError with retry-after."""
    limit = (
        "accounts",
        "act",
        "shop:hasty",
        "limited",
        "--rate",
        "2",
        "--reason",
        "Slow.",
        "--expires",
        "1d",
        "--unseen",
    )
    acted = shared.cli(*limit)
    assert acted.returncode == 0, acted.stderr
    time.sleep(0.6)
    for _ in range(2):
        gpt.chat.completions.create(model="fake", messages=user("hi"), safety_identifier="hasty")

    with pytest.raises(openai.RateLimitError) as limited:
        gpt.chat.completions.create(model="fake", messages=user("hi"), safety_identifier="hasty")
    assert limited.value.code == "account_limited"
    assert 1 <= int(limited.value.response.headers["retry-after"]) <= 60
