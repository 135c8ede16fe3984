"""The client of a fill: what was sent to it, what is held back for it, and whether it has left."""

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
    """The client of a fill.

    Args:
        exchange: the request and the client's ends.
        clock: seconds since the epoch.

    Attributes:
        has_got_anything: a message was sent.
    """

    def __init__(self, exchange: Exchange, clock: Callable[[], float]) -> None:
        self.has_got_anything = False
        self._exchange = exchange
        self._clock = clock
        self._held: Message | None = None  # a start that waits for the first chunk
        self._has_it_already = False  # it was answered by 304: the body is not sent
        self._left_at: float | None = None

    @property
    def seconds_gone(self) -> float | None:
        """For how long the client has been gone, None if it is not known to have left."""
        return None if self._left_at is None else self._clock() - self._left_at

    @property
    def is_waiting(self) -> bool:
        """Whether a start is held back."""
        return self._held is not None

    def hold(self, start: Message) -> None:
        """Hold back the start of a response, whose header lines are a list."""
        self._held = start

    def add_lines(self, *lines: tuple[bytes, bytes]) -> None:
        """Add header lines to the start that is held back, if there is one."""
        if self._held is not None:
            self._held["headers"].extend(lines)

    def drop_held(self) -> None:
        """Drop the start that is held back: the client gets another answer."""
        self._held = None

    def take_held(self, cache_status: bytes | None) -> Message:
        """Return the start that is held back; as a 304 where the client has the response already (RFC 9110 §13.2.2).

        Args:
            cache_status: the member to append to Cache-Status, None for nothing.
        """
        assert self._held is not None  # noqa: S101 - `is_waiting` was asked
        start, self._held = self._held, None
        headers = tuple(start["headers"])
        if start["status"] == 200 and not_modified(self._exchange.request, headers, self._clock()):
            start = {**start, "status": 304, "headers": [*without_content_fields(headers)]}
            self._has_it_already = True
        if cache_status is not None:
            start["headers"].append((b"cache-status", cache_status))
        return start

    async def send(self, message: Message, *, may_leave: bool) -> None:
        """Send a message.

        Args:
            message: the message.
            may_leave: the fill goes on without the client.

        Raises:
            OSError: the client has left, and `may_leave` is False.
        """
        if self._has_it_already and message.get("type") in _CONTENT:
            message = {"type": "http.response.body", "body": b"", "more_body": message.get("more_body", False)}
        self.has_got_anything = True
        try:
            await self._exchange.send(message)
        except OSError:
            if not may_leave:
                raise
            self._left_at = self._clock()
