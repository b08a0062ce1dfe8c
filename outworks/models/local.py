"""Upstream: the embedded model, SmolLM2-135M-Instruct, run by llama.cpp within this process."""

import asyncio
import importlib
import re
import secrets
import socket
import tempfile
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import msgspec

from outworks.message import Delta, Finish, Message, Request, Role, Text, Usage
from outworks.model import UpstreamError
from outworks.models.gguf import FetchError, Progress, fetch

AtLeastOne: TypeAlias = Annotated[int, msgspec.Meta(ge=1)]

_TAKEN = frozenset(
    {"temperature", "top_p", "top_k", "seed", "stop", "frequency_penalty", "presence_penalty", "response_format"}
)
_WITHOUT_EFFECT = frozenset(
    {
        "reasoning_effort",
        "verbosity",
        "service_tier",
        "metadata",
        "prompt_cache_key",
        "tool_choice",
        "parallel_tool_calls",
    }
)
"""Hints and book-keeping, which promise nothing about the answer, and what only means something with tools."""
_HANDLED = _WITHOUT_EFFECT | {"max_tokens", "n"}
_NEUTRAL: dict[str, Any] = {
    "logit_bias": {},
    "logprobs": False,
    "modalities": ["text"],
    "store": False,
}
"""Values with which a parameter asks for nothing; others of these are unsupported."""
MOST_CHOICES = 8
_MARKS = re.compile(r"<\|(?=im_start\||im_end\||endoftext\|)")
_OVERFLOW = "exceed_context_size_error"


class Settings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="local", tag_field="provider"
):
    """The embedded model. It needs the extra `outworks[local]`."""

    path: str = ""
    """A GGUF file of your own; empty means the embedded one, fetched into the cache folder."""
    context_tokens: AtLeastOne = 4096
    """The longest prompt and answer together."""
    max_tokens: AtLeastOne = 512
    """The limit of output tokens where the request sets none."""
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] = 0.2
    """The temperature where the request sets none."""
    system_prompt: str = "You are a helpful assistant."
    """The system prompt where the request has none."""
    threads: AtLeastOne = 2
    """Threads that compute."""
    max_waiting: Annotated[int, msgspec.Meta(ge=0)] = 8
    """Requests that may wait for the one in work; beyond it the answer is 503."""


class Local:
    """One generation at a time; the others wait their turn."""

    def __init__(self, name: str, settings: Settings | None = None) -> None:
        self.name = name
        self.settings = settings or Settings()
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="outworks-local")
        self._engine: _Engine | None = None
        self._waiting = 0

    async def start(self, progress: Progress | None = None) -> None:
        """Fetch and load, off the event loop; otherwise the first request does. Raises `FetchError`, or
        `ModuleNotFoundError` where the extra is missing."""
        await asyncio.wrap_future(self._worker.submit(self._load, progress))

    async def generate(self, request: Request) -> AsyncIterator[Delta]:
        """Tokens as they come; see `Model`."""
        asked = _asked(request, self.settings)
        if self._waiting > self.settings.max_waiting:
            why = f"The embedded model has {self._waiting} requests in hand and takes no more."
            raise UpstreamError(why, kind="rate_limited", status=503, retry_after=2.0)
        loop = asyncio.get_running_loop()
        said: asyncio.Queue[_Said | None] = asyncio.Queue()
        left = threading.Event()

        def hear(item: _Said | None) -> bool:
            with suppress(RuntimeError):  # the loop is gone, and whoever asked with it
                loop.call_soon_threadsafe(said.put_nowait, item)
            return left.is_set()

        def work() -> None:
            try:
                for choice, body in enumerate(asked):
                    if not left.is_set():
                        self._load(None).chat(body, lambda chunk, choice=choice: hear(_Said(choice, chunk)))
            finally:
                hear(None)

        self._waiting += 1
        working = self._worker.submit(work)
        working.add_done_callback(lambda _: self._one_less(loop))
        try:
            reading = _Reading(len(asked))
            while (item := await said.get()) is not None:
                for delta in reading.take(item.choice, item.chunk):
                    yield delta
            _settle(working)
            yield reading.end()
        finally:
            left.set()
            working.cancel()

    async def aclose(self) -> None:
        """Unload, once what is in work has ended."""
        await asyncio.to_thread(self._close)

    def _one_less(self, loop: asyncio.AbstractEventLoop) -> None:
        def count() -> None:
            self._waiting -= 1

        with suppress(RuntimeError):
            loop.call_soon_threadsafe(count)

    def _load(self, progress: Progress | None) -> "_Engine":
        if self._engine is None:
            self._engine = _Engine(self.settings, progress)
        return self._engine

    def _close(self) -> None:
        self._worker.shutdown(wait=True, cancel_futures=True)
        if self._engine is not None:
            self._engine.close()
            self._engine = None


