"""The figures of processes in Redis: a note of each, by the clock of the server."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from redis.asyncio import Redis

from accelerator import ASGIAccelerator, RedisStore
from accelerator.figures.board import MAX_BYTES
from accelerator.stores.publishing import REPEAT_SECONDS
from accelerator.stores.redis import board as redis_board
from accelerator.stores.redis.board import RedisBoard
from tests.support import app_saying, ask

if TYPE_CHECKING:
    from accelerator.demo.redis_server import RedisServer
    from tests.stores.redis.support import OpenStore

pytestmark = pytest.mark.anyio


@pytest.fixture
def store(open_store: OpenStore, server: RedisServer, prefix: str) -> RedisStore:
    return open_store(server.url, prefix)


def board_of(store: RedisStore) -> RedisBoard:
    board = store.figures_board()
    assert isinstance(board, RedisBoard)
    return board


async def test_a_note_is_read_as_it_was_written_last_and_the_hash_expires(
    store: RedisStore, server: RedisServer
) -> None:
    board, other = board_of(store), board_of(store)
    for text in ("first", "last, ü"):
        await board.publish(text)
        assert await other.read() == {board.name: (text, True)}
    async with Redis.from_url(server.url) as client:
        assert 86_000 < await client.ttl(store.keys.figures) <= 86_400


async def test_each_process_has_a_name_of_its_own_also_after_a_fork(store: RedisStore) -> None:
    board = board_of(store)
    await board.publish("parent")
    name = board.name
    board.begin()
    await board.publish("child")
    assert await board.read() == {name: ("parent", True), board.name: ("child", True)}


async def test_who_has_not_written_for_a_quarter_of_an_hour_by_the_servers_clock_has_ended(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = board_of(store)
    await board.publish("x")
    time = board._time

    async def later(connections: Any) -> float:
        return await time(connections) + 901

    monkeypatch.setattr(board, "_time", later)
    assert await board.read() == {board.name: ("x", False)}
    await board.publish("x")
    assert await board.read() == {board.name: ("x", True)}


async def test_of_those_that_claim_a_note_one_gets_it_until_it_is_given_back(store: RedisStore) -> None:
    board, other = board_of(store), board_of(store)
    await board.publish("x")
    assert await other.claim(board.name)
    assert not await board.claim(board.name)
    await other.release(board.name)
    assert await board.claim(board.name)
    await board.remove(board.name)
    assert await other.read() == {}


async def test_what_is_no_note_and_one_that_is_too_long_cannot_be_read(store: RedisStore, server: RedisServer) -> None:
    async with Redis.from_url(server.url) as client:
        await client.hset(store.keys.figures, mapping={"a": b"short", "b": b"x" * (MAX_BYTES + 1)})
    assert await board_of(store).read() == {"a": ("", False), "b": ("", False)}


async def test_figures_of_a_client_of_ones_own_are_shared_by_connections_beside_it(
    server: RedisServer, prefix: str
) -> None:
    async with Redis.from_url(server.url) as client:
        store = RedisStore(client, prefix=prefix, deadline=20.0)
        cache = ASGIAccelerator(app_saying(("cache-control", "max-age=60")), store=store)
        await ask(cache)
        cache._publishing.turn(1000.0)  # on another loop, as the thread of the process does
        await ask(cache)
        figures = await ASGIAccelerator(app_saying(), store=store).all_figures()
        assert figures["requests"] == {"miss": {"stored": 1}}
        assert figures["complete"]
        assert cache.figures()["store"]["errors"] == {}
        await store.aclose()


async def test_no_connection_stays_open(server: RedisServer, prefix: str) -> None:
    async with Redis.from_url(server.url) as client:
        before = len(await client.client_list())
        store = RedisStore(server.url, prefix=prefix, deadline=20.0)
        cache = ASGIAccelerator(app_saying(("cache-control", "max-age=60")), store=store)
        await ask(cache)
        cache._publishing.turn(1000.0)
        await cache.all_figures()
        await store.aclose()
        cache._publishing.turn(2000.0)
        gc.collect()
        with anyio.fail_after(20):
            while len(await client.client_list()) > before:  # it hears of an end a moment later
                await anyio.lowlevel.checkpoint()


async def test_figures_say_whether_the_server_failed_when_it_was_asked_last(store: RedisStore) -> None:
    cache = ASGIAccelerator(app_saying(("cache-control", "max-age=60")), store=store)
    await ask(cache)
    known = cache.figures()["store"]
    assert (known["kind"], known["shared"], known["breaker_open"]) == ("RedisStore", True, False)
    assert redis_board.SILENT_SECONDS > 3 * REPEAT_SECONDS  # who is alive is not taken for one that has ended
