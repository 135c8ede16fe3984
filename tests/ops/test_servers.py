"""Over real sockets: what operators ask for is done by each server, to its end, and for nobody else."""

from __future__ import annotations

import json
import socket
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.asgi.servers import SECONDS, Connection, end, started, wait_until_it_listens
from tests.asgi.test_servers import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "X-Token: ours"
JSON = "Content-Type: application/json"


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """Where each of the servers listens; they start together."""
    with ExitStack() as ends:
        servers = {}
        for name, command in COMMANDS.items():
            log = tmp_path_factory.mktemp("server") / "log"
            servers[name] = started(command, "tests.ops.served:app", log)
            ends.callback(end, servers[name])
        for server in servers.values():
            wait_until_it_listens(server)
        yield {name: server.port for name, server in servers.items()}


@pytest.fixture(params=COMMANDS)
def port(ports: dict[str, int], request: pytest.FixtureRequest) -> int:
    return ports[request.param]


def exchange(port: int, method: str, target: str, *lines: str, content: bytes = b"", version: str = "1.1") -> bytes:
    """Send a request as it is written here, and return all that comes back."""
    head = [f"{method} {target} HTTP/{version}", *lines, f"Content-Length: {len(content)}", "Connection: close", "", ""]
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as client:
        client.sendall("\r\n".join(head).encode() + content)
        return b"".join(iter(lambda: client.recv(65536), b""))


def order(port: int, **names: Any) -> bytes:
    content = json.dumps(names).encode()
    return exchange(port, "POST", "/ops/invalidate", "Host: x", TOKEN, JSON, content=content)


def state(port: int) -> dict[str, list[str]]:
    with Connection(port) as client:
        said: dict[str, list[str]] = json.loads(client.ask("/state").body)
        return said


def wait_for(port: int, kind: str, tag: str) -> None:
    deadline = time.monotonic() + SECONDS
    while tag not in state(port)[kind]:
        assert time.monotonic() < deadline, state(port)
        time.sleep(0.02)  # the server does not say when


def test_an_order_and_a_purge_are_done(port: int) -> None:
    assert order(port, tags=["a"], urls=["https://example.org/p"]).endswith(b'{"done": true}')
    purged = exchange(port, "PURGE", "/ops/https://example.org/a%2Fb?x=1", "Host: x", TOKEN)
    assert purged.endswith(b'{"done": true}')
    taken = {"a", "@url:example.org/p", "@url:example.org/a%2Fb?x=1"}
    assert taken <= set(state(port)["taken"])
    assert not [tag for tag in state(port)["taken"] if tag.startswith("@url:x/ops")]


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("POST", "/ops/invalidate"),
        ("POST", "/ops//invalidate"),
        ("POST", "/ops/%69nvalidate"),
        ("POST", "/ops/./invalidate"),
        ("POST", "//ops/invalidate"),
        ("POST", "/ops/invalidate/"),
        ("POST", "/ops/invalidate;x"),
        ("POST", "/state/../ops/invalidate"),
        ("POST", "http://x/ops/invalidate"),
        ("PURGE", "/ops/https://example.org/closed"),
        ("PURGE", "http://x/ops/https://example.org/closed"),
    ],
)
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_without_the_token_no_path_leads_in(port: int, method: str, target: str, version: str) -> None:
    content = b'{"tags": ["closed"]}'
    answer = exchange(port, method, target, "Host: x", JSON, content=content, version=version)
    assert answer.split()[1] in {b"400", b"403", b"404", b"405"}
    assert b"done" not in answer
    assert not {"closed", "@url:example.org/closed"} & {*state(port)["begun"]}


def test_it_goes_on_to_its_end_though_the_client_leaves(port: int) -> None:
    content = b'{"tags": ["slow"], "urls": ["https://example.org/after"]}'
    lines = (TOKEN, JSON, f"Content-Length: {len(content)}")
    client = Connection(port)
    client.send("/ops/invalidate", *lines, method="POST")
    client.socket.sendall(content)
    wait_for(port, "begun", "slow")
    client.break_off()
    assert "slow" not in state(port)["taken"]
    assert order(port, tags=["open"]).endswith(b'{"done": true}')
    for tag in ("slow", "@url:example.org/after"):
        wait_for(port, "taken", tag)


def test_content_that_is_too_long_is_refused(port: int) -> None:
    content = b'{"tags": ["' + b"x" * (2 * 1024 * 1024) + b'"]}'
    head = ["POST /ops/invalidate HTTP/1.1", "Host: x", TOKEN, JSON, f"Content-Length: {len(content)}", "", ""]
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as client:
        client.sendall("\r\n".join(head).encode() + content)
        assert client.recv(65536).startswith(b"HTTP/1.1 413 ")
