"""What the gateway hands on, each way, byte by byte, and what it says when there is nothing to hand on."""

from __future__ import annotations

import importlib
import socket
import sys
import tracemalloc
from typing import TYPE_CHECKING

import anyio
import httpx
import pytest

from accelerator import ASGIAccelerator
from accelerator.gateway import Gateway, _Content
from accelerator.http.credentials import IDENTITIES
from accelerator.http.request_fields import CLIENT_ADDRESS_FIELDS, FAMILIES, TARGET_FIELDS
from accelerator.testing import ManualClock
from tests.gateway.origin import Asked, gateway_to, saying, serving
from tests.support import Client, Message, ask, http_scope

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.anyio

EVERY_BYTE = bytes(range(256))
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CACHED = b"HTTP/1.1 200 OK\r\nCache-Control: s-maxage=60\r\nContent-Length: 2\r\n\r\nok"
FORWARDED = [
    b'forwarded: for=192.0.2.1;host="example.org";proto=https',
    b"x-forwarded-proto: https",
    b"x-forwarded-for: 192.0.2.1",
]
PATIENCE = 10.0


# --- the request ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "forwarded"),
    [
        pytest.param([("x-a", "b \t")], [b"x-a: b"], id="blanks after a value go"),
        pytest.param([("x-a", b"caf\xe9 \xff")], [b"x-a: caf\xe9 \xff"], id="bytes outside ASCII stay"),
        pytest.param([("x-a", "")], [b"x-a: "], id="an empty value stays"),
        pytest.param([("x-a", "1"), ("x-b", "2"), ("x-a", "3")], [b"x-a: 1", b"x-b: 2", b"x-a: 3"], id="repeated"),
        pytest.param([("accept-encoding", "br, zstd;q=0")], [b"accept-encoding: br, zstd;q=0"], id="encodings"),
        pytest.param(
            [(name, "x") for name in ("keep-alive", "te", "trailer", "upgrade", "expect", "proxy-authorization")],
            [],
            id="fields of one connection go (RFC 9110 7.6.1)",
        ),
        pytest.param(
            [("connection", "close, X-Mine"), ("x-mine", "1"), ("x-other", "2")],
            [b"x-other: 2"],
            id="what Connection names goes (RFC 9110 7.6.1)",
        ),
        pytest.param([("via", "1.0 fred")], [b"via: 1.0 fred"], id="an earlier Via stays (RFC 9110 7.6.3)"),
        pytest.param(
            [
                (name, "evil.example")
                for name in (
                    *("Forwarded", "X-Real-IP", "X-Host", "X-Original-URL", "X-Rewrite-URL", "X-Forwarded"),
                    *("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Scheme"),
                    *("X-Forwarded-Port", "X-Forwarded-Prefix", "X_Forwarded_Host", "x-forwarded_host"),
                )
            ],
            [],
            id="what a client says in the name of proxies is replaced",
        ),
        pytest.param([("x-forward", "1")], [b"x-forward: 1"], id="what only sounds like it stays"),
        pytest.param(
            [("x-api-key", "1"), ("hx-request", "true"), ("x-http-method", "PUT"), ("api_key", "2")],
            [b"x-api-key: 1", b"hx-request: true", b"x-http-method: PUT", b"api_key: 2"],
            id="what clients say themselves stays",
        ),
        pytest.param(
            [("x.http.method", "PUT"), ("x.api.key", "1"), ("hx.request", "true"), ("$wsru", "root"), ("te_", "x")],
            [b"te_: x"],
            id="a name of other letters than a cache and an origin read alike goes",
        ),
        pytest.param(
            [("keep_alive", "5"), ("proxy_authorization", "x")], [], id="fields of one connection go, respelled"
        ),
    ],
)
async def test_header_lines_reach_the_origin_as_they_are(
    sent: list[tuple[str, str | bytes]], forwarded: list[bytes]
) -> None:
    async with serving(saying(OK)) as origin, gateway_to(origin.url) as gateway:
        await ask(gateway, headers=sent)
    assert origin.asked[0].lines == [b"host: example.org", *forwarded, b"via: 1.1 accelerator", *FORWARDED]


