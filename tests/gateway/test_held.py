"""Large content, slow clients and slow origins, over real sockets: what is not wanted yet stays where it is."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.gateway.wire import PATIENCE, ask, gateway, nginx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.gateway.wire import Running

MIB = 1024 * 1024
PART = b"x" * 65536
LARGE = 256 * MIB
GROWTH = 64 * MIB
"""What a process may take more than before; the cache keeps a copy of up to 8 MiB until a response is too large."""

BUFFERS = 32 * MIB
"""What the sockets and servers on the way may take, the kernel growing their buffers: about 20 MiB at the most."""

HELD = 64 * MIB
BLOCKED = 1.0
"""Seconds after which a side that cannot send counts as held."""


@contextmanager
def origin(handle: Callable[[socket.socket, bytes], object]) -> Iterator[str]:
    """An origin that handles each connection in a thread of its own: it gets the head of its request."""
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        with connection:
            connection.settimeout(PATIENCE)
            handle(connection, read_head(connection))

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=serve, args=(connection,)))
            threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepting = threading.Thread(target=accept)
        accepting.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
    for thread in [accepting, *threads]:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def read_head(connection: socket.socket) -> bytes:
    return read_to(connection, b"\r\n\r\n")


def read_to(connection: socket.socket, end: bytes) -> bytes:
    """Read byte by byte up to these, and nothing of what follows."""
    read = b""
    while not read.endswith(end) and (byte := connection.recv(1)):
        read += byte
    return read


def count_rest(connection: socket.socket) -> int:
    count = 0
    while part := connection.recv(MIB):
        count += len(part)
    return count


def send_until_held(connection: socket.socket, total: int) -> int:
    """Send up to `total` bytes until nobody takes them; return how many were taken."""
    connection.settimeout(BLOCKED)
    sent = 0
    try:
        while sent < total:
            sent += connection.send(PART[: total - sent])
    except TimeoutError:
        """It is held."""
    connection.settimeout(PATIENCE)
    return sent


def send_rest(connection: socket.socket, count: int) -> None:
    for start in range(0, count, len(PART)):
        connection.sendall(PART[: count - start])


def request(server: Running, target: str, *lines: str, method: str = "GET") -> socket.socket:
    connection = server.connect()
    connection.sendall("\r\n".join([f"{method} {target} HTTP/1.1", "Host: x", *lines, "", ""]).encode())
    return connection


def peak_memory(server: Running) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))


def head(*lines: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 200 OK", b"Connection: close", *lines, b"", b""])


# --- large content ----------------------------------------------------------------------------------------------------


def test_a_large_file_is_streamed_and_not_stored(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    with (tmp_path / "root" / "large").open("wb") as file:
        os.truncate(file.fileno(), LARGE)
    with nginx(tmp_path / "root", tmp_path) as static, gateway(static.url, tmp_path / "gateway.log") as server:
        ask(server.port, "/missing")
        before = peak_memory(server)
        with request(server, "/large", "Connection: close") as client:
            lines = read_head(client)
            assert count_rest(client) == LARGE
        assert peak_memory(server) - before < GROWTH
        again = ask(server.port, "/large", method="HEAD")
    assert b'detail="body too large"' in lines
    assert b"content-length: %d" % LARGE in lines
    assert b"hit" not in (again.get(b"cache-status") or b"")


def test_large_content_of_unknown_length_takes_no_more_than_the_copy(tmp_path: Path) -> None:
    def handle(connection: socket.socket, _: bytes) -> None:
        connection.sendall(head(b"Cache-Control: s-maxage=60", b"Transfer-Encoding: chunked"))
        for _part in range(LARGE // len(PART)):
            connection.sendall(b"%x\r\n%s\r\n" % (len(PART), PART))
        connection.sendall(b"0\r\n\r\n")

    with origin(handle) as url, gateway(url, tmp_path / "log") as server:
        before = peak_memory(server)
        with request(server, "/", "Connection: close") as client:
            read_head(client)
            assert count_rest(client) > LARGE  # with the lines between the chunks
        assert peak_memory(server) - before < GROWTH


def test_a_large_upload_is_streamed(tmp_path: Path) -> None:
    got = 0

    def handle(connection: socket.socket, _: bytes) -> None:
        nonlocal got
        while got < LARGE and (part := connection.recv(MIB)):
            got += len(part)
        connection.sendall(head(b"Content-Length: 0"))

    with origin(handle) as url, gateway(url, tmp_path / "log") as server:
        before = peak_memory(server)
        with request(server, "/", f"Content-Length: {LARGE}", method="PUT") as client:
            send_rest(client, LARGE)
            assert read_head(client).startswith(b"HTTP/1.1 200 ")
        assert peak_memory(server) - before < GROWTH
    assert got == LARGE


# --- slow clients -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("control", [b"s-maxage=60", b"no-store"])
def test_a_client_that_does_not_read_holds_the_origin_and_nobody_else(tmp_path: Path, control: bytes) -> None:
    sent: list[int] = []
    is_held = threading.Event()

    def handle(connection: socket.socket, asked: bytes) -> None:
        if asked.startswith(b"GET /other"):
            connection.sendall(head(b"Content-Length: 5") + b"other")
            return
        connection.sendall(head(b"Cache-Control: " + control, b"Content-Length: %d" % HELD))
        sent.append(send_until_held(connection, HELD))
        is_held.set()
        send_rest(connection, HELD - sent[0])

    with (
        origin(handle) as url,
        gateway(url, tmp_path / "log") as server,
        request(server, "/", "Connection: close") as slow,
    ):
        read_head(slow)
        assert slow.recv(1) == b"x"
        assert is_held.wait(PATIENCE)
        assert [ask(server.port, f"/other?{number}").body for number in range(5)] == [b"other"] * 5
        assert slow.recv(1) == b"x"
        assert count_rest(slow) == HELD - 2
    assert sent[0] < BUFFERS


def test_an_origin_that_does_not_read_holds_the_client(tmp_path: Path) -> None:
    may_read, got = threading.Event(), 0

    def handle(connection: socket.socket, _: bytes) -> None:
        nonlocal got
        assert may_read.wait(PATIENCE)
        while got < HELD and (part := connection.recv(MIB)):
            got += len(part)
        connection.sendall(head(b"Content-Length: 0"))

    with (
        origin(handle) as url,
        gateway(url, tmp_path / "log") as server,
        request(server, "/", f"Content-Length: {HELD}", method="POST") as client,
    ):
        sent = send_until_held(client, HELD)
        may_read.set()
        send_rest(client, HELD - sent)
        assert read_head(client).startswith(b"HTTP/1.1 200 ")
    assert sent < BUFFERS
    assert got == HELD


@pytest.mark.parametrize(("control", "is_stored"), [(b"s-maxage=60", True), (b"no-store", False)])
def test_a_client_that_leaves_ends_what_cannot_be_stored(tmp_path: Path, control: bytes, is_stored: bool) -> None:
    has_left, ended, calls = threading.Event(), threading.Event(), 0

    def handle(connection: socket.socket, _: bytes) -> None:
        nonlocal calls
        calls += 1
        connection.sendall(head(b"Cache-Control: " + control, b"Content-Length: 4") + b"ab")
        if calls == 1:
            assert has_left.wait(PATIENCE)
            if not is_stored:
                assert connection.recv(1) == b""  # the gateway has closed it
        connection.sendall(b"cd")
        ended.set()

    with origin(handle) as url, gateway(url, tmp_path / "log") as server:
        with request(server, "/") as leaver:
            read_head(leaver)
            assert leaver.recv(2) == b"ab"
        has_left.set()
        assert ended.wait(PATIENCE)
        reply = ask(server.port, "/")
    assert reply.body == b"abcd"
    assert calls == (1 if is_stored else 2)


# --- slow origins -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 6", b"Transfer-Encoding: chunked", b"X-Ends: with the connection"]
)
def test_what_trickles_is_passed_on_at_once_and_stored_as_a_whole(tmp_path: Path, framing: bytes) -> None:
    has_read = [threading.Event(), threading.Event(), threading.Event()]
    is_counted = framing.startswith(b"Content-Length")
    parts = [b"2\r\n%s\r\n" % part if b"chunked" in framing else part for part in (b"ab", b"cd", b"ef")]

    def handle(connection: socket.socket, _: bytes) -> None:
        connection.sendall(head(b"Cache-Control: s-maxage=60", framing))
        for part, event in zip(parts, has_read, strict=True):
            connection.sendall(part)
            assert event.wait(PATIENCE)
        if b"chunked" in framing:
            connection.sendall(b"0\r\n\r\n")

    with origin(handle) as url, gateway(url, tmp_path / "log") as server:
        with request(server, "/") as client:
            client.settimeout(PATIENCE)
            read_head(client)
            for letters, event in zip((b"ab", b"cd", b"ef"), has_read, strict=True):
                read_to(client, letters)
                event.set()
            if not is_counted:
                read_to(client, b"0\r\n\r\n")  # the end of the chunks: before it goes out, the response is stored
        hit = ask(server.port, "/")
    assert hit.body == b"abcdef"
    assert b"; hit" in (hit.get(b"cache-status") or b"")
