"""refusing: whether answers decline, by the pattern that the whole of Outworks reads refusals with."""

import asyncio
from collections.abc import Sequence

from outworks.scorers.refusal import declined


def refused(answers: Sequence[str], *, prefill: str = "") -> list[bool]:
    """For each answer, whether it declines at its beginning. A beginning that was forced is not the model's word, and
    is not read."""
    return asyncio.run(_refused([answer.removeprefix(prefill) for answer in answers]))


async def _refused(answers: Sequence[str]) -> list[bool]:
    return [(await declined(answer)).refused for answer in answers]
