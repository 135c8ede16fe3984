"""What requests take back of the store, and the calls of the application whose answer is not stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from accelerator.http.response import Response
from accelerator.notes import Notes
from accelerator.rules import invalidation, stored_fields, validation

if TYPE_CHECKING:
    from collections.abc import Callable

    from accelerator.asgi_types import Message, Send
    from accelerator.engine.exchange import Exchange
    from accelerator.engine.guard import Guard
    from accelerator.engine.report import Reporter
    from accelerator.http.request import Request
    from accelerator.options import Options
    from accelerator.rules.entry import Entry


class Changes:
    """What requests change, and so take back of the store.

    Args:
        guard: the store.
        reporter: is told.
        narrowed: takes off a URL what does not count.
    """

    def __init__(self, guard: Guard, reporter: Reporter, narrowed: Callable[[str], str]) -> None:
        self._guard = guard
        self._reporter = reporter
        self._narrowed = narrowed

    async def take_back(self, request: Request, response: Response | None, notes: Notes) -> None:
        """Take back what a request changed, before its answer goes out (RFC 9111 §4.4).

        Args:
            request: the request.
            response: the start of its response, None for a malformed one: what the server makes of that may be a
                success.
            notes: what the application says of it: a request that only asks changes nothing.
        """
        if not request.is_unsafe or request.method in notes.methods:
            return
        if response is None:
            await self._guard.invalidate([request.url_tag])
        elif response.status in invalidation.SUCCESS:
            await self._guard.invalidate(invalidation.invalidated_by(request, response, self._narrowed))
            self._reporter.tell("invalidate", request, detail="hard")

    def watching(self, request: Request, notes: Notes, send: Send) -> Send:
        """Return a `send` that takes back what a request changes that was taken for a question, and is none."""
        if not request.is_unsafe:
            return send

        async def watch(message: Message) -> None:
            if message.get("type") == "http.response.start":
                await self.take_back(request, Response.read(message, 0, 0), notes)
            await send(message)

        return watch


class Bypass:
    """The answer to a request that passes by, on its way to the client.

    Args:
        exchange: the request and the client's ends.
        stale: what is stored for it, and could not answer it.
        fwd: why it passes, in the words of RFC 9211 §2.2.
        detail: more of it, `""` if there is nothing to say.
        options: the options.
        reporter: gives the member of Cache-Status.
        guard: the store.
        changes: what requests change.

    Attributes:
        notes: what the application says of its response.
    """

    def __init__(
        self,
        exchange: Exchange,
        stale: Entry | None,
        fwd: str,
        detail: str,
        options: Options,
        reporter: Reporter,
        guard: Guard,
        changes: Changes,
    ) -> None:
        self.notes = Notes()
        self._exchange = exchange
        self._stale = stale
        self._why = (f"fwd={fwd}", f'detail="{detail}"') if detail else (f"fwd={fwd}",)
        self._options = options
        self._reporter = reporter
        self._guard = guard
        self._changes = changes
        self._requested = options.clock()
        self._head: Response | None = None  # the answer to a HEAD that may speak of what is stored

    async def send(self, message: Message) -> None:
        """Take a message of the application."""
        kind = message.get("type")
        if kind == "http.response.start":
            response = Response.read(message, self._requested, self._options.clock())
            await self._changes.take_back(self._exchange.request, response, self.notes)
            if response is not None:
                self._head = response if self._exchange.scope["method"] == "HEAD" else None
                message = {**message, "headers": self._lines(response)}
        elif kind == "http.response.body" and not message.get("more_body", False):
            await self._freshen()
        await self._exchange.send(message)

    def _lines(self, response: Response) -> list[tuple[bytes, bytes]]:
        line = self._reporter.line(*self._why)
        is_reusable = self._exchange.scope["method"] in {"GET", "HEAD"}  # by caches further out
        return [
            *stored_fields.without_tags(response.headers, self._options),
            *(stored_fields.added_vary(response, self.notes, self._options) if is_reusable else ()),
            *([] if line is None else [(b"cache-status", line)]),
        ]

    async def _freshen(self) -> None:
        """Let the answer to a HEAD freshen what is stored, or end its use (RFC 9111 §4.3.5). It moves no mark."""
        if self._head is None or self._stale is None:
            return
        self._exchange.read_scope(self.notes)
        if self.notes.no_store:
            return
        request = self._exchange.request
        found = await self._guard.look_up(request)
        if found is None or found.entry != self._stale:  # it has been made anew meanwhile
            return
        entry = validation.entry_after_head(
            request, self._stale, self._head, self.notes, self._options, found.vary or ()
        )
        if entry is None:
            return
        refusal = await self._guard.commit(entry)
        if refusal and not entry.lifetime:  # a store does not take what is of no use, and would go on with what it has
            await self._guard.invalidate([self._exchange.request.url_tag])
