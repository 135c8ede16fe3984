"""The server's end: what the engine sends, as a WSGI response."""

from __future__ import annotations

from http.client import responses
from typing import TYPE_CHECKING, Final

from accelerator.wsgi.threads import Driven, pause

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType
    from typing import TypeAlias, TypeVar
    from wsgiref.types import StartResponse, WSGIEnvironment

    from accelerator.asgi_types import Message

    T = TypeVar("T")
    ExceptionInfo: TypeAlias = (
        tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None] | None
    )


STATUS_LINE: Final = "wsgi.status"
"""The key of a start message under which the application's own status line goes through the engine."""


class _ClientLeftError(OSError):
    """The server takes no more of the response."""


class Answer:
    """What the engine says to the server, on its way there.

    As long as only the engine is at work, it is collected: a hit is one pass. Once the application runs, each chunk
    goes out before the application goes on.

    Args:
        start_response: the server's.

    Attributes:
        chunk: what goes out next.
        is_last: nothing comes after it.
        gone: why the server takes nothing more.
        is_streamed: the application runs.
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
        """Take a message of the engine."""
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
        """Let each chunk go out before the next one is made: the application runs."""
        self.is_streamed = True

    def _refuse_if_gone(self) -> None:
        if self.gone is not None:
            raise self.gone

    def start(self) -> Callable[[bytes], object]:
        """Start the response, if that is not done yet; return the server's `write`."""
        if self._write is None:
            assert self._start is not None  # noqa: S101 - the engine has answered
            self._write = self._start_response(*status_and_headers(self._start))
        return self._write

    def take(self) -> bytes | None:
        """Return what goes out now, None if there is nothing."""
        chunk, self.chunk = self.chunk, None
        return chunk

    def write_out(self) -> None:
        """Pass it to the server's `write`, for an application that writes."""
        try:
            self.start()(self.take() or b"")
        except OSError as error:
            self.gone = error

    def fresh(self, environ: WSGIEnvironment) -> WSGIEnvironment:
        """Return the environ for a call of the application: as it was, even if that is the second call."""
        if self._untouched is None:
            self._untouched = environ.copy()
        else:
            environ.clear()
            environ.update(self._untouched)
        return environ


class _Body:
    """The body that the server gets: the application runs as the server asks for the next chunk.

    Nothing in the engine's coroutine knows it: if a server drops it unclosed, the coroutine ends at once.
    """

    __slots__ = ("_answer", "_driven")

    def __init__(self, answer: Answer, driven: Driven) -> None:
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
        """Let the application clean up; if the client left, it goes on as long as its response is to be stored."""
        self._answer.gone = _ClientLeftError("the client has left")
        try:
            self._driven.resume()
        except _ClientLeftError:
            """That ended it."""


class _OnlyChunk(_Body):
    """A body that is known to be one chunk: its length tells servers the Content-Length, as PEP 3333 lets them."""

    __slots__ = ()

    def __len__(self) -> int:
        return 1


def begun(answer: Answer, driven: Driven) -> Iterable[bytes]:
    """Run until something is to go out, and return the body."""
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
    """Return a start message as WSGI has it, with the application's own reason phrase where it is its own status."""
    status, line = start["status"], start.get(STATUS_LINE)
    if line is None or int(line[:3]) != status:
        line = f"{status} {responses.get(status, '')}"
    return line, [(name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"]]
