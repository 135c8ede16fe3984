"""What a client may write on the wire for a method, a target and a Host: raw bytes to a real server."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, NamedTuple

import anyio
import pytest
import uvicorn

from accelerator import ASGIAccelerator
from accelerator.gateway import Gateway
from tests.gateway.origin import Asked, Origin, serving
from tests.gateway.wire import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

CACHED = b"HTTP/1.1 200 OK\r\nCache-Control: s-maxage=60\r\nContent-Length: 2\r\n\r\nok"


class Site(NamedTuple):
    """The gateway with the cache as uvicorn serves it with one of its parsers, and the origin behind it."""

    parser: str
    port: int
    origin: Origin

    async def ask(self, *lines: bytes) -> bytes:
        """Send a request, the last one on its connection, and return every byte that comes."""
        self.origin.asked.clear()
        with anyio.fail_after(PATIENCE):
            async with await anyio.connect_tcp("127.0.0.1", self.port) as stream:
                await stream.send(b"\r\n".join([*lines, b"Connection: close", b"", b""]))
                return b"".join([part async for part in stream])

    @property
    def forwarded(self) -> list[bytes]:
        """The request lines that the origin has got."""
        return [asked.head.split(b"\r\n")[0] for asked in self.origin.asked]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """uvicorn runs on asyncio."""
    return "asyncio"


@pytest.fixture(scope="module", params=["h11", "httptools"])
async def site(request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    async def handle(asked: Asked) -> None:
        await asked.send(CACHED[:-2] if asked.head.startswith(b"HEAD") else CACHED)

    async with serving(handle) as origin:
        app = ASGIAccelerator(Gateway(origin.url))
        config = uvicorn.Config(
            app, http=request.param, lifespan="on", log_config=None, date_header=False, server_header=False
        )
        server = uvicorn.Server(config)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            running = asyncio.create_task(server.serve(sockets=[listener]))
            yield Site(request.param, listener.getsockname()[1], origin)
            server.should_exit = True
            await running


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"GET @127.0.0.1:22/x HTTP/1.1", id="what would become userinfo"),
        pytest.param(b"GET :22/x HTTP/1.1", id="what would become a port"),
        pytest.param(b"GET .evil.example/x HTTP/1.1", id="what would become a part of the host"),
        pytest.param(b"GET x HTTP/1.1", id="a name"),
        pytest.param(b"GET ?x HTTP/1.1", id="a query alone"),
        pytest.param(b"GET * HTTP/1.1", id="the server as a whole, which only OPTIONS asks (RFC 9112 3.2.4)"),
        pytest.param(b"GET evil.example:80 HTTP/1.1", id="authority-form"),
        pytest.param(b"POST @127.0.0.1:22/x HTTP/1.1", id="by an unsafe method"),
    ],
)
async def test_a_target_that_is_no_path_is_a_bad_request(
    site: Site, line: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await site.ask(line, b"Host: x")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert site.forwarded == []
    assert [record for record in caplog.records if record.exc_info] == []


async def test_a_target_that_names_a_host_goes_to_nobody(site: Site) -> None:
    """RFC 9112 §3.2.2; uvicorn takes scheme and host off itself where it reads requests by httptools."""
    answer = await site.ask(b"GET http://evil.example/absolute HTTP/1.1", b"Host: good.example")
    if site.parser == "h11":
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert site.forwarded == []
    else:
        assert answer.endswith(b"\r\n\r\nok")
        assert site.forwarded == [b"GET /absolute HTTP/1.1"]
        assert b"host: good.example" in site.origin.asked[0].lines
        assert b"evil.example" not in site.origin.asked[0].head


@pytest.mark.parametrize(
    "line", [b"CONNECT 127.0.0.1:22 HTTP/1.1", b"CONNECT /x HTTP/1.1", b"TRACE /x HTTP/1.1"], ids=lambda line: line[:9]
)
async def test_a_tunnel_and_a_loop_back_are_not_made(site: Site, line: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """RFC 9110 §9.3.6, §9.3.8; httptools itself refuses a CONNECT, the target of which is no URL."""
    answer = await site.ask(line, b"Host: 127.0.0.1:22")
    if site.parser == "httptools" and line.startswith(b"CONNECT 127"):
        assert answer.startswith(b"HTTP/1.1 400 ")
    else:
        assert answer.startswith(b"HTTP/1.1 405 ")
        assert b"\r\nallow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, QUERY\r\n" in answer
        assert b"\r\ncache-control: no-store\r\n" in answer
    assert site.forwarded == []
    assert [record for record in caplog.records if record.exc_info] == []


@pytest.mark.parametrize(
    ("line", "forwarded"),
    [
        (b"GET //evil.example/x HTTP/1.1", b"GET //evil.example/x HTTP/1.1"),
        (b"GET /@127.0.0.1:22/x HTTP/1.1", b"GET /@127.0.0.1:22/x HTTP/1.1"),
        (b"GET /http://evil.example/x HTTP/1.1", b"GET /http://evil.example/x HTTP/1.1"),
        (b"GET /a%2F..%2Fb?u=http://b/%00 HTTP/1.1", b"GET /a%2F..%2Fb?u=http://b/%00 HTTP/1.1"),
        (b"OPTIONS * HTTP/1.1", b"OPTIONS * HTTP/1.1"),
        (b"QUERY /q HTTP/1.1", b"QUERY /q HTTP/1.1"),
    ],
    ids=lambda line: line.decode(),
)
async def test_a_path_reaches_the_origin_as_it_is(site: Site, line: bytes, forwarded: bytes) -> None:
    answer = await site.ask(line, b"Host: x")
    assert answer.endswith(b"\r\n\r\nok")
    assert site.forwarded == [forwarded]


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param((), id="none (RFC 9112 3.2)"),
        pytest.param((b"Host: a", b"Host: b"), id="two"),
        pytest.param((b"Host: a", b"host: a"), id="one twice"),
        pytest.param((b"Host:",), id="an empty one"),
        pytest.param((b"Host: a b",), id="with a blank"),
        pytest.param((b"Host: a/b",), id="with a path"),
        pytest.param((b"Host: u@a",), id="with a user"),
        pytest.param((b"Host: a:b",), id="with a port that is no number"),
        pytest.param((b'Host: a";proto="x',), id="with a quote"),
        pytest.param((b"Host: caf\xe9",), id="outside ASCII"),
    ],
)
async def test_a_host_that_can_be_none_is_a_bad_request(site: Site, lines: tuple[bytes, ...]) -> None:
    answer = await site.ask(b"GET /host HTTP/1.1", *lines)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert site.forwarded == []


async def test_what_the_gateway_answers_itself_is_stored_by_nobody(site: Site) -> None:
    for _ in range(2):
        refused = await site.ask(b"GET /own HTTP/1.1", b"Host: a/b")
        assert b"\r\ncache-control: no-store\r\n" in refused
        assert b"; fwd=uri-miss" in refused


async def test_a_connection_goes_on_after_a_refusal(site: Site) -> None:
    refused = b"GET /refused HTTP/1.1\r\nHost: a/b\r\n\r\n"
    answers = await site.ask(refused + b"GET /after HTTP/1.1", b"Host: x")
    assert answers.startswith(b"HTTP/1.1 400 ")
    assert answers.endswith(b"\r\n\r\nok")
    assert site.forwarded == [b"GET /after HTTP/1.1"]


async def test_an_options_that_may_go_no_further_is_answered(site: Site) -> None:
    """RFC 9110 §7.6.2."""
    last = await site.ask(b"OPTIONS /hops HTTP/1.1", b"Host: x", b"Max-Forwards: 0")
    assert last.startswith(b"HTTP/1.1 204 ")
    assert b"\r\nallow: GET, " in last
    assert site.forwarded == []
    await site.ask(b"OPTIONS /hops HTTP/1.1", b"Host: x", b"Max-Forwards: 2")
    assert b"max-forwards: 1" in site.origin.asked[0].lines


@pytest.mark.parametrize("dash", [b"-", b"_", b"."], ids=["-", "_", "."])
async def test_what_a_client_says_in_the_name_of_proxies_reaches_no_origin(site: Site, dash: bytes) -> None:
    names = (
        b"X-Original-Host X-HTTP-Host-Override X-Forwarded Front-End-Https X-Scheme X-Url-Scheme X-Original-URI"
        b" True-Client-IP X-Client-IP CF-Connecting-IP X-Envoy-Original-Path X-Forwarded-User Cf-Access-Jwt-Assertion"
    ).split()
    made_up = [name.replace(b"-", dash) + b": evil.example" for name in names]
    await site.ask(b"GET /made-up?" + dash + b" HTTP/1.1", b"Host: x", *made_up)
    names_of_fields = [line.partition(b":")[0] for line in site.origin.asked[0].lines]
    assert names_of_fields == [b"host", b"via", b"forwarded", b"x-forwarded-proto", b"x-forwarded-for"]
    assert b"evil" not in site.origin.asked[0].head
