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

_HEAD_BYTES: Final = 2048
"""A longer head is not remembered."""

_HEAD_LINES: Final = 32
"""One of more lines is not remembered either. So all of them take less than 12 MB, with the lines they are found by."""

_LINES: Final = 4096
"""The number of header lines whose bytes are remembered."""

_LINE_BYTES: Final = 256
"""A longer line is not remembered. So all of them take less than 4 MB."""

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
    status, lines = start["status"], (*defaults, *start["headers"])
    try:
        head, length = _heads[status, lines]
    except (KeyError, ValueError):
        return None
    if method == "HEAD":
        return head + b"\r\n", b""
    if length is None and status not in _WITHOUT_CONTENT:  # RFC 9112 §7.1
        chunk = b"%x\r\n%b\r\n" % (len(content), content) if content else b""
        return head + b"transfer-encoding: chunked\r\n\r\n", chunk + b"0\r\n\r\n"
    return (head + b"\r\n", content) if len(content) == (length or 0) else None


class _Heads(dict[tuple[int, "HeaderLines"], tuple[bytes, int | None]]):
    """Heads by status and header lines. To find one takes a quarter of the time that it takes to join its lines."""

    def __missing__(self, key: tuple[int, HeaderLines]) -> tuple[bytes, int | None]:
        head, length = _joined(*key)
        if len(head) <= _HEAD_BYTES and len(key[1]) <= _HEAD_LINES:
            if len(self) >= _HEADS:
                self.clear()
            self[key] = head, length
        return head, length


_heads: Final = _Heads()


def _joined(status: int, lines: HeaderLines) -> tuple[bytes, int | None]:
    """Return status line and header lines, and the length that they give to the content.

    Raises:
        KeyError: uvicorn has no status line for this status.
        ValueError: it does not send such a line, or not on a connection that it keeps.
    """
    names = [name.lower() for name, _ in lines]
    if not _OF_CONNECTION.isdisjoint(names):
        raise ValueError
    length = int(lines[names.index(_LENGTH)][1].decode()) if _LENGTH in names else None
    written = [_short_line(line) if len(line[0]) + len(line[1]) <= _LINE_BYTES else _line(line) for line in lines]
    return b"".join((STATUS_LINE[status], *written)), length


def _line(line: tuple[bytes, bytes]) -> bytes:
    """Return a header line as it is sent; ValueError if uvicorn would not send it (RFC 9110 §5.5)."""
    name, value = line
    if HEADER_RE.search(name) or HEADER_VALUE_RE.search(value):
        raise ValueError
    return b"%b: %b\r\n" % (name.lower(), value)


_short_line: Final = lru_cache(_LINES)(_line)  # a fifth of the time that two searches a line take
