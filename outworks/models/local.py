"""Upstream: the embedded model, SmolLM2-135M-Instruct, run by llama.cpp within this process."""

import asyncio
import importlib
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

from outworks.message import Delta, Finish, Request, Usage
from outworks.model import UpstreamError
from outworks.models.gguf import FetchError, Progress, fetch
from outworks.models.gguf_head import GGUFError, Head, check_adapter, head
from outworks.models.local_request import asked, opened

AtLeastOne: TypeAlias = Annotated[int, msgspec.Meta(ge=1)]

DEFAULT_SYSTEM_PROMPT = "You are a helpful assistant."
_OVERFLOW = "exceed_context_size_error"


class Settings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="local", tag_field="provider"
):
    """The embedded model. It needs the extra `outworks[local]`."""

    path: str = ""
    """A GGUF file of your own; empty means the embedded one, fetched into the cache folder."""
    adapter: str = ""
    """A LoRA adapter over that model, as a GGUF file: what `outworks lab export` makes of a checkpoint of the lab's."""
    adapter_scale: Annotated[float, msgspec.Meta(ge=0)] = 1.0
    """How much of the adapter: 0 is the model as it was, 1 as it was trained."""
    context_tokens: AtLeastOne = 4096
    """The longest prompt and answer together."""
    max_tokens: AtLeastOne = 512
    """The limit of output tokens where the request sets none."""
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] = 0.2
    """The temperature where the request sets none."""
    repeat_penalty: Annotated[float, msgspec.Meta(ge=1, le=2)] = 1.0
    """How much less likely a word becomes by having just been said, as llama.cpp counts it: 1 leaves it as it is. Small
    models that are hardly random go round in circles without."""
    system_prompt: str | None = None
    """The system prompt where the request has none. Left out, it is what the lab noted in the adapter, or in the file
    at `path`, as trained with, else "You are a helpful assistant."; an empty one leaves it to the model's template."""
    threads: AtLeastOne = 2
    """Threads that compute."""
    max_waiting: Annotated[int, msgspec.Meta(ge=0)] = 8
    """Requests that may wait for the one in work; beyond it the answer is 503."""

    @property
    def defaults(self) -> dict[str, float]:
        """What is asked for where the request is silent, in llama.cpp's words."""
        return {"temperature": self.temperature, "max_tokens": self.max_tokens, "repeat_penalty": self.repeat_penalty}


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
        bodies = asked(request, self.settings.defaults)
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
                for choice, body in enumerate(bodies):
                    if not left.is_set():
                        self._load(None).chat(body, lambda chunk, choice=choice: hear(_Said(choice, chunk)))
            finally:
                hear(None)

        self._waiting += 1
        working = self._worker.submit(work)
        working.add_done_callback(lambda _: self._one_less(loop))
        try:
            reading = _Reading(len(bodies))
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
        if settings.adapter:
            check_adapter(Path(settings.adapter))  # before a model is fetched for it
        path = Path(settings.path) if settings.path else fetch(progress)
        if not path.is_file():
            raise FetchError(f"path is {str(path)!r}, where there is no file; expected a GGUF file")
        adapter = check_adapter(Path(settings.adapter), path) if settings.adapter else None
        self._system_prompt = _system_prompt(settings, path, adapter)
        # It insists on listening. A socket file in a folder of our own, behind a key that nobody has, keeps the model
        # from being reached past the defenses.
        self._folder = tempfile.TemporaryDirectory(prefix="outworks-")
        params = llama.CommonParams()
        params.hostnames = [f"{self._folder.name}/s.sock"]
        params.api_keys = [secrets.token_hex(32)]
        params.ui = params.endpoint_slots = params.endpoint_props = False
        params.model.path = str(path)
        if adapter is not None:
            params.lora_adapters = [llama.CommonAdapterLoraInfo(settings.adapter, settings.adapter_scale)]
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
        except RuntimeError as error:
            self._folder.cleanup()
            raise GGUFError(_unloadable(settings, path, error)) from error
        except BaseException:
            self._folder.cleanup()
            raise
        self._await_listener(params.hostnames[0])

    def chat(self, body: dict[str, Any], hear: Any) -> None:
        """Blocks until the answer has ended, or `hear` returns True."""
        self._server.handle_chat_completions(opened(body, self._system_prompt), hear)

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


def _system_prompt(settings: Settings, path: Path, adapter: Head | None) -> str:
    if settings.system_prompt is not None:
        return settings.system_prompt
    noted = (adapter, head(path) if settings.path else None)
    return next((e.system_prompt for e in noted if e and e.system_prompt is not None), DEFAULT_SYSTEM_PROMPT)


def _unloadable(settings: Settings, path: Path, error: RuntimeError) -> str:
    if not settings.adapter:
        return f"path is {str(path)!r}, which llama.cpp cannot load ({error})"
    given = f"the adapter {settings.adapter!r} over {str(path)!r}"
    return f"llama.cpp cannot load {given} ({error}): was it trained on another model?"


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
    except (FetchError, GGUFError, ModuleNotFoundError) as error:
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
