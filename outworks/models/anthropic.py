"""Upstream: the Anthropic Messages API."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Literal

import msgspec

from outworks.message import Delta, Request, Usage
from outworks.model import UpstreamError
from outworks.models.anthropic_answer import Reading
from outworks.models.anthropic_request import encode
from outworks.models.call import call
from outworks.models.http import AtLeastOne, Http, HttpSettings, api_key

MOST_CHOICES = 16


class Settings(
    HttpSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="anthropic", tag_field="provider"
):
    """The Anthropic API, or a server that speaks it."""

    base_url: str = "https://api.anthropic.com"
    """Where the API begins; `/v1/messages` is added."""
    version: str = "2023-06-01"
    """The API's version (`anthropic-version`)."""
    max_tokens: AtLeastOne = 4096
    """The limit of output tokens where the request sets none; this API demands one."""
    sampling: Literal["send", "drop"] = "send"
    """Whether `temperature`, `top_p` and `top_k` go upstream. Models since Claude Opus 4.7 reject them: `drop` lets
    clients that send them as a habit through, at the model's own sampling."""


class Anthropic:
    """Messages as a model. `n` is as many calls; `seed` is best effort by definition, and has no effect here."""

    def __init__(self, name: str, settings: Settings, environ: Mapping[str, str] = os.environ) -> None:
        """Raises `ValueError` where the key or the address is missing or malformed."""
        self.name = name
        self.settings = settings
        key = api_key(settings, environ)
        headers = {"anthropic-version": settings.version} | ({"x-api-key": key} if key else {})
        self._http = Http(settings, "/v1/messages", headers)

    async def generate(self, request: Request) -> AsyncIterator[Delta]:
        """One call for each choice; see `Model`."""
        n = request.parameters.get("n", 1)
        if not isinstance(n, int) or not 1 <= n <= MOST_CHOICES:
            why = f"`n` is {n!r:.20}; the upstream of this model takes 1 to {MOST_CHOICES}."
            raise UpstreamError(why, kind="unsupported", status=400, param="n")
        settings = self.settings
        body = encode(request, settings.model or request.model, settings.max_tokens, settings.sampling == "send")
        deltas = self._choice(request, body, 0) if n == 1 else self._choices(request, body, n)
        async with aclosing(deltas):
            async for delta in deltas:
                yield delta

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def _choice(self, request: Request, body: bytes, choice: int) -> AsyncGenerator[Delta, None]:
        return call(self._http, request, lambda: body, Reading(choice, request.parameters))

    async def _choices(self, request: Request, body: bytes, n: int) -> AsyncGenerator[Delta, None]:
        """As many calls side by side, woven together; the tokens of all of them are counted once, at the end."""
        woven: asyncio.Queue[Delta | Exception | None] = asyncio.Queue(maxsize=64)

        async def run(choice: int) -> None:
            try:
                async with aclosing(self._choice(request, body, choice)) as deltas:
                    async for delta in deltas:
                        await woven.put(delta)
                await woven.put(None)
            except Exception as error:
                await woven.put(error)

        calls = [asyncio.create_task(run(choice)) for choice in range(n)]
        counts: dict[int, Usage] = {}
        try:
            while n:
                item = await woven.get()
                if item is None:
                    n -= 1
                elif isinstance(item, Exception):
                    raise item
                elif item.usage is not None:
                    counts[item.choice] = item.usage
                    yield msgspec.structs.replace(item, usage=None)
                else:
                    yield item
            yield Delta(
                usage=Usage(
                    sum(usage.input_tokens for usage in counts.values()),
                    sum(usage.output_tokens for usage in counts.values()),
                )
            )
        finally:
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
