"""A cold page is made once for all servers, however many ask for it, and once more where its maker is killed."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import signal
from typing import TYPE_CHECKING

import pytest

from tests.stores.memory.test_workers import Server
from tests.stores.tiered.support import become

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.stores.redis.support import StartServer

pytestmark = pytest.mark.anyio

SERVERS = 4
REQUESTS = 1000
PATIENCE = 120
UVICORN = "uvicorn --host 127.0.0.1 --port {port} --log-level warning tests.stores.redis.crowded:app"


class Crowd:
    """Servers with one store, and requests that come to all of them."""

    def __init__(self, store: str, folder: Path, *, near: bool, lease_seconds: float) -> None:
        self.folder = folder
        environment = {"STORE": store, "NEAR": "1" if near else "", "LEASE_SECONDS": str(lease_seconds)}
        self.servers = [
            Server(UVICORN, folder / f"log{number}", FOLDER=str(folder), **environment) for number in range(SERVERS)
        ]

    @property
    def made(self) -> list[int]:
        """The processes that made the page, in order."""
        return self._lines("made")

    @property
    def asked(self) -> list[int]:
        """The process of each request."""
        return self._lines("asked")

    def _lines(self, name: str) -> list[int]:
        file = self.folder / name
        return [int(line) for line in file.read_text().splitlines()] if file.exists() else []

    async def ask(self, number: int) -> int:
        """Ask for the page, and once more where a server has gone away; return the process that made it."""
        for server in itertools.islice(itertools.cycle(self.servers), number, None):
            try:
                answer = await _answer(server.port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                assert answer.startswith(b"HTTP/1.1 200 "), answer
                assert answer.endswith(b"\r\n\r\npage"), answer
                return int(re.findall(rb"x-made-by: (\d+)", answer)[0])
        raise AssertionError

    def open_gate(self) -> None:
        (self.folder / "gate").touch()


async def _answer(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"GET / HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
    finally:
        writer.close()
    if not answer:
        raise ConnectionResetError
    return answer


async def listening(crowd: Crowd) -> None:
    """Return when all servers listen: no request shows that, as each would be answered by the page."""
    for server in crowd.servers:
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
                except OSError:
                    assert server._process.poll() is None, server.log
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    break


@pytest.fixture(params=[False, True], ids=["far", "near"])
def near(request: pytest.FixtureRequest) -> bool:
    is_near: bool = request.param
    return is_near


@pytest.fixture
def crowds(tmp_path: Path) -> Iterator[list[Crowd]]:
    crowds: list[Crowd] = []
    yield crowds
    for crowd in crowds:
        crowd.open_gate()
        for server in crowd.servers:
            server.end()


async def test_a_thousand_requests_to_four_servers_make_one_call(
    start_server: StartServer, near: bool, tmp_path: Path, crowds: list[Crowd]
) -> None:
    crowd = Crowd(start_server().url, tmp_path, near=near, lease_seconds=600)
    crowds.append(crowd)
    await listening(crowd)
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as tasks:
        answers = [tasks.create_task(crowd.ask(number)) for number in range(REQUESTS)]
        await become(lambda: len(crowd.asked) == REQUESTS and crowd.made)
        crowd.open_gate()
    (maker,) = crowd.made
    assert {answer.result() for answer in answers} == {maker}
    assert len(set(crowd.asked)) == SERVERS


async def test_if_its_maker_is_killed_one_more_call_is_made(
    start_server: StartServer, near: bool, tmp_path: Path, crowds: list[Crowd]
) -> None:
    crowd = Crowd(start_server().url, tmp_path, near=near, lease_seconds=10)
    crowds.append(crowd)
    await listening(crowd)
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as tasks:
        answers = [tasks.create_task(crowd.ask(number)) for number in range(REQUESTS)]
        await become(lambda: len(crowd.asked) == REQUESTS and crowd.made)
        (first,) = crowd.made
        os.kill(first, signal.SIGKILL)
        await become(lambda: len(crowd.made) > 1)
        crowd.open_gate()
    first, second = crowd.made
    assert {answer.result() for answer in answers} == {second}
    assert len(crowd.asked) == REQUESTS + crowd.asked[:REQUESTS].count(first)
