"""The tee between the application and the client: what goes through is passed on at once, and a copy is kept."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import anyio

from accelerator.engine.respond import respond
from accelerator.http.response import Response, complete, is_event_stream, promised_size
from accelerator.notes import Notes
from accelerator.rules import conditions, freshness, response_tags, reuse, stored_fields, storing, validation
from accelerator.rules.plan import Plan, Refusal
from accelerator.tags import InvalidTagError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from accelerator.asgi_types import Message
    from accelerator.engine.exchange import Exchange
    from accelerator.engine.report import Reporter
    from accelerator.events import EventKind
    from accelerator.options import Options
    from accelerator.rules.entry import Entry, Mark
    from accelerator.stores.protocol import Lookup

logger = logging.getLogger("accelerator")
_CONTENT: Final = frozenset({"http.response.body", "http.response.pathsend", "http.response.zerocopysend"})
_INCOMPLETE: Final = "incomplete response"
MAX_COPIED_BYTES: Final = 128 * 1024 * 1024

ALONE_SECONDS: Final = 60.0
"""How long the application may go on for the store alone, once the client has left."""


class CopyBudget:
    """What the copies of all running fills may take, in bytes: clients that read slowly keep them for long."""

    def __init__(self) -> None:
        self.left = MAX_COPIED_BYTES


class Fill:
    """One call of the application whose answer is stored if it may be.

    The application gets `send` and `receive` in place of the client's own. It is never kept from answering: what it
    does wrong reaches the client as it would without a cache.

    Args:
        exchange: the request and the client's ends.
        found: the lookup that led here: its mark is that of the fill.
        stale: the entry that may be served in place of an error, or that a 304 speaks of.
        hides: tells whether an error may be hidden behind an entry, at a time.
        fwd: why the application is asked, in the words of RFC 9211 §2.2.
        options: the options.
        reporter: gives the member of Cache-Status.
        budget: what all running fills together may copy.
        commit: stores an entry, and says why it did not, `""` if it did.
        judge: is told, once that is known, whether the response could be stored.
        tell: is given this fill once nothing more of the response will be kept.

    Attributes:
        notes: what the application says of its response.
        entry: what was made of the response, once it is complete.
        stored: whether that is in the store.
        reason: why it is not.
        is_validation: the request carries the validators of `stale`.
        is_known_storable: so were its likes: the client's leaving does not stop it even before it starts.
        was_validated: the application said 304 of `stale`.
        wants_retry: the application said 304 of something else than `stale`, or one that proves too little: ask again
            without conditions.
        must_drop: `stale` cannot get the tags that it should have: it is not to be served any more.
        answered_stale: the client got `stale` in place of an error.
    """

    def __init__(
        self,
        exchange: Exchange,
        found: Lookup,
        stale: Entry | None,
        hides: Callable[[Entry, float], bool],
        fwd: str,
        options: Options,
        reporter: Reporter,
        budget: CopyBudget,
        commit: Callable[[Entry], Awaitable[str]],
        judge: Callable[[bool], None],
        tell: Callable[[Fill], None],
    ) -> None:
        self.notes = Notes()
        self.entry: Entry | None = None
        self.stored = False
        self.reason = ""
        self.is_validation = False
        self.is_known_storable = False
        self.was_validated = False
        self.wants_retry = False
        self.must_drop = False
        self.answered_stale = False
        self._exchange = exchange
        self._mark = found.mark
        self._known = found.vary or ()
        self._stale = stale
        self._hides = hides
        self._is_invalidated = found.invalidated
        self._fwd = fwd
        self._options = options
        self._reporter = reporter
        self._budget = budget
        self._commit = commit
        self._judge = judge
        self._tell = tell
        self._requested = options.clock()
        self._response: Response | None = None
        self._plan: Plan | None = None  # as long as the response may be stored
        self._held: Message | None = None  # a start that waits for the first chunk
        self._chunks: list[bytes] = []
        self._size = 0
        self._take: Callable[[Message], Awaitable[None]] = self._forward
        self._is_event_stream = False
        self._is_anything_out = False
        self._has_been_answered_by_304 = False  # the client has what the response says: its body is kept from it
        self._left_at: float | None = None  # when the client was found to have left
        self._disconnect: Message | None = None
        self._has_ended = False  # nothing more of the response will be kept
        self._is_settled: anyio.Event | None = None  # set when nothing more will be kept

    @property
    def kind(self) -> EventKind:
        """What came of it, as an event."""
        return "stale" if self.answered_stale else "validated" if self.was_validated else "miss"

    @property
    def failure(self) -> str:
        """Why the answer is of no use to anybody, in words: it is an error, or no whole response; `""` if it is."""
        if self.stored:
            return ""
        if self._response is None or self.reason == _INCOMPLETE:
            return "the application did not answer to the end"
        return f"the application answered {self._response.status}" if self._response.status >= 400 else ""

    @property
    def _goes_on_alone(self) -> bool:
        """Whether it is wanted here even after its client has left."""
        return self._plan is not None and not self._is_event_stream

    # --- the application's ends ---------------------------------------------------------------------------------------

    async def receive(self) -> Message:
        """Pass on what the client sends; that it left is no news while the response is still wanted here."""
        message = self._disconnect or await self._exchange.receive()
        kind = message.get("type")
        if kind == "http.request" and message.get("body") and self._exchange.request.content is None:
            await self._give_up("a request with content")  # RFC 9110 §9.3.1: it may be answered by what it says
        elif kind == "http.disconnect":
            self._disconnect = message  # some servers say it once, and a wait for it may be cancelled
            await self._keep_disconnect_back()
        return message

    async def _keep_disconnect_back(self) -> None:
        """Wait until the application is not needed any more, or for as long as it may work for nobody."""
        before_start = self.is_known_storable and self._response is None
        if before_start or self._goes_on_alone:
            self._is_settled = self._is_settled or anyio.Event()
            with anyio.move_on_after(ALONE_SECONDS):
                await self._is_settled.wait()
        if not self._has_ended:
            await self._give_up("the client left")  # an application that knows may answer less than it would

    async def send(self, message: Message) -> None:
        """Take a message of the application."""
        kind = message.get("type")
        if kind == "http.response.start" and self._response is None:
            await self._start(message)
        elif kind == "http.response.body" and self._response is not None:
            await self._take(message)
        elif kind == "http.response.debug":  # from templates to test clients: it is not a part of the response
            await self._release()
            await self._forward(message)
        else:
            await self._refuse("a message of another kind")
            await self._forward(message)

    async def finish(self) -> None:
        """Let out what is held, now that the application has returned or raised."""
        if self._plan is not None:
            await self._give_up(_INCOMPLETE)
        self._settle()

    async def rescue(self) -> bool:
        """Hide that the application raised behind the stale entry, if that is allowed; say whether it was."""
        if not self._is_anything_out and self._may_hide_error():
            await self._answer_stale()
        return self.answered_stale

    # --- what the response turns out to be ----------------------------------------------------------------------------

    async def _start(self, message: Message) -> None:
        response = Response.read(message, self._requested, self._options.clock())
        if response is None:
            await self._give_up("a malformed start")
            await self._forward(message)
            return
        self._response = response
        if self.is_validation and response.status == 304:
            assert self._stale is not None  # noqa: S101 - it is what is validated
            is_proof = not self._is_invalidated or validation.proves_unchanged(self._stale, response)
            self.wants_retry = not (is_proof and validation.same_representation(self._stale, response))
            self._take = self._drop if self.wants_retry else self._freshen
        elif response.status in reuse.ERRORS and self._may_hide_error():
            logger.error("answered %d, a stale response was served: %r", response.status, self._exchange.request.url)
            await self._answer_stale()
        else:
            await self._start_copy(message, response)

    async def _start_copy(self, message: Message, response: Response) -> None:
        self._exchange.read_scope(self.notes)
        plan = storing.plan(self._exchange.request, response, self.notes, self._options, self._known)
        added = stored_fields.added_vary(response, self.notes, self._options)
        self._held = {**message, "headers": [*stored_fields.without_tags(response.headers, self._options), *added]}
        if self.reason:
            await self._give_up(self.reason)
        elif isinstance(plan, Refusal):
            await self._refuse(plan)
        elif message.get("trailers"):
            await self._refuse("trailers")
        elif promised_size(response) > self._options.max_body_bytes:
            await self._refuse("body too large")
        else:
            self._plan = plan
            self._take = self._copy
            self._held["headers"] += stored_fields.added_for_browsers(response)
            if is_event_stream(response.headers):
                await self._copy_while_it_flows()

    async def _copy_while_it_flows(self) -> None:
        """Keep a copy of an event stream, in case it ends, and let nobody wait for that: neither client nor others."""
        self._is_event_stream = True
        self._judge(False)
        if self._is_settled is not None:
            self._is_settled.set()
        await self._release()

    async def _copy(self, message: Message) -> None:
        """Keep a chunk and pass it on; before the last one goes out, the entry is in the store."""
        chunk = message.get("body", b"")
        if not isinstance(chunk, bytes | bytearray | memoryview):
            await self._refuse("a malformed body")
            await self._forward(message)
            return
        self._chunks.append(bytes(chunk))
        self._size += len(chunk)
        self._budget.left -= len(chunk)
        if self._size > self._options.max_body_bytes:
            await self._refuse("body too large")
        elif self._budget.left < 0:
            await self._give_up("too many responses under way")
        elif message.get("more_body", False):
            await self._release()
        else:
            await self._complete()
        await self._forward(message)

    async def _complete(self) -> None:
        """Store the response."""
        assert self._response is not None  # noqa: S101 - it has started
        assert self._plan is not None  # noqa: S101 - else it would not be copied
        if not complete(self._response, self._size):
            await self._refuse(_INCOMPLETE)
            return
        await self._keep(self._response, self._plan, b"".join(self._chunks), self._mark)
        if self._held is not None and self.entry is not None and self.entry.validator is None:
            self._held["headers"] += [line for line in self.entry.added if line[0] == b"etag"]
        await self._release()
        self._settle()

    async def _freshen(self, message: Message) -> None:
        """Answer the client from the stored entry and the 304 that was given for it (RFC 9111 §4.3.4)."""
        if message.get("more_body", False):
            return
        self._take = self._drop
        self.was_validated = True
        assert self._response is not None  # noqa: S101 - it has started
        assert self._stale is not None  # noqa: S101 - it is what is validated
        exchange, stale = self._exchange, self._stale
        exchange.read_scope(self.notes)
        merged = validation.freshened(stale, self._response)
        plan = validation.plan_after_304(
            exchange.request, stale, self._response, merged, self.notes, self._options, self._known
        )
        if isinstance(plan, Refusal):
            self.reason = plan
            self._judge(False)
        else:
            mark = self._mark if validation.proves_unchanged(stale, self._response) else stale.mark
            await self._keep(merged, plan, stale.body, mark, stale.tags)
            if self.wants_retry:
                return
            self.must_drop = self.entry is None
        self._settle()
        if self.entry is not None and self.stored:
            age = freshness.age(self.entry, self._options.clock())
            own = stored_fields.lines_of_one_request(self._response, self._options)
            shown = replace(self.entry, added=self.entry.added + own)
            await respond(exchange.request, shown, age, self._status_line(), self._forward)
        else:
            headers = [
                *stored_fields.without_tags(merged.headers, self._options),
                *stored_fields.added_vary(merged, self.notes, self._options),
                *stored_fields.added_for_browsers(merged),
            ]
            self._held = {"type": "http.response.start", "status": merged.status, "headers": headers}
            await self._release()
            await self._forward({"type": "http.response.body", "body": stale.body})

    async def _drop(self, message: Message) -> None:
        """Keep from the client what it has from the store, or gets from another call."""

    # --- steps --------------------------------------------------------------------------------------------------------

    async def _keep(
        self, response: Response, plan: Plan, body: bytes, mark: Mark, older_tags: frozenset[str] = frozenset()
    ) -> None:
        """Make the entry and store it, with every tag that was said until now."""
        self._exchange.read_scope(self.notes)
        request = self._exchange.request
        if refusal := storing.refused_at_end(request, plan, self.notes):
            self.reason = refusal
            self._judge(False)
            return
        try:
            tags = response_tags.response_tags(request, response, self.notes, self._options, older_tags)
        except (InvalidTagError, TypeError) as error:
            self.reason = "tags"
            logger.warning("not stored: %s: %r", error, request.url)
            self._judge(False)
            return
        if mark != self._mark and not tags.issubset(older_tags):
            self.wants_retry = True  # by what it was not known to be made from, it may have been taken back
            return
        self.entry = storing.new_entry(request, response, plan, self._options, body, tags, mark, self.notes)
        self.reason = await self._commit(self.entry)
        self.stored = not self.reason
        self.wants_retry = mark != self._mark and not self.stored  # an old mark may not be accepted any more
        if self.stored:  # what is never fresh answers nobody who waits, and an event stream may have no end next time
            self._judge(plan.lifetime > 0 and not self._is_event_stream)

    async def _refuse(self, reason: str) -> None:
        """Store nothing, and remember that such a response could not be stored."""
        self._judge(False)
        await self._give_up(reason)

    async def _give_up(self, reason: str) -> None:
        """Store nothing; the client gets the rest as it comes."""
        self._take = self._forward
        self.reason = self.reason or reason
        self._settle()
        await self._release()

    async def _release(self) -> None:
        """Let the held start out; as a 304 where the client has this response already (RFC 9110 §13.2.2)."""
        if self._held is None:
            return
        held, self._held = self._held, None
        headers = tuple(held["headers"])
        if held["status"] == 200 and conditions.not_modified(self._exchange.request, headers, self._options.clock()):
            held = {**held, "status": 304, "headers": [*stored_fields.without_content_fields(headers)]}
            await self._forward_start(held)
            self._has_been_answered_by_304 = True
        else:
            await self._forward_start(held)

    async def _forward_start(self, start: Message) -> None:
        if (line := self._status_line()) is not None:
            start["headers"].append((b"cache-status", line))
        await self._forward(start)

    async def _forward(self, message: Message) -> None:
        """Pass a message on. A client that has left does not stop a fill that is still wanted."""
        if self._left_at is not None and self._plan is not None:
            if self._options.clock() < self._left_at + ALONE_SECONDS:
                return
            await self._give_up("the client left")
        if self._has_been_answered_by_304 and message.get("type") in _CONTENT:
            message = {"type": "http.response.body", "body": b"", "more_body": message.get("more_body", False)}
        self._is_anything_out = True
        try:
            await self._exchange.send(message)
        except OSError:
            if not self._goes_on_alone:
                raise
            self._left_at = self._options.clock()

    def _settle(self) -> None:
        """Let go of the application: nothing more of it will be kept."""
        self._plan = None
        if not self._has_ended:
            self._has_ended = True
            self._tell(self)
        self._budget.left += self._size
        self._size = 0
        self._chunks.clear()
        if self._take == self._copy:
            self._take = self._forward
        if self._is_settled is not None:
            self._is_settled.set()

    def _may_hide_error(self) -> bool:
        return self._stale is not None and self._hides(self._stale, self._options.clock())

    async def _answer_stale(self) -> None:
        assert self._stale is not None  # noqa: S101 - asked before
        self.answered_stale = self._is_anything_out = True
        self._held = None
        self._take = self._drop
        self.reason = "stale-if-error"
        self._settle()
        age = freshness.age(self._stale, self._options.clock())
        await respond(self._exchange.request, self._stale, age, self._status_line(), self._exchange.send)

    def _status_line(self) -> bytes | None:
        """Return the member of Cache-Status for an answer that took the application (RFC 9211 §2)."""
        parameters = [f"fwd={self._fwd}"]
        if (self.is_validation or self.answered_stale) and self._response is not None:
            parameters.append(f"fwd-status={self._response.status}")
        if self.stored:
            parameters.append("stored")
        if self.reason:
            parameters.append(f'detail="{self.reason}"')
        return self._reporter.line(*parameters)
