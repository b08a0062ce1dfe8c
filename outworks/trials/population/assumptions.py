"""Assumptions: what the simulation takes for granted about people, the model and reviewers."""

from importlib import resources
from typing import Annotated

import msgspec

_Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
_Positive = Annotated[float, msgspec.Meta(gt=0)]
_Rate = Annotated[float, msgspec.Meta(ge=0)]
_Count = Annotated[int, msgspec.Meta(ge=0)]
_AtLeastOne = Annotated[int, msgspec.Meta(ge=1)]


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Everyday(_Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """People who mean no harm."""

    accounts: _Count
    rate: _Positive
    """Exchanges a week."""
    easily_mistaken: _Share
    """The share of their questions that are innocent and do not sound so."""
    appeals: _Share
    """The share of those suspended or banned who appeal."""


class Adversarial(_Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """People who mean harm."""

    accounts: _Count
    rate: _Rate
    """Ordinary exchanges a week, besides."""
    goals: _Positive
    """What one of them goes after, on average."""
    patience: _Positive
    """Failures in a row after which one of them gives up a goal, on average."""
    pace: _Positive
    """Seconds between two tries."""
    appeals: _Share
    accounts_each: _AtLeastOne
    """Accounts that one of them opens in all; the next when the last is suspended or banned."""


class Shared(_Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Accounts with several people behind them."""

    share: _Share
    size: _AtLeastOne
    adversary: _Share
    """The chance that one of those behind such an account is a casual adversary."""


class Alignment(_Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The model's own line: chances that it refuses."""

    refuses_plain: _Share
    refuses_disguised: _Share
    refuses_mistaken: _Share


class Review(_Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who decides on appeals."""

    days: _Positive
    right: _Share
    """How often the decision is the right one."""


class Assumptions(_Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that is assumed."""

    weeks: _Positive
    seeds: _AtLeastOne
    everyday: Everyday
    casual: Adversarial
    capable: Adversarial
    shared: Shared
    model: Alignment
    review: Review


def default_assumptions() -> Assumptions:
    """Those of `assumptions.toml`."""
    return msgspec.toml.decode(source(), type=Assumptions)


def source() -> bytes:
    """`assumptions.toml`, with its comments."""
    return (resources.files(__package__) / "assumptions.toml").read_bytes()


def read_assumptions(text: bytes | str, where: str) -> Assumptions:
    """Raises ValueError with the place and what was expected there."""
    try:
        return msgspec.toml.decode(text, type=Assumptions)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{where}: {error}; `outworks trial population --show-assumptions` prints a valid file"
        ) from error


VARIED: dict[str, tuple[float, float]] = {
    "everyday.easily_mistaken": (0.4, 2.5),
    "casual.accounts": (0.5, 2.0),
    "casual.patience": (0.5, 2.0),
    "capable.accounts_each": (0.5, 2.0),
    "model.refuses_disguised": (0.5, 2.0),
    "shared.share": (0.5, 2.0),
    "review.right": (0.8, 1.1),
}
"""What is varied to see whether a conclusion depends on it, and by which factors."""


def varied(given: Assumptions, name: str, factor: float) -> Assumptions:
    """The same with one rate multiplied (and kept within what it may be)."""
    part, field = name.split(".")
    section = getattr(given, part)
    value = getattr(section, field) * factor
    if isinstance(getattr(section, field), int):
        value = max(1, round(value))
    elif field not in ("patience",):
        value = min(1.0, value)
    changed = msgspec.structs.replace(section, **{field: value})
    return msgspec.structs.replace(given, **{part: changed})
