"""The client: where an answer ends, and what is no answer."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from benchmarks.peers.client import Connection, request

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, Connection]]:
    """The server's end, and the client's."""
    theirs, ours = socket.socketpair()
    with theirs, ours:
        yield theirs, Connection(ours, bytearray(64 * 1024))


@pytest.mark.parametrize(
    "pieces",
    [
        [HEAD + b"hello"],
        [HEAD, b"hello"],
        [HEAD[:20], HEAD[20:] + b"he", b"l", b"lo"],
        [CHUNKED + b"5\r\nhello\r\n0\r\n\r\n"],
        [CHUNKED, b"5\r\nhello\r\n", b"0\r\n\r\n"],
    ],
    ids=["at once", "head and body", "in pieces", "chunked at once", "chunked in pieces"],
)
def test_an_answer_ends_with_its_last_piece_and_not_before(
    ends: tuple[socket.socket, Connection], pieces: list[bytes]
) -> None:
    server, connection = ends
    for _ in range(2):  # the connection is used again
        seen = []
        for piece in pieces:
            server.sendall(piece)
            seen.append(connection.read())
        assert seen == [False] * (len(pieces) - 1) + [True]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", "the answer is b'HTTP/1.1 500"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "does not say where it ends"),
    ],
)
def test_what_is_no_success_or_has_no_end_is_an_error(
    ends: tuple[socket.socket, Connection], answer: bytes, why: str
) -> None:
    server, connection = ends
    server.sendall(answer)
    with pytest.raises(ValueError, match=why):
        connection.read()


def test_a_closed_connection_is_an_error(ends: tuple[socket.socket, Connection]) -> None:
    server, connection = ends
    server.shutdown(socket.SHUT_WR)
    with pytest.raises(ConnectionError, match="closed"):
        connection.read()


def test_a_request_has_the_fields_of_a_browser_and_ends() -> None:
    text = request("/page/1/0/7")
    assert text.startswith(b"GET /page/1/0/7 HTTP/1.1\r\nhost: ")
    assert b"accept-encoding: gzip" in text
    assert text.endswith(b"\r\n\r\n")