class _Engine:
    """llama.cpp's server, called in process."""

    def __init__(self, settings: Settings, progress: Progress | None) -> None:
        try:
            llama: Any = importlib.import_module("xllamacpp")
        except ModuleNotFoundError as error:
            why = "the provider `local` needs the extra: pip install 'outworks[local]'"
            raise ModuleNotFoundError(why, name=error.name) from error
        path = Path(settings.path) if settings.path else fetch(progress)
        if not path.is_file():
            raise FetchError(f"path is {str(path)!r}, where there is no file; expected a GGUF file")
        # It insists on listening. A socket file in a folder of our own, behind a key that nobody has, keeps the model
        # from being reached past the defenses.
        self._folder = tempfile.TemporaryDirectory(prefix="outworks-")
        params = llama.CommonParams()
        params.hostnames = [f"{self._folder.name}/s.sock"]
        params.api_keys = [secrets.token_hex(32)]
        params.ui = params.endpoint_slots = params.endpoint_props = False
        params.model.path = str(path)
        params.n_ctx = settings.context_tokens
        params.n_parallel = 1
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = settings.threads
        # Nothing of one account's prompt is kept for the next: neither to be found by timing, nor to fill memory.
        params.cache_prompt = params.cache_idle_slots = False
        params.cache_ram_mib = 0
        params.warmup = False
        params.verbosity = 0
        try:
            self._server: Any = llama.Server(params)
        except BaseException:
            self._folder.cleanup()
            raise
        self._await_listener(params.hostnames[0])

    def chat(self, asked: dict[str, Any], hear: Any) -> None:
        """Blocks until the answer has ended, or `hear` returns True."""
        self._server.handle_chat_completions(asked, hear)

    def _await_listener(self, path: str) -> None:
        """Until it answers: a server that is unloaded before its listener runs waits for that listener for ever."""
        with socket.socket(socket.AF_UNIX) as listener:
            listener.settimeout(10.0)
            listener.connect(path)
            listener.sendall(b"GET /health HTTP/1.0\r\n\r\n")
            listener.recv(1)

    def close(self) -> None:
        self._server = None
        self._folder.cleanup()


class _Said(msgspec.Struct, frozen=True):
    choice: int
    chunk: dict[str, Any]


class _Reading:
    """Reads the chunks of an answer."""

    def __init__(self, choices: int) -> None:
        self._unfinished = set(range(choices))
        self._usages: list[Usage] = []

    def take(self, choice: int, chunk: dict[str, Any]) -> list[Delta]:
        """The deltas of one chunk; the counts are kept for the end."""
        if "error" in chunk:
            raise _refused(chunk["error"])
        if usage := chunk.get("usage"):
            self._usages.append(Usage(usage["prompt_tokens"], usage["completion_tokens"]))
        deltas = []
        for part in chunk["choices"]:
            text = part["delta"].get("content") or ""
            why = part["finish_reason"]
            if why:
                self._unfinished.discard(choice)
            if why or text:
                finish = (Finish.LENGTH if why == "length" else Finish.STOP) if why else None
                deltas.append(Delta(choice=choice, text=text, finish=finish))
        return deltas

    def end(self) -> Delta:
        """The counts of all choices. Raises `UpstreamError` where one of them did not end."""
        if self._unfinished:
            raise UpstreamError("The embedded model broke off its answer.", kind="broken")
        heard = sum(usage.input_tokens for usage in self._usages)
        return Delta(usage=Usage(heard, sum(usage.output_tokens for usage in self._usages)))


def _settle(working: Any) -> None:
    """Raise what the work raised, in our words."""
    try:
        working.result()
    except (FetchError, ModuleNotFoundError) as error:
        raise UpstreamError(f"The embedded model cannot be loaded: {error}.", kind="unreachable", status=503) from error
    except ValueError as error:  # llama.cpp's word on a body that it cannot read
        raise UpstreamError("The embedded model rejected the request.", kind="rejected", status=400) from error
    except Exception as error:
        raise UpstreamError("The embedded model failed.", kind="broken") from error


def _refused(problem: dict[str, Any]) -> UpstreamError:
    if problem.get("type") == _OVERFLOW:
        sizes = f"{problem.get('n_prompt_tokens')} tokens, and its context is {problem.get('n_ctx')}"
        return UpstreamError(f"The embedded model was given {sizes}.", kind="rejected", status=400, param="messages")
    if problem.get("code") == 400:
        return UpstreamError("The embedded model rejected the request.", kind="rejected", status=400)
    return UpstreamError("The embedded model failed.", kind="broken")


def _asked(request: Request, settings: Settings) -> list[dict[str, Any]]:
    """The request in llama.cpp's form, once for each choice. Raises `UpstreamError` (unsupported) for what this model
    cannot do."""
    if request.tools:
        raise _unsupported("tools")
    parameters = request.parameters
    n = parameters.get("n", 1)
    if not isinstance(n, int) or not 1 <= n <= MOST_CHOICES:
        raise _unsupported("n")
    asked: dict[str, Any] = {
        "temperature": settings.temperature,
        "max_tokens": parameters.get("max_tokens", settings.max_tokens),
        "stream": True,
        "stream_options": {"include_usage": True},
        "cache_prompt": False,
    }
    for name, value in parameters.items():
        if name in _TAKEN:
            asked[name] = value
        elif name not in _HANDLED and not (name in _NEUTRAL and _NEUTRAL[name] == value):
            raise _unsupported(name)
    turns = [_turn(message) for message in request.messages]
    if not any(turn["role"] == "system" for turn in turns) and settings.system_prompt:
        turns.insert(0, {"role": "system", "content": settings.system_prompt})
    asked["messages"] = turns
    # One seed for all would make all choices the same.
    seed = asked.get("seed")
    return [asked | {"seed": seed + choice} if isinstance(seed, int) else asked for choice in range(n)]


def _turn(message: Message) -> dict[str, str]:
    if message.role is Role.TOOL or not all(isinstance(part, Text) for part in message.parts):
        raise _unsupported("messages")
    role = "system" if message.role is Role.DEVELOPER else message.role.value
    # llama.cpp reads the template's marks wherever they stand: a user who writes them could open a system turn.
    return {"role": role, "content": _MARKS.sub("< |", message.text)}


def _unsupported(param: str) -> UpstreamError:
    why = f"The embedded model does not support `{param}`, or not this value of it."
    return UpstreamError(why, kind="unsupported", status=400, param=param)
