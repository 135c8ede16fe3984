"""What the relay of the promise's check does to messages, and that it does nothing to the replies of commands."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from redis.asyncio import Redis

from accelerator.demo.redis_server import RedisServer
from benchmarks.promise import relay
from benchmarks.promise.relay import Relay

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """redis-py works on asyncio only."""
    return "asyncio"


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
async def relayed(server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Relay]:
    for name, chance in {"LATE": 0.1, "MOMENT": 0.001, "VERY_LATE": 0.0, "TWICE": 0.3, "LOST": 0.3}.items():
        monkeypatch.setattr(relay, name, chance)
    between = Relay(tmp_path / "relay.sock", server.socket, random.Random(1))  # noqa: S311 - no secret
    await between.start()
    yield between
    await between.stop()


async def test_a_relay_passes_on_every_reply_of_a_command_once(relayed: Relay, tmp_path: Path) -> None:
    for protocol in (2, 3):
        async with Redis(unix_socket_path=str(tmp_path / "relay.sock"), protocol=protocol) as client:
            await client.set("bytes", b"\r\n$3\r\n" + bytes(100_000))
            await client.hset("map", mapping={"a": "1", "b": "2"})
            for _ in range(20):
                assert await client.get("bytes") == b"\r\n$3\r\n" + bytes(100_000)
                assert await client.get("nothing") is None
                assert await client.hgetall("map") == {b"a": b"1", b"b": b"2"}
                assert await client.eval("return {1, {'x', false}, {}}", 0) == [1, [b"x", None], []]
    assert relayed.counts["repeated"] == relayed.counts["lost"] == 0
    assert relayed.counts["late"] > 0


async def test_a_relay_repeats_messages_now_or_later_and_loses_some(relayed: Relay, tmp_path: Path) -> None:
    sent = list(range(200))
    async with Redis(unix_socket_path=str(tmp_path / "relay.sock")) as client, client.pubsub() as heard:
        await heard.subscribe("channel")
        assert (await heard.get_message(timeout=5) or {})["type"] == "subscribe"
        for number in sent:
            await client.publish("channel", str(number))
        got: list[bytes] = []
        while b"end" not in got:
            await client.publish("channel", "end")
            while message := await heard.get_message(timeout=0.05):
                got.append(message["data"])
    numbers = [int(said) for said in got if said != b"end"]
    assert [*dict.fromkeys(numbers)] == sorted({*numbers})
    assert {*numbers} < {*sent}
    assert relayed.counts["lost"] >= len(sent) - len({*numbers}) > 0
    assert relayed.counts["repeated"] >= len(numbers) - len({*numbers}) > 0
