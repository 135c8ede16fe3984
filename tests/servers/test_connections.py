"""With the door in place a connection lives as uvicorn has it: whose turn it is, when it ends, and what is counted."""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import pytest
import trustme
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from accelerator import ASGIAccelerator
from tests.servers.serving import (
    BIG,
    DOOR,
    PLAIN,
    SECONDS,
    Site,
    become,
    connected,
    cycles_begun,
    make_ready,
    request,
    serving,
)
from tests.support import chunk, start

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from accelerator import CacheEvent
    from accelerator.engine.shortcut import PlainHit
    from tests.servers.serving import Peer, Served
    from tests.support import Receive, Scope, Send

pytestmark = pytest.mark.anyio

END = request("/page", "connection: close")


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as served:
        await make_ready(served, "/page", "/big")
        yield served


@pytest.fixture
async def peer(served: Served) -> AsyncIterator[Peer]:
    async with connected(served.port) as peer:
        yield peer


async def test_a_connection_is_kept_from_hit_to_hit(served: Served, peer: Peer) -> None:
    before = served.state.total_requests
    with cycles_begun() as begun:
        first, *others = [await peer.ask("/page") for _ in range(5)]
    assert others == [first] * 4
    assert (begun, served.state.total_requests - before) == ([], 5)


async def test_hits_and_misses_take_turns(peer: Peer) -> None:
    answers = [await peer.ask(target) for target in ("/page", "/page?new", "/page", "/missing", "/page")]
    statuses = [answer.partition(b"cache-status: accelerator; ")[2][:3] for answer in answers]
    assert statuses == [b"hit", b"fwd", b"hit", b"fwd", b"hit"]


async def test_a_hit_waits_for_the_answers_before_it(served: Served, peer: Peer) -> None:
    peer.send(request("/slow") + request("/page"))
    await served.site.is_waited_for.wait()
    peer.send(request("/page?a=1") + END)
    protocol = served.protocols[-1]
    assert protocol.transport.get_write_buffer_size() == 0
    with cycles_begun() as begun:
        served.site.gate.set()
        received = await peer.rest()
    assert [part[:3] for part in received.split(b"HTTP/1.1 ")[1:]] == [b"200"] * 4
    assert received.index(b"\r\nslow\r\n") < received.index(b"etag")
    assert begun, "what waits its turn does so as a task"


async def test_many_hits_in_one_packet_leave_the_loop_its_turns(served: Served, peer: Peer) -> None:
    whole = await peer.ask("/page")
    protocol = served.protocols[-1]
    with cycles_begun() as begun:
        protocol.data_received(request("/page") * 40)
        assert (len(begun), len(protocol.pipeline)) == (1, 40 - 16 - 1)
        peer.send(END)
        received = await peer.rest()
    assert received.startswith(whole * 40)
    assert received.count(b"HTTP/1.1 200 OK") == 41


async def test_a_miss_behind_a_hit_is_not_timed_by_it(served: Served, peer: Peer) -> None:
    peer.send(request("/page") + request("/slow"))
    await served.site.is_waited_for.wait()
    protocol = served.protocols[-1]
    assert protocol.timeout_keep_alive_task is None
    served.site.gate.set()
    await peer.until(b"\r\nslow\r\n0\r\n\r\n")
    assert protocol.timeout_keep_alive_task is not None


async def test_nothing_is_asked_behind_what_closes_the_connection(served: Served, peer: Peer) -> None:
    peer.send(END + request("/page") + request("/page", "content-length: 0", method="POST"))
    received = await peer.rest()
    assert received.count(b"HTTP/1.1 ") == 1
    assert "POST /page" not in served.site.calls


async def test_an_answer_that_nobody_reads_makes_the_next_ones_wait(served: Served, peer: Peer) -> None:
    number = 50
    peer.stop_reading()
    peer.send(request("/big") * number)
    protocol = served.protocols[-1]
    await become(lambda: protocol.pipeline)
    assert protocol.flow.write_paused
    assert protocol.transport.get_write_buffer_size() < 3 * len(BIG)
    assert protocol.cycle is not None
    peer.go_on_reading()
    peer.send(END)
    received = await peer.rest()
    assert received.count(BIG) == number


async def test_a_client_that_leaves_while_it_reads_harms_nobody(served: Served) -> None:
    async with connected(served.port) as leaver:
        leaver.stop_reading()
        leaver.send(request("/big") * 50)
        await become(lambda: served.protocols[-1].flow.write_paused)
    await become(lambda: not served.state.connections)
    async with connected(served.port) as peer:
        assert BIG in await peer.ask("/big")


async def test_a_kept_connection_is_closed_when_its_time_is_up() -> None:
    async with serving(timeout_keep_alive=1) as served:
        await make_ready(served, "/page")
        async with connected(served.port) as peer:
            await peer.ask("/page")
            assert await peer.rest() == b""


