"""The application behind the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from accelerator.asgi_types import Application, Receive, Send
    from accelerator.engine.exchange import Exchange
    from accelerator.notes import Notes


class Upstream:
    """The application behind the cache.

    Args:
        app: the application.
        owner: what it finds in its scope as `accelerator`.
    """

    def __init__(self, app: Application, owner: object) -> None:
        self._app = app
        self._owner = owner

    async def call(self, exchange: Exchange, notes: Notes, receive: Receive, send: Send) -> None:
        """Call the application, and note what it says of its response.

        Args:
            exchange: the request.
            notes: what the application says is noted here.
            receive: the end from which it gets its events.
            send: the end that takes its messages.
        """
        with exchange.noted_in(notes, self._owner):
            await self._app(exchange.scope, receive, send)
