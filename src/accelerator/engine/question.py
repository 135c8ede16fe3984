"""Questions in the content of a request: which requests may ask one, and how their content is read.

A QUERY asks by its content (it is safe), and a POST does where somebody says so: the option `cacheable_posts`, or the
view itself by `@cached(..., methods=["POST"])`. A view speaks only while it runs, so the first POST to its path passes
by, and is remembered.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from accelerator.http.response import promised_size

if TYPE_CHECKING:
    from accelerator.engine.exchange import Exchange
    from accelerator.http.request import Request
    from accelerator.notes import Notes

MAX_QUESTION_BYTES: Final = 64 * 1024
"""A request with a longer content passes by."""

MAX_LEARNED: Final = 1000
"""Paths of views that are kept in mind."""


class Questions:
    """The paths of which it is known that a POST to them only asks. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # by hashes, so that long paths take no room: a collision only lets a request be read as a question, and the
        # answer to one that its view does not call so is never stored
        self._learned: dict[int, None] = {}

    def may_be(self, request: Request) -> bool:
        """Tell whether a request may be a question: by its method, or by what is known of its path."""
        return request.may_ask_by_content and (not request.is_unsafe or _place(request) in self._learned)

    def learn(self, request: Request, notes: Notes) -> None:
        """Keep in mind what a view has said of a request like this; of the paths the oldest are forgotten."""
        if request.is_unsafe and request.method in notes.safe_methods:
            with self._lock:
                self._learned[_place(request)] = None
                if len(self._learned) > MAX_LEARNED:
                    del self._learned[next(iter(self._learned))]


def _place(request: Request) -> int:
    _, host, _, path, *_ = request.key
    return hash((host, path))


async def read(exchange: Exchange) -> Exchange:
    """Read the content of a request that may be a question, and return the exchange that shows it to the application.

    Its request asks by that content, unless the content is too long, or the client left.
    """
    if promised_size(exchange.request) > MAX_QUESTION_BYTES:
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
