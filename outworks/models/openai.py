"""Upstream: any server that speaks OpenAI Chat Completions (OpenAI, vLLM, Ollama, llama.cpp, LiteLLM...)."""

import os
from collections.abc import AsyncIterator, Mapping
from typing import Literal

from outworks.message import Delta, Request
from outworks.models.call import call
from outworks.models.http import Http, HttpSettings, api_key
from outworks.models.openai_answer import Reading
from outworks.models.openai_request import Dialect, encode


class Settings(HttpSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="openai", tag_field="provider"):
    """An OpenAI-compatible upstream."""

    base_url: str = "https://api.openai.com/v1"
    """Where the API begins; `/chat/completions` is added."""
    max_tokens_as: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"
    """The name under which the limit of output tokens goes upstream; older servers know `max_tokens` only."""
    account_as: Literal["safety_identifier", "user", "none"] = "safety_identifier"
    """The field that carries the account's keyed hash; `none` for a server that refuses both."""
    developer_role: Literal["developer", "system"] = "system"
    """The role that developer turns go under; only OpenAI's own server knows `developer`."""
    usage_in_streams: bool = True
    """Ask for token counts in streams (`stream_options`)."""


class OpenAI:
    """Chat Completions as a model."""

    def __init__(self, name: str, settings: Settings, environ: Mapping[str, str] = os.environ) -> None:
        """Raises `ValueError` where the key or the address is missing or malformed."""
        self.name = name
        self.settings = settings
        key = api_key(settings, environ)
        self._dialect = Dialect(
            settings.max_tokens_as, settings.account_as, settings.developer_role, settings.usage_in_streams
        )
        self._http = Http(settings, "/chat/completions", {"Authorization": f"Bearer {key}"} if key else {})

    def generate(self, request: Request) -> AsyncIterator[Delta]:
        """One call; see `Model`."""
        model = self.settings.model or request.model
        return call(self._http, request, lambda: encode(request, model, self._dialect), Reading(request))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()
