"""The messages of the engine, as a WSGI response to the server."""

from __future__ import annotations

from http.client import responses
from typing import TYPE_CHECKING, Final

from accelerator.wsgi.threads import Driven, pause

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from wsgiref.types import StartResponse, WSGIEnvironment

    from accelerator.asgi_types import Message


STATUS_LINE: Final = "wsgi.status"
"""The key of a start message for the application's own status line, so that its reason phrase is not lost."""


class _ClientLeftError(OSError):
    """The server has closed the response."""


class ServerResponse:
    """Takes the messages of the engine, and keeps what the server has not got yet.

    While only the engine runs, it collects the response: a hit is sent as one piece. Once the application runs, each
    chunk goes out before the application continues.

    Args:
        start_response: the function that the server gave.

    Attributes:
        chunk: the chunk to send next, None if there is none.
        is_last: no chunk comes after it.
        gone: the exception to raise because the server takes no more, else None.
        is_streamed: the application runs, so each chunk goes out at once.
    """

    __slots__ = ("_start", "_start_response", "_untouched", "_write", "chunk", "gone", "is_last", "is_streamed")

    def __init__(self, start_response: StartResponse) -> None:
        self.chunk: bytes | None = None
        self.is_last = False
        self.gone: OSError | None = None
        self.is_streamed = False
        self._start: Message | None = None
        self._start_response = start_response
        self._write: Callable[[bytes], object] | None = None
        self._untouched: WSGIEnvironment | None = None

    async def send(self, message: Message) -> None:
        """Take an ASGI message of the engine."""
        self._refuse_if_gone()
        if message["type"] == "http.response.start":
            self._start = message
            return
        self.chunk, self.is_last = message["body"], not message.get("more_body", False)
        if self.is_streamed:
            await pause()
            if not self.is_last:
                self._refuse_if_gone()

    def stream(self) -> None:
        """Send each chunk before the next one is made, from now on: the application runs."""
        self.is_streamed = True

    def _refuse_if_gone(self) -> None:
        if self.gone is not None:
            raise self.gone

    def start(self) -> Callable[[bytes], object]:
        """Call `start_response` unless that is done; return the server's `write`."""
        if self._write is None:
            assert self._start is not None  # noqa: S101 - the engine sends the start first
            self._write = self._start_response(*status_and_headers(self._start))
        return self._write

    def take(self) -> bytes | None:
        """Return the chunk to send now, None if there is none. It is not returned again."""
        chunk, self.chunk = self.chunk, None
        return chunk

    def write_out(self) -> None:
        """Pass the chunk to the server's `write`, for an application that calls `write` itself."""
        try:
            self.start()(self.take() or b"")
        except OSError as error:
            self.gone = error

    def restored(self, environ: WSGIEnvironment) -> WSGIEnvironment:
        """Return the environ for a call of the application, in its original state even for a second call."""
        if self._untouched is None:
            self._untouched = environ.copy()
        else:
            environ.clear()
            environ.update(self._untouched)
        return environ


class _Body:
    """The response body for the server. The application runs while the server asks for the next chunk.

    The engine's coroutine has no reference to it, so that the coroutine ends at once if a server drops the body
    unclosed.
    """

    __slots__ = ("_answer", "_driven")

    def __init__(self, answer: ServerResponse, driven: Driven) -> None:
        self._answer = answer
        self._driven = driven

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        answer = self._answer
        if answer.chunk is None and not answer.is_last:
            self._driven.resume()
        chunk = answer.take()
        if chunk is None or (answer.is_last and not chunk):
            raise StopIteration
        return chunk

    def close(self) -> None:
        """Let the application clean up. If the client left, it goes on as long as its response may be stored."""
        self._answer.gone = _ClientLeftError("the client has left")
        try:
            self._driven.resume()
        except _ClientLeftError:
            """The engine has ended because the client left."""


class _OnlyChunk(_Body):
    """A body of exactly one chunk. Its length lets servers set the Content-Length, as PEP 3333 allows."""

    __slots__ = ()

    def __len__(self) -> int:
        return 1


def start_body(answer: ServerResponse, driven: Driven) -> Iterable[bytes]:
    """Run the engine until there is something to send, start the response, and return its body."""
    is_open = driven.resume()
    kind = _OnlyChunk if answer.is_last and answer.chunk else _Body
    body = kind(answer, driven)
    try:
        answer.start()
    except BaseException:
        body.close()
        raise
    if is_open:
        return body
    return [answer.chunk] if answer.chunk else []


def status_and_headers(start: Message) -> tuple[str, list[tuple[str, str]]]:
    """Return the status line and headers of a start message, in the form of WSGI.

    The application's own reason phrase is kept, unless the engine has changed the status.
    """
    status, line = start["status"], start.get(STATUS_LINE)
    if line is None or int(line[:3]) != status:
        line = f"{status} {responses.get(status, '')}"
    return line, [(name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"]]
