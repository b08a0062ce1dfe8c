"""Arguments: a tool call's JSON, read so that no other reader can find something else in it."""

import json
import math
from typing import Any

import msgspec

LONGEST_NUMBER = 300
"""Digits of a whole number."""


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
    read = dict(pairs)
    if len(read) < len(pairs):
        raise ValueError("the arguments name a field twice")
    return read


def _whole(written: str) -> int:
    if len(written) > LONGEST_NUMBER:
        raise ValueError("the arguments hold a number that is too long")
    return int(written)


def _finite(written: str) -> float:
    if not math.isfinite(number := float(written)):
        raise ValueError("the arguments hold a number that is too large")
    return number


def _refuse(constant: str) -> None:
    raise ValueError(f"the arguments hold {constant}, which is no JSON")
