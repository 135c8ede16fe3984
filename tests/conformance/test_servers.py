"""The same rules over sockets: behind uvicorn with either of its parsers, and through the door in one of them."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import h11
import pytest
import uvicorn
from uvicorn.server import ServerState

from accelerator.servers.hits import HitsFirstProtocol
from tests.conformance.cases import CASES, each_subject
from tests.conformance.runner import Broken, Outcome, play_all
from tests.conformance.test_cases import accelerated
from tests.listening import stop_listening
from tests.support import Answer, Receive, Scope, Send, chunk, start

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.conformance.case import Case, Exchange
    from tests.conformance.runner import Origin

SECONDS = 20.0  # in which a server has to answer


def of_its_own_server(case: Case) -> bool:
    """Whether each message of the case may be sent by a server and its client."""
    return all(
        exchange.method not in {"FOO", "get"}  # httptools knows a list of methods
        and not any(name == "upgrade" for name, _ in exchange.fields)  # the server upgrades by itself
        and not any(name in {"connection", "te"} for name, _ in exchange.answer)  # the server's own
        and all(value == value.strip(" \t") for _, value in exchange.answer)  # h11 sends no blanks around a value
        and all(value == str(length(exchange)) for name, value in exchange.answer if name == "content-length")
        for exchange in case.exchanges
    )


def length(exchange: Exchange) -> int:
    return len(exchange.content or b"answer N")


class Site:
    """What the server serves: the cache of the case that is being played."""

    def __init__(self) -> None:
        self.cached: Any = None
        self.failed = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.cached({**scope, "scheme": "https"}, receive, send)
        except Broken:
            self.failed = True
            raise


class Wire:
    """A client that opens a connection for each request."""

    def __init__(self, site: Site, port: int) -> None:
        self.site, self.port = site, port

    async def __call__(self, cached: Any, exchange: Exchange, origin: Origin) -> Outcome:
        self.site.cached, self.site.failed = cached, False
        answer = await exchanged(exchange, self.port)
        return Outcome(answer, self.site.failed, None)


async def exchanged(exchange: Exchange, port: int) -> Answer:
    """The answer that a server gives, when all that it began is over."""
    before = asyncio.all_tasks()
    async with asyncio.timeout(SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(written(exchange))
            answer = await read(reader, exchange.method)
        finally:
            writer.close()
        while begun := asyncio.all_tasks() - before:
            await asyncio.wait(begun)
    return answer


class SecureDoor(HitsFirstProtocol):
    """The door, as if behind TLS; it counts what went through it."""

    through = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self.scheme = "https"

    def _write(self, head: bytes, content: bytes) -> None:
        SecureDoor.through += 1
        super()._write(head, content)


class Failures(logging.Handler):
    """Whether uvicorn has logged that the application failed."""

    failed = False

    def emit(self, record: logging.LogRecord) -> None:
        self.failed |= record.exc_info is not None and isinstance(record.exc_info[1], Broken)


@asynccontextmanager
async def failures() -> AsyncIterator[Failures]:
    logger, handler = logging.getLogger("uvicorn.error"), Failures()
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


def by_a_browser(case: Case) -> Case:
    """The same case of requests that take a coding, as browsers do, where it does not depend on that."""
    if "accept-encoding" in repr(case).lower():
        return case
    taking = [replace(exchange, fields=(*exchange.fields, ("accept-encoding", "gzip"))) for exchange in case.exchanges]
    return replace(case, exchanges=tuple(taking))


async def through_the_door(cached: Any, exchange: Exchange, origin: Origin) -> Outcome:
    """Ask a server of its own, whose application is the cache itself."""
    config = uvicorn.Config(cached, http=SecureDoor, log_config=None)
    config.load()

    def protocol() -> SecureDoor:
        return SecureDoor(config, ServerState(), {})

    async with failures() as seen, await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0) as server:
        answer = await exchanged(exchange, server.sockets[0].getsockname()[1])
        await stop_listening(server)
    return Outcome(answer, seen.failed, None)


def written(exchange: Exchange) -> bytes:
    """The request, its lines as they are given."""
    fields = dict(exchange.fields)
    lines = [f"{exchange.method} {exchange.url} HTTP/1.1", *(f"{name}: {value}" for name, value in exchange.fields)]
    if "host" not in fields:
        lines.insert(1, "host: example.org")
    if exchange.body and "content-length" not in fields:
        lines.append(f"content-length: {len(exchange.body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + exchange.body


async def read(reader: asyncio.StreamReader, method: str) -> Answer:
    """The answer; without an end if the server breaks off."""
    parser, answer = h11.Connection(h11.CLIENT), Answer()
    parser.send(h11.Request(method=method, target="/", headers=[("host", "x")]))
    parser.send(h11.EndOfMessage())
    try:
        while not isinstance(event := parser.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                parser.receive_data(await reader.read(65536))
            elif isinstance(event, h11.Response):
                answer.messages.append(start(*event.headers, status=event.status_code))
            elif isinstance(event, h11.Data):
                answer.messages.append(chunk(bytes(event.data), more=True))
    except h11.RemoteProtocolError:
        return answer
    answer.messages.append(chunk())
    return answer


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """uvicorn runs on asyncio."""
    return "asyncio"


@pytest.fixture(scope="module", params=["h11", "httptools"])
async def wire(request: pytest.FixtureRequest) -> AsyncIterator[Wire]:
    site = Site()
    config = uvicorn.Config(
        site,
        http=request.param,
        lifespan="off",
        log_config=None,
        date_header=False,
        server_header=False,
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        yield Wire(site, listener.getsockname()[1])
        server.should_exit = True
        await serving


@pytest.mark.anyio
@each_subject
async def test_the_rules_hold_behind_a_server(cases: list[Case], wire: Wire) -> None:
    await play_all(filter(of_its_own_server, cases), accelerated, wire)


@pytest.mark.anyio
@each_subject
async def test_the_rules_hold_with_the_door(cases: list[Case]) -> None:
    await play_all(map(by_a_browser, filter(of_its_own_server, cases)), accelerated, through_the_door)


@pytest.mark.anyio
async def test_hits_of_these_rules_go_through_the_door() -> None:
    SecureDoor.through = 0
    cases = [by_a_browser(case) for name, case in CASES if name.startswith("age-")]
    await play_all(filter(of_its_own_server, cases), accelerated, through_the_door)
    assert SecureDoor.through
