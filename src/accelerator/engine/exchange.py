"""A request with the client's `receive` and `send`, and how the application gets to see it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from accelerator.http.identity import identity_at, identity_places_in
from accelerator.http.request import CONDITIONS

if TYPE_CHECKING:
    from accelerator.asgi_types import Message, Receive, Scope, Send
    from accelerator.engine.reasoning import Reasoning
    from accelerator.http.fields import HeaderList
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
        reasoning: takes what decides about the request; None for one that is not told.
    """

    request: Request
    scope: Scope
    receive: Receive
    send: Send
    identity_places: frozenset[str] | None = None
    reasoning: Reasoning | None = None

    def show(self, notes: Notes, owner: object, headers: HeaderList | None) -> dict[str, Any]:
        """Put into the scope what the application finds there. Return what `restore` needs.

        Args:
            notes: where the tags go that the application adds to its scope.
            owner: the object that it finds there as `accelerator`.
            headers: header lines for the application, which it gets without ignored query parameters; None to show it
                the request as it came.
        """
        scope = self.scope
        if self.identity_places is None:
            self.identity_places = identity_places_in(scope)
        before: dict[str, Any] = {}
        if headers is not None:
            before = {"headers": scope["headers"], "query_string": scope.get("query_string", b"")}
            scope["headers"], scope["query_string"] = headers, self.request.query
        if (ttl := scope.get("accelerator.cache_for")) is not None:
            before["accelerator.cache_for"] = ttl
        scope["accelerator"], scope["accelerator.tags"] = owner, notes.tags
        return before

    def restore(self, before: dict[str, Any]) -> None:
        """Restore the scope after `show`, because outer middlewares use the same one."""
        scope = self.scope
        for name in ("accelerator", "accelerator.tags", "accelerator.cache_for"):
            scope.pop(name, None)
        scope.update(before)

    def read_notes(self, notes: Notes) -> None:
        """Note what the scope says now: the keys that the application has set, and credentials in `identity_places`."""
        places = self.identity_places
        notes.read_scope(self.scope, identity_at(places, self.scope) if places else "")

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
