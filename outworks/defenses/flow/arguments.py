"""Arguments: a tool call's JSON, read so that no other reader can find something else in it."""

import json
import math
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

_WHOLE = range(-(2**63), 2**64)
"""Whole numbers that most readers have a type for; of larger ones some keep the first digits, and some refuse them."""
_ODD = re.compile("[\0\ud800-\udfff]")
"""Readers end a text at a NUL, and drop, replace or refuse half a surrogate pair."""


class Arguments(msgspec.Struct, frozen=True):
    """The arguments of a call as its tool will read them."""

    values: dict[str, Any]


def read(written: str) -> Arguments:
    """Read arguments as every parser reads them.

    Raises ValueError where parsers differ, or where it is no JSON object: what was judged must be what is run.
    """
    if not written.strip():
        return Arguments({})
    try:
        given = json.loads(
            written, object_pairs_hook=_unique, parse_constant=_refuse, parse_int=_whole, parse_float=_finite
        )
    except RecursionError:
        raise ValueError("the arguments are nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"the arguments are no JSON: {error.msg} at character {error.pos}") from None
    if not isinstance(given, dict):
        raise ValueError(f"the arguments are no JSON object but {type(given).__name__}")
    return Arguments(given)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name.casefold() for name, _ in pairs}) < len(pairs):
        # Some readers take `To` for `to` (Go's do), and the last of them counts.
        raise ValueError("the arguments name a field twice")
    read = dict(pairs)
    if any(_ODD.search(text) for pair in pairs for text in _texts(pair)):
        raise ValueError("the arguments hold a NUL or half a surrogate pair, which no text has")
    return read


def _texts(value: Any) -> Iterator[str]:
    """The strings that stand here; objects inside were looked through when they were read."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)


def _whole(written: str) -> int:
    if len(written) > 20 or int(written) not in _WHOLE:
        raise ValueError("the arguments hold a number that is too large")
    return int(written)


def _finite(written: str) -> float:
    number = float(written)
    try:
        # Some readers keep every digit; others, as here, the nearest of 64 bits. `repr` is the shortest that means it,
        # and 17 digits are what other languages write.
        same = math.isfinite(number) and Decimal(written) in (Decimal(repr(number)), Decimal(f"{number:.17g}"))
    except InvalidOperation:
        same = False
    if not same:
        raise ValueError("the arguments hold a number that is too large or too exact")
    return number


def _refuse(constant: str) -> None:
    raise ValueError(f"the arguments hold {constant}, which is no JSON")
