"""What an upstream's error means: to whom it is due, and which of its words are safe to repeat."""

import re
from collections.abc import Collection
from typing import Any

import msgspec

from outworks.model import UpstreamError
from outworks.models.http import Reply

_POLICY = re.compile(
    r"content_?(policy|filter|management)|responsible_?ai|safety|moderation|usage_policy|policy_violation|invalid_prompt"
    r"|^refusal$"
)
_POLICY_WORDS = re.compile(r"content filtering policy|flagged as potentially violating our usage policy", re.IGNORECASE)
_TOO_LONG = re.compile(
    r"context_length_exceeded|exceed_context_size|prompt is too long|maximum context length", re.IGNORECASE
)
_PLAIN = re.compile(r"[a-z]{1,24}(_[a-z]{1,24}){0,5}")
"""A code of a few words. Nothing else of the upstream's is repeated: the rest may quote keys, prompts and addresses."""
_MOST = 65_536
_CANONICAL = {"max_completion_tokens": "max_tokens"}
"""Parameters that go upstream under another name."""


class _Told(msgspec.Struct, frozen=True):
    codes: tuple[str, ...] = ()
    words: str = ""
    param: str = ""


async def refused(reply: Reply, parameters: Collection[str]) -> UpstreamError:
    """The error that a reply with a status other than 200 amounts to; `parameters` are the names that were sent."""
    body = b""
    try:
        while len(body) < _MOST and (data := await reply.more()):
            body += data
    except UpstreamError:
        pass  # the status alone says enough
    try:
        told = _told(msgspec.json.decode(body))
    except (ValueError, RecursionError):
        told = _Told()
    return error(reply.status, told, parameters, reply.retry_after)


def broken_off(problem: Any, parameters: Collection[str]) -> UpstreamError:
    """The error that an error event within a stream amounts to."""
    told = _told({"error": problem})
    status = 429 if "rate_limit_error" in told.codes else 529 if "overloaded_error" in told.codes else 500
    return error(status, told, parameters, None)


def error(status: int, told: _Told, parameters: Collection[str], retry_after: float | None) -> UpstreamError:
    """Our words for it. A fault of the set-up (the key, the model's name) is not the client's: it is told 502."""
    code = next((code for code in told.codes if _PLAIN.fullmatch(code)), "")
    about = f"{status}, {code}" if code else f"{status}"
    param = _field(told.param, parameters)
    if any(_POLICY.search(code) for code in told.codes) or _POLICY_WORDS.search(told.words):
        return UpstreamError("The model's provider refused this on its own policy.", kind="policy", status=400)
    if status in (400, 413, 422):
        if any(_TOO_LONG.search(text) for text in (*told.codes, told.words)):
            return UpstreamError("This is longer than the upstream model can take.", kind="rejected", status=400)
        where = f" because of `{param}`" if param else ""
        why = f"The upstream rejected the request{where} ({about})."
        return UpstreamError(why, kind="rejected", status=413 if status == 413 else 400, param=param)
    if status == 429:
        why = f"The upstream is limiting its rate ({about})."
        return UpstreamError(why, kind="rate_limited", status=429, retry_after=retry_after)
    if status in (503, 529):
        why = f"The upstream is overloaded ({about})."
        return UpstreamError(why, kind="rate_limited", status=503, retry_after=retry_after)
    if status in (408, 504):
        return UpstreamError(f"The upstream ran out of time ({about}).", kind="timeout", status=504)
    if 300 <= status < 400:
        return UpstreamError(
            f"The upstream answered with a redirect, which is not followed ({status}).", kind="garbage"
        )
    if status in (401, 402, 403, 404):
        why = f"The upstream does not accept this gateway's key, account or model ({about})."
        return UpstreamError(why, kind="rejected", status=502)
    if status < 300:
        return UpstreamError(f"The upstream answered {status} where 200 was expected.", kind="garbage")
    return UpstreamError(f"The upstream failed ({about}).", kind="broken")


def _field(path: str, parameters: Collection[str]) -> str:
    """The field of the request that a path of the upstream's lies in, under its canonical name; nothing that was not
    sent."""
    name = path.partition(".")[0].partition("[")[0]
    name = _CANONICAL.get(name, name)
    return name if name in parameters or name in ("messages", "tools") else ""


def _told(body: Any) -> _Told:
    """The codes and words of an error body: both vendors' shape, some servers' bare one, Ollama's plain string."""
    inner = body.get("error", body) if isinstance(body, dict) else None
    if isinstance(inner, str):
        return _Told(words=inner[:2000])
    if not isinstance(inner, dict):
        return _Told()
    deeper = inner.get("innererror")
    said = (inner.get("code"), inner.get("type"), deeper.get("code") if isinstance(deeper, dict) else None)
    words, param = inner.get("message"), inner.get("param")
    return _Told(
        codes=tuple(code.lower() for code in said if isinstance(code, str)),
        words=words[:2000] if isinstance(words, str) else "",
        param=param if isinstance(param, str) else "",
    )
