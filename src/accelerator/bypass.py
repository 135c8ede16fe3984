"""A call of the application whose answer is not stored: what it takes back of the store, or confirms there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from accelerator import policy
from accelerator.entry import Response
from accelerator.tagging import Said

if TYPE_CHECKING:
    from collections.abc import Callable

    from accelerator.asgi_types import Message
    from accelerator.entry import Entry
    from accelerator.fill import Exchange
    from accelerator.guard import Guard
    from accelerator.options import Options
    from accelerator.report import Reporter


class Bypass:
    """The answer to a request that passes by, on its way to the client.

    Args:
        exchange: the request and the client's ends.
        stale: what is stored for it, and could not answer it.
        fwd: why it passes, in the words of RFC 9211 §2.2.
        options: the options.
        reporter: gives the member of Cache-Status.
        guard: the store.
        narrowed: takes off a URL what does not count.

    Attributes:
        said: what the application says of its response.
    """

    def __init__(
        self,
        exchange: Exchange,
        stale: Entry | None,
        fwd: str,
        options: Options,
        reporter: Reporter,
        guard: Guard,
        narrowed: Callable[[str], str],
    ) -> None:
        self.said = Said()
        self._exchange = exchange
        self._stale = stale
        self._fwd = fwd
        self._options = options
        self._reporter = reporter
        self._guard = guard
        self._narrowed = narrowed
        self._requested = options.clock()
        self._head: Response | None = None  # the answer to a HEAD that may speak of what is stored

    async def send(self, message: Message) -> None:
        """Take a message of the application."""
        kind = message.get("type")
        if kind == "http.response.start":
            response = Response.read(message, self._requested, self._options.clock())
            if response is not None:
                await self._invalidate(response)
                self._head = response if self._exchange.scope["method"] == "HEAD" else None
                message = {**message, "headers": self._lines(response)}
            elif self._exchange.request.is_unsafe:  # what the server makes of it may be a success
                await self._guard.invalidate([self._exchange.request.url_tag])
        elif kind == "http.response.body" and not message.get("more_body", False):
            await self._freshen()
        await self._exchange.send(message)

    def _lines(self, response: Response) -> list[tuple[bytes, bytes]]:
        line = self._reporter.line(f"fwd={self._fwd}")
        return [
            *policy.without_tags(response.headers, self._options),
            *([] if line is None else [(b"cache-status", line)]),
        ]

    async def _invalidate(self, response: Response) -> None:
        """Take back what an unsafe method changed, before its answer goes out (RFC 9111 §4.4)."""
        request = self._exchange.request
        if request.is_unsafe and response.status in policy.SUCCESS:
            await self._guard.invalidate(policy.invalidated_by(request, response, self._narrowed))
            self._reporter.tell("invalidate", request, detail="hard")

    async def _freshen(self) -> None:
        """Let the answer to a HEAD freshen what is stored, or end its use (RFC 9111 §4.3.5). It moves no mark."""
        if self._head is None or self._stale is None:
            return
        self.said.hear(self._exchange.scope)
        if self.said.vetoed:
            return
        request = self._exchange.request
        found = await self._guard.look_up(request)
        if found is None or found.entry != self._stale:  # it has been made anew meanwhile
            return
        entry = policy.entry_after_head(request, self._stale, self._head, self.said, self._options, found.vary or ())
        if entry is None:
            return
        stored = await self._guard.commit(entry)
        if not (stored or entry.lifetime):  # a store does not take what is of no use, and would go on with what it has
            await self._guard.invalidate([self._exchange.request.url_tag])
