"""The application behind the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from accelerator.notes import start_noting, stop_noting

if TYPE_CHECKING:
    from accelerator.asgi_types import Application, Receive, Send
    from accelerator.engine.exchange import Exchange
    from accelerator.http.fields import HeaderList
    from accelerator.notes import Notes


class Upstream:
    """The application behind the cache.

    Args:
        app: the ASGI application.
        owner: the object that it finds in its scope as `accelerator`.
    """

    def __init__(self, app: Application, owner: object) -> None:
        self._app = app
        self._owner = owner

    async def call(
        self, exchange: Exchange, notes: Notes, receive: Receive, send: Send, headers: HeaderList | None = None
    ) -> None:
        """Call the application, and collect what it says about its response.

        Args:
            exchange: the request, with the scope for the application.
            notes: where that is collected.
            receive: the ASGI `receive` for the application.
            send: the ASGI `send` for the application.
            headers: the header lines of the request for the application; None for those in the scope.
        """
        before = exchange.show(notes, self._owner, headers)
        token = start_noting(notes)
        try:
            await self._app(exchange.scope, receive, send)
        finally:
            stop_noting(token)
            exchange.restore(before)
