"""The content of a request: how much of it may be read, and how the application can read it again."""

from __future__ import annotations

from functools import partial
from io import BufferedReader, BytesIO, RawIOBase
from typing import TYPE_CHECKING, BinaryIO, cast

from accelerator.engine.question import MAX_QUESTION_BYTES
from accelerator.wsgi.threads import outside

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

    from _typeshed import WriteableBuffer

    from accelerator.asgi_types import Message, Scope


async def content_of(scope: Scope) -> Message:
    """Return the content of a request as an ASGI message, read in the server's thread.

    If its length is not known, or it is shorter than its Content-Length, the client counts as disconnected.
    """
    size = None if "wsgi.content" in scope else _readable_size(scope["wsgi.environ"])
    if size is None:
        return {"type": "http.disconnect"}
    scope["wsgi.content"] = content = await outside(partial(scope["wsgi.environ"]["wsgi.input"].read, size))
    is_more = len(content) > MAX_QUESTION_BYTES or (_has_length(scope["wsgi.environ"]) and len(content) < size)
    return {"type": "http.request", "body": content, "more_body": is_more}


def _has_length(environ: WSGIEnvironment) -> bool:
    return bool(environ.get("CONTENT_LENGTH"))


def _readable_size(environ: WSGIEnvironment) -> int | None:
    """Return how many bytes can be read without waiting for ever, None if that is not known."""
    if _has_length(environ):
        length: str = environ["CONTENT_LENGTH"]
        return int(length) if length.isdecimal() else None
    if environ.get("wsgi.input_terminated"):
        return MAX_QUESTION_BYTES + 1
    return None if "HTTP_TRANSFER_ENCODING" in environ else 0


def may_have_content(environ: WSGIEnvironment) -> bool:
    """Tell whether a request without Content-Length may have content, as in HTTP/2."""
    return bool(environ.get("wsgi.input_terminated")) and not _has_length(environ)


def shown_again(content: bytes, environ: WSGIEnvironment) -> BinaryIO:
    """Return a stream of the bytes that were read, followed by the rest of the content if more may come."""
    if len(content) <= MAX_QUESTION_BYTES:
        return BytesIO(content)
    return cast("BinaryIO", BufferedReader(_Chained(content, environ["wsgi.input"])))


class _Chained(RawIOBase):
    """A stream of some bytes, followed by the rest of another stream."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = BytesIO(head)
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer)
        chunk = self._head.read(len(view)) or self._rest.read(len(view))
        view[: len(chunk)] = chunk
        return len(chunk)
