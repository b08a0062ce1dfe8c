"""Nearest: the valid name that was probably meant, for errors."""

from collections.abc import Iterable
from difflib import get_close_matches

_LONGEST = 100
"""Characters of what was given that are compared: the cost grows with their square."""


def did_you_mean(given: str, known: Iterable[str], otherwise: str = "") -> str:
    """`; did you mean 'x'?`, to be put behind what is wrong; else `; ` and `otherwise`, or nothing without it."""
    near = get_close_matches(given[:_LONGEST], [str(each) for each in known], n=1)
    hint = f"did you mean {near[0]!r}?" if near else otherwise
    return f"; {hint}" if hint else ""
