"""The bytes of an answer: those that uvicorn's `RequestResponseCycle.send` writes for its two messages."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from uvicorn.protocols.http.httptools_impl import HEADER_RE, HEADER_VALUE_RE, STATUS_LINE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from accelerator.asgi_types import Message
    from accelerator.http.fields import HeaderLines

_HEADS: Final = 1024
"""The number of heads whose bytes are remembered: those of one page differ by its age, in seconds."""

_LINES: Final = 4096
"""The number of header lines whose bytes are remembered."""

_WITHOUT_CONTENT: Final = frozenset({204, 304})
_LENGTH: Final = b"content-length"
_OF_CONNECTION: Final = frozenset({b"connection", b"transfer-encoding"})


def framed(
    defaults: Iterable[tuple[bytes, bytes]], start: Message, content: bytes, method: str
) -> tuple[bytes, bytes] | None:
    """Return head and content of an answer as uvicorn writes them on a connection that it keeps.

    Args:
        defaults: the server's own header lines, which come first.
        start: the message that starts the response.
        content: all of the response's content.
        method: the request's method.

    Returns:
        None where uvicorn would close the connection, or refuse to send this.
    """
    status = start["status"]
    try:
        head, length = _head(status, (*defaults, *start["headers"]))
    except (KeyError, ValueError):
        return None
    if method == "HEAD":
        return head + b"\r\n", b""
    if length is None and status not in _WITHOUT_CONTENT:  # RFC 9112 §7.1
        chunk = b"%x\r\n%b\r\n" % (len(content), content) if content else b""
        return head + b"transfer-encoding: chunked\r\n\r\n", chunk + b"0\r\n\r\n"
    return (head + b"\r\n", content) if len(content) == (length or 0) else None


@lru_cache(_HEADS)  # a quarter of the time that it takes to join the lines
def _head(status: int, lines: HeaderLines) -> tuple[bytes, int | None]:
    """Return status line and header lines, and the length that they give to the content.

    Raises:
        KeyError: uvicorn has no status line for this status.
        ValueError: it does not send such a line, or not on a connection that it keeps.
    """
    names = [name.lower() for name, _ in lines]
    if not _OF_CONNECTION.isdisjoint(names):
        raise ValueError
    length = int(lines[names.index(_LENGTH)][1].decode()) if _LENGTH in names else None
    return b"".join((STATUS_LINE[status], *map(_line, lines))), length


@lru_cache(_LINES)  # a fifth of the time that two searches a line take
def _line(line: tuple[bytes, bytes]) -> bytes:
    """Return a header line as it is sent; ValueError if uvicorn would not send it (RFC 9110 §5.5)."""
    name, value = line
    if HEADER_RE.search(name) or HEADER_VALUE_RE.search(value):
        raise ValueError
    return b"%b: %b\r\n" % (name.lower(), value)
