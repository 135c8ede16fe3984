"""An answer from an entry: what was stored, a part of it, or 304 where the client has it already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from accelerator.rules.conditions import not_modified
from accelerator.rules.ranges import part_of
from accelerator.rules.stored_fields import without_content_fields

if TYPE_CHECKING:
    from accelerator.asgi_types import Send
    from accelerator.http.request import Request
    from accelerator.rules.entry import Entry


async def respond_unavailable(cache_status: bytes | None, send: Send) -> None:
    """Say 504: nothing is stored, and the client wants nothing else (RFC 9111 §5.2.1.7)."""
    lines = [(b"content-length", b"0"), *([] if cache_status is None else [(b"cache-status", cache_status)])]
    await send({"type": "http.response.start", "status": 504, "headers": lines})
    await send({"type": "http.response.body", "body": b""})


async def respond(request: Request, entry: Entry, age: float, cache_status: bytes | None, send: Send) -> None:
    """Answer a request from an entry, and the client's own conditions from what is stored (RFC 9111 §4.3.2).

    Args:
        request: the request.
        entry: a usable entry that matches it.
        age: the entry's current age in seconds (RFC 9111 §5.1).
        cache_status: what to append to Cache-Status, None for nothing.
        send: the client's end.
    """
    status, headers = entry.status, entry.headers + entry.added
    body = entry.body if request.wants_content else b""
    if status == 200:
        if not_modified(request, headers, entry.received):
            status, headers, body = 304, without_content_fields(headers), b""
        elif request.has_range and (part := part_of(request, entry, headers)) is not None:
            status, headers, body = part
    lines = [*headers, (b"age", b"%d" % age)]
    if cache_status is not None:
        lines.append((b"cache-status", cache_status))
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})