async def test_a_hit_in_time_gives_the_connection_as_much_again(served: Served, peer: Peer) -> None:
    await peer.ask("/page")
    protocol = served.protocols[-1]
    timer, before = protocol.timeout_keep_alive_task, protocol.loop.time()
    await peer.ask("/page")
    assert protocol.timeout_keep_alive_task is timer, "hits share one"
    protocol.timeout_keep_alive_handler()  # as if it were due
    again = protocol.timeout_keep_alive_task
    assert again is not timer
    assert again.when() >= before + protocol.timeout_keep_alive
    assert b"accelerator; hit" in await peer.ask("/page")


@pytest.mark.parametrize("first", ["/page", "/missing"])
async def test_part_of_a_request_stops_the_timer(served: Served, peer: Peer, first: str) -> None:
    await peer.ask(first)
    protocol = served.protocols[-1]
    await become(lambda: protocol.timeout_keep_alive_task)
    timer = protocol.timeout_keep_alive_task
    protocol.data_received(b"GET /page")
    assert timer.cancelled()
    assert protocol.timeout_keep_alive_task is None
    peer.send(request("/page").removeprefix(b"GET /page"))
    assert b"accelerator; hit" in await peer.answer()
    assert protocol.timeout_keep_alive_task is not None


@pytest.mark.parametrize("kind", ["connections", "tasks"])
async def test_over_the_limit_uvicorn_refuses(kind: str) -> None:
    async with serving(limit_concurrency=2) as served:
        await make_ready(served, "/page")
        async with connected(served.port) as peer:
            assert b" 200 OK" in await peer.ask("/page")
            held = getattr(served.state, kind)
            others: list[Any] = [asyncio.get_running_loop().create_future() for _ in range(2)]
            held.update(others)
            assert (await peer.ask("/page")).startswith(b"HTTP/1.1 503 ")
            held.difference_update(others)


class Eager(ASGIAccelerator):
    """One that would answer whatever it is asked."""

    def answer_at_once(self, scope: Scope) -> PlainHit | None:
        return start(("content-length", "5")), chunk(b"eager"), lambda: reported.append(scope["path"]), None


reported: list[str] = []


@pytest.mark.parametrize(
    ("line", "is_eager"),
    [
        ("upgrade: websocket\r\nconnection: upgrade", False),
        ("upgrade: h2c\r\nconnection: upgrade", False),
        ("expect: 100-continue", False),
        ("connection: close", False),
        ("x-a: b", True),
    ],
)
async def test_what_is_uvicorns_business_is_asked_of_nobody_else(line: str, is_eager: bool) -> None:
    reported.clear()
    async with serving(app=Eager(Site())) as served, connected(served.port) as peer:
        answer = await peer.ask("/page", line)
    assert (b"eager" in answer, reported) == (is_eager, ["/page"] * is_eager)


async def test_garbage_behind_a_hit_is_refused_behind_its_answer(served: Served, peer: Peer) -> None:
    peer.send(request("/page") + b"\x16\x03\x01\x02\r\n\r\n")
    received = await peer.rest()
    assert re.findall(rb"HTTP/1\.1 (\d+)", received) == [b"200", b"400"]


async def lines_logged(http: str, caplog: pytest.LogCaptureFixture, *script: bytes, **options: Any) -> list[str]:
    """The lines of the access log for these requests; a port that nobody can know is 0."""
    async with serving(http, **options) as served:
        await make_ready(served, "/page", "/caf%C3%A9")
        caplog.clear()
        async with connected(served.port) as peer:
            peer.send(b"".join([*script, END]))
            await peer.rest()
    lines = [record.getMessage() for record in caplog.records if record.name == "uvicorn.access"]
    return [re.sub(r"^(127\.0\.0\.1|192\.0\.2\.9):\d+", r"\1:0", line) for line in lines]


LOGGED = [
    request("/page"),
    request("/page?a=1&b=%20"),
    request("/caf%C3%A9"),
    request("/page", method="HEAD"),
    request("/page", "x-forwarded-for: 192.0.2.1"),
    request("/page", "x-forwarded-for: 192.0.2.1, 192.0.2.2", "x-forwarded-for: 127.0.0.1"),
    request("/page", "x-forwarded-for: 192.0.2.1:99", "x-forwarded-proto: https"),
    request("/page", "x-forwarded-for: "),
]


@pytest.mark.parametrize("options", [{}, {"forwarded_allow_ips": "192.0.2.9"}, {"proxy_headers": False}], ids=str)
async def test_the_access_log_has_the_same_lines(options: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "uvicorn.access")
    plain, door = [await lines_logged(http, caplog, *LOGGED, **options) for http in (PLAIN, DOOR)]
    assert door == plain
    assert len(door) == len(LOGGED) + 1


async def test_no_access_log_has_no_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "uvicorn.access")
    assert await lines_logged(DOOR, caplog, *LOGGED) == []


