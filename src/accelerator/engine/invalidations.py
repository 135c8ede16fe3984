"""Invalidations that the application asks for, and those that a request causes (RFC 9111 §4.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from accelerator.events import CacheEvent
from accelerator.http.response import Response
from accelerator.rules.invalidation import SUCCESS, invalidated_by
from accelerator.tags import flattened

if TYPE_CHECKING:
    from collections.abc import Iterable

    from accelerator.asgi_types import Message, Send
    from accelerator.engine.services import Services
    from accelerator.http.ignored import Ignored
    from accelerator.http.request import Request
    from accelerator.notes import Notes
    from accelerator.stores.protocol import Store


class Invalidations:
    """The invalidations of one accelerator. Each is reported to `on_event`.

    Args:
        store: the store.
        ignored: removes ignored query parameters from URLs.
        services: what all requests of the accelerator share.
    """

    def __init__(self, store: Store, ignored: Ignored, services: Services) -> None:
        self._store = store
        self._ignored = ignored
        self._services = services

    # --- by a call of the application ---------------------------------------------------------------------------------

    async def invalidate_tag(self, *tags: str | Iterable[str], soft: bool = False) -> None:
        """Do what `Store.invalidate_tag` does, and report it to `on_event`."""
        names = flattened(tags)
        await self._store.invalidate_tag(names, soft=soft)
        self._report(soft=soft, tags=frozenset(names))

    async def invalidate_url(self, url: str, *, soft: bool = False) -> None:
        """Do what `Store.invalidate_url` does, for the URL without ignored parameters, and report it to `on_event`."""
        url = self._ignored.url(url)
        await self._store.invalidate_url(url, soft=soft)
        self._report(soft=soft, url=url)

    async def clear(self) -> None:
        """Do what `Store.clear` does, and report it to `on_event`."""
        await self._store.clear()
        self._services.reporter.emit(CacheEvent("invalidate", detail="clear"))

    def _report(self, *, soft: bool, url: str = "", tags: frozenset[str] = frozenset()) -> None:
        event = CacheEvent("invalidate", url=url, tags=tags, detail="soft" if soft else "hard")
        self._services.reporter.emit(event)

    # --- by a request -------------------------------------------------------------------------------------------------

    async def after_request(self, request: Request, response: Response | None, notes: Notes) -> None:
        """Invalidate what an unsafe request has changed, before its response goes out (RFC 9111 §4.4).

        Args:
            request: the unsafe request.
            response: the start of its response; None for a malformed one, which the server may yet turn into a success.
            notes: what the application said about the response: a method that it declares safe changes nothing.
        """
        if request.method in notes.safe_methods:
            return
        if response is None:
            await self._services.store.invalidate([request.url_tag])
        elif response.status in SUCCESS:
            await self._services.store.invalidate(invalidated_by(request, response, self._ignored.url))
            self._services.reporter.invalidated(request)

    def watching_send(self, request: Request, notes: Notes, send: Send) -> Send:
        """Wrap the `send` of a fill, so that an unsafe request invalidates before its response goes out.

        That is a POST which was expected to read only. Unless the application confirms that, the POST has changed
        something.
        """
        if not request.is_unsafe:
            return send

        async def watch(message: Message) -> None:
            if message.get("type") == "http.response.start":
                await self.after_request(request, Response.read(message, 0, 0), notes)
            await send(message)

        return watch