@pytest.mark.parametrize(
    ("more", "line"),
    [
        pytest.param({"raw_path": b"/a%2Fb%20c;d='"}, b"GET /a%2Fb%20c;d=' HTTP/1.1", id="as it was received"),
        pytest.param({"raw_path": None, "path": "/a b/é%"}, b"GET /a%20b/%C3%A9%25 HTTP/1.1", id="decoded"),
        pytest.param({"query_string": b"a=%20&a[]=2"}, b"GET /?a=%20&a[]=2 HTTP/1.1", id="with a query"),
        pytest.param({"raw_path": b"*", "method": "OPTIONS"}, b"OPTIONS * HTTP/1.1", id="asterisk-form"),
        pytest.param({"method": "get"}, b"get / HTTP/1.1", id="a method has its case (RFC 9110 9.1)"),
        pytest.param({"raw_path": b"/" + b"a" * 60_000}, b"GET /" + b"a" * 60_000 + b" HTTP/1.1", id="very long"),
    ],
)
async def test_the_target_reaches_the_origin_as_it_is(more: dict[str, object], line: bytes) -> None:
    async with serving(saying(OK)) as origin, gateway_to(origin.url) as gateway:
        client = Client()
        await gateway({**http_scope("/"), **more}, client.receive, client.send)
    assert origin.asked[0].head.split(b"\r\n")[0] == line


@pytest.mark.parametrize(
    ("client", "node", "address"),
    [
        (("192.0.2.1", 1), b"192.0.2.1", [b"x-forwarded-for: 192.0.2.1"]),
        (("2001:db8::1", 1), b'"[2001:db8::1]"', [b"x-forwarded-for: 2001:db8::1"]),
        (None, b"unknown", []),
        (("", 0), b"unknown", []),
        (('a;proto="b"\\', 0), b'"a;proto=b"', [b'x-forwarded-for: a;proto="b"\\']),
    ],
    ids=["IPv4", "IPv6", "a Unix socket", "an empty name", "what a proxy lets a client make up"],
)
async def test_forwarded_names_the_client(client: tuple[str, int] | None, node: bytes, address: list[bytes]) -> None:
    async with serving(saying(OK)) as origin, gateway_to(origin.url) as gateway:
        await ask(gateway, client=client, scheme="http", headers=[("host", "a;b:80")])
    forwarded = b'forwarded: for=%s;host="a;b:80";proto=http' % node
    assert origin.asked[0].lines[2:] == [forwarded, b"x-forwarded-proto: http", *address]


async def test_a_request_without_a_host_gets_that_of_the_origin() -> None:
    async with serving(saying(OK)) as origin, gateway_to(origin.url) as gateway:
        client = Client()
        await gateway({**http_scope(), "headers": [], "http_version": "1.0"}, client.receive, client.send)
    host = origin.url.removeprefix("http://").encode()
    forwarded = b"forwarded: for=192.0.2.1;proto=https"
    assert origin.asked[0].lines[:3] == [b"host: " + host, b"via: 1.0 accelerator", forwarded]


@pytest.mark.parametrize(
    ("headers", "parts", "lines", "content"),
    [
        pytest.param([("content-length", "4")], [b"ab", b"cd"], [b"content-length: 4"], b"abcd", id="a known length"),
        pytest.param([("content-length", "0")], [], [b"content-length: 0"], b"", id="a length of 0"),
        pytest.param(
            [("transfer-encoding", "chunked"), ("content-length", "9")],
            [b"ab", b"", b"cd"],
            [b"transfer-encoding: chunked"],
            b"2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n",
            id="chunks decide before a length (RFC 9112 6.3)",
        ),
        pytest.param([], [b"ab"], [b"transfer-encoding: chunked"], b"2\r\nab\r\n0\r\n\r\n", id="neither, as in HTTP/2"),
        pytest.param([], [], [], b"", id="no content"),
    ],
)
async def test_content_reaches_the_origin_as_it_is(
    headers: list[tuple[str, str]], parts: list[bytes], lines: list[bytes], content: bytes
) -> None:
    got = b""

    async def handle(asked: Asked) -> None:
        nonlocal got
        if content:
            got = await asked.reader.receive_exactly(len(content))
        await asked.send(OK)

    async with serving(handle) as origin, gateway_to(origin.url) as gateway:
        answer = await Client(body=parts).ask(gateway, method="POST", headers=headers)
    framing = [line for line in origin.asked[0].lines if line.startswith((b"content-length", b"transfer-encoding"))]
    assert (answer.status, answer.body, framing, got) == (200, b"ok", lines, content)