@pytest.mark.parametrize(
    ("allowed", "scheme"), [("127.0.0.1", b"https"), ("*", b"https"), ("192.0.2.9", b"http"), ("", b"http")]
)
async def test_a_proxy_that_is_trusted_says_the_scheme(allowed: str, scheme: bytes) -> None:
    seen = []
    for http in (PLAIN, DOOR):
        async with serving(http, forwarded_allow_ips=allowed) as served:
            lines = ("x-forwarded-proto: https", "x-forwarded-for: 192.0.2.1")
            await make_ready(served, "/page", lines=lines)
            async with connected(served.port) as peer:
                answers = [await peer.ask("/page", *lines) for _ in range(2)]
                await served.cached.invalidate_url(f"{scheme.decode()}://example.org/page")
                seen.append((answers, await peer.ask("/page", *lines), served.site.calls))
    assert seen[0] == seen[1]


async def test_tls_is_another_scheme(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(tmp_path / "cert.pem")
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with serving(ssl_certfile=str(tmp_path / "cert.pem")) as served:
        async with connected(served.port, trusting) as peer:
            answers = [await peer.ask("/page") for _ in range(2)]
            with cycles_begun() as begun:
                answers += [await peer.ask("/page"), await peer.ask("/page", method="HEAD")]
        assert begun == []
        assert answers[1] == answers[2]
        assert answers[2].startswith(answers[3])
        await served.cached.invalidate_url("https://example.org/page")
        async with connected(served.port, trusting) as peer:
            assert b"; fwd=" in await peer.ask("/page")


@pytest.mark.parametrize("http", [PLAIN, DOOR])
async def test_a_server_that_ends_closes_kept_connections_and_finishes_what_runs(http: str) -> None:
    async with serving(http) as served, connected(served.port) as idle, connected(served.port) as busy:
        await make_ready(served, "/page")
        await idle.ask("/page")
        await busy.ask("/page")
        busy.send(request("/slow"))
        await served.site.is_waited_for.wait()
        for protocol in list(served.state.connections):
            protocol.shutdown()  # as uvicorn.Server.shutdown does
        assert await idle.rest() == b""
        served.site.gate.set()
        answer = await busy.rest()
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"\r\nslow\r\n" in answer


async def test_hits_count_for_the_requests_that_a_process_may_answer(served: Served) -> None:
    served.config.limit_max_requests = served.state.total_requests + 3
    server = uvicorn.Server(served.config)
    server.server_state = served.state
    counted = []
    async with connected(served.port) as peer:
        for _ in range(3):
            await peer.ask("/page")
            counted.append(await server.on_tick(1))
    assert counted == [False, False, True]


async def test_a_whole_server_ends_with_its_connections() -> None:
    async with serving() as served:
        config = uvicorn.Config(served.cached, http=DOOR, lifespan="off", log_config=None, port=0)
        server = uvicorn.Server(config)
        running = asyncio.create_task(server.serve())
        await become(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        async with connected(port) as peer:
            answers = [await peer.ask("/page") for _ in range(3)]
            server.should_exit = True
            assert await peer.rest() == b""
        await asyncio.wait_for(running, SECONDS)
        assert [b"accelerator; hit" in answer for answer in answers] == [False, True, True]
        assert server.server_state.total_requests == len(answers)


async def test_a_timer_of_an_answer_in_the_same_packet_ends_nothing_later(
    served: Served, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With eager tasks the answer before a hit may have come and gone, and have set a timer."""
    timers: list[asyncio.TimerHandle] = []

    def answer_at_once(protocol: Any) -> None:
        timers.append(protocol.loop.call_later(SECONDS, pytest.fail))
        protocol.timeout_keep_alive_task = timers[-1]

    await peer.ask("/page")
    monkeypatch.setattr(HttpToolsProtocol, "on_headers_complete", answer_at_once)
    peer.send(request("/page", "Authorization: Basic YTpi") + request("/page"))
    await peer.answer()
    (timer,) = timers
    assert timer.cancelled()
    assert served.protocols[-1].timeout_keep_alive_task not in (None, timer)


async def test_what_a_listener_sets_at_a_hit_is_not_seen_by_the_next_request() -> None:
    said: ContextVar[str] = ContextVar("said", default="nothing")
    site, seen, heard = Site(), [], []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(said.get())
        await site(scope, receive, send)

    def listen(event: CacheEvent) -> None:
        heard.append(event.kind)
        said.set(event.url)

    async with serving(app=ASGIAccelerator(app, on_event=listen)) as served:
        await make_ready(served, "/page")
        async with connected(served.port) as peer:
            with cycles_begun() as begun:
                await peer.ask("/page")
            assert not begun
            await peer.ask("/missing", "Authorization: Basic YTpi")
    assert heard[:-1] == ["miss", "hit", "hit"]
    assert seen == ["nothing", "nothing"]


@pytest.mark.parametrize("http", [PLAIN, DOOR])
async def test_an_access_log_that_fails_fails_as_without_the_door(http: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "uvicorn.access")

    def fail(_record: logging.LogRecord) -> bool:
        raise ValueError("a broken filter")

    logger = logging.getLogger("uvicorn.access")
    async with serving(http) as served:
        await make_ready(served, "/page")
        logger.addFilter(fail)
        try:
            async with connected(served.port) as peer:
                peer.send(request("/page"))
                assert await peer.rest() == b""
        finally:
            logger.removeFilter(fail)
