"""A request and the client's ends, and how the application is shown them."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from accelerator.http.identity import places_in, somebody_at
from accelerator.http.request import CONDITIONS
from accelerator.notes import start_noting, stop_noting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from accelerator.asgi_types import Message, Receive, Scope, Send
    from accelerator.http.request import Request
    from accelerator.notes import Notes


@dataclass(slots=True)
class Exchange:
    """A request and the client's ends.

    Attributes:
        request: the request.
        scope: the scope that the application gets.
        receive: the client's end.
        send: the client's end.
        places: where the scope had room for somebody before the application was called, None as long as it was not.
    """

    request: Request
    scope: Scope
    receive: Receive
    send: Send
    places: frozenset[str] | None = None

    @contextmanager
    def shown_as(self, headers: list[tuple[bytes, bytes]]) -> Iterator[None]:
        """Show the application the request with these header lines, and without the ignored parameters of its query.

        What stands around the cache finds its scope as it was.
        """
        before = {"headers": self.scope["headers"], "query_string": self.scope.get("query_string", b"")}
        self.scope.update(headers=headers, query_string=self.request.query)
        try:
            yield
        finally:
            self.scope.update(before)

    @contextmanager
    def noted_in(self, notes: Notes, owner: object) -> Iterator[None]:
        """Note what the application says of its response, by functions and by the keys of its scope.

        Args:
            notes: what it says is noted here.
            owner: what the application finds in its scope as `accelerator`.
        """
        scope = self.scope
        if self.places is None:
            self.places = places_in(scope)
        ttl = scope.get("accelerator.cache_for")
        scope["accelerator"] = owner
        scope["accelerator.tags"] = notes.tags
        token = start_noting(notes)
        try:
            yield
        finally:
            stop_noting(token)
            if ttl is None:
                scope.pop("accelerator.cache_for", None)
            scope.pop("accelerator", None)
            scope.pop("accelerator.tags", None)

    def read_notes(self, notes: Notes) -> None:
        """Note what the application has put into its scope until now: keys, and somebody where nobody was before."""
        notes.read_scope(self.scope, somebody_at(self.places or frozenset(), self.scope))

    def detached(self) -> Exchange:
        """Return the exchange that asks for the same thing as a whole, on nobody's behalf."""
        request = self.request
        unwanted = CONDITIONS | {b"range"}
        headers = [line for line in request.lines() if line[0] not in unwanted]
        method = "GET" if request.content is None else request.method
        scope = {**self.scope, "method": method, "query_string": request.query, "headers": headers}

        async def leave() -> Message:
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            """Nobody listens."""

        return Exchange(request.read_again(scope), scope, leave, send).again()

    def again(self) -> Exchange:
        """Return an exchange for another call of the application: its content is there to read once more."""
        return self.with_events({"type": "http.request", "body": self.request.content or b"", "more_body": False})

    def with_events(self, *events: Message) -> Exchange:
        """Return an exchange from which the application receives these events first."""
        left = list(events)

        async def receive() -> Message:
            return left.pop(0) if left else await self.receive()

        return replace(self, receive=receive)
