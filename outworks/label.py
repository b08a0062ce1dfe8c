"""Label: where a text came from and who may read it."""

from enum import StrEnum

import msgspec


class Source(StrEnum):
    """Who wrote a text, as the gateway can vouch for it."""

    SYSTEM = "system"
    """The product: its system prompt, or a value the policy pins."""
    USER = "user"
    """The account's own words in this request."""
    ASSISTANT = "assistant"
    """An assistant turn as the client sent it back: only as good as the client's word."""
    TOOL = "tool"
    """A third party: tool results, documents, mail, pages."""


class Label(msgspec.Struct, frozen=True):
    """The provenance of a text; `join` is how labels flow together."""

    sources: frozenset[Source]
    readers: frozenset[str] | None = None
    """Who may read it; None means anyone."""

    @property
    def trusted(self) -> bool:
        """Whether nothing but the product and the account itself had a hand in it."""
        return self.sources <= _TRUSTED

    def join(self, other: "Label") -> "Label":
        """The label of a text made from both: every source, and only the readers that both admit."""
        if self.readers is None or other.readers is None:
            readers = other.readers if self.readers is None else self.readers
        else:
            readers = self.readers & other.readers
        return Label(self.sources | other.sources, readers)


_TRUSTED = frozenset({Source.SYSTEM, Source.USER})

SYSTEM = Label(frozenset({Source.SYSTEM}))
USER = Label(frozenset({Source.USER}))
ASSISTANT = Label(frozenset({Source.ASSISTANT}))
TOOL = Label(frozenset({Source.TOOL}))
