"""Real ASGI servers on the loopback interface, each in a process of its own, and a connection to them byte by byte."""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import h11
import pytest

ROOT = Path(__file__).parents[2]
SECONDS = 20.0  # in which a server has to be there, and to answer


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port: int = listener.getsockname()[1]
        return port


class Server(NamedTuple):
    """A server that was started: where it will listen, its process and what it says."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path


def started(command: str, app: str, log: Path) -> Server:
    """Start a server; it takes a moment until it listens."""
    port = free_port()
    words = command.format(port=port, app=app).split()
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - the commands are the tests' own
            [sys.executable, "-m", *words], cwd=ROOT, stdout=output, stderr=output
        )
    return Server(port, process, log)


def wait_until_it_listens(server: Server) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
        except OSError:
            time.sleep(0.05)  # a port says nothing before it listens
        else:
            return
    pytest.fail(f"no server: {server.log.read_text()}")


def end(server: Server) -> None:
    server.process.terminate()
    try:
        server.process.wait(SECONDS)
    except subprocess.TimeoutExpired:
        server.process.kill()
        server.process.wait()


class Reply(NamedTuple):
    """What a server answered; names of lines in lower case, as HTTP does not tell them apart."""

    status: int
    lines: list[tuple[bytes, bytes]]
    body: bytes

    def get(self, name: bytes) -> bytes | None:
        return next((value for line, value in self.lines if line == name), None)


class Connection:
    """One connection kept alive: what one answer has too much or too little, the next one shows."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
        self._parser = h11.Connection(h11.CLIENT)

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *exception: object) -> None:
        self.socket.close()

    def ask(self, target: str, *headers: str, method: str = "GET") -> Reply:
        self.send(target, *headers, method=method)
        status, lines, body = 0, [], b""
        while not isinstance(event := self._parser.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                self._parser.receive_data(self.socket.recv(65536))
            elif isinstance(event, h11.Response):
                status, lines = event.status_code, [(name.lower(), value) for name, value in event.headers]
            elif isinstance(event, h11.Data):
                body += event.data
        self._parser.start_next_cycle()
        return Reply(status, lines, body)

    def send(self, target: str, *headers: str, method: str = "GET") -> None:
        """Send header lines as they are given; the parser only has to know what it will read the answer of."""
        self._parser.send(h11.Request(method=method, target=target, headers=[("host", "x")]))
        self._parser.send(h11.EndOfMessage())
        self.socket.sendall("\r\n".join([f"{method} {target} HTTP/1.1", "Host: x", *headers, "", ""]).encode("latin-1"))

    def break_off(self) -> None:
        """Leave without a word, so that the server sees a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()
