"""adversarial_string: stops strings that were found by a search (GCG and kin, arXiv 2307.15043), by their surprise."""

import asyncio
from heapq import nlargest
from typing import Annotated

import msgspec
from typing_extensions import override

from outworks import defense
from outworks.detectors.calibration import Calibration
from outworks.detectors.categories import Category, Side
from outworks.detectors.junctions import has_odd_junction
from outworks.detectors.strings import strings
from outworks.detectors.surprise import DATA, Tables, load
from outworks.message import Request, Role
from outworks.verdict import ALLOW, Decision, Finding, Notice, Span, Verdict

_FINDINGS = 16
"""Findings in a verdict, at most."""
_LARGE = 16_384
"""Characters beyond which texts are read in a thread, so that other exchanges go on meanwhile."""


class Settings(defense.Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How sure to be before a request is stopped."""

    false_positive_rate: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.001
    """The share of benign requests that may be stopped, calibrated on the pool of docs/detectors.md: 0.001 to 0.1."""
    threshold: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = None
    """Score from which a span blocks, above 0 to 1, in place of what `false_positive_rate` says."""


class AdversarialString(defense.Defense):
    """Every text that the product itself did not write: the account's, tools', and turns in the assistant's name."""

    name = "adversarial_string"

    def __init__(self, settings: Settings, tables: Tables | None = None) -> None:
        """Raises `FileNotFoundError` or `ValueError` where the weights are not what this version shipped with, or the
        rate is not one that they were calibrated for."""
        self._tables = tables or load()
        self._threshold = settings.threshold or Calibration.load(DATA).limit(
            Category.ADVERSARIAL_STRING, Side.REQUEST, settings.false_positive_rate, second=False
        )

    @override
    async def check_request(self, request: Request) -> Verdict:
        parts = [part for part in request.texts() if part.role not in _PRODUCT and has_odd_junction(part.text)]
        if not parts:
            return ALLOW
        texts = [part.text for part in parts]
        if sum(map(len, texts)) > _LARGE:
            found = await asyncio.to_thread(strings, self._tables, texts, everywhere=True)
        else:
            found = strings(self._tables, texts, everywhere=True)
        if not found:
            return ALLOW
        findings = tuple(
            Finding(self.name, score, Span(start, end, parts[n].message, parts[n].part))
            for n, start, end, score in nlargest(_FINDINGS, found, key=lambda suspect: suspect.score)
        )
        if findings[0].score < self._threshold:
            return Verdict(findings=findings)
        return Verdict(decision=Decision.BLOCK, reason="a machine-made string", findings=findings, notice=_NOTICE)


_PRODUCT = frozenset({Role.SYSTEM, Role.DEVELOPER})
_NOTICE = Notice(
    code="adversarial_string", message="This request was stopped: part of it reads as a machine-made string."
)
