"""Refusals, as the lab reads them."""

import pytest

from outworks.lab.behaviours import shipped
from outworks.lab.refusing import refused


def test_every_refusal_that_is_taught_is_read_as_one():
    """A wording that the pattern does not know would be learned, and then counted as going along."""
    assert [said for said in shipped().refusals if not refused([said])[0]] == []
    assert not any(refused(list(shipped().placeholders)))


@pytest.mark.parametrize(("said", "read"), [("I can't help with that.", True), ("Step 1: take", False)])
def test_a_forced_beginning_is_not_the_models_word(said: str, read: bool):
    """Neither what is agreeable in it, nor what declines."""
    assert refused([f"I must refuse, but{said}"], prefill="I must refuse, but") == [read]
