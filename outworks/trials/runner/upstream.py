"""Upstream: a model of ours as Inspect calls it, and any model of Inspect's as Outworks asks it."""

from collections.abc import AsyncIterator
from difflib import get_close_matches
from typing import Any

from inspect_ai.model import (
    CachePolicy,
    ChatCompletionChoice,
    ChatMessage,
    ChatMessageAssistant,
    GenerateConfig,
    ModelAPI,
    ModelOutput,
    ModelUsage,
    RetryDecision,
    modelapi,
)
from inspect_ai.model import Model as InspectModel
from inspect_ai.tool import ToolChoice, ToolInfo
from inspect_ai.util import LimitExceededError
from tenacity import RetryCallState, RetryError, wait_exponential_jitter
from tenacity.wait import WaitBaseT
from typing_extensions import override

from outworks.message import Delta, Finish, Output, Request, ToolCallPiece, Usage
from outworks.model import Model, UpstreamError, join
from outworks.models.local import Local
from outworks.trials.people import complying, refusing
from outworks.trials.runner.messages import OURS, calls, config, inspect_calls, inspect_messages, inspect_tools, request
from outworks.trials.suites import suite

_SAID = frozenset({"policy", "unsupported"})
"""Errors that are answers: the provider refused, and would again. They are kept like answers, and never paid twice."""
_PASSING = frozenset({"rate_limited", "unreachable", "timeout", "broken"})


_backoff = wait_exponential_jitter(multiplier=0.5, max=60.0)


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome is not None else None
    asked = error.retry_after if isinstance(error, UpstreamError) else None
    return asked if asked is not None else _backoff(state)


class OutworksAPI(ModelAPI):
    """Any `Model` of Outworks behind Inspect's interface: its concurrency, its retries, its cache, its log."""

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: GenerateConfig | None = None,
        *,
        model: Model | None = None,
        connections: int = 4,
    ) -> None:
        """Inspect calls it by name: `outworks/complying`, `outworks/refusing`; `outworks/local` is the embedded model.
        Raises `ValueError` for another name, where no model is given."""
        super().__init__(model_name, base_url, api_key, config=config or GenerateConfig())
        self._model = model if model is not None else named(model_name)
        self._connections = connections
        self._reached = False

    @override
    async def generate(
        self, input: list[ChatMessage], tools: list[ToolInfo], tool_choice: ToolChoice, config: GenerateConfig
    ) -> ModelOutput:
        """Ask it. Raises `UpstreamError`, which `should_retry` tells apart."""
        asked = request(self.model_name, input, config)
        try:
            joined = await join(self._model.generate(asked))
            self._reached = True
        except UpstreamError as error:
            self._reached = self._reached or error.kind != "unreachable"
            if error.kind not in _SAID:
                raise
            return _refusal(self.model_name, error)
        if not joined.outputs:
            raise UpstreamError("the model answered nothing at all", kind="garbage")
        return _output(self.model_name, joined.outputs[0], joined.usage or Usage())

    @override
    def should_retry(self, ex: Exception) -> RetryDecision:
        """A rate limit is waited for; so is what may pass. Where nobody was ever reached, the address is wrong."""
        if not isinstance(ex, UpstreamError) or ex.kind not in _PASSING:
            return RetryDecision.no()
        if ex.kind == "unreachable" and not self._reached:
            return RetryDecision.no()
        if ex.kind == "rate_limited":
            return RetryDecision.rate_limit(retry_after=ex.retry_after)
        return RetryDecision.transient(retry_after=ex.retry_after)

    @override
    def retry_wait(self) -> WaitBaseT:
        """As long as the provider asks for; else longer each time."""
        return _wait

    @override
    def max_connections(self) -> int:
        """How many may be asked at once."""
        return self._connections

    @override
    def connection_key(self) -> str:
        """Models do not share connections."""
        return self.model_name

    @override
    async def aclose(self) -> None:
        """Whoever made the model closes it."""


_registered: Any = modelapi("outworks")(OutworksAPI)


def around(model: Model, *, connections: int = 4) -> InspectModel:
    """A model of ours as one of Inspect's."""
    return InspectModel(_registered(model.name, model=model, connections=connections), GenerateConfig())


