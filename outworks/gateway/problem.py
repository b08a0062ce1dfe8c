"""Problem: why a request gets no answer, before a wire puts it into its vendor's words."""

import math

_CLIENTS_PATIENCE = 60.0


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
        request_id: str = "",
    ) -> None:
        """`code` is ours and stable; the vendor's error type follows from `status`. `param` is the path of the field at
        fault, `retry_after` is in seconds, `appeal` is the reference to quote in an appeal."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param
        self.retry_after = retry_after
        self.appeal = appeal
        self.request_id = request_id

    def headers(self) -> dict[str, str]:
        """The HTTP headers that go with it: `retry-after` in whole seconds, and whether a client's own retries help."""
        if self.retry_after is None:
            return {}
        headers = {"retry-after": str(max(0, math.ceil(self.retry_after)))}
        if self.retry_after > _CLIENTS_PATIENCE:
            # The official clients take no Retry-After above a minute for serious and try again within seconds; that
            # would count against an account which was just told to wait.
            headers["x-should-retry"] = "false"
        return headers

    def outworks(self) -> dict[str, str]:
        """What no vendor's error has a field for: the `outworks` object of every wire's error body."""
        detail = {"code": self.code, "request_id": self.request_id, "param": self.param, "appeal": self.appeal}
        return {name: value for name, value in detail.items() if value}
