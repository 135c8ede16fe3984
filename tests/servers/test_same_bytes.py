"""With the door a client gets the very bytes that uvicorn writes without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.servers.serving import DOOR, PLAIN, SINCE, connected, cycles_begun, make_ready, request, serving

if TYPE_CHECKING:
    from tests.servers.serving import Served

pytestmark = pytest.mark.anyio

END = request("/page", "connection: close")
CLOSE, CLOSE_BACK = b"\x88\x02\x03\xe8", b"\x88\x80" + bytes(4)  # frames of RFC 6455 5.5.1
HANDSHAKE = ("upgrade: websocket", "connection: upgrade", "sec-websocket-version: 13", "sec-websocket-key: " + "A" * 24)
READY = (
    *("/page", "/stream", "/nothing", "/no-content", "/moved", "/unheard-of", "/missing", "/of-its-connection"),
    *("/caf%C3%A9", "/page?a=1&b=%20"),
)
HITS = {
    "a length": request("/page"),
    "no length": request("/stream"),
    "no content": request("/nothing"),
    "a redirect": request("/moved"),
    "a status without words": request("/unheard-of"),
    "an error": request("/missing"),
    "a response field of the connection": request("/of-its-connection"),
    "a path in percents": request("/caf%C3%A9"),
    "a query": request("/page?a=1&b=%20"),
    "fields that do not count": request("/page", "User-Agent: x", "ACCEPT: */*", "connection: keep-alive"),
    "several": request("/page") + request("/stream") + request("/nothing") + request("/page"),
}
HEADS = {f"HEAD, {name}": hit.replace(b"GET ", b"HEAD ") for name, hit in HITS.items()}
OTHERS = {
    "204": request("/no-content"),
    "another variant": request("/page", "x-variant: b"),
    "an ETag that is known": request("/page", "if-none-match: *"),
    "a date": request("/page", f"if-modified-since: {SINCE[1]}"),
    "a range": request("/page", "range: bytes=10-19"),
    "a target with a host": request("http://example.org/page"),
    "a fragment": request("/page#here"),
    "two hosts": request("/page", "host: example.com"),
    "a cookie": request("/page", "cookie: a=1"),
    "content": request("/page", "content-length: 3", body=b"abc"),
    "content of no length": request("/page", "content-length: 0"),
    "chunked content": request("/page", "transfer-encoding: chunked", body=b"3\r\nabc\r\n0\r\n\r\n"),
    "another request as content": request("/page", f"content-length: {len(END)}", body=request("/page", "a: close")),
    "a length and chunks": request("/page", "content-length: 3", "transfer-encoding: chunked", body=b"0\r\n\r\n"),
    "a length with an underscore": request("/page", "content_length: 9"),
    "an expectation": request("/page", "expect: 100-continue"),
    "an expectation with content": request("/page", "expect: 100-continue", "content-length: 3", body=b"abc"),
    "HTTP/2 itself": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "an upgrade without its option": request("/page", "upgrade: websocket"),
    "HTTP/1.0": request("/page", version="1.0"),
    "HTTP/1.0, kept alive": request("/page", "connection: keep-alive", version="1.0"),
    "the last of its connection": request("/page", "connection: close") + request("/page", method="POST"),
    "the last, among other options": request("/page", "connection: x, close"),
    "the last, in capitals": request("/page", "connection: CLOSE"),
    "another method": request("/page", method="POST", body=b""),
    "OPTIONS *": request("*", method="OPTIONS"),
    "a method in small letters": request("/page", method="get"),
    "a target without a path": request("?a"),
    "no target": b"GET  HTTP/1.1\r\nhost: example.org\r\n\r\n",
    "no host": b"GET /page HTTP/1.1\r\n\r\n",
    "a byte that is none of a target": request("/p\xe4ge"),
    "a name that is none": request("/page", "a b: c"),
    "blanks before the colon": request("/page", "content-length : 3"),
    "a line that goes on": request("/page", "x-a: b\r\n c"),
    "a value with NUL": request("/page", "x-a: b\0c"),
    "bare line feeds": request("/page").replace(b"\r\n", b"\n"),
    "a version of its own": request("/page", version="1.7"),
    "garbage": b"\x16\x03\x01\x02\x00\x01\x00",
}


async def written(http: str, script: bytes, **options: Any) -> tuple[bytes, list[str], int]:
    """What a server writes for a script, what its application was asked, and how many requests it has counted."""
    async with serving(http, **options) as served:
        await make_ready(served, *targets_of(script))
        answer = await played(served, script)
        return answer, served.site.calls, served.state.total_requests


def targets_of(script: bytes) -> list[str]:
    return [target for target in READY if target.encode() in script + END]


async def played(served: Served, script: bytes) -> bytes:
    async with connected(served.port) as peer:
        peer.send(script + END)
        return await peer.rest()


@pytest.mark.parametrize("script", [pytest.param(script, id=name) for name, script in (HITS | HEADS | OTHERS).items()])
async def test_a_request_is_answered_with_the_same_bytes(script: bytes) -> None:
    plain, door = [await written(http, script) for http in (PLAIN, DOOR)]
    assert door == plain


async def test_a_websocket_is_opened_and_closed_with_the_same_bytes() -> None:
    async def opened_and_closed(http: str) -> bytes:
        async with serving(http) as served, connected(served.port) as peer:
            peer.send(request("/page", *HANDSHAKE))
            opened = await peer.until(CLOSE)
            peer.send(CLOSE_BACK)
            return opened + await peer.rest()

    plain, door = [await opened_and_closed(http) for http in (PLAIN, DOOR)]
    assert plain.startswith(b"HTTP/1.1 101 ")
    assert door == plain


@pytest.mark.parametrize("script", [pytest.param(script, id=name) for name, script in (HITS | HEADS).items()])
async def test_a_plain_hit_begins_no_task(script: bytes) -> None:
    async with serving() as served:
        await make_ready(served, *targets_of(script))
        with cycles_begun() as begun:
            answer = await played(served, script)
    assert len(begun) == 1, "only the last request, which closes the connection"
    assert answer.count(b"accelerator; hit") > 1


async def test_h2c_is_not_spoken() -> None:
    lines = ("upgrade: h2c", "connection: upgrade, http2-settings", "http2-settings: AAMAAABkAAQ")
    answers = []
    for http in (PLAIN, DOOR):
        async with serving(http) as served:
            await make_ready(served, "/page")
            async with connected(served.port) as peer:
                answers.append(await peer.ask("/page", *lines))
    assert answers[0] == answers[1]
    assert answers[0].startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "options",
    [
        {"root_path": "/mount"},
        {"server_header": False, "headers": [("X-Own", "1")]},
        {"headers": [("Connection", "keep-alive")]},
    ],
)
async def test_it_does_so_with_options_of_the_server(options: dict[str, Any]) -> None:
    script = request("/page") + request("/stream")
    plain, door = [await written(http, script, **options) for http in (PLAIN, DOOR)]
    assert door == plain


async def test_each_packet_of_a_request_may_be_one_byte() -> None:
    async with serving() as served:
        await make_ready(served, "/page")
        async with connected(served.port) as peer:
            whole = await peer.ask("/page")
            protocol = served.protocols[-1]
            with cycles_begun() as begun:
                for number in request("/page"):
                    protocol.data_received(bytes([number]))
                assert await peer.answer() == whole
    assert begun == []


async def test_the_date_is_the_one_that_uvicorn_sends_now() -> None:
    async with serving() as served:
        await make_ready(served, "/page")
        async with connected(served.port) as peer:
            assert b"\r\ndate: Sun, 29 Nov 2026 18:17:55 GMT\r\nserver: uvicorn\r\n" in await peer.ask("/page")
            served.state.default_headers = [(b"date", b"Sun, 29 Nov 2026 18:17:56 GMT")]
            assert b"\r\ndate: Sun, 29 Nov 2026 18:17:56 GMT\r\ncache-control" in await peer.ask("/page")


async def test_what_is_taken_back_is_not_answered() -> None:
    async with serving() as served:
        await make_ready(served, "/page")
        await served.cached.invalidate_url("http://example.org/page")
        async with connected(served.port) as peer:
            assert b"; fwd=" in await peer.ask("/page")
