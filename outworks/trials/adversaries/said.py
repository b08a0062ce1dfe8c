"""Said: the messages that adversaries are written in."""

import msgspec

from outworks import label
from outworks.message import Message, Role, Text, ToolCall, ToolResult


def user(text: str) -> Message:
    """A turn of the account itself."""
    return Message(Role.USER, (Text(text),), label.USER)


def assistant(text: str) -> Message:
    """A turn in the assistant's name, as a client sends it back."""
    return Message(Role.ASSISTANT, (Text(text),), label.ASSISTANT)


def pasted(question: str, document: str) -> Message:
    """A question with a third party's text in it."""
    said = f"{question}\n\n<document>\n{document}\n</document>"
    return Message(Role.USER, (Text(said),), label.USER.join(label.TOOL))


def called(tool: str, result: str, *, number: int = 1) -> tuple[Message, Message]:
    """A tool call that the assistant made, and what came back."""
    call = ToolCall(f"call_{number}", tool, msgspec.json.encode({}).decode())
    return (
        Message(Role.ASSISTANT, (call,), label.ASSISTANT),
        Message(Role.TOOL, (ToolResult(call.id, result),), label.TOOL),
    )
