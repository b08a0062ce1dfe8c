"""upstream: which failures of a target are waited for."""

import pytest

pytest.importorskip("inspect_ai", reason="trials need the extra: pip install 'outworks[trials]'")

from inspect_ai.model import ChatMessageUser, GenerateConfig

from outworks.model import UpstreamError
from outworks.models.scripted import Scripted
from outworks.trials.runner.upstream import OutworksAPI

GONE = UpstreamError("The upstream could not be reached.", kind="unreachable")


async def ask(api: OutworksAPI, words: str) -> None:
    await api.generate([ChatMessageUser(content=words)], [], "none", GenerateConfig())


@pytest.mark.parametrize(
    ("kind", "waited"),
    [("rate_limited", True), ("timeout", True), ("broken", True), ("rejected", False), ("garbage", False)],
)
async def test_what_may_pass_is_waited_for(kind: str, waited: bool) -> None:
    """Whether or not it ever answered."""
    api = OutworksAPI("m", model=Scripted("m"))

    assert api.should_retry(UpstreamError("no", kind=kind)).retry is waited


@pytest.mark.parametrize(
    "first", ["yes", UpstreamError("busy", kind="rate_limited"), UpstreamError("no", kind="policy")]
)
async def test_only_who_was_reached_before_is_waited_for(first: str | UpstreamError) -> None:
    """A wrong address stays wrong; one that was right may be down for a while."""
    api = OutworksAPI("m", model=Scripted("m", {"first": first}, default=GONE))
    with pytest.raises(UpstreamError):
        await ask(api, "second")
    before = api.should_retry(GONE).retry
    try:
        await ask(api, "first")
    except UpstreamError:
        assert first != "yes"
    with pytest.raises(UpstreamError):
        await ask(api, "second")

    assert not before
    assert api.should_retry(GONE).retry
