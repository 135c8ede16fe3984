"""Requests that bypass the cache: their responses are passed on to the client, and not stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from accelerator.http.response import Response
from accelerator.notes import Notes
from accelerator.rules.candidate import Candidate
from accelerator.rules.sent_tags import lines_of_response
from accelerator.rules.stored_fields import added_vary, without_tags
from accelerator.rules.validation import entry_after_head

if TYPE_CHECKING:
    from accelerator.asgi_types import Message
    from accelerator.engine.exchange import Exchange
    from accelerator.engine.invalidations import Invalidations
    from accelerator.engine.services import Services
    from accelerator.http.fields import HeaderLines
    from accelerator.rules.entry import Entry


class Reason(NamedTuple):
    """Why a request is forwarded to the application, and its response not stored.

    Attributes:
        fwd: the `fwd` value of Cache-Status (RFC 9211 §2.2).
        detail: the `detail` value of Cache-Status, `""` for none.
        freshens: the stored entry that the response to a HEAD request may freshen, None if there is none.
    """

    fwd: str
    detail: str = ""
    freshens: Entry | None = None


class Bypass:
    """Passes the response to one request on to the client, without storing it.

    Args:
        exchange: the request, and the client's `receive` and `send`.
        reason: why the request is forwarded.
        services: what all requests of the accelerator share.
        invalidations: invalidates what the request has changed.

    Attributes:
        notes: what the application says about its response.
    """

    def __init__(self, exchange: Exchange, reason: Reason, services: Services, invalidations: Invalidations) -> None:
        self.notes = Notes()
        self._exchange = exchange
        self._reason = reason
        self._services = services
        self._invalidations = invalidations
        self._requested = services.options.clock()
        if exchange.reasoning is not None:
            exchange.reasoning.bypassed(reason.fwd, reason.detail)
        self._head: Response | None = None  # the start of the response to a HEAD request
        self._is_reported = False

    async def send(self, message: Message) -> None:
        """Handle one ASGI message of the application, and send it to the client.

        Before the start goes out, what the request has changed is invalidated. Before the last chunk goes out, the
        response to a HEAD request freshens the stored entry, and the request is reported.
        """
        kind = message.get("type")
        if kind == "http.response.start":
            response = Response.read(message, self._requested, self._services.options.clock())
            if self._exchange.request.is_unsafe:
                await self._invalidations.after_request(self._exchange.request, response, self.notes)
            if response is not None:
                self._head = response if self._exchange.scope["method"] == "HEAD" else None
                if self._exchange.reasoning is not None:
                    self._exchange.reasoning.said(response, self.notes)
                message = {**message, "headers": self._lines(response)}
        elif kind == "http.response.body" and not message.get("more_body", False):
            if self._head is not None:
                await self._freshen(self._head)
            self.report()
        await self._exchange.send(message)

    def report(self) -> None:
        """Report the request, unless that is done."""
        if not self._is_reported:
            self._is_reported = True
            request, (fwd, detail, _) = self._exchange.request, self._reason
            is_counted = self.notes.is_counted
            self._services.reporter.forwarded("pass", request, fwd, is_counted=is_counted, detail=detail)

    def _lines(self, response: Response) -> list[tuple[bytes, bytes]]:
        """Return the header lines for the client: the application's without tags, with Vary and Cache-Status."""
        services, (fwd, detail, _) = self._services, self._reason
        line = services.reporter.cache_status(f"fwd={fwd}", *([f'detail="{detail}"'] if detail else ()))
        is_reusable = self._exchange.scope["method"] in {"GET", "HEAD"}  # other caches may reuse it, and need its Vary
        return [
            *without_tags(response, services.options),
            *(added_vary(response, self.notes, services.options) if is_reusable else ()),
            *(self._tag_lines(response) if is_reusable and services.options.send_tags else ()),
            *([] if line is None else [(b"cache-status", line)]),
        ]

    def _tag_lines(self, response: Response) -> HeaderLines:
        """Return the lines with the tags that the application has named until now: it may yet name more."""
        self._exchange.read_notes(self.notes)
        candidate = Candidate(self._exchange.request, response, self.notes, self._services.options)
        return lines_of_response(candidate, is_whole=False)

    async def _freshen(self, head: Response) -> None:
        """Freshen the stored entry by the response to a HEAD request, or make it stale if they differ.

        The entry keeps its mark (RFC 9111 §4.3.5).
        """
        stored = self._reason.freshens
        if stored is None:
            return
        self._exchange.read_notes(self.notes)
        if self.notes.no_store:
            return
        self.notes.name_route(stored.route)
        request, store = self._exchange.request, self._services.store
        found = await store.look_up(request)
        if found is None or found.entry != stored:  # the entry has been replaced meanwhile
            return
        answer = Candidate(request, head, self.notes, self._services.options, found.vary or ())
        entry = entry_after_head(stored, answer)
        if entry is None:
            return
        refusal = await store.commit(entry)
        if refusal and not entry.lifetime:  # a store may refuse a stale entry, and then keeps the old one
            await store.invalidate([request.url_tag])
