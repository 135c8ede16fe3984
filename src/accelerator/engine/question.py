"""Requests whose content says what they read: which requests may be such, and how their content is read.

A QUERY is such a request, and is safe. A POST is one if the option `cacheable_posts` says so, or the view itself by
`@cached(..., methods=["POST"])`. A view says so only while it runs, so the first POST to its path bypasses the cache,
and the path is remembered.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from accelerator.http.response import content_length

if TYPE_CHECKING:
    from accelerator.engine.exchange import Exchange
    from accelerator.http.request import Request
    from accelerator.notes import Notes

MAX_QUESTION_BYTES: Final = 64 * 1024
"""Bytes of content beyond which a request bypasses the cache."""

MAX_LEARNED: Final = 1000
"""Number of paths that are remembered."""


class Questions:
    """The paths whose views have declared POST a safe method. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # by hash, so that long paths take no memory: a collision only lets the content of a POST be read, and its
        # response is not stored unless its own view declares POST safe
        self._learned: dict[int, None] = {}

    def may_be(self, request: Request) -> bool:
        """Tell whether a request may be one that reads by its content, by its method or its remembered path."""
        return (not request.is_unsafe or _place(request) in self._learned) and request.may_key_by_content

    def learn(self, request: Request, notes: Notes) -> None:
        """Remember the path of a request whose view has declared its method safe, and forget the oldest paths.

        Where the view lets nothing be stored there is no need to read the content of the next one.
        """
        if request.is_unsafe and request.method in notes.safe_methods and not notes.no_store:
            with self._lock:
                self._learned[_place(request)] = None
                if len(self._learned) > MAX_LEARNED:
                    del self._learned[next(iter(self._learned))]


def _place(request: Request) -> int:
    _, host, _, path, *_ = request.key
    return hash((host, path))


async def read(exchange: Exchange) -> Exchange:
    """Read the content of a request, and return an exchange from which the application can read it once more.

    The request in that exchange has the content in its key, unless the content is too long or the client has left.
    """
    if content_length(exchange.request) > MAX_QUESTION_BYTES:
        return exchange
    content = bytearray()
    while True:
        message = await exchange.receive()
        content += message.get("body", b"")
        if message.get("type") != "http.request":
            return exchange.with_events({"type": "http.request", "body": bytes(content), "more_body": True}, message)
        if len(content) > MAX_QUESTION_BYTES:
            return exchange.with_events({**message, "body": bytes(content)})
        if not message.get("more_body", False):
            return replace(exchange, request=exchange.request.with_content(bytes(content))).again()
