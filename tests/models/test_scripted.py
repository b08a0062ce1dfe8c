"""Answers by rote."""

import asyncio
import time
from collections.abc import AsyncIterator

import msgspec
import pytest

from outworks.message import Delta, Finish, Request, Usage
from outworks.model import UpstreamError, join
from outworks.models import Settings, anthropic, build, local, openai, scripted
from outworks.models.scripted import Scripted
from tests.models.faults import ask, assistant, system


async def said(model: Scripted, request: Request) -> str:
    return (await join(model.generate(request))).outputs[0].text


async def test_a_table_answers_the_last_user_turn() -> None:
    """The last thing that the user said decides; anything else gets the default."""
    model = Scripted("m", {"hello": "Hi."}, default="What?")

    assert await said(model, ask(system("x"), "hello", assistant("a"))) == "Hi."
    assert await said(model, ask("hello", "bye")) == "What?"


async def test_a_function_answers_anything() -> None:
    """A function may give a text, the very deltas, a stream of them, or an error."""

    async def streamed() -> AsyncIterator[Delta]:
        yield Delta(text="c")
        yield Delta(finish=Finish.LENGTH)

    answers = iter(["a", [Delta(text="b", finish=Finish.STOP)], streamed()])
    model = Scripted("m", lambda request: next(answers))

    assert [await said(model, ask()) for _ in range(3)] == ["a", "b", "c"]


async def test_an_error_is_raised() -> None:
    """An error in the table stands for an upstream that fails."""
    model = Scripted("m", {"hello": UpstreamError("no", kind="policy", status=400)})

    with pytest.raises(UpstreamError) as caught:
        await said(model, ask("hello"))
    assert caught.value.kind == "policy"


async def test_chunks_are_cut_as_told() -> None:
    """The sizes go round; nothing is lost; the last piece has the finish and the counts, in words."""
    model = Scripted("m", default="one two three", chunk_chars=(1, 4))

    deltas = [delta async for delta in model.generate(ask("say it"))]

    assert [delta.text for delta in deltas] == ["o", "ne t", "w", "o th", "r", "ee"]
    assert deltas[-1] == Delta(text="ee", finish=Finish.STOP, usage=Usage(2, 3))
    assert all(delta.finish is None for delta in deltas[:-1])


@pytest.mark.parametrize("text", ["", "a", "ab", "abc"])
async def test_every_answer_ends(text: str) -> None:
    """Also the empty one, and one as long as a chunk."""
    joined = await join(Scripted("m", default=text, chunk_chars=(1,)).generate(ask()))

    assert (joined.outputs[0].text, joined.outputs[0].done) == (text, True)


async def test_choices_are_repeated() -> None:
    """`n` gives the answer as many times."""
    joined = await join(Scripted("m", default="a b").generate(ask(parameters={"n": 2})))

    assert [(output.choice, output.text) for output in joined.outputs] == [(0, "a b"), (1, "a b")]
    assert joined.usage == Usage(1, 4)


async def test_delay_comes_before_each_piece() -> None:
    """A slow model is slow at every piece, and can be cancelled."""
    model = Scripted("m", default="abc", chunk_chars=(1,), delay_s=0.02)
    began = time.monotonic()
    await said(model, ask())
    assert time.monotonic() - began >= 0.06

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await said(Scripted("m", delay_s=30), ask())


async def test_it_keeps_what_it_was_asked() -> None:
    """A test sees what the model saw; `keep` bounds it."""
    everything, last = Scripted("m"), Scripted("m", keep=1)
    for model in (everything, last):
        await said(model, ask("a"))
        await said(model, ask("b"))

    assert [request.messages[0].text for request in everything.requests] == ["a", "b"]
    assert [request.messages[0].text for request in last.requests] == ["b"]


def test_chunks_without_length_are_refused() -> None:
    """A size below 1 would never end."""
    with pytest.raises(ValueError, match=r"chunk_chars is \(2, 0\); expected lengths of 1 or more"):
        Scripted("m", chunk_chars=(2, 0))


POLICY = """
[answers]
"hello" = "Hi."
"""


async def test_the_policy_can_hold_the_table() -> None:
    """A TOML table makes the model; it keeps no requests, so that it does not grow."""
    settings = msgspec.toml.decode('provider = "scripted"\nchunk_chars = [1]\n' + POLICY, type=Settings)
    model = build("m", settings)

    assert isinstance(model, Scripted)
    assert await said(model, ask("hello")) == "Hi."
    assert not model.requests
    await model.aclose()


@pytest.mark.parametrize(
    ("provider", "kind"),
    [
        ("openai", openai.OpenAI),
        ("anthropic", anthropic.Anthropic),
        ("local", local.Local),
        ("scripted", scripted.Scripted),
    ],
)
async def test_every_provider_is_built_from_its_settings(provider: str, kind: type) -> None:
    """The field `provider` chooses; nothing else is demanded, and nothing is opened."""
    settings = msgspec.convert({"provider": provider}, Settings)
    model = build("m", settings, {})

    assert type(model) is kind
    assert model.name == "m"
    await model.aclose()


def test_every_setting_is_documented_and_strict() -> None:
    """A setting that does not exist is refused for each provider."""
    for provider in ("openai", "anthropic", "local", "scripted"):
        with pytest.raises(msgspec.ValidationError, match="unknown field `novelty`"):
            msgspec.convert({"provider": provider, "novelty": 1}, Settings)
