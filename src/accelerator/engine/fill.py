"""One call of the application: its response goes to the client at once, and a copy of it is kept for the store."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import anyio

from accelerator.engine.downstream import Downstream
from accelerator.http.response import Response, content_length, has_all_content, is_complete, is_event_stream
from accelerator.notes import Notes
from accelerator.rules.answer import answer_from
from accelerator.rules.candidate import Candidate
from accelerator.rules.freshness import age
from accelerator.rules.plan import Plan, Refusal
from accelerator.rules.response_tags import response_tags
from accelerator.rules.reuse import ERRORS, may_hide_error
from accelerator.rules.sent_tags import lines_of_response
from accelerator.rules.stored_fields import (
    added_for_browsers,
    added_vary,
    lines_of_one_request,
    without_tags,
)
from accelerator.rules.storing import new_entry, plan, refused_at_end
from accelerator.rules.validation import (
    freshened,
    plan_after_304,
    proves_unchanged,
    same_representation,
)
from accelerator.tags import InvalidTagError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from accelerator.asgi_types import Message
    from accelerator.engine.exchange import Exchange
    from accelerator.engine.reasoning import Reasoning
    from accelerator.engine.services import Services
    from accelerator.engine.task import Task
    from accelerator.events import EventKind
    from accelerator.rules.entry import Entry, Mark

logger = logging.getLogger("accelerator")

_INCOMPLETE: Final = "incomplete response"

MAX_SECONDS_WITHOUT_CLIENT: Final = 60.0
"""Seconds for which the application may go on for the store alone, after its client has left."""


class Fill:
    """One call of the application whose response is stored if it may be.

    The application gets `send` and `receive` of this object in place of the client's. The cache never prevents a
    response: what the application does wrong reaches the client as it would without a cache.

    Args:
        exchange: the request, and the client's `receive` and `send`.
        task: what is to be filled, and why.
        services: what all requests of the accelerator share.

    Attributes:
        notes: what the application says about its response.
        entry: the entry made of the complete response, None before.
        stored: whether that entry is in the store.
        reason: why nothing is stored, `""` if that is not known.
        was_validated: the application confirmed the stored entry by a 304.
        wants_retry: the application is to be called again without conditions: its 304 was about another representation,
            or proves too little.
        answered_stale: the client got the stored entry in place of an error.
        has_ended: the outcome is known, and has been reported.
    """

    def __init__(self, exchange: Exchange, task: Task, services: Services) -> None:
        self.notes = Notes()
        self.entry: Entry | None = None
        self.stored = False
        self.reason = ""
        self.was_validated = False
        self.wants_retry = False
        self.answered_stale = False
        self.has_ended = False
        self._exchange = exchange
        self._client = Downstream(exchange, services.options.clock)
        self._task = task
        self._stale = task.stale
        self._mark = task.found.mark
        self._services = services
        self._options = services.options
        self._requested = services.options.clock()
        self._response: Response | None = None
        self._candidate: Candidate | None = None  # of the response, once it is copied
        self._plan: Plan | None = None  # set while the response may be stored
        self._chunks: list[bytes] = []
        self._size = 0
        # functions, since bound methods would be cycles of references: the collector would have to free each fill
        self._on_body: Callable[[Fill, Message], Awaitable[None]] = Fill._forward
        self._is_event_stream = False
        self._disconnect: Message | None = None
        self._receive_may_return: anyio.Event | None = None  # set when `receive` need not wait any more

    @property
    def kind(self) -> EventKind:
        """The kind of event to report, see `CacheEvent`."""
        return "stale" if self.answered_stale else "validated" if self.was_validated else "miss"

    @property
    def failure(self) -> str:
        """Why the response cannot be served to anybody: it is an error, or incomplete; `""` if it can."""
        if self.stored:
            return ""
        if self._response is None or self.reason == _INCOMPLETE:
            return "the application did not answer to the end"
        return f"the application answered {self._response.status}" if self._response.status >= 400 else ""

    @property
    def _continues_without_client(self) -> bool:
        """Whether the fill goes on after its client has left."""
        return self._plan is not None and not self._is_event_stream

    # --- `receive` and `send` for the application ---------------------------------------------------------------------

    async def receive(self) -> Message:
        """Return the client's next message. A disconnect is held back while the response may still be stored."""
        message = self._disconnect or await self._exchange.receive()
        kind = message.get("type")
        if kind == "http.request" and message.get("body") and self._exchange.request.content is None:
            await self._give_up("a request with content")  # RFC 9110 §9.3.1: the response may depend on it
        elif kind == "http.disconnect":
            self._disconnect = message  # some servers send it once, and the wait below may be cancelled
            await self._keep_disconnect_back()
        return message

    async def _keep_disconnect_back(self) -> None:
        """Wait until the response is stored or will not be, for at most `MAX_SECONDS_WITHOUT_CLIENT`."""
        before_start = self._response is None and self._task.flight.is_known_storable
        if before_start or self._continues_without_client:
            self._receive_may_return = self._receive_may_return or anyio.Event()
            with anyio.move_on_after(MAX_SECONDS_WITHOUT_CLIENT):
                await self._receive_may_return.wait()
        if not self.has_ended:
            await self._give_up("the client left")  # told of that, an application may send less

    async def send(self, message: Message) -> None:
        """Handle one ASGI message of the application."""
        kind = message.get("type")
        if kind == "http.response.start" and self._response is None:
            await self._start(message)
        elif kind == "http.response.body" and self._response is not None:
            await self._on_body(self, message)
        elif kind == "http.response.debug":  # template data for test clients, not a part of the response
            await self._release()
            await self._forward(message)
        else:
            await self._refuse("a message of another kind")
            await self._forward(message)

    async def finish(self) -> None:
        """End the fill after the application has returned or raised: send what is held back."""
        if self._plan is not None:
            await self._give_up(_INCOMPLETE)
        self._settle()

    def end(self) -> None:
        """End the fill where it is: it was cancelled, or dropped. Nothing more is sent."""
        self.wants_retry = False
        self.reason = self.reason or _INCOMPLETE
        self._settle()

    async def rescue(self) -> bool:
        """Answer from the stale entry after an exception, if that is allowed; return whether the client got it."""
        self.wants_retry = False
        if not self._client.has_sent_anything and self._may_hide_error():
            await self._answer_stale()
        return self.answered_stale

    # --- the response, message by message -----------------------------------------------------------------------------

    async def _start(self, message: Message) -> None:
        response = Response.read(message, self._requested, self._options.clock())
        if response is None:
            await self._give_up("a malformed start")
            await self._forward(message)
            return
        self._response = response
        self.notes.name_route(self._services.routes.read(self._exchange.scope))
        if self._task.is_validation and response.status == 304:
            assert self._stale is not None  # noqa: S101 - a validation has a stored entry
            is_proof = not self._task.found.invalidated or proves_unchanged(self._stale, response)
            self.wants_retry = not (is_proof and same_representation(self._stale, response))
            self._on_body = Fill._drop if self.wants_retry else Fill._freshen
        elif response.status in ERRORS and self._may_hide_error():
            logger.error("answered %d, a stale response was served: %r", response.status, self._exchange.request.url)
            await self._answer_stale()
        else:
            await self._start_copy(message, response)

    def _candidate_of(self, response: Response) -> Candidate:
        found = self._task.found
        return Candidate(self._exchange.request, response, self.notes, self._options, found.vary or ())

    async def _start_copy(self, message: Message, response: Response) -> None:
        self._exchange.read_notes(self.notes)
        self._candidate = self._candidate_of(response)
        made = plan(self._candidate)
        if self._exchange.reasoning is not None:
            self._exchange.reasoning.planned(self._candidate, made, is_new=True)
        added = added_vary(response, self.notes, self._options)
        self._client.hold({**message, "headers": [*without_tags(response, self._options), *added]})
        if self.reason:
            await self._give_up(self.reason)
        elif isinstance(made, Refusal):
            await self._refuse(made)
        elif message.get("trailers"):
            await self._refuse("trailers")
        elif content_length(response) > self._options.max_body_bytes:
            await self._refuse("body too large")
        else:
            self._plan = made
            self._on_body = Fill._copy
            self._client.add_lines(*added_for_browsers(response))
            if is_event_stream(response.get(b"content-type")):
                await self._copy_while_it_flows()

    async def _copy_while_it_flows(self) -> None:
        """Copy an event stream, to store it in case it ends. Neither its client nor another request waits for that."""
        self._is_event_stream = True
        self._task.flight.remember(storable=False)
        if self._receive_may_return is not None:
            self._receive_may_return.set()
        await self._release()

    async def _copy(self, message: Message) -> None:
        """Keep a copy of a chunk, and pass the chunk on. The entry is stored before the last chunk goes out."""
        chunk = message.get("body", b"")
        if not isinstance(chunk, bytes | bytearray | memoryview):
            await self._refuse("a malformed body")
            await self._forward(message)
            return
        self._chunks.append(bytes(chunk))
        self._size += len(chunk)
        has_room = self._services.budget.take(len(chunk))
        if self._size > self._options.max_body_bytes:
            await self._refuse("body too large")
        elif not has_room:
            await self._give_up("too many responses under way")
        elif message.get("more_body", False):
            await self._release()
        else:
            await self._complete()
        await self._forward(message)

    async def _complete(self) -> None:
        """Store the complete response."""
        assert self._response is not None  # noqa: S101 - the response has started
        assert self._candidate is not None  # noqa: S101 - only a candidate is copied
        assert self._plan is not None  # noqa: S101 - only a storable response is copied
        if not is_complete(self._response, self._size):
            await self._refuse(_INCOMPLETE)
            return
        await self._keep(self._candidate, self._plan, b"".join(self._chunks), self._mark)
        if self.entry is not None and self.entry.validator is None:
            self._client.add_lines(*[line for line in self.entry.added if line[0] == b"etag"])
        await self._release(is_whole=True)
        self._settle()

    async def _freshen(self, message: Message) -> None:
        """Freshen the stored entry by the 304 that confirmed it, and answer the client from it (RFC 9111 §4.3.4)."""
        if message.get("more_body", False):
            return
        self._on_body = Fill._drop
        self.was_validated = True
        assert self._response is not None  # noqa: S101 - the response has started
        assert self._stale is not None  # noqa: S101 - a validation has a stored entry
        self._exchange.read_notes(self.notes)
        self.notes.name_route(self._stale.route)
        merged = self._candidate_of(freshened(self._stale, self._response))
        made = plan_after_304(self._stale, self._response, merged)
        if self._exchange.reasoning is not None:
            self._exchange.reasoning.planned(merged, made, is_new=False)
        if isinstance(made, Refusal):
            self.reason = made
            self._task.flight.remember(storable=False)
        else:
            mark = self._mark if proves_unchanged(self._stale, self._response) else self._stale.mark
            await self._keep(merged, made, self._stale.body, mark, self._stale)
            if self.wants_retry:
                return
            if self.entry is None:  # with the tags and the audience that it now has it is not to be served any more
                await self._services.store.invalidate([self._exchange.request.url_tag])
        self._settle()
        if self.entry is not None and self.stored:
            own = lines_of_one_request(self._response, self._options)
            await self._answer(replace(self.entry, added=self.entry.added + own))
        else:
            await self._answer_unstored(merged, self._stale)

    async def _answer_unstored(self, merged: Candidate, stale: Entry) -> None:
        """Answer the client with the stored response, freshened by a 304, although it cannot be stored again."""
        response, options = merged.response, self._options
        headers = [
            *without_tags(response, options),
            *added_vary(response, self.notes, options),
            *added_for_browsers(response),
            *(lines_of_response(merged, stale.tags, is_whole=True) if options.send_tags else ()),
        ]
        self._client.hold({"type": "http.response.start", "status": response.status, "headers": headers})
        await self._release()
        await self._forward({"type": "http.response.body", "body": stale.body})

    async def _drop(self, message: Message) -> None:
        """Discard a message: the client is answered from the store, or by a second call of the application."""

    # --- steps --------------------------------------------------------------------------------------------------------

    async def _keep(
        self, candidate: Candidate, made: Plan, body: bytes, mark: Mark, freshens: Entry | None = None
    ) -> None:
        """Make the entry and store it, with every tag that the application has named until now.

        Args:
            candidate: the response, with its request and its notes.
            made: how it may be stored.
            body: its whole body.
            mark: the mark of the entry.
            freshens: the entry that it freshens; None if the response is a new one.
        """
        older_tags = frozenset[str]() if freshens is None else freshens.tags
        made_in = self._seconds_since_call() if freshens is None else freshens.made_in
        self._exchange.read_notes(self.notes)
        flight = self._task.flight
        if refusal := refused_at_end(candidate.request, made, self.notes):
            self.reason = refusal
            flight.remember(storable=False)
            return
        try:
            tags = response_tags(candidate, older_tags)
        except (InvalidTagError, TypeError) as error:
            self.reason = "tags"
            logger.warning("not stored: %s: %r", error, candidate.request.url)
            flight.remember(storable=False)
            return
        if mark != self._mark and not tags.issubset(older_tags):
            self.wants_retry = True  # nobody has checked if a new tag was invalidated after the old mark
            return
        self.entry = new_entry(candidate, made, body, tags, mark, made_in)
        self.reason = await self._services.store.commit(self.entry)
        self.stored = not self.reason
        self.wants_retry = mark != self._mark and not self.stored  # the store may refuse an old mark
        if self.stored:  # others do not wait for what is stale at once, or may never end
            flight.remember(storable=made.lifetime > 0 and not self._is_event_stream)
        flight.land()

    def _seconds_since_call(self) -> float:
        """Return the seconds that the application took for its complete response, without its client's; count them."""
        seconds = max(0.0, self._options.clock() - self._requested - self._client.seconds)
        self._services.reporter.counts.filled(seconds)
        return seconds

    async def _refuse(self, reason: str) -> None:
        """Do not store the response, and remember that a response to such a request could not be stored."""
        self._task.flight.remember(storable=False)
        await self._give_up(reason)

    async def _give_up(self, reason: str) -> None:
        """Do not store the response. The client gets the rest of it as it comes."""
        self._on_body = Fill._forward
        self.reason = self.reason or reason
        if self._response is not None:  # before, it may be a 304 after which the application is called once more
            self._settle()
        await self._release()

    async def _release(self, *, is_whole: bool = False) -> None:
        """Send the response start that is held back, if there is one, with the tags that are known by now.

        Args:
            is_whole: the application has made the whole response.
        """
        if self._client.held is not None:
            if self._options.send_tags and self._candidate is not None:
                self._exchange.read_notes(self.notes)
                is_whole = is_whole or has_all_content(self._candidate.response, self._size)
                self._client.add_lines(*lines_of_response(self._candidate, is_whole=is_whole))
            await self._forward(self._client.take_held(self._status_line()))

    async def _forward(self, message: Message) -> None:
        """Send a message to the client. A fill that may be stored goes on if the client has left."""
        left_at = self._client.left_at
        if left_at is not None and self._plan is not None:
            if self._options.clock() - left_at < MAX_SECONDS_WITHOUT_CLIENT:
                return
            await self._give_up("the client left")
        await self._client.send(message, may_leave=self._continues_without_client)

    def _settle(self) -> None:
        """Stop copying: report the outcome, free the copied bytes, and let a `receive` that waits return.

        If the application is called once more, the outcome is that of the second call.
        """
        self._plan = None
        if not (self.has_ended or self.wants_retry):
            self.has_ended = True
            self._report()
        self._services.budget.give_back(self._size)
        self._size = 0
        self._chunks.clear()
        if self._on_body is Fill._copy:
            self._on_body = Fill._forward
        if self._receive_may_return is not None:
            self._receive_may_return.set()

    def _report(self) -> None:
        """Report the outcome."""
        if self._exchange.reasoning is not None:
            self._explain(self._exchange.reasoning)
        reporter, request = self._services.reporter, self._exchange.request
        detail = "stored" if self.stored else self.reason
        ttl = self.entry.lifetime if self.entry is not None and self.stored else None
        if self._task.is_in_background:
            reporter.refreshed(self.kind, request, self.entry, detail=detail, ttl=ttl)
        else:
            fwd, is_counted = self._task.fwd, self.notes.is_counted
            reporter.forwarded(self.kind, request, fwd, self.entry, is_counted=is_counted, detail=detail, ttl=ttl)

    def _explain(self, reasoning: Reasoning) -> None:
        """Note what has come of the fill so far, for a request that is told its reasoning."""
        reasoning.filled(self.kind, self._task.fwd, "stored" if self.stored else self.reason, self.entry)

    def _may_hide_error(self) -> bool:
        now, purpose = self._options.clock(), self._task.purpose
        return self._stale is not None and may_hide_error(self._stale, now, purpose)

    async def _answer_stale(self) -> None:
        """Answer the client from the stored entry in place of an error."""
        assert self._stale is not None  # noqa: S101 - `_may_hide_error` has checked it
        self.answered_stale = True
        self._client.drop_held()
        self._on_body = Fill._drop
        self.reason = "stale-if-error"
        self._settle()
        await self._answer(self._stale)

    async def _answer(self, entry: Entry) -> None:
        """Answer the client from an entry."""
        current_age = age(entry, self._options.clock())
        answer = answer_from(entry, self._exchange.request, current_age, self._status_line(), self._options.send_tags)
        await self._forward({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await self._forward({"type": "http.response.body", "body": answer.body})

    def _status_line(self) -> bytes | None:
        """Return the Cache-Status value for a response of the application (RFC 9211 §2), None for none."""
        if self._exchange.reasoning is not None:
            self._explain(self._exchange.reasoning)
        parameters = [f"fwd={self._task.fwd}"]
        if (self._task.is_validation or self.answered_stale) and self._response is not None:
            parameters.append(f"fwd-status={self._response.status}")
        if self.stored:
            parameters.append("stored")
        if self.reason:
            parameters.append(f'detail="{self.reason}"')
        return self._services.reporter.cache_status(*parameters)
