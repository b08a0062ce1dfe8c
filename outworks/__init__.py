"""Outworks: lines of defense outside the model, action on misusing accounts, and the worth of each line measured."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from outworks.detectors.looking import Stage
    from outworks.scanning import Item, Scanned

__version__ = "0.1.0"


def scan(
    texts: "Iterable[str | Item]",
    *,
    role: str = "user",
    false_positive_rate: float = 0.001,
    second_stage: "Stage" = "never",
    topics: bool = True,
) -> "Iterator[Scanned]":
    """Judge texts by the detectors that ship with the package; see `outworks.scanning.scan`."""
    from outworks import scanning

    return scanning.scan(
        texts, role=role, false_positive_rate=false_positive_rate, second_stage=second_stage, topics=topics
    )
