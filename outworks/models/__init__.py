"""Upstream models: one file a provider, each a `Model` that can be closed."""

import os
from collections.abc import Mapping
from typing import Protocol, TypeAlias

from outworks.model import Model
from outworks.models import anthropic, local, openai, scripted

Settings: TypeAlias = openai.Settings | anthropic.Settings | local.Settings | scripted.Settings
"""What the policy says of a model; the field `provider` tells which."""


class Upstream(Model, Protocol):
    """A model that holds connections or memory until it is closed."""

    async def aclose(self) -> None:
        """Give up what it holds; calls in flight end with an error."""
        ...


def build(name: str, settings: Settings, environ: Mapping[str, str] = os.environ) -> Upstream:
    """The model that the policy describes under this name. Opens nothing yet.

    Raises `ValueError` where an address is malformed, or a key is missing from the environment.
    """
    if isinstance(settings, openai.Settings):
        return openai.OpenAI(name, settings, environ)
    if isinstance(settings, anthropic.Settings):
        return anthropic.Anthropic(name, settings, environ)
    if isinstance(settings, local.Settings):
        return local.Local(name, settings)
    return scripted.Scripted.of(name, settings)
