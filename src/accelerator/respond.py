"""An answer from an entry: 200 or what was stored, 304 where the client has it already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from accelerator.policy import not_modified, not_modified_headers

if TYPE_CHECKING:
    from accelerator.asgi_types import Send
    from accelerator.entry import Entry, Request


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
    body = entry.body if request.is_get else b""
    if status == 200 and not_modified(request, headers, entry.received):
        status, headers, body = 304, not_modified_headers(headers), b""
    lines = [*headers, (b"age", b"%d" % age)]
    if cache_status is not None:
        lines.append((b"cache-status", cache_status))
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})
