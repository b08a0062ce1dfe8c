"""Problem: why a request gets no answer, before a wire puts it into its vendor's words."""

import math

_LONG_WAIT = 60.0
"""Seconds above which a client should tell its caller rather than wait."""


class Problem(Exception):
    """What the client is told in place of an answer, or in the middle of a streamed one."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str = "",
        retry_after: float | None = None,
        appeal: str = "",
        appeal_url: str = "",
        request_id: str = "",
        lasting: bool = False,
    ) -> None:
        """`code` is ours and stable; the vendor's error type follows from `status`. `param` is the path of the field at
        fault, `retry_after` is in seconds, `appeal` is the reference to quote in an appeal, `appeal_url` where to make
        it, `lasting` that the same request would meet it again."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param
        self.retry_after = retry_after
        self.appeal = appeal
        self.appeal_url = appeal_url
        self.request_id = request_id
        self.lasting = lasting

    def headers(self) -> dict[str, str]:
        """The HTTP headers that go with it: `retry-after` in whole seconds, and whether a client's own retries help."""
        headers = {} if self.retry_after is None else {"retry-after": str(max(0, math.ceil(self.retry_after)))}
        if self.lasting or (self.retry_after or 0.0) > _LONG_WAIT:
            # The official clients retry by themselves, and some sleep for as long as they are told: a caller would hang
            # for an hour and never learn why. Older ones ignore so long a wait and come back within seconds.
            headers["x-should-retry"] = "false"
        return headers

    def outworks(self) -> dict[str, str]:
        """What no vendor's error has a field for: the `outworks` object of every wire's error body."""
        detail = {
            "code": self.code,
            "request_id": self.request_id,
            "param": self.param,
            "appeal": self.appeal,
            "appeal_url": self.appeal_url,
        }
        return {name: value for name, value in detail.items() if value}
