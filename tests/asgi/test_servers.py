"""Over real sockets: a client gets from the cache what it gets from the application, byte by byte."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.asgi import served
from tests.asgi.served import EVERY_BYTE, PART, PARTIAL_PAGE_FIELDS
from tests.asgi.servers import Connection, Reply, end, started, wait_until_it_listens

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMANDS = {
    "uvicorn, httptools": "uvicorn --http httptools --host 127.0.0.1 --port {port} --log-level warning {app}",
    "uvicorn, h11": "uvicorn --http h11 --host 127.0.0.1 --port {port} --log-level warning {app}",
    "hypercorn, asyncio": "hypercorn -k asyncio --bind 127.0.0.1:{port} {app}",
    "hypercorn, trio": "hypercorn -k trio --bind 127.0.0.1:{port} {app}",
    "granian": "granian --interface asgi --host 127.0.0.1 --port {port} --log-level warning {app}",
}


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """Where each of the servers listens; they start together."""
    with ExitStack() as ends:
        servers = {}
        for name, command in COMMANDS.items():
            log = tmp_path_factory.mktemp("server") / "log"
            servers[name] = started(command, "tests.asgi.served:app", log)
            ends.callback(end, servers[name])
        for server in servers.values():
            wait_until_it_listens(server)
        yield {name: server.port for name, server in servers.items()}


@pytest.fixture(params=COMMANDS)
def port(ports: dict[str, int], request: pytest.FixtureRequest) -> int:
    return ports[request.param]


OF_THE_CACHE = {b"age", b"cache-status", b"etag"}
OF_THE_SERVER = {b"date", b"content-length", b"transfer-encoding"}  # granian counts what comes in one piece


def of_the_application(reply: Reply) -> list[tuple[bytes, bytes]]:
    return [line for line in reply.lines if line[0] not in OF_THE_CACHE | OF_THE_SERVER]


@pytest.mark.parametrize("target", ["/page?1", "/stream?1", "/empty?1", "/moved?301", "/moved?302", "/moved?250"])
def test_a_hit_is_on_the_wire_what_the_application_sends(port: int, target: str) -> None:
    with Connection(port) as connection:
        bare = connection.ask(target, "x-bare: 1")
        number = (b"x-number", str(int(bare.get(b"x-number") or 0) + 1).encode())
        lines = [number if line[0] == b"x-number" else line for line in of_the_application(bare)]
        for status in (b"uri-miss", b"hit", b"hit"):
            reply = connection.ask(target)
            assert status in (reply.get(b"cache-status") or b"")
            assert (reply.status, reply.body, of_the_application(reply)) == (bare.status, bare.body, lines)
            assert reply.get(b"content-length") in {bare.get(b"content-length"), b"%d" % len(bare.body)}


def test_head_and_304_and_range_keep_the_connection_in_step(port: int) -> None:
    with Connection(port) as connection:
        get = connection.ask("/page?2")
        etag = (get.get(b"etag") or b"").decode()
        head = connection.ask("/page?2", method="HEAD")
        unchanged = connection.ask("/page?2", f"if-none-match: {etag}")
        again = connection.ask("/page?2")
    assert (head.status, head.body, head.get(b"content-length")) == (200, b"", b"256")
    assert (unchanged.status, unchanged.body, unchanged.get(b"etag")) == (304, b"", etag.encode())
    assert unchanged.get(b"content-length") in {None, b"0"}
    assert (again.status, again.body, again.get(b"x-number")) == (200, EVERY_BYTE, b"1")


def test_a_304_may_be_the_first_answer(port: int) -> None:
    with Connection(port) as connection:
        unchanged = connection.ask("/page?3", "if-none-match: *")
        again = connection.ask("/page?3")
    assert (unchanged.status, unchanged.body) == (304, b"")
    assert (again.status, again.body, again.get(b"x-number")) == (200, EVERY_BYTE, b"1")


def test_blanks_around_a_request_value_make_no_other_variant(port: int) -> None:
    with Connection(port) as connection:
        numbers = [
            connection.ask("/page?4", *headers).get(b"x-number")
            for headers in (
                ["x-variant: a"],
                ["x-variant:a"],
                ["x-variant: a \t"],
                ["X-Variant: a"],
                [],
                ["x-variant:"],
            )
        ]
    assert numbers == [b"1", b"1", b"1", b"1", b"2", b"3"]


def test_a_head_first_passes_and_fills_nothing(port: int) -> None:
    with Connection(port) as connection:
        head = connection.ask("/page?5", method="HEAD")
        get = connection.ask("/page?5")
    assert (head.status, head.body, get.body, get.get(b"x-number")) == (200, b"", EVERY_BYTE, b"2")


def test_a_change_takes_back_its_page(port: int) -> None:
    with Connection(port) as connection:
        connection.ask("/page?6")
        connection.ask("/page?6", "content-length: 0", method="POST")
        assert connection.ask("/page?6").get(b"x-number") == b"3"


def test_an_application_that_reads_its_request_is_cached(port: int) -> None:
    with Connection(port) as connection:
        numbers = [connection.ask("/asked?8").get(b"x-number") for _ in range(2)]
    assert numbers == [b"1", b"1"]


def test_a_file_that_the_client_has_already_is_not_sent(port: int) -> None:
    with Connection(port) as connection:
        whole = connection.ask("/file?9")
        unchanged = connection.ask("/file?9", 'if-none-match: "v1"')
        again = connection.ask("/file?9")
    assert (whole.status, whole.body) == (200, Path(served.__file__).read_bytes())
    assert (unchanged.status, unchanged.body) == (304, b"")
    assert (again.status, again.body) == (200, whole.body)


def test_a_client_that_breaks_off_in_a_stream_harms_nobody(port: int) -> None:
    leaver = Connection(port)
    leaver.send("/slow?7")
    received = b""
    while not received.endswith((b"first", b"first\r\n")):
        received += leaver.socket.recv(65536)
    leaver.break_off()
    with Connection(port) as connection:
        connection.ask("/open?7", "content-length: 0", method="POST")
        for _ in range(2):
            reply = connection.ask("/slow?7")
            assert (reply.status, len(reply.body)) == (200, len(b"first" + PART * PARTIAL_PAGE_FIELDS + b"last"))
            assert reply.get(b"x-number") == b"1"
