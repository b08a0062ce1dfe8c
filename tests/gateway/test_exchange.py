"""The endpoint of a wire, where no whole gateway is needed to see it."""

import time

import pytest

from outworks.gateway.exchange import Doorway, Ids, _Who
from outworks.gateway.http import Limits
from outworks.gateway.problem import Problem


def who(account: str, product: str = "shop") -> _Who:
    made = _Who()
    made.product, made.account = product, account
    return made


def test_no_end_user_fills_the_gateway_for_the_others() -> None:
    """Beyond his own limit one user is told 429, others are not; when one of his ends, he may begin another."""
    doorway = Doorway(None)  # type: ignore[arg-type]
    limits = Limits(in_flight_per_account=2)
    ann = who("shop:ann")
    for _ in range(2):
        doorway.enter(ann, limits)

    with pytest.raises(Problem) as caught:
        doorway.enter(ann, limits)
    doorway.enter(who("shop:bob"), limits)

    assert (caught.value.status, caught.value.code, caught.value.retry_after) == (429, "too_many_in_flight", 1.0)
    doorway.leave(ann)
    doorway.enter(ann, limits)


def test_requests_that_name_nobody_are_many_users() -> None:
    """Where requests count on the key itself, the limit of one user is not theirs."""
    doorway = Doorway(None)  # type: ignore[arg-type]

    for _ in range(10):
        doorway.enter(who("shop"), Limits(in_flight_per_account=1))
    doorway.leave(who("shop"))


def test_ids_are_never_given_twice_and_grow_with_time() -> None:
    """However many are taken at once; a later one, a moment apart, sorts behind."""
    ids = Ids()
    taken = [ids.take() for _ in range(2000)]
    time.sleep(0.002)

    assert len(set(taken)) == 2000
    assert {len(one) for one in taken} == {28}
    assert ids.take() > max(taken)
