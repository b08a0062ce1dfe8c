"""Counts in words."""


def plural(count: float, one: str, many: str = "") -> str:
    """`1 case`, `2 cases`, `0.5 cases`, `1,200 cases`."""
    return f"{count:,.15g} {one if count == 1 else many or one + 's'}"
