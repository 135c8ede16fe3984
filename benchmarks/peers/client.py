"""The one client of all peers: connections that stay open, each of which asks as soon as it is answered.

It is made of sockets and one selector, since a client of comfort takes longer for a request than some servers here do
for an answer. How much of its own processor it took is part of what it returns: below 1 the server was what had to be
waited for.
"""

from __future__ import annotations

import re
import selectors
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from benchmarks.peers.drive import FIELDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PATIENCE: Final = 30.0
"""Seconds in which each answer has to come."""

ROOM: Final = 1 << 20
"""Bytes that are read at once."""

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_LAST_CHUNK: Final = b"0\r\n\r\n"


def request(path: str) -> bytes:
    """Return the bytes of a request."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in FIELDS.items())
    return f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode()


@dataclass(frozen=True)
class Slice:
    """What came of asking for a while.

    Attributes:
        answers: how many there were.
        seconds: how long it took.
        busy: the part of that in which the client was at work itself.
    """

    answers: int
    seconds: float
    busy: float


class Connection:
    """A connection on which one request at a time is under way.

    Args:
        to: the socket.
        buffer: what is read into; all connections may have the same.
    """

    def __init__(self, to: socket.socket, buffer: bytearray) -> None:
        self.socket = to
        self._buffer = buffer
        self._left = 0  # bytes of the body that are still to come; -1 as long as chunks are
        self._head = b""  # of an answer whose head has not come as a whole

    def send(self, request: bytes) -> None:
        """Send a request."""
        self.socket.sendall(request)

    def read(self) -> bool:
        """Read what is there, and return whether that completes the answer.

        Raises:
            ConnectionError: the server closed the connection.
            ValueError: the answer is not a success, or does not say where it ends.
        """
        count = self.socket.recv_into(self._buffer)
        if not count:
            raise ConnectionError("the server closed the connection")
        if self._left > 0:
            self._left -= count
            return not self._left
        if self._left < 0:
            return self._ended(bytes(self._buffer[max(0, count - len(_LAST_CHUNK)) : count]))
        return self._begin(self._head + bytes(self._buffer[:count]))

    def _begin(self, text: bytes) -> bool:
        end = text.find(b"\r\n\r\n")
        if end < 0:
            self._head = text
            return False
        self._head = b""
        if text[9:12] != b"200":
            raise ValueError(f"the answer is {text[:200]!r}")
        if length := _LENGTH.search(text, 0, end):
            self._left = int(length[1]) - (len(text) - end - 4)
            return not self._left
        if _CHUNKED.search(text, 0, end):
            return self._ended(text[-len(_LAST_CHUNK) :])
        raise ValueError(f"the answer does not say where it ends: {text[:end]!r}")

    def _ended(self, tail: bytes) -> bool:
        self._left = 0 if tail == _LAST_CHUNK else -1
        return not self._left


class Client:
    """Asks one server by some connections; close it.

    Args:
        port: of the server on 127.0.0.1.
        connections: how many.
    """

    def __init__(self, port: int, connections: int) -> None:
        buffer = bytearray(ROOM)
        self._selector = selectors.DefaultSelector()
        self._connections = [
            Connection(socket.create_connection(("127.0.0.1", port), PATIENCE), buffer) for _ in range(connections)
        ]
        for each in self._connections:
            each.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(each.socket, selectors.EVENT_READ, each)

    def ask(self, next_request: Callable[[], bytes], seconds: float) -> Slice:
        """Ask on all connections for so long, and wait for the last answers."""
        began, busy = time.perf_counter(), time.process_time()
        until = began + seconds
        for connection in self._connections:
            connection.send(next_request())
        answers, asked = 0, len(self._connections)
        while answers < asked:
            for connection in self._readable():
                if not connection.read():
                    continue
                answers += 1
                if time.perf_counter() < until:
                    connection.send(next_request())
                    asked += 1
        taken = time.perf_counter() - began
        return Slice(answers, taken, (time.process_time() - busy) / taken)

    def crowd(self, path: str) -> list[float]:
        """Ask for the same page on all connections at once, and return the seconds until each answer."""
        began = time.perf_counter()
        for connection in self._connections:
            connection.send(request(path))
        taken: list[float] = []
        while len(taken) < len(self._connections):
            taken += [time.perf_counter() - began for connection in self._readable() if connection.read()]
        return taken

    def close(self) -> None:
        """Close the connections."""
        self._selector.close()
        for connection in self._connections:
            connection.socket.close()

    def _readable(self) -> Iterable[Connection]:
        ready = self._selector.select(PATIENCE)
        if not ready:
            raise TimeoutError(f"no answer within {PATIENCE:.0f} s")
        return (key.data for key, _ in ready)
