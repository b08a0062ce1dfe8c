"""What was said: requests as the defenses read them, from what a ledger keeps."""

from outworks import label
from outworks.message import Asked, Message, Request, Role, Text, asked_of
from outworks.normalise import smuggled_runs


def request_of(text: bytes) -> Request:
    """The request whose content this is. Of what cannot be read as one every word is the account's: nothing passes for
    being odd."""
    try:
        asked = asked_of(text)
    except ValueError:
        whole = Message(Role.USER, (Text(text.decode("utf-8", "replace")),), label.USER)
        asked = Asked(messages=(whole,))
    return Request(id="", model="", messages=asked.messages, tools=asked.tools, parameters=asked.parameters)


def is_plain(text: bytes) -> bool:
    """Whether the defenses read in a request's content nothing but its strings, one by one: no parts that run together,
    no escapes within a tool call, no characters that nobody sees."""
    if _BETWEEN in text or (b'{"type":"tool_call"' in text and b"\\\\" in text):
        return False
    # Most texts that are not ASCII hold neither tags nor selectors.
    return text.isascii() or not (
        (b"\xf3\xa0" in text or b"\xef\xb8" in text) and smuggled_runs(text.decode("utf-8", "replace"))
    )


_BETWEEN = b'},{"type":"t'
"""Between two parts: text, tool calls and tool results. No JSON Schema has a type that begins so."""
