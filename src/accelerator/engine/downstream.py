"""The client of a fill: what was sent to it, which response start is held back, and whether it has left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from accelerator.rules.conditions import not_modified
from accelerator.rules.stored_fields import without_content_fields

if TYPE_CHECKING:
    from collections.abc import Callable

    from accelerator.asgi_types import Message
    from accelerator.engine.exchange import Exchange

_CONTENT: Final = frozenset({"http.response.body", "http.response.pathsend", "http.response.zerocopysend"})


class Downstream:
    """Sends the response of a fill to its client.

    Args:
        exchange: the request, and the client's `receive` and `send`.
        clock: returns seconds since the epoch.

    Attributes:
        has_sent_anything: whether any message was sent to the client.
        held: the response start that is held back until the first chunk comes, None if there is none.
        left_at: when the client was found to have left, in seconds since the epoch; None if it is not known to have.
        seconds: the seconds for which the response had to wait for the client.
    """

    def __init__(self, exchange: Exchange, clock: Callable[[], float]) -> None:
        self.has_sent_anything = False
        self.held: Message | None = None
        self.left_at: float | None = None
        self.seconds = 0.0
        self._exchange = exchange
        self._clock = clock
        self._was_sent_304 = False  # the client was sent a 304: the body is not sent

    def hold(self, start: Message) -> None:
        """Hold back the start of a response. Its `headers` are a list, since lines may be added."""
        self.held = start

    def add_lines(self, *lines: tuple[bytes, bytes]) -> None:
        """Add header lines to the start that is held back; do nothing if there is none."""
        if self.held is not None:
            self.held["headers"].extend(lines)

    def drop_held(self) -> None:
        """Discard the start that is held back, because the client gets another response."""
        self.held = None

    def take_held(self, cache_status: bytes | None) -> Message:
        """Return the start that was held back; nothing is held back any more.

        It becomes a 304 if the client's conditional request shows that it has this response (RFC 9110 §13.2.2).

        Args:
            cache_status: the value of a Cache-Status line to add, None for no line.
        """
        assert self.held is not None  # noqa: S101 - the caller has checked it
        start, self.held = self.held, None
        headers = start["headers"]
        if start["status"] == 200 and not_modified(self._exchange.request, headers, self._clock()):
            start = {**start, "status": 304, "headers": [*without_content_fields(headers)]}
            self._was_sent_304 = True
        if cache_status is not None:
            start["headers"].append((b"cache-status", cache_status))
        return start

    async def send(self, message: Message, *, may_leave: bool) -> None:
        """Send a message to the client.

        Args:
            message: the ASGI message.
            may_leave: the fill goes on if the client has left.

        Raises:
            OSError: the client has left, and `may_leave` is False.
        """
        if self._was_sent_304 and message.get("type") in _CONTENT:
            message = {"type": "http.response.body", "body": b"", "more_body": message.get("more_body", False)}
        self.has_sent_anything = True
        began = self._clock()
        try:
            await self._exchange.send(message)
        except OSError:
            if not may_leave:
                raise
            self.left_at = self._clock()
        self.seconds += max(0.0, self._clock() - began)  # it may have been set back