async def test_each_chunk_of_a_request_goes_on_before_the_next_one_comes() -> None:
    has_first = anyio.Event()

    async def handle(asked: Asked) -> None:
        assert await asked.reader.receive_exactly(2) == b"ab"
        has_first.set()
        assert await asked.reader.receive_exactly(2) == b"cd"
        await asked.send(OK)

    client = Client(body=[b"ab", b"cd"])

    async def receive() -> Message:
        message = await client.receive()
        if message.get("body") == b"cd":
            await has_first.wait()
        return message

    async with serving(handle) as origin, gateway_to(origin.url) as gateway:
        scope = http_scope(method="POST", headers=[("content-length", "4")])
        await gateway(scope, receive, client.send)
    assert client.answer.status == 200


async def test_what_cannot_be_forwarded_is_a_bad_request() -> None:
    async with serving(saying(OK)) as origin, gateway_to(origin.url) as gateway:
        answer = await ask(gateway, headers=[("x-a", "\x0b")])
    assert (answer.status, answer.body, origin.asked) == (400, b"the request cannot be forwarded", [])


async def test_what_the_gateway_answers_itself_reaches_no_origin() -> None:
    async with serving(saying(OK)) as origin, gateway_to(origin.url) as gateway:
        answer = await Client(body=[b"ab", b"cd"]).ask(gateway, method="POST", raw_path=b"http://b/c")
    assert (answer.status, answer.body, origin.asked) == (400, b"the target is not a path", [])
    assert answer.get("cache-control") == "no-store"


NAMED = [name.lower() for name in IDENTITIES] + [name.decode() for name in (*TARGET_FIELDS, *CLIENT_ADDRESS_FIELDS)]
OTHERS = [prefix.decode() + "other" for prefix in FAMILIES]


@pytest.mark.parametrize("dash", ["-", "_", "."])
async def test_no_name_of_the_table_passes_that_only_proxies_can_say(dash: str) -> None:
    made_up = [(name.replace("-", dash).title(), "evil.example") for name in (*NAMED, *OTHERS)]
    async with serving(saying(OK)) as origin, gateway_to(origin.url) as gateway:
        await ask(gateway, headers=made_up)
    assert origin.asked[0].lines == [b"host: example.org", b"via: 1.1 accelerator", *FORWARDED]


@pytest.mark.parametrize("name", ["X-Forwarded-Host", "X-Forwarded-User", "CF-Connecting-IP", "Shib-Name", "X.Y"])
async def test_a_field_that_a_trusted_proxy_says_passes(name: str) -> None:
    async with serving(saying(OK)) as origin, gateway_to(origin.url, trusted_fields=(name,)) as gateway:
        await ask(gateway, headers=[(name.upper(), "a")])
    assert f"{name.upper()}: a".encode() in origin.asked[0].lines


@pytest.mark.parametrize("name", ["X_Forwarded_Host", "X.Forwarded.Host", "X-Forwarded_Host", "X-Forwarded-User"])
async def test_a_trusted_name_passes_in_no_other_spelling(name: str) -> None:
    """The proxy takes its own spelling off what a client sends, and no other."""
    async with serving(saying(OK)) as origin, gateway_to(origin.url, trusted_fields=("X-Forwarded-Host",)) as gateway:
        await ask(gateway, headers=[(name, "evil.example")])
    assert origin.asked[0].lines == [b"host: example.org", b"via: 1.1 accelerator", *FORWARDED]


