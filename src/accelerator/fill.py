"""The tee between the application and the client: what goes through is passed on at once, and a copy is kept."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from accelerator import policy
from accelerator.entry import CONDITIONS, Entry, Request, Response
from accelerator.policy import Plan, Refusal
from accelerator.respond import respond
from accelerator.tagging import InvalidTagError, Said

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from accelerator.asgi_types import Message, Receive, Scope, Send
    from accelerator.entry import Mark
    from accelerator.options import Options

logger = logging.getLogger("accelerator")


@dataclass(slots=True)
class Exchange:
    """A request and the client's ends; `collapsed` once it waited for another one's fill."""

    request: Request
    scope: Scope
    receive: Receive
    send: Send
    collapsed: bool = False

    def detached(self) -> Exchange:
        """Return the exchange that asks for the same thing as a whole, on nobody's behalf."""
        unwanted = CONDITIONS | {b"range"}
        headers = [line for line in self.scope["headers"] if line[0] not in unwanted]
        scope = {**self.scope, "method": "GET", "headers": headers}
        events: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> Message:
            return events.pop() if events else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            """Nobody listens."""

        return Exchange(Request(scope, self.request.partition), scope, receive, send)


class Fill:
    """One call of the application whose answer is stored if it may be.

    The application gets `send` and `receive` in place of the client's own. It is never kept from answering: what it
    does wrong reaches the client as it would without a cache.

    Args:
        exchange: the request and the client's ends.
        mark: the mark of the lookup that led here.
        stale: the entry that may be served in place of an error, or that a 304 speaks of.
        fwd: why the application is asked, in the words of RFC 9211 §2.2.
        options: the options.
        commit: stores an entry, and says whether it did.
        judge: is told, once that is known, whether the response can be stored.

    Attributes:
        said: what the application says of its response.
        entry: what was made of the response, once it is complete.
        stored: whether that is in the store.
        reason: why it is not.
        is_validation: the request carries the validators of `stale`.
        is_known_storable: so were its likes: the client's leaving does not stop it even before it starts.
        was_validated: the application said 304 of `stale`.
        wants_retry: the application said 304 of something else than `stale`: ask again without conditions.
        answered_stale: the client got `stale` in place of an error.
    """

    def __init__(
        self,
        exchange: Exchange,
        mark: Mark,
        stale: Entry | None,
        fwd: str,
        options: Options,
        commit: Callable[[Entry], Awaitable[bool]],
        judge: Callable[[bool], None],
    ) -> None:
        self.said = Said()
        self.entry: Entry | None = None
        self.stored = False
        self.reason = ""
        self.is_validation = False
        self.is_known_storable = False
        self.was_validated = False
        self.wants_retry = False
        self.answered_stale = False
        self._exchange = exchange
        self._mark = mark
        self._stale = stale
        self._fwd = fwd
        self._options = options
        self._commit = commit
        self._judge = judge
        self._requested = options.clock()
        self._response: Response | None = None
        self._plan: Plan | None = None  # as long as the response may be stored
        self._held: Message | None = None  # a start that waits for the first chunk
        self._chunks: list[bytes] = []
        self._size = 0
        self._take: Callable[[Message], Awaitable[None]] = self._forward
        self._client_has_left = False
        self._is_settled: anyio.Event | None = None  # set when nothing more will be kept

    # --- the application's ends ---------------------------------------------------------------------------------------

    async def receive(self) -> Message:
        """Pass on what the client sends; that it left is no news while the response is still wanted here."""
        message = await self._exchange.receive()
        before_start = self.is_known_storable and self._response is None
        if message["type"] == "http.disconnect" and (before_start or self._plan is not None):
            self._is_settled = self._is_settled or anyio.Event()
            await self._is_settled.wait()
        return message

    async def send(self, message: Message) -> None:
        """Take a message of the application."""
        kind = message["type"]
        if kind == "http.response.start" and self._response is None:
            await self._start(message)
        elif kind == "http.response.body" and self._response is not None:
            await self._take(message)
        else:
            await self._give_up("a message of another kind")
            await self._forward(message)

    async def finish(self) -> None:
        """Let out what is held, now that the application has returned or raised."""
        if self._plan is not None:
            await self._give_up("incomplete response")
        self._settle()

    async def rescue(self) -> bool:
        """Hide that the application raised behind the stale entry, if that is allowed; say whether it was."""
        nothing_is_out = self._response is None or self._held is not None
        if not self.answered_stale and nothing_is_out and self._may_hide_error():
            await self._answer_stale()
        return self.answered_stale

    # --- what the response turns out to be ----------------------------------------------------------------------------

    async def _start(self, message: Message) -> None:
        lines = tuple((bytes(name), bytes(value)) for name, value in message.get("headers", ()))
        response = self._response = Response(message["status"], lines, self._requested, self._options.clock())
        if self.is_validation and response.status == 304:
            assert self._stale is not None  # noqa: S101 - it is what is validated
            self.wants_retry = not policy.same_representation(self._stale, response)
            self._take = self._drop if self.wants_retry else self._freshen
        elif response.status in policy.ERRORS and self._may_hide_error():
            self._take = self._drop
            await self._answer_stale()
        else:
            await self._start_copy(message, response)

    async def _start_copy(self, message: Message, response: Response) -> None:
        self.said.hear(self._exchange.scope)
        plan = policy.plan(self._exchange.request, response, self.said, self._options)
        self._held = {**message, "headers": [*policy.client_headers(response, plan, self._options)]}
        if isinstance(plan, Refusal):
            await self._give_up(plan)
        elif message.get("trailers"):
            await self._give_up("trailers")
        elif policy.promised_size(response) > self._options.max_body_bytes:
            await self._give_up("body too large")
        else:
            self._plan = plan
            self._take = self._copy
            self._judge(True)

    async def _copy(self, message: Message) -> None:
        """Keep a chunk and pass it on; before the last one goes out, the entry is in the store."""
        chunk = message.get("body", b"")
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._size > self._options.max_body_bytes:
            await self._give_up("body too large")
        elif message.get("more_body", False):
            await self._release()
        else:
            message = await self._complete(message)
        await self._forward(message)

    async def _complete(self, last: Message) -> Message:
        """Store the response, and return the last message as the client gets it."""
        assert self._response is not None  # noqa: S101 - it has started
        assert self._plan is not None  # noqa: S101 - else it would not be copied
        if not policy.complete(self._response, self._size):
            await self._give_up("incomplete response")
            return last
        entry = await self._keep(self._response, self._plan, b"".join(self._chunks), self._mark)
        if self._held is not None and entry is not None and entry.status == 200:
            last = self._conclude_in_one_piece(self._held, entry, last)
        await self._release()
        self._settle()
        return last

    def _conclude_in_one_piece(self, held: Message, entry: Entry, last: Message) -> Message:
        """While nothing is out yet, add the ETag to the start, or make it a 304 where the client has this already."""
        if self.stored and policy.not_modified(self._exchange.request, entry.etag, entry.headers, entry.received):
            self._held = {**held, "status": 304, "headers": [*policy.not_modified_headers(entry.headers)]}
            return {**last, "body": b""}
        if entry.validator is None:
            self._held = {**held, "headers": [*held["headers"], (b"etag", entry.etag)]}
        return last

    async def _freshen(self, message: Message) -> None:
        """Answer the client from the stored entry and the 304 that was given for it (RFC 9111 §4.3.4)."""
        if message.get("more_body", False):
            return
        self.was_validated = True
        assert self._response is not None  # noqa: S101 - it has started
        assert self._stale is not None  # noqa: S101 - it is what is validated
        exchange, stale = self._exchange, self._stale
        self.said.hear(exchange.scope)
        merged = policy.freshened(stale, self._response)
        plan = policy.plan_after_304(exchange.request, stale, self._response, merged, self.said, self._options)
        if isinstance(plan, Refusal):
            self.reason = plan
        else:
            mark = policy.mark_after_304(stale, self._response, self._mark)
            self.entry = await self._keep(merged, plan, stale.body, mark, policy.application_tags(stale))
        self._settle()
        if self.entry is not None and self.stored:
            age = policy.age(self.entry, self._options.clock())
            await respond(exchange.request, self.entry, age, self._status_line(), self._forward)
        else:
            headers = [*policy.client_headers(merged, plan, self._options)]
            self._held = {"type": "http.response.start", "status": merged.status, "headers": headers}
            await self._release()
            await self._forward({"type": "http.response.body", "body": stale.body})

    async def _drop(self, message: Message) -> None:
        """The client has its answer from the store, or gets it from another call."""

    # --- steps --------------------------------------------------------------------------------------------------------

    async def _keep(
        self, response: Response, plan: Plan, body: bytes, mark: Mark, older_tags: Iterable[str] = ()
    ) -> Entry | None:
        """Make the entry and store it, with every tag that was said until now."""
        self.said.hear(self._exchange.scope)
        if self.said.vetoed:
            self.reason = policy.VETOED
            return None
        tags = (*older_tags, *self.said.tags, *policy.header_tags(response, self._options))
        try:
            entry = policy.new_entry(self._exchange.request, response, plan, self._options, body, tags, mark)
        except (InvalidTagError, TypeError) as error:
            self.reason = "tags"
            logger.warning("not stored: %s: %r", error, self._exchange.request.url)
            return None
        self.entry = entry
        self.stored = await self._commit(entry)
        self.reason = "" if self.stored else "refused by the store"
        return entry

    async def _give_up(self, reason: str) -> None:
        """Store nothing; the client gets the rest as it comes."""
        self._plan = None
        self._chunks.clear()
        self._take = self._forward
        self.reason = self.reason or reason
        self._judge(False)
        self._settle()
        await self._release()

    async def _release(self) -> None:
        """Let the held start out."""
        if self._held is not None:
            held, self._held = self._held, None
            if (line := self._status_line()) is not None:
                held["headers"].append((b"cache-status", line))
            await self._forward(held)

    async def _forward(self, message: Message) -> None:
        """Pass a message on. A client that has left does not stop a fill that is still wanted."""
        if self._client_has_left and self._plan is not None:
            return
        try:
            await self._exchange.send(message)
        except OSError:
            if self._plan is None:
                raise
            self._client_has_left = True

    def _settle(self) -> None:
        self._plan = None
        if self._is_settled is not None:
            self._is_settled.set()

    def _may_hide_error(self) -> bool:
        return self._stale is not None and policy.serves_on_error(self._stale, self._options.clock())

    async def _answer_stale(self) -> None:
        assert self._stale is not None  # noqa: S101 - asked before
        self.answered_stale = True
        self._held = None
        self.reason = "stale-if-error"
        self._settle()
        age = policy.age(self._stale, self._options.clock())
        await respond(self._exchange.request, self._stale, age, self._status_line(), self._exchange.send)

    def _status_line(self) -> bytes | None:
        """Return the member of Cache-Status for an answer that took the application (RFC 9211 §2)."""
        name = self._options.cache_status
        if name is None:
            return None
        line = f"{name}; fwd={self._fwd}"
        if self.is_validation and self._response is not None:
            line += f"; fwd-status={self._response.status}"
        if self.stored:
            line += "; stored"
        if self._exchange.collapsed:
            line += "; collapsed"
        if self.reason:
            line += f'; detail="{self.reason}"'
        return line.encode("ascii")
