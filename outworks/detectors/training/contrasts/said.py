"""said: one request of a pair."""

from typing import NamedTuple


class Said(NamedTuple):
    """A request, and what it is about or like: its group."""

    text: str
    topic: str