async def test_what_a_connection_says_anew_cannot_be_trusted_away() -> None:
    for name in ("Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "TE"):
        with pytest.raises(ValueError, match=f"the gateway says {name.lower()} itself"):
            Gateway("http://127.0.0.1:9", trusted_fields=(name,))


# --- the response -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "answer", "status", "headers", "body"),
    [
        pytest.param(
            "GET",
            b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nX-Raw: caf\xe9\r\nset-cookie: b=2\r\nContent-Encoding: br\r\n"
            b"Content-Length: 256\r\n\r\n" + EVERY_BYTE,
            200,
            [
                (b"set-cookie", b"a=1"),
                (b"x-raw", b"caf\xe9"),
                (b"set-cookie", b"b=2"),
                (b"content-encoding", b"br"),
                (b"content-length", b"256"),
            ],
            EVERY_BYTE,
            id="lines, bytes and encodings stay",
        ),
        pytest.param(
            "GET",
            b"HTTP/1.1 200 OK\r\nConnection: X-Mine, close\r\nX-Mine: 1\r\nKeep-Alive: 5\r\nTransfer-Encoding: chunked"
            b"\r\nTrailer: x-t\r\nX-A: 1\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\nx-t: 1\r\n\r\n",
            200,
            [(b"x-a", b"1")],
            b"abc",
            id="fields of one connection go",
        ),
        pytest.param(
            "GET",
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
            200,
            [],
            b"ab",
            id="chunks decide before a length (RFC 9112 6.3)",
        ),
        pytest.param(
            "HEAD",
            b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n",
            200,
            [(b"content-length", b"99")],
            b"",
            id="HEAD has no content",
        ),
        pytest.param("GET", b"HTTP/1.1 204 No\r\nx-a: 1\r\n\r\n", 204, [(b"x-a", b"1")], b"", id="204 has no content"),
        pytest.param(
            "GET",
            b'HTTP/1.1 304 Same\r\nETag: "a"\r\nContent-Length: 99\r\n\r\n',
            304,
            [(b"etag", b'"a"')],
            b"",
            id="304 has no content, and announces none",
        ),
        pytest.param(
            "GET",
            b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
            302,
            [(b"location", b"/x"), (b"content-length", b"0")],
            b"",
            id="no redirect is followed",
        ),
        pytest.param("GET", b"HTTP/1.1 299 Odd\r\nContent-Length: 1\r\n\r\na", 299, None, b"a", id="an unknown 2xx"),
        pytest.param("GET", b"HTTP/1.1 599 Odd\r\nContent-Length: 1\r\n\r\na", 599, None, b"a", id="an unknown 5xx"),
        pytest.param(
            "GET",
            b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK,
            200,
            [(b"content-length", b"2")],
            b"ok",
            id="interim responses are passed over",
        ),
    ],
)
async def test_the_answer_reaches_the_client_as_it_is(
    method: str, answer: bytes, status: int, headers: list[tuple[bytes, bytes]] | None, body: bytes
) -> None:
    async with serving(saying(answer)) as origin, gateway_to(origin.url) as gateway:
        got = [await ask(gateway, method=method) for _ in range(2)]
    for each in got:
        assert (each.status, each.body, each.is_complete) == (status, body, True)
        assert headers is None or each.headers == headers


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("surplus", [OK, b"HTTP/1.1 200 OK\r\nX-A: "], ids=["a whole answer", "a part of one"])
async def test_what_comes_after_an_answer_is_not_the_next_one(method: str, surplus: bytes) -> None:
    """RFC 9112 §6.3: it would be the answer to whoever asks next."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" + (b"mine" if method == "GET" else b"")
    async with serving(saying(answer + surplus)) as origin, gateway_to(origin.url) as gateway:
        got = [await ask(gateway, method=method) for _ in range(3)]
    assert [each.headers for each in got] == [[(b"content-length", b"4")]] * 3
    assert [asked.connection for asked in origin.asked] == [1, 2, 3]


async def test_an_answer_may_end_with_its_connection() -> None:
    async with (
        serving(saying(b"HTTP/1.0 200 OK\r\n\r\nall of it", closing=True)) as origin,
        gateway_to(origin.url) as gateway,
    ):
        answer = await ask(gateway)
    assert (answer.body, answer.is_complete) == (b"all of it", True)


async def test_each_chunk_of_an_answer_goes_on_before_the_next_one_comes() -> None:
    has_first = anyio.Event()

    async def handle(asked: Asked) -> None:
        await asked.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
        await has_first.wait()
        await asked.send(b"cd")

    async def see(message: Message) -> None:
        if message.get("body") == b"ab":
            has_first.set()

    async with serving(handle) as origin, gateway_to(origin.url) as gateway:
        answer = await Client(on_send=see).ask(gateway)
    assert [message["body"] for message in answer.messages[1:]] == [b"ab", b"cd", b""]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nCache-Control: s-maxage=60\r\nContent-Length: 9\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nCache-Control: s-maxage=60\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
    ],
    ids=["Content-Length", "chunks"],
)
async def test_an_answer_that_breaks_off_raises_and_is_not_stored(answer: bytes) -> None:
    async with serving(saying(answer, closing=True)) as origin, gateway_to(origin.url) as gateway:
        app = ASGIAccelerator(gateway)
        for _ in range(2):
            client = Client()
            with pytest.raises(httpx.RemoteProtocolError):
                await client.ask(app)
            assert (client.answer.body, client.answer.is_complete) == (b"ab", False)
    assert len(origin.asked) == 2


async def test_large_content_takes_little_memory_both_ways() -> None:
    part, count = b"x" * 65536, 256

    async def handle(asked: Asked) -> None:
        for _ in range(count):
            await asked.reader.receive_exactly(len(part))
        await asked.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (count * len(part)))
        for _ in range(count):
            await asked.send(part)

    left, got = count, 0

    async def receive() -> Message:
        nonlocal left
        if not left:
            await anyio.sleep_forever()
        left -= 1
        return {"type": "http.request", "body": part, "more_body": left > 0}

    async def send(message: Message) -> None:
        nonlocal got
        got += len(message.get("body", b""))

    async with serving(handle) as origin, gateway_to(origin.url) as gateway:
        scope = http_scope(method="POST", headers=[("content-length", str(count * len(part)))])
        tracemalloc.start()
        try:
            await gateway(scope, receive, send)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert got == count * len(part)
    assert peak < got / 8


# --- an origin that fails ---------------------------------------------------------------------------------------------


async def test_an_origin_that_is_not_there_is_a_502(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    async with gateway_to(f"http://127.0.0.1:{port}") as gateway:
        answer = await ask(gateway)
    assert (answer.status, answer.body) == (502, b"the origin cannot be reached")
    assert answer.get("cache-control") == "no-store"
    assert "the origin cannot be reached" in caplog.text


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"SSH-2.0-x\r\n\r\n", id="not HTTP"),
        pytest.param(b"HTTP/1.1 101 S\r\n\r\n", id="an upgrade"),
        pytest.param(OK.replace(b"200", b"999"), id="no status (RFC 9110 15)"),
        pytest.param(OK.replace(b"\r\n\r\n", b"\r\nX-A: a\rX-B: b\r\n\r\n"), id="a bare CR in a value"),
        pytest.param(OK.replace(b"\r\n\r\n", b"\r\nX-A: a\0b\r\n\r\n"), id="a NUL in a value"),
        pytest.param(OK.replace(b"2\r\n", b"2\r\nContent-Length: 3\r\n"), id="two lengths"),
    ],
)
async def test_an_answer_that_is_none_is_a_502(answer: bytes) -> None:
    async with serving(saying(answer, closing=True)) as origin, gateway_to(origin.url) as gateway:
        assert (await ask(gateway)).status == 502


async def test_an_origin_that_is_silent_is_a_504() -> None:
    async def handle(_: Asked) -> None:
        await anyio.sleep_forever()

    async with serving(handle) as origin, gateway_to(origin.url, timeout=0.01) as gateway:
        answer = await ask(gateway)
    assert (answer.status, answer.body) == (504, b"the origin takes too long")


def closing_the_second() -> Callable[[Asked], Awaitable[object]]:
    """Each connection is good for one request: the next one finds it closed."""
    seen: set[int] = set()

    async def handle(asked: Asked) -> bool:
        if asked.connection in seen:
            return False
        seen.add(asked.connection)
        await asked.send(OK)
        return True

    return handle


@pytest.mark.parametrize(
    ("method", "headers", "parts", "status", "connections"),
    [
        pytest.param("GET", [], [], 200, [1, 1, 2], id="GET is sent again on a new connection (RFC 9110 9.2.2)"),
        pytest.param("HEAD", [], [], 200, [1, 1, 2], id="HEAD is sent again"),
        pytest.param("OPTIONS", [], [], 200, [1, 1, 2], id="OPTIONS is sent again"),
        pytest.param("QUERY", [], [], 200, [1, 1, 2], id="QUERY is sent again"),
        pytest.param("QUERY", [("content-length", "1")], [b"a"], 200, [1, 1, 2], id="with content that is there whole"),
        pytest.param("GET", [("content-length", "2")], [b"a", b"b"], 502, [1, 1], id="with content in parts it is not"),
        pytest.param("POST", [], [], 502, [1, 1], id="POST is not"),
        pytest.param("PUT", [], [], 502, [1, 1], id="PUT is not"),
    ],
)
async def test_an_idle_connection_that_the_origin_closed(
    method: str, headers: list[tuple[str, str]], parts: list[bytes], status: int, connections: list[int]
) -> None:
    async with serving(closing_the_second()) as origin, gateway_to(origin.url) as gateway:
        assert (await ask(gateway)).status == 200
        assert (await Client(body=parts).ask(gateway, method=method, headers=headers)).status == status
    assert [asked.connection for asked in origin.asked] == connections


async def test_content_that_is_sent_once_more_is_the_same() -> None:
    got: list[bytes] = []

    async def handle(asked: Asked) -> bool:
        if asked.head.startswith(b"QUERY"):
            got.append(await asked.reader.receive_exactly(4))
            if asked.connection == 1:
                return False
        await asked.send(OK)
        return True

    async with serving(handle) as origin, gateway_to(origin.url) as gateway:
        await ask(gateway)
        answer = await Client(body=[b"abcd"]).ask(gateway, method="QUERY", headers=[("content-length", "4")])
    assert (answer.status, got) == (200, [b"abcd", b"abcd"])
    assert [asked.connection for asked in origin.asked] == [1, 1, 2]


async def test_a_new_connection_that_the_origin_closes_is_not_tried_again() -> None:
    async def handle(_: Asked) -> bool:
        return False

    async with serving(handle) as origin, gateway_to(origin.url) as gateway:
        assert (await ask(gateway)).status == 502
    assert len(origin.asked) == 1


# --- a client that leaves ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("began", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"], ids=["before", "within"])
async def test_a_client_that_leaves_frees_the_origin(began: bytes) -> None:
    is_closed = anyio.Event()

    async def leave(message: Message) -> None:
        if message.get("body"):
            client.leave()

    async def handle(asked: Asked) -> None:
        await asked.send(began)
        if not began:
            client.leave()
        await asked.read_until_closed()
        is_closed.set()

    client = Client(on_send=leave, raises=False)
    async with serving(handle) as origin, gateway_to(origin.url) as gateway:
        await client.ask(gateway)
        with anyio.fail_after(PATIENCE):
            await is_closed.wait()
    assert client.answer.body == b""


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # trio warns of generators that httpcore leaves open
async def test_a_server_that_cannot_send_any_more_frees_the_origin() -> None:
    is_closed = anyio.Event()

    async def handle(asked: Asked) -> None:
        await asked.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab")
        await asked.read_until_closed()
        is_closed.set()

    async def refuse(message: Message) -> None:
        if message.get("body"):
            raise OSError("the client has left")

    async with serving(handle) as origin, gateway_to(origin.url) as gateway:
        with pytest.raises(OSError, match="the client has left"):
            await Client(on_send=refuse).ask(gateway)
        with anyio.fail_after(PATIENCE):
            await is_closed.wait()


async def test_a_client_that_leaves_within_its_request_frees_the_origin() -> None:
    is_closed, got = anyio.Event(), b""
    events: list[Message] = [
        {"type": "http.request", "body": b"ab", "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def handle(asked: Asked) -> None:
        nonlocal got
        got = await asked.read_until_closed()
        is_closed.set()

    async def receive() -> Message:
        return events.pop(0)

    client = Client()
    async with serving(handle) as origin, gateway_to(origin.url) as gateway:
        await gateway(http_scope(method="POST", headers=[("content-length", "4")]), receive, client.send)
        with anyio.fail_after(PATIENCE):
            await is_closed.wait()
    assert (got, client.answer.messages) == (b"ab", [])


async def test_a_client_that_has_left_already_is_not_forwarded() -> None:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    client = Client()
    async with serving(saying(OK)) as origin, gateway_to(origin.url) as gateway:
        await gateway(http_scope(), receive, client.send)
    assert (origin.asked, client.answer.messages) == ([], [])


async def test_content_that_the_origin_does_not_want_is_dropped_until_the_client_leaves() -> None:
    part: Message = {"type": "http.request", "body": b"a", "more_body": True}
    events = [part, part, {"type": "http.disconnect"}]

    async def receive() -> Message:
        return events.pop(0)

    content = _Content(part, receive)
    content.drop_rest()
    with anyio.fail_after(PATIENCE):
        await content.wait_for_disconnect()
    assert events == []


# --- with the cache in front ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 256, 300_000])
async def test_a_hit_is_the_miss_byte_for_byte(size: int) -> None:
    body = (EVERY_BYTE * 1200)[:size]
    head = (
        b'HTTP/1.1 200 OK\r\nCache-Control: s-maxage=60\r\nETag: W/"1"\r\nLink: </a>\r\nX-Raw: caf\xe9\r\n'
        b"Link: </b>\r\nContent-Encoding: gzip\r\nVary: x-a\r\nContent-Length: %d\r\n\r\n" % size
    )
    async with serving(saying(head + body)) as origin, gateway_to(origin.url) as gateway:
        app = ASGIAccelerator(gateway, cache_status=None, clock=ManualClock())
        bare, miss, hit, other = [
            await ask(*asked) for asked in ((gateway, "/"), (app, "/"), (app, "/"), (app, "/?other"))
        ]
    assert (bare.body, miss.body, hit.body) == (body, body, body)
    assert bare.headers == miss.headers == other.headers
    assert [line for line in hit.headers if line[0] != b"age"] == miss.headers
    assert [asked.head.split()[1] for asked in origin.asked] == [b"/", b"/", b"/?other"]


async def test_tags_of_the_origin_take_back_what_they_name() -> None:
    tagged = CACHED.replace(b"\r\n\r\n", b"\r\nSurrogate-Key: a b\r\n\r\n")
    async with serving(saying(tagged)) as origin, gateway_to(origin.url) as gateway:
        app = ASGIAccelerator(gateway)
        answers = [await ask(app) for _ in range(2)]
        await app.invalidate_tag("b")
        answers.append(await ask(app))
    assert ["; hit" in (answer.get("cache-status") or "") for answer in answers] == [False, True, False]
    assert len(origin.asked) == 2
    assert {answer.get("surrogate-key") for answer in answers} == {None}


async def test_a_stale_response_is_made_anew_behind_the_client() -> None:
    is_refreshed, clock = anyio.Event(), ManualClock()

    async def handle(asked: Asked) -> None:
        await asked.send(CACHED.replace(b"=60", b"=60, stale-while-revalidate=60"))
        if len(origin.asked) == 2:
            is_refreshed.set()

    async with serving(handle) as origin, gateway_to(origin.url) as gateway:
        app = ASGIAccelerator(gateway, clock=clock)
        await ask(app)
        clock.advance(61)
        assert (await ask(app)).body == b"ok"
        with anyio.fail_after(PATIENCE):
            await is_refreshed.wait()


@pytest.mark.parametrize("is_silent", [False, True], ids=["502", "504"])
async def test_what_is_stale_stands_in_for_an_answer_of_the_gateway_itself(is_silent: bool) -> None:
    clock = ManualClock()

    async def handle(asked: Asked) -> bool:
        if len(origin.asked) == 1:
            await asked.send(CACHED.replace(b"s-maxage=60", b"max-age=60, stale-if-error=60"))
        elif is_silent:
            await anyio.sleep_forever()
        return False

    async with serving(handle) as origin, gateway_to(origin.url, timeout=0.5) as gateway:
        app = ASGIAccelerator(gateway, clock=clock)
        await ask(app)
        clock.advance(61)
        answer = await ask(app)
    assert (answer.status, answer.body) == (200, b"ok")
    assert len(origin.asked) == 2


@pytest.mark.parametrize("name", ["X.HTTP.Method.Override", "X-HTTP~Method"])
async def test_another_method_that_the_cache_does_not_see_is_none_for_the_origin_either(name: str) -> None:
    async with serving(saying(CACHED)) as origin, gateway_to(origin.url) as gateway:
        app = ASGIAccelerator(gateway)
        await ask(app, headers=[(name, "DELETE")])
        await ask(app)
    assert [b"delete" in asked.head.lower() for asked in origin.asked] == [False]


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "x_http_method", "X-Method-Override"])
async def test_what_was_made_by_another_method_is_not_stored(name: str) -> None:
    async with serving(saying(CACHED)) as origin, gateway_to(origin.url) as gateway:
        app = ASGIAccelerator(gateway)
        await ask(app, headers=[(name, "HEAD")])
        await ask(app)
        await ask(app)
    assert [name.lower().encode() + b": head" in asked.head.lower() for asked in origin.asked] == [True, False]


@pytest.mark.parametrize(
    ("vary", "calls"),
    [
        pytest.param("Accept, X-Forwarded-For", 2, id="the address"),
        pytest.param("Forwarded", 2, id="the address, by RFC 7239"),
        pytest.param("Via", 2, id="the version"),
        pytest.param("X-Forwarded-Proto, X-Forwarded-Host", 1, id="what is in the key anyway"),
    ],
)
async def test_what_varies_on_the_connection_of_a_client_is_not_stored(vary: str, calls: int) -> None:
    varying = CACHED.replace(b"\r\n\r\n", b"\r\nVary: %s\r\n\r\n" % vary.encode())
    async with serving(saying(varying)) as origin, gateway_to(origin.url) as gateway:
        app = ASGIAccelerator(gateway)
        for address in ("192.0.2.1", "192.0.2.2"):
            await ask(app, client=(address, 1))
    assert len(origin.asked) == calls


@pytest.mark.parametrize(
    ("name", "calls"),
    [
        pytest.param("Accept_Language", 2, id="as a program called by CGI may read it"),
        pytest.param("accept-language", 2, id="as it is written, in the key"),
        pytest.param("Other-Name", 1, id="another field"),
    ],
)
async def test_what_varies_on_a_field_that_is_spelled_otherwise_is_not_stored(name: str, calls: int) -> None:
    varying = CACHED.replace(b"\r\n\r\n", b"\r\nVary: Accept-Language\r\n\r\n")
    async with serving(saying(varying)) as origin, gateway_to(origin.url) as gateway:
        app = ASGIAccelerator(gateway)
        await ask(app, headers=[(name, "fr")])
        await ask(app)
    assert len(origin.asked) == calls


@pytest.mark.parametrize(
    ("name", "values", "calls"),
    [
        pytest.param("X-Forwarded-Host", ["a.example", "b.example", "a.example"], 2, id="the host joins the key"),
        pytest.param("X-Forwarded-User", ["ada", "ada", "bob"], 3, id="who asks is stored for nobody"),
        pytest.param("CF-Connecting-IP", ["192.0.2.1", "192.0.2.2", ""], 1, id="an address does not count"),
    ],
)
async def test_a_trusted_field_counts_as_the_cache_says(name: str, values: list[str], calls: int) -> None:
    kept = CACHED.replace(b"s-maxage", b"max-age")
    async with serving(saying(kept)) as origin, gateway_to(origin.url, trusted_fields=(name,)) as gateway:
        app = ASGIAccelerator(gateway)
        for value in values:
            await ask(app, headers=[(name, value)])
    assert len(origin.asked) == calls


async def test_what_the_origin_says_to_the_gateway_alone_makes_nothing_storable() -> None:
    private = CACHED.replace(b"s-maxage=60", b"private\r\nConnection: cache-control")
    async with serving(saying(private)) as origin, gateway_to(origin.url) as gateway:
        app = ASGIAccelerator(gateway, default_ttl=60)
        for _ in range(2):
            await ask(app)
    assert len(origin.asked) == 2


async def test_what_was_made_without_a_field_that_connection_names_is_not_stored() -> None:
    varying = CACHED.replace(b"\r\n\r\n", b"\r\nVary: accept-language\r\n\r\n")
    asking = [("connection", "Accept-Language"), ("accept-language", "fr")]
    async with serving(saying(varying)) as origin, gateway_to(origin.url) as gateway:
        app = ASGIAccelerator(gateway)
        await ask(app, headers=asking)
        await ask(app, headers=asking[1:])
        await ask(app, headers=asking[1:])
    assert [b"accept-language: fr" in asked.lines for asked in origin.asked] == [False, True]


# --- what is not HTTP, and what cannot be ----------------------------------------------------------------------------


async def test_a_websocket_is_refused() -> None:
    said: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        said.append(message)

    await Gateway("http://127.0.0.1:9")({"type": "websocket"}, receive, send)
    assert said == [{"type": "websocket.close"}]


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "127.0.0.1:9000",
        "ftp://a",
        "http://",
        "http://a/b",
        "http://a/?b",
        "http://u:p@a",
        "http://a/#b",
        "x\0",
    ],
)
def test_an_origin_is_a_scheme_a_host_and_a_port(origin: str) -> None:
    with pytest.raises(ValueError, match="an origin is such as"):
        Gateway(origin)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    monkeypatch.delitem(sys.modules, "accelerator.gateway")
    with pytest.raises(ImportError, match=r'pip install "asgi-accelerator\[gateway\]"'):
        importlib.import_module("accelerator.gateway")


# --- the option debug -------------------------------------------------------------------------------------------------


async def test_the_token_of_the_cache_does_not_reach_the_origin_and_the_reasoning_reaches_who_has_it() -> None:
    asking = [("accelerator-debug", "correct-horse-battery")]
    async with serving(saying(CACHED)) as origin, gateway_to(origin.url) as gateway:
        cached = ASGIAccelerator(gateway, debug="correct-horse-battery")
        told = [await ask(cached, headers=asking) for _ in range(2)]
        assert [(answer.get("accelerator-debug") or "").split(",")[0] for answer in told] == [
            "outcome=miss;fwd=uri-miss;pending",
            "outcome=hit",
        ]
        assert (await ask(cached)).get("accelerator-debug") is None
    assert [line for asked in origin.asked for line in asked.lines if b"debug" in line.lower()] == []
