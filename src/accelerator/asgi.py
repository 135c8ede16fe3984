"""The ASGI middleware."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Unpack

from accelerator.engine.engine import Engine
from accelerator.engine.runtime import AnyioRuntime
from accelerator.options import OptionArguments, checked
from accelerator.stores.observed import tell_all
from accelerator.stores.publishing import Publishing, board_of
from accelerator.stores.urls import store_of
from accelerator.uncopied import Uncopied

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from accelerator.asgi_types import Application, Message, Receive, Scope, Send
    from accelerator.engine.shortcut import PlainHit
    from accelerator.events import CacheEvent
    from accelerator.figures.snapshot import Figures
    from accelerator.stores.protocol import Store


class ASGIAccelerator(Uncopied):
    """A cache in front of an ASGI application.

    The application finds it in the scope as `accelerator`. If there are several around one application, the outermost
    caches, and the others pass every request through.

    Args:
        app: the application.
        store: where responses are stored, or its URL, as `open_store` takes it; by default a `MemoryStore` of its own.
            What it opens itself it closes at the end of the application's lifespan; in front of a Redis that it is
            given the URL of there is a near store, see `TieredStore`.
        options: see `accelerator.options.Options`.

    Raises:
        TypeError: there is no such option, or its value has the wrong type.
        ValueError: an option has an invalid value, or the URL is none of a store.
        ImportError, OSError, RuntimeError: the store that the URL names cannot be opened.
    """

    def __init__(
        self, app: Application, *, store: Store | str | None = None, **options: Unpack[OptionArguments]
    ) -> None:
        self.app = app
        self.store = store_of(store)
        self._has_opened = isinstance(store, str)
        self._engine = Engine(app, self.store, checked(options), self, AnyioRuntime())
        self._shortcut = self._engine.shortcut
        self._publishing = Publishing(self.figures, self._engine.counts, self.store, board_of(self.store))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer an HTTP request; anything else goes to the application unchanged."""
        if scope["type"] != "http":
            is_lifespan = scope["type"] == "lifespan"
            await self.app(scope, receive, partial(self._close_at_the_end, send) if is_lifespan else send)
        elif "accelerator" in scope:
            if getattr(scope["accelerator"], "store", None) is not self.store:
                self._engine.warn_of_another_store()
            await self.app(scope, receive, send)
        elif self._shortcut is not None and (hit := self._shortcut.answer(scope)) is not None:
            start, body, count, report, shown = hit
            if shown:
                scope.update(shown)
            count()  # before the client can make it wait, or leave: meanwhile nobody may look for it here any more
            await send(start)
            if report is not None:
                report()
            await send(body)
        else:
            await self._engine.handle(scope, receive, send)

    def answer_at_once(self, scope: Scope) -> PlainHit | None:
        """Return the answer to a plain hit, for a server that would rather not call the application for it.

        Nothing waits. Where this returns None the application is to be called as ever.

        Args:
            scope: the scope of an HTTP request without content, as the application would see it.

        Returns:
            The two messages of the answer, what counts it at once, before anything waits, and what then reports it,
            None if nobody listens.
        """
        return None if self._shortcut is None else self._shortcut.answer(scope)

    def listen(self, listener: Callable[[CacheEvent], None]) -> None:
        """Call a function with each event from now on, as the option `on_event` does, and after that."""
        self._engine.listen(listener)

    def figures(self) -> Figures:
        """Return what this accelerator has counted in this process. Any thread may call it."""
        return self._engine.figures(self.store)

    async def all_figures(self) -> Figures:
        """Return the sum of what all processes have counted that share the store.

        Each tells the others what it has counted about once a second, over Redis every five seconds. Where the store is
        none that they share, they can share the directory that the environment variable PROMETHEUS_MULTIPROC_DIR names.
        """
        return await self._publishing.total()

    async def _close_at_the_end(self, send: Send, message: Message) -> None:
        if message["type"] in {"lifespan.shutdown.complete", "lifespan.shutdown.failed"}:
            await (self.store.aclose() if self._has_opened else tell_all(self.store))
        await send(message)

    async def invalidate_tag(self, *tags: str | Iterable[str], soft: bool = False) -> None:
        """Do what `Store.invalidate_tag` does, and report it to `on_event`."""
        await self._engine.invalidations.invalidate_tag(*tags, soft=soft)

    async def invalidate_url(self, url: str, *, soft: bool = False) -> None:
        """Do what `Store.invalidate_url` does to the URL without ignored parameters, and report it to `on_event`."""
        await self._engine.invalidations.invalidate_url(url, soft=soft)

    async def clear(self) -> None:
        """Do what `Store.clear` does, and report it to `on_event`."""
        await self._engine.invalidations.clear()
