"""Problems: their headers and what they add to every vendor's error."""

from outworks.gateway.problem import Problem


def test_retry_after_is_whole_seconds() -> None:
    """A wait is rounded up, so that nobody comes back too early."""
    assert Problem(429, "c", "m", retry_after=0.2).headers() == {"retry-after": "1"}
    assert Problem(429, "c", "m").headers() == {}


def test_a_long_wait_tells_clients_not_to_retry() -> None:
    """Where the wait is above a minute, the official clients are told to raise rather than to sleep or try again."""
    headers = Problem(429, "c", "m", retry_after=3600).headers()

    assert headers == {"retry-after": "3600", "x-should-retry": "false"}


def test_what_lasts_is_not_to_be_tried_again() -> None:
    """Where the same request would meet the same problem, the official clients are told not to send it again."""
    assert Problem(502, "c", "m", lasting=True).headers() == {"x-should-retry": "false"}


def test_only_what_is_known_is_told() -> None:
    """The `outworks` object has no empty fields."""
    assert Problem(400, "c", "m").outworks() == {"code": "c"}
