"""A request with the client's `receive` and `send`, and how the application gets to see it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from accelerator.http.identity import identity_at, identity_places_in
from accelerator.http.request import CONDITIONS
from accelerator.notes import start_noting, stop_noting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from accelerator.asgi_types import Message, Receive, Scope, Send
    from accelerator.http.request import Request
    from accelerator.notes import Notes


@dataclass(slots=True)
class Exchange:
    """A request with the client's `receive` and `send`.

    Attributes:
        request: the request.
        scope: the ASGI scope for the application.
        receive: returns the next message of the client.
        send: sends a message to the client.
        identity_places: the places of the scope for a user or a session, such as `state.user`, that existed before
            the application was called, even if empty; None until then.
    """

    request: Request
    scope: Scope
    receive: Receive
    send: Send
    identity_places: frozenset[str] | None = None

    @contextmanager
    def with_headers(self, headers: list[tuple[bytes, bytes]]) -> Iterator[None]:
        """Give the application the request with these header lines, and without ignored query parameters.

        The scope is restored at the end, because outer middlewares use the same one.
        """
        before = {"headers": self.scope["headers"], "query_string": self.scope.get("query_string", b"")}
        self.scope.update(headers=headers, query_string=self.request.query)
        try:
            yield
        finally:
            self.scope.update(before)

    @contextmanager
    def collecting(self, notes: Notes, owner: object) -> Iterator[None]:
        """Collect what the application says about its response, by functions such as `tag` and by keys of its scope.

        Args:
            notes: where it is collected.
            owner: the object that the application finds in its scope as `accelerator`.
        """
        scope = self.scope
        if self.identity_places is None:
            self.identity_places = identity_places_in(scope)
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
        """Note what the scope says now: the keys that the application has set, and credentials in `identity_places`."""
        notes.read_scope(self.scope, identity_at(self.identity_places or frozenset(), self.scope))

    def detached(self) -> Exchange:
        """Return an exchange for a refresh in the background: for the whole response, without conditions or client."""
        request = self.request
        unwanted = CONDITIONS | {b"range"}
        headers = [line for line in request.lines() if line[0] not in unwanted]
        method = "GET" if request.content is None else request.method
        scope = {**self.scope, "method": method, "query_string": request.query, "headers": headers}

        async def leave() -> Message:
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            """Discard the message: there is no client."""

        return Exchange(request.read_again(scope), scope, leave, send).again()

    def again(self) -> Exchange:
        """Return an exchange for another call of the application, from which it can read the content once more."""
        return self.with_events({"type": "http.request", "body": self.request.content or b"", "more_body": False})

    def with_events(self, *events: Message) -> Exchange:
        """Return an exchange whose `receive` returns these messages first."""
        left = list(events)

        async def receive() -> Message:
            return left.pop(0) if left else await self.receive()

        return replace(self, receive=receive)
