"""The answer to a request that bypasses the cache: it is passed on, and not stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from accelerator.http.response import Response
from accelerator.notes import Notes
from accelerator.rules.candidate import Candidate
from accelerator.rules.stored_fields import added_vary, without_tags
from accelerator.rules.validation import entry_after_head

if TYPE_CHECKING:
    from accelerator.asgi_types import Message
    from accelerator.engine.exchange import Exchange
    from accelerator.engine.invalidations import Invalidations
    from accelerator.engine.services import Services
    from accelerator.rules.entry import Entry


class Reason(NamedTuple):
    """Why a request is forwarded, and its answer not stored.

    Attributes:
        fwd: the reason in the words of RFC 9211 §2.2.
        detail: more about it, `""` for nothing.
        freshens: what is stored for a HEAD, and may be freshened by its answer.
    """

    fwd: str
    detail: str = ""
    freshens: Entry | None = None


class Bypass:
    """The answer to a request that bypasses the cache, on its way to the client.

    Args:
        exchange: the request and the client's ends.
        reason: why it is forwarded.
        services: what all requests share.
        invalidations: what the request may invalidate.

    Attributes:
        notes: what the application says of its response.
    """

    def __init__(self, exchange: Exchange, reason: Reason, services: Services, invalidations: Invalidations) -> None:
        self.notes = Notes()
        self._exchange = exchange
        self._reason = reason
        self._services = services
        self._invalidations = invalidations
        self._requested = services.options.clock()
        self._head: Response | None = None  # the answer to a HEAD, which may freshen what is stored

    async def send(self, message: Message) -> None:
        """Take a message of the application's."""
        kind = message.get("type")
        if kind == "http.response.start":
            response = Response.read(message, self._requested, self._services.options.clock())
            await self._invalidations.after(self._exchange.request, response, self.notes)
            if response is not None:
                self._head = response if self._exchange.scope["method"] == "HEAD" else None
                message = {**message, "headers": self._lines(response)}
        elif kind == "http.response.body" and not message.get("more_body", False):
            await self._freshen()
        await self._exchange.send(message)

    def _lines(self, response: Response) -> list[tuple[bytes, bytes]]:
        """Return the header lines that the client gets."""
        services, (fwd, detail, _) = self._services, self._reason
        line = services.reporter.line(f"fwd={fwd}", *([f'detail="{detail}"'] if detail else ()))
        is_reusable = self._exchange.scope["method"] in {"GET", "HEAD"}  # by other caches
        return [
            *without_tags(response.headers, services.options),
            *(added_vary(response, self.notes, services.options) if is_reusable else ()),
            *([] if line is None else [(b"cache-status", line)]),
        ]

    async def _freshen(self) -> None:
        """Freshen what is stored by the answer to a HEAD, or end its use (RFC 9111 §4.3.5). Its mark stays."""
        stored = self._reason.freshens
        if self._head is None or stored is None:
            return
        self._exchange.read_notes(self.notes)
        if self.notes.no_store:
            return
        request, store = self._exchange.request, self._services.store
        found = await store.look_up(request)
        if found is None or found.entry != stored:  # it has been replaced meanwhile
            return
        answer = Candidate(request, self._head, self.notes, self._services.options, found.vary or ())
        entry = entry_after_head(stored, answer)
        if entry is None:
            return
        refusal = await store.commit(entry)
        if refusal and not entry.lifetime:  # a store may refuse what is of no use, and would keep what it has
            await store.invalidate([request.url_tag])
