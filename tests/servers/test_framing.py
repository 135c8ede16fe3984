"""What is framed is what uvicorn's own cycle writes, message by message."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from accelerator.servers import framing
from accelerator.servers.framing import framed
from tests.support import chunk, drive

if TYPE_CHECKING:
    from tests.support import Message

DEFAULTS = [(b"date", b"Sun, 29 Nov 2026 18:17:55 GMT"), (b"server", b"uvicorn")]


class Recorder(asyncio.Transport):
    """A transport that keeps what is written, and whether it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.is_closed = False

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def close(self) -> None:
        self.is_closed = True


def by_uvicorn(start: Message, content: bytes, method: str) -> bytes | None:
    """What a cycle writes on a connection that is kept; None if it raises, or closes the connection."""
    transport = Recorder()
    scope: Any = {
        "type": "http",
        "method": method,
        "path": "/",
        "query_string": b"",
        "http_version": "1.1",
        "headers": [],
    }
    cycle = RequestResponseCycle(
        scope=scope,
        transport=transport,
        flow=FlowControl(transport),
        logger=logging.getLogger("uvicorn.error"),
        access_logger=logging.getLogger("uvicorn.access"),
        access_log=False,
        default_headers=list(DEFAULTS),
        message_event=asyncio.Event(),
        expect_100_continue=False,
        keep_alive=True,
        on_response=lambda: None,
    )
    messages: Any = (start, chunk(content))
    try:
        for message in messages:
            drive(cycle.send(message))
    except (KeyError, RuntimeError, ValueError):
        return None
    return None if transport.is_closed else b"".join(transport.written)


NAMES = st.one_of(
    st.sampled_from([b"content-length", b"Content-Length", b"connection", b"transfer-encoding", b"Transfer-Encoding"]),
    st.sampled_from(
        [b"x", b"X-Upper", b"x y", b"x:", b"x\r\n", b"", b"\xe4", b"x[", b"content-length-x", b"x-connection"]
    ),
)
VALUES = st.one_of(
    st.sampled_from([b"", b"0", b"3", b" 3", b"+3", b"03", b"-3", b"3, 3", b"\xd9\xa3", b"\xff", b"x", b"9" * 5000]),
    st.sampled_from([b"close", b"Close", b"a, close", b"keep-alive", b"chunked", b"Chunked", b"gzip"]),
    st.sampled_from([b"a\r\nb: c", b"a\nb", b"a\0", b"\x7f", b"a\tb", b"a\r\ncontent-length: 3", b"\r\n\r\n"]),
)
LINES = st.lists(st.tuples(NAMES, VALUES), max_size=3)
LENGTH = st.just([(b"content-length", b"3")])


@given(
    status=st.sampled_from([100, 101, 200, 204, 206, 250, 304, 404, 599, 600, 999, 0]),
    lines=st.one_of(LENGTH, LINES, st.tuples(LENGTH, LINES).map(lambda both: [*both[0], *both[1]])),
    content=st.sampled_from([b"", b"abc", b"abcd", b"x" * 70_000]),
    method=st.sampled_from(["GET", "HEAD"]),
)
@example(200, [(b"x", b"a\r\nset-cookie: b")], b"abc", "GET")
@example(304, [(b"content-length", b"3")], b"", "GET")
@example(204, [], b"abc", "GET")
def test_the_bytes_are_those_of_uvicorns_cycle(
    status: int, lines: list[tuple[bytes, bytes]], content: bytes, method: str
) -> None:
    start: Message = {"type": "http.response.start", "status": status, "headers": lines}
    expected = by_uvicorn(start, content, method)
    found = framed(DEFAULTS, start, content, method)
    if found is not None:
        assert b"".join(found) == expected
    elif expected is not None:
        names = {name.lower() for name, _ in lines}
        assert names & {b"connection", b"transfer-encoding"}, "those are left to uvicorn, whatever they say"


@pytest.mark.parametrize("name", [b"connection", b"Transfer-Encoding"])
def test_what_is_of_the_connection_is_left_to_uvicorn(name: bytes) -> None:
    assert framed(DEFAULTS, {"status": 200, "headers": [(name, b"keep-alive")]}, b"", "GET") is None


def test_a_plain_answer_is_not_left_to_uvicorn() -> None:
    head = b"HTTP/1.1 200 OK\r\nserver: uvicorn\r\nx: y\r\n"
    start: Message = {"status": 200, "headers": [(b"X", b"y")]}
    assert framed(DEFAULTS[1:], start, b"abc", "GET") == (
        head + b"transfer-encoding: chunked\r\n\r\n",
        b"3\r\nabc\r\n0\r\n\r\n",
    )
    assert framed(DEFAULTS[1:], start, b"abc", "HEAD") == (head + b"\r\n", b"")


def test_whatever_applications_send_few_and_short_heads_are_remembered() -> None:
    framing._heads.clear()
    for number in range(1500):
        start = {"status": 200, "headers": [(b"content-length", b"0"), (b"x-number", b"%d" % number)]}
        assert framed([], start, b"", "GET") is not None
        assert len(framing._heads) <= 1024
    framing._heads.clear()
    long = {"status": 200, "headers": [(b"content-length", b"0"), (b"x-long", b"x" * 2048)]}
    head, _ = framed([], long, b"", "GET") or (b"", b"")
    assert head.endswith(b"x-long: " + b"x" * 2048 + b"\r\n\r\n")
    assert not framing._heads
