"""Wires: the vendors' formats that the gateway speaks, in the order in which they are served."""

from collections.abc import Sequence

from outworks.gateway.wires.anthropic import Anthropic
from outworks.gateway.wires.openai import OpenAI
from outworks.gateway.wires.wire import Answer, Asked, Head, StreamWriter, Wire

WIRES: Sequence[Wire] = (OpenAI(), Anthropic())

__all__ = ["WIRES", "Answer", "Anthropic", "Asked", "Head", "OpenAI", "StreamWriter", "Wire"]
