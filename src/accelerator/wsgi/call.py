"""One call of a WSGI application, whose response is sent to the engine as ASGI messages."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from accelerator.engine.route import ROUTE, route_in_environ
from accelerator.http.fields import combined
from accelerator.http.response import is_event_stream
from accelerator.notes import current_notes, start_noting, stop_noting
from accelerator.wsgi.answer import STATUS_LINE, ServerResponse
from accelerator.wsgi.environ import CACHE_FOR, TAGS, update
from accelerator.wsgi.threads import Driven, outside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from types import TracebackType
    from typing import TypeAlias, TypeVar
    from wsgiref.types import WSGIApplication, WSGIEnvironment

    from accelerator.asgi_types import Message, Scope, Send

    T = TypeVar("T")
    ExceptionInfo: TypeAlias = (
        tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None] | None
    )


class Call:
    """One call of a WSGI application.

    The application runs outside of the engine's coroutine, in the context of the server's thread. So it finds its
    context variables (Django keeps its connections to caches there) as it would without the cache.

    Args:
        app: the application.
        environ: its environ.
        changes: keys of the environ to set while it runs; a key whose value is None is removed.
        scope: the scope in which the engine looks for keys that the application sets in the environ.
        send: the engine's `send`.
        answer: the response to the server, None in a refresh.
    """

    def __init__(
        self,
        app: WSGIApplication,
        environ: WSGIEnvironment,
        changes: Mapping[str, Any],
        scope: Scope,
        send: Send,
        answer: ServerResponse | None,
    ) -> None:
        self._app = app
        self._environ = environ
        self._changes = changes
        self._scope = scope
        self._send = send
        self._answer = answer
        self._notes = current_notes()
        self._start: Message | None = None
        self._sent_start: Message | None = None  # the start that was sent to the engine
        self._promised = -1  # the Content-Length
        self._has_started = False
        self._is_complete = False
        self._size = 0
        self._body: Iterable[bytes] = ()
        self._chunks: Iterator[bytes] = iter(())
        self._chunks_left: int | None = None  # chunks still to come, if the iterable has a length

    async def run(self) -> None:
        """Call the application, and send its response to the engine."""
        before = {key: self._environ.get(key) for key in (*self._changes, CACHE_FOR)}
        update(self._environ, self._changes)
        if self._answer is not None:
            self._answer.stream()
        try:
            await self._pass_on()
        except GeneratorExit:  # the server dropped its iterable unclosed, and so does this
            del self._body, self._chunks
            raise
        except BaseException:
            await outside(partial(self._with_notes, self._close))
            raise
        else:
            await outside(partial(self._with_notes, self._close))
        finally:
            update(self._environ, before)  # outer middlewares use the same environ

    async def _pass_on(self) -> None:
        await outside(partial(self._with_notes, self._begin))
        if self._start is not None and is_event_stream(combined(self._start["headers"], b"content-type")):
            await self._send_start(self._start)  # its first event may come late
        while (chunk := await outside(partial(self._with_notes, self._next))) is not None:
            await self._send_chunk(chunk)
        self._chunks_left = 0
        await self._send_chunk(b"")

    async def _send_chunk(self, chunk: bytes) -> None:
        """Send a chunk to the engine, and with it the keys that the application has set until now."""
        if self._is_complete:  # what exceeds the Content-Length is dropped
            return
        if self._start is None:
            raise AssertionError("the application has to call start_response before its first chunk")
        await self._send_start(self._start)
        self._has_started = True
        self._size += len(chunk)
        self._is_complete = self._chunks_left == 0 or self._size == self._promised
        await self._send({"type": "http.response.body", "body": chunk, "more_body": not self._is_complete})

    async def _send_start(self, start: Message) -> None:
        """Copy the keys that the application has set until now to the scope, and send the start unless that is done."""
        for key in (CACHE_FOR, TAGS, ROUTE):
            if key in self._environ:
                self._scope[key] = self._environ[key]
        if self._sent_start is not start:
            self._sent_start = start
            await self._send(start)

    # --- called in the context of the server's thread -----------------------------------------------------------------

    def _with_notes(self, work: Callable[[], T]) -> T:
        """Run a step of the application, so that `cache_for`, `tag` and the like apply to its response."""
        token = start_noting(self._notes)
        try:
            return work()
        finally:
            stop_noting(token)

    def _begin(self) -> None:
        self._body = self._app(self._environ, self._start_response)
        self._chunks = iter(self._body)
        try:
            self._chunks_left = len(self._body)  # type: ignore[arg-type]  # it may have no length
        except TypeError:
            self._chunks_left = None

    def _next(self) -> bytes | None:
        """Return the next chunk, None at the end. Empty chunks before the first other one do not start the response."""
        for chunk in self._chunks:
            if self._chunks_left is not None:
                self._chunks_left -= 1
            if chunk or self._has_started:
                return chunk
        return None

    def _close(self) -> None:
        if hasattr(self._body, "close"):
            self._body.close()

    def _start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExceptionInfo = None, /
    ) -> Callable[[bytes], object]:
        """Be the `start_response` of PEP 3333: the first chunk sends the start, which may be replaced until then."""
        if exc_info:
            try:
                if self._has_started and exc_info[1] is not None:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # it would keep this frame alive
        elif self._start is not None:
            raise AssertionError("start_response was called before: a second call needs exc_info")
        self._start = {
            "type": "http.response.start",
            "status": int(status[:3]),
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers],
            STATUS_LINE: status if status[3:] else f"{status} ",  # RFC 9112 §4: the space is needed without a phrase
        }
        if route := route_in_environ(self._environ):
            self._environ[ROUTE] = route
        self._promised = next((int(value) for name, value in headers if _is_length(name, value)), -1)
        return self._write

    def _write(self, chunk: bytes) -> None:
        """Be the `write` of PEP 3333: when it returns, the server has got the chunk."""
        telling = Driven(self._send_chunk(chunk))
        while telling.resume():
            assert self._answer is not None, "a refresh sends nothing that would wait"  # noqa: S101 - an invariant
            self._answer.write_out()


def _is_length(name: str, value: str) -> bool:
    return name.lower() == "content-length" and value.isascii() and value.isdigit()