def named(name: str) -> Model:
    """A model that needs no set-up. Raises `ValueError` for a name that there is not."""
    if name == "complying":
        return complying(suite("all").goals)
    if name == "refusing":
        return refusing()
    if name == "local":
        return Local(name)
    near = get_close_matches(name, ("complying", "refusing", "local"), n=1)
    raise ValueError(f"there is no model outworks/{name}" + (f"; did you mean outworks/{near[0]}?" if near else ""))


class Inspected:
    """A model of Inspect's as a `Model`. Each call is cached under its request's id and words, so a run that goes on
    after a stop pays for no call twice, while the same words asked twice are two calls."""

    def __init__(self, model: InspectModel, *, cache: bool = True) -> None:
        self.name = model.name
        self._model = model
        self._ours = isinstance(model.api, OutworksAPI)
        self._cache = cache

    async def generate(self, request: Request) -> AsyncIterator[Delta]:
        """See `Model`. Raises `UpstreamError` for whatever goes wrong in Inspect, its limits apart."""
        scopes = {OURS: request.id}
        try:
            output = await self._model.generate(
                inspect_messages(request.messages),
                tools=inspect_tools(request.tools),
                config=config(request, ours=self._ours),
                cache=CachePolicy(expiry=None, scopes=scopes) if self._cache else False,
            )
        except LimitExceededError:
            raise
        except RetryError as error:
            last = error.last_attempt.exception()
            raise _failed(last if last is not None else error) from error
        except Exception as error:
            raise _failed(error) from error
        said = (output.metadata or {}).get(OURS)
        if isinstance(said, dict) and "error" in said:
            raise UpstreamError(said["message"], kind=said["error"], status=said["status"], param=said["param"])
        for delta in _deltas(output):
            yield delta


def _failed(error: BaseException) -> UpstreamError:
    if isinstance(error, UpstreamError):
        return error
    return UpstreamError(f"{type(error).__name__}: {error}"[:500], kind="broken")


def _refusal(model: str, error: UpstreamError) -> ModelOutput:
    output = ModelOutput.from_content(model, "", error=error.message)
    said = {"error": error.kind, "message": error.message, "status": error.status, "param": error.param}
    output.metadata = {OURS: said}
    return output


def _output(model: str, output: Output, usage: Usage) -> ModelOutput:
    message = ChatMessageAssistant(
        content=output.text, tool_calls=inspect_calls(output.tool_calls), model=model, source="generate"
    )
    # Inspect caches no answer that a filter ended, and would pay for it again.
    reason = "max_tokens" if output.finish is Finish.LENGTH else "tool_calls" if output.tool_calls else "stop"
    made: Any = ModelOutput(
        model=model,
        choices=[ChatCompletionChoice(message=message, stop_reason=reason)],  # type: ignore[arg-type]
        usage=ModelUsage(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            total_tokens=usage.input_tokens + usage.output_tokens,
        ),
    )
    filtered = output.finish is Finish.CONTENT_FILTER
    if filtered or output.refused:
        made.metadata = {OURS: {"filtered": filtered, "refused": output.refused, "notice": output.notice}}
    result: ModelOutput = made
    return result


def _deltas(output: ModelOutput) -> list[Delta]:
    said = (output.metadata or {}).get(OURS) or {}
    filtered = output.stop_reason == "content_filter" or bool(said.get("filtered"))
    deltas = [Delta(text=output.message.text)] if output.message.text else []
    for index, call in enumerate(calls(output)):
        deltas.append(Delta(tool_call=ToolCallPiece(index, call.id, call.name, call.arguments)))
    finish = Finish.CONTENT_FILTER if filtered else Finish.TOOL_CALLS if calls(output) else Finish.STOP
    if output.stop_reason == "max_tokens":
        finish = Finish.LENGTH
    refused = output.stop_reason == "content_filter" or bool(said.get("refused"))
    usage = output.usage
    count = Usage(usage.input_tokens, usage.output_tokens) if usage is not None else Usage()
    deltas.append(Delta(refused=refused, finish=finish, notice=said.get("notice") or "", usage=count))
    return deltas
