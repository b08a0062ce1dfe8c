"""Content that text defenses cannot read, from either vendor's form into either's.

Only the fields that carry the medium are rebuilt: a title or a context beside it would be words that nobody judged.
"""

from typing import Any

from outworks.message import Opaque
from outworks.model import UpstreamError


def openai_part(part: Opaque) -> dict[str, Any]:
    """A content part of Chat Completions. Raises `UpstreamError` (unsupported) where there is none for it."""
    data = part.data if isinstance(part.data, dict) else {}
    match data:
        case {"type": "image_url", "image_url": {"url": str(url), **rest}}:
            detail = {"detail": rest["detail"]} if rest.get("detail") in ("auto", "low", "high") else {}
            return {"type": "image_url", "image_url": {"url": url, **detail}}
        case {"type": "image", "source": {"type": "base64", "media_type": str(media), "data": str(encoded)}}:
            return {"type": "image_url", "image_url": {"url": f"data:{media};base64,{encoded}"}}
        case {"type": "image", "source": {"type": "url", "url": str(url)}}:
            return {"type": "image_url", "image_url": {"url": url}}
        case {"type": "input_audio", "input_audio": {"data": str(encoded), "format": str(form)}}:
            return {"type": "input_audio", "input_audio": {"data": encoded, "format": form}}
        case {"type": "file", "file": {"file_id": str(name)}}:
            return {"type": "file", "file": {"file_id": name}}
        case {"type": "file", "file": {"file_data": str(encoded)}}:
            return {"type": "file", "file": {"filename": "file", "file_data": encoded}}
        case {"type": "document", "source": {"type": "base64", "media_type": str(media), "data": str(encoded)}}:
            return {"type": "file", "file": {"filename": "file", "file_data": f"data:{media};base64,{encoded}"}}
    raise _unsupported(part)


def anthropic_block(part: Opaque) -> dict[str, Any]:
    """A content block of Messages. Raises `UpstreamError` (unsupported) where there is none for it."""
    data = part.data if isinstance(part.data, dict) else {}
    match data:
        case {"type": "image" | "document" as kind, "source": {"type": "base64", **source}}:
            media, encoded = source.get("media_type"), source.get("data")
            return {"type": kind, "source": {"type": "base64", "media_type": media, "data": encoded}}
        case {"type": "image" | "document" as kind, "source": {"type": "url", "url": str(url)}}:
            return {"type": kind, "source": {"type": "url", "url": url}}
        case {"type": "image" | "document" as kind, "source": {"type": "file", "file_id": str(name)}}:
            return {"type": kind, "source": {"type": "file", "file_id": name}}
        case {"type": "image_url", "image_url": {"url": str(url)}}:
            return {"type": "image", "source": _source(url)}
        case {"type": "file", "file": {"file_data": str(url)}} if url.startswith("data:"):
            return {"type": "document", "source": _source(url)}
    raise _unsupported(part)


def _source(url: str) -> dict[str, Any]:
    head, comma, encoded = url.partition(",")
    if head.startswith("data:") and head.endswith(";base64") and comma:
        return {"type": "base64", "media_type": head[5:-7], "data": encoded}
    return {"type": "url", "url": url}


def _unsupported(part: Opaque) -> UpstreamError:
    why = f"The upstream of this model has no form for this {part.kind} content."
    return UpstreamError(why, kind="unsupported", status=400, param="messages")
