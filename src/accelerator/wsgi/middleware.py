"""The WSGI middleware, which runs the async engine in the server's own thread, without an event loop.

The engine's interfaces are those of ASGI. Its client is the WSGI server: the scope is made from the environ, and the
messages that it sends become a WSGI response. Its application is a callable that runs the WSGI application in the same
thread, with the environ that the server gave.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Unpack

from accelerator.engine.engine import Engine
from accelerator.options import OptionArguments, checked
from accelerator.stores.finish import finish_now
from accelerator.stores.publishing import Publishing, board_of
from accelerator.stores.sync import SyncStore, blocking
from accelerator.stores.urls import store_of
from accelerator.uncopied import Uncopied
from accelerator.wsgi.answer import ServerResponse, start_body
from accelerator.wsgi.call import Call
from accelerator.wsgi.content import content_of, may_have_content
from accelerator.wsgi.environ import TAGS, changes_of, refresh_environ, scope_of
from accelerator.wsgi.threads import Driven, ThreadRuntime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from accelerator.asgi_types import Receive, Scope, Send
    from accelerator.events import CacheEvent
    from accelerator.figures.snapshot import Figures
    from accelerator.stores.protocol import Store


class WSGIAccelerator(Uncopied):
    """A cache in front of a WSGI application.

    Handlers find it in the environ as `accelerator`. If several are around one application, only the outermost works,
    and the inner ones pass everything through. That also holds inside an `ASGIAccelerator` with `a2wsgi.WSGIMiddleware`
    between them: the keys that the application sets in the environ then reach the outer one.

    Args:
        app: the application.
        store: the store of the entries, or its URL, as `open_store` takes it; if none is given, a new `MemoryStore`.
            In front of a Redis that it is given the URL of there is a near store, see `TieredStore`.
        options: see `accelerator.options.Options`.

    Raises:
        TypeError: there is no such option, or its value has the wrong type.
        ValueError: an option's value makes no sense, or the URL is none of a store.
        ImportError, OSError, RuntimeError: the store that the URL names cannot be opened.
    """

    def __init__(
        self, app: WSGIApplication, store: Store | str | None = None, **options: Unpack[OptionArguments]
    ) -> None:
        self.app = app
        self.store = store_of(store)
        self._store = blocking(self.store)
        self._engine = Engine(self._call, self._store, checked(options), self, ThreadRuntime())
        self._publishing = Publishing(self.figures, self._engine.counts, self.store, board_of(self.store))

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        if "accelerator" in environ:
            return self.app(environ, start_response)
        answer = ServerResponse(start_response)
        outer = environ.get("asgi.scope", ())
        if "accelerator" in outer:
            changes = {"accelerator": SyncStore(outer["accelerator"].store), TAGS: outer.get(TAGS, [])}
            work = Call(self.app, environ, changes, outer, answer.send, answer).run()
        else:
            scope = scope_of(environ, answer)
            work = self._engine.handle(scope, partial(content_of, scope), answer.send)
        return start_body(answer, Driven(work))

    async def _call(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the WSGI application, as the engine's ASGI application."""
        answer: ServerResponse | None = getattr(scope, "answer", None)
        if scope["method"] in {"GET", "HEAD"} and may_have_content(scope["wsgi.environ"]):
            await receive()  # if there is content, the response is not stored
        environ = answer.restored(scope["wsgi.environ"]) if answer is not None else refresh_environ(scope)
        await Call(self.app, environ, changes_of(environ, scope, self._engine.ignored), scope, send, answer).run()

    def listen(self, listener: Callable[[CacheEvent], None]) -> None:
        """Call a function with each event from now on, as the option `on_event` does, and after that."""
        self._engine.listen(listener)

    def figures(self) -> Figures:
        """Return what this accelerator has counted in this process."""
        return self._engine.figures(self.store)

    def all_figures(self) -> Figures:
        """Return the sum of what all processes have counted that share the store, see `ASGIAccelerator.all_figures`."""
        return self._publishing.total_now()

    def invalidate_tag(self, *tags: str | Iterable[str], soft: bool = False) -> None:
        """Do what `Store.invalidate_tag` does, and report it to `on_event`. It returns when that is done."""
        finish_now(self._engine.invalidations.invalidate_tag(*tags, soft=soft))

    def invalidate_url(self, url: str, *, soft: bool = False) -> None:
        """Do what `Store.invalidate_url` does, for the URL without what `ignore_query` names; report it to `on_event`.

        It returns when that is done.
        """
        finish_now(self._engine.invalidations.invalidate_url(url, soft=soft))

    def clear(self) -> None:
        """Do what `Store.clear` does, and report it to `on_event`. It returns when that is done."""
        finish_now(self._engine.invalidations.clear())
