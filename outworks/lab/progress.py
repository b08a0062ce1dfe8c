"""progress: what the lab says of a long work while it goes on."""

from typing import Protocol


class Tell(Protocol):
    """Whoever watches."""

    def __call__(self, doing: str, done: int, total: int, loss: float | None = None) -> None:
        """`done` of `total` steps of what is being done; `loss` where something is trained."""
        ...


def silent(doing: str, done: int, total: int, loss: float | None = None) -> None:
    """Says nothing."""
