"""What the embedded model is asked, in llama.cpp's form."""

import re
from collections.abc import Mapping
from typing import Any

from outworks.message import Message, Request, Role, Text
from outworks.model import UpstreamError

_TAKEN = frozenset(
    {
        "temperature",
        "max_tokens",
        "top_p",
        "top_k",
        "seed",
        "stop",
        "frequency_penalty",
        "presence_penalty",
        "response_format",
    }
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
_HANDLED = _WITHOUT_EFFECT | {"n"}
_NEUTRAL: dict[str, Any] = {
    "logit_bias": {},
    "logprobs": False,
    "modalities": ["text"],
    "store": False,
}
"""Values with which a parameter asks for nothing; others of these are unsupported."""
MOST_CHOICES = 8
_MARKS = re.compile(r"<\|(?=im_start\||im_end\||endoftext\|)")


def asked(request: Request, defaults: Mapping[str, float]) -> list[dict[str, Any]]:
    """The request once for each choice; `defaults` are for where it is silent. Raises `UpstreamError` (unsupported) for
    what this model cannot do."""
    if request.tools:
        raise _unsupported("tools")
    parameters = request.parameters
    n = parameters.get("n", 1)
    if not isinstance(n, int) or not 1 <= n <= MOST_CHOICES:
        raise _unsupported("n")
    body: dict[str, Any] = {
        "messages": [_turn(message) for message in request.messages],
        **defaults,
        "stream": True,
        "stream_options": {"include_usage": True},
        "cache_prompt": False,
    }
    for name, value in parameters.items():
        if name in _TAKEN:
            body[name] = value
        elif name not in _HANDLED and not (name in _NEUTRAL and _NEUTRAL[name] == value):
            raise _unsupported(name)
    # One seed for all would make all choices the same.
    seed = body.get("seed")
    return [body | {"seed": seed + choice} if isinstance(seed, int) else body for choice in range(n)]


def opened(body: dict[str, Any], system_prompt: str) -> dict[str, Any]:
    """The same under a system prompt, where there is one to give and the request has none."""
    turns = body["messages"]
    if not system_prompt or any(turn["role"] == "system" for turn in turns):
        return body
    return body | {"messages": [{"role": "system", "content": system_prompt}, *turns]}


def _turn(message: Message) -> dict[str, str]:
    if message.role is Role.TOOL or not all(isinstance(part, Text) for part in message.parts):
        raise _unsupported("messages")
    role = "system" if message.role is Role.DEVELOPER else message.role.value
    # llama.cpp reads the template's marks wherever they stand: a user who writes them could open a system turn.
    return {"role": role, "content": _MARKS.sub("< |", message.text)}


def _unsupported(param: str) -> UpstreamError:
    why = f"The embedded model does not support `{param}`, or not this value of it."
    return UpstreamError(why, kind="unsupported", status=400, param=param)
