"""Under real servers, over HTTP, a client gets with the cache what it gets without."""

from __future__ import annotations

import itertools
import socket
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.wsgi.served import EVERY_BYTE
from tests.wsgi.servers import COMMANDS, PATIENCE, THREADED

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from tests.wsgi.servers import Server

SITE = "tests.wsgi.served:app"
BARE = {"X-Bare": "1"}
ADDED = {"cache-status", "cache-control", "etag", "age"}
FRAMING = {"date", "connection", "transfer-encoding", "content-length"}

on_every_server = pytest.mark.parametrize("kind", COMMANDS)
numbers = itertools.count()


@pytest.fixture
def server(kind: str, serve: Callable[..., Server]) -> Server:
    return serve(kind, SITE)


def application_lines(response: httpx.Response) -> list[tuple[str, str]]:
    """The header lines that the application sent, in a stable order: some servers sort them."""
    return sorted(line for line in response.headers.multi_items() if line[0] not in {*ADDED, *FRAMING, "x-number"})


def raw(server: Server, request: bytes) -> bytes:
    """Send bytes, and return the status line of what comes back."""
    with socket.create_connection(server.address, PATIENCE) as connection:
        connection.sendall(request)
        return connection.makefile("rb").readline()


@on_every_server
@pytest.mark.parametrize("page", ["whole", "stream", "written", "empty", "moved", "tagged", "broken"])
def test_each_page_comes_through_as_without_the_cache(server: Server, page: str) -> None:
    path = f"/{page}/{next(numbers)}"
    with server.client() as client:
        bare, missed, again = (client.get(path, headers=headers) for headers in (BARE, {}, {}))
    for response in (missed, again):
        assert (response.status_code, response.content) == (bare.status_code, bare.content)
        assert application_lines(response) == application_lines(bare)
    assert missed.reason_phrase == bare.reason_phrase
    assert [missed.headers.get("x-number"), again.headers.get("x-number")] == [
        bare.headers.get("x-number") and "2",
        bare.headers.get("x-number") and "2",
    ]


@on_every_server
def test_a_hit_has_every_byte_and_its_length(server: Server) -> None:
    path = f"/whole/{next(numbers)}"
    with server.client() as client:
        client.get(path)
        hit, head = client.get(path), client.head(path)
        known = client.get(path, headers={"If-None-Match": hit.headers["etag"]})
    assert "hit" in hit.headers["cache-status"]
    assert (hit.content, hit.headers["content-length"]) == (EVERY_BYTE, "256")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "256")
    assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", hit.headers["etag"])


@on_every_server
def test_an_invalidation_in_one_request_is_seen_by_the_next(server: Server) -> None:
    path = f"/tagged/{next(numbers)}"
    with server.client() as client:
        counts = [client.get(path).headers["x-number"] for _ in range(2)]
        client.get("/invalidate")
        counts.append(client.get(path).headers["x-number"])
    assert counts == ["1", "1", "2"]


@on_every_server
def test_bodies_of_requests_pass(server: Server) -> None:
    with server.client() as client:
        for headers in (BARE, {}):
            response = client.post("/echo", content=EVERY_BYTE * 300, headers=headers)
            assert (response.content, response.headers["x-method"]) == (EVERY_BYTE * 300, "POST")


@on_every_server
def test_a_question_in_the_content_comes_through_whole_and_is_answered_once(server: Server) -> None:
    path = f"/question/{next(numbers)}"
    with server.client() as client:
        answers = [client.post(path, content=content) for content in (EVERY_BYTE * 200, b"b", EVERY_BYTE * 200)]
    assert [answer.content for answer in answers] == [EVERY_BYTE * 200, b"b", EVERY_BYTE * 200]
    assert [answer.headers["x-number"] for answer in answers] == ["1", "2", "1"]


@on_every_server
@pytest.mark.parametrize(
    "target", [b"/tagged/%FF%00", b"/tagged/caf\xe9", b"/tagged?q=caf\xe9", b"/tagged/%2F/..;x", b"//tagged/x"]
)
def test_paths_and_queries_of_any_bytes_are_answered_as_without_the_cache(server: Server, target: bytes) -> None:
    request = b"GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%s\r\n"
    bare = raw(server, request % (target, b"X-Bare: 1\r\n"))
    assert [raw(server, request % (target, b"")) for _ in range(2)] == [bare, bare]


@on_every_server
def test_an_exception_is_in_the_servers_log_with_its_traceback(server: Server) -> None:
    path = f"/broken/{next(numbers)}"
    with server.client() as client:
        assert client.get(path).status_code == 500
        assert client.get("/tagged").status_code == 200
    assert server.says(f"BrokenSiteError: {path}", "raise BrokenSiteError(environ")


def leave_half_way(server: Server, path: str) -> None:
    """Read a little of a long response, and reset the connection."""
    with socket.create_connection(server.address, PATIENCE) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        connection.recv(1000)


def report(server: Server) -> tuple[int, str]:
    """The number of the server's threads, and how often bodies were closed."""
    with server.client() as client:
        _, threads, _, closed = client.get("/report").text.split(" ", 3)
    return int(threads), closed


def wait_for(server: Server, closed: str) -> tuple[int, str]:
    """Ask for the report until that many bodies were closed, or patience ends."""
    deadline = time.monotonic() + PATIENCE
    while (found := report(server))[1] != closed and time.monotonic() < deadline:
        """The server goes on meanwhile."""
    return found


@on_every_server
def test_a_client_that_leaves_closes_the_applications_body_once(kind: str, serve: Callable[..., Server]) -> None:
    server = serve(kind, "tests.wsgi.served:cached")
    for _ in range(5):
        leave_half_way(server, "/long")
    assert wait_for(server, "{'long': 5}")[1] == "{'long': 5}"


@pytest.mark.parametrize("kind", ["gunicorn gthread", "granian"])
def test_1000_clients_that_leave_half_way_leave_no_thread_behind(kind: str, serve: Callable[..., Server]) -> None:
    server = serve(kind, "tests.wsgi.served:waiting")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: leave_half_way(server, "/long"), range(1000)))
    threads, closed = wait_for(server, "{'long': 1000}")
    assert closed == "{'long': 1000}"
    assert threads <= 8 + 2  # the server's own, the main one and the store's loop


@pytest.mark.parametrize("kind", ["gunicorn preload", "granian", "cheroot"])
def test_a_store_that_waits_has_one_loop_in_the_process_that_serves(kind: str, serve: Callable[..., Server]) -> None:
    server = serve(kind, "tests.wsgi.served:waiting")

    def get(path: str) -> Any:
        with server.client() as client:
            return client.get(path)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(get, [f"/tagged/{number}" for number in range(16)]))
    assert "hit" in get("/tagged/0").headers["cache-status"]
    assert get("/report").text.split()[2] == "1"


def test_the_threaded_servers_collapse_requests_for_the_same_page(serve: Callable[..., Server]) -> None:
    for kind in THREADED:
        server = serve(kind, SITE)
        path = f"/tagged/{next(numbers)}"

        def get(_: int, server: Server = server, path: str = path) -> str:
            with server.client() as client:
                number: str = client.get(path).headers["x-number"]
                return number

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(get, range(16))) == {"1"}
