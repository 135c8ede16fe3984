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
    """

    def __init__(self, exchange: Exchange, clock: Callable[[], float]) -> None:
        self.has_sent_anything = False
        self._exchange = exchange
        self._clock = clock
        self._held: Message | None = None  # the response start, until the first chunk comes
        self._was_sent_304 = False  # the client was sent a 304: the body is not sent
        self._left_at: float | None = None

    @property
    def seconds_gone(self) -> float | None:
        """How many seconds ago the client left, None if it is not known to have left."""
        return None if self._left_at is None else self._clock() - self._left_at

    @property
    def is_waiting(self) -> bool:
        """Whether a response start is held back."""
        return self._held is not None

    def hold(self, start: Message) -> None:
        """Hold back the start of a response. Its `headers` are a list, since lines may be added."""
        self._held = start

    def add_lines(self, *lines: tuple[bytes, bytes]) -> None:
        """Add header lines to the start that is held back; do nothing if there is none."""
        if self._held is not None:
            self._held["headers"].extend(lines)

    def drop_held(self) -> None:
        """Discard the start that is held back, because the client gets another response."""
        self._held = None

    def take_held(self, cache_status: bytes | None) -> Message:
        """Return the start that was held back; nothing is held back any more.

        It becomes a 304 if the client's conditional request shows that it has this response (RFC 9110 §13.2.2).

        Args:
            cache_status: the value of a Cache-Status line to add, None for no line.
        """
        assert self._held is not None  # noqa: S101 - the caller has checked `is_waiting`
        start, self._held = self._held, None
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
        try:
            await self._exchange.send(message)
        except OSError:
            if not may_leave:
                raise
            self._left_at = self._clock()
