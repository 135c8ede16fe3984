"""A subscription that breaks is made again, and what is said of that."""

from __future__ import annotations

import asyncio
from queue import Queue
from typing import TYPE_CHECKING

import pytest
from redis.exceptions import RedisError

from accelerator.stores.loop_thread import loop_thread
from accelerator.stores.redis import RedisStore, subscription
from accelerator.stores.redis.subscription import QUIET_SECONDS, Subscription
from accelerator.testing import ManualClock
from tests.stores.tiered.support import become

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from accelerator.demo.redis_server import RedisServer
    from tests.stores.redis.support import StartServer

pytestmark = pytest.mark.anyio


class Confirmations:
    """Knows of each time that the server has confirmed a subscription."""

    def __init__(self) -> None:
        self._came: Queue[None] = Queue()

    async def begin(self) -> None:
        pass

    async def run(self) -> None:
        self._came.put(None)

    async def end(self) -> None:
        pass

    async def next(self) -> None:
        await asyncio.to_thread(self._came.get, timeout=30)


@pytest.fixture
def lonely_server(start_server: StartServer) -> RedisServer:
    return start_server()


@pytest.fixture
async def confirmations(lonely_server: RedisServer) -> AsyncIterator[Confirmations]:
    """Those of a subscription that the server has confirmed once already."""
    confirmations = Confirmations()
    heard: list[bytes] = []
    listening = Subscription(RedisStore(lonely_server.url).links, b"channel", heard.append, confirmations)
    listening.start()
    await confirmations.next()
    yield confirmations
    await listening.stop()


async def test_an_outage_is_told_once_until_nothing_has_failed_for_a_while(
    lonely_server: RedisServer,
    confirmations: Confirmations,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = ManualClock(0)
    monkeypatch.setattr(subscription, "monotonic", clock)
    told = []
    for since_the_last in (0, 1, QUIET_SECONDS - 1, QUIET_SECONDS + 1, 1):
        clock.advance(since_the_last)
        with lonely_server.client() as admin:
            assert admin.execute_command("CLIENT", "KILL", "TYPE", "pubsub") == 1
        await confirmations.next()
        told.append(len(caplog.records))
    assert told == [1, 1, 1, 2, 2]
    assert {record.getMessage().partition(":")[0] for record in caplog.records} == {
        "no messages of other processes, until they come again"
    }


async def test_however_often_it_is_begun_or_ended_there_is_one_or_none(lonely_server: RedisServer) -> None:
    confirmations = Confirmations()
    listening = Subscription(RedisStore(lonely_server.url).links, b"channel", lambda _: None, confirmations)
    listening.start()
    await confirmations.next()
    await asyncio.wrap_future(loop_thread.begin(listening._start()))
    with lonely_server.client() as admin:
        assert admin.pubsub_numsub("channel") == [(b"channel", 1)]
        await listening.stop()
        await asyncio.wrap_future(loop_thread.begin(listening._stop()))
        await listening.renew()
        assert listening._listening is None
        await become(
            lambda: admin.pubsub_numsub("channel") == [(b"channel", 0)]
        )  # a server notices that a little later


async def test_it_ends_by_itself_where_who_has_used_it_is_gone(lonely_server: RedisServer) -> None:
    confirmations = Confirmations()
    listening = Subscription(RedisStore(lonely_server.url).links, b"channel", lambda _: None, confirmations)
    listening.forget()  # it has not begun
    listening.start()
    await confirmations.next()
    listening.forget()
    with lonely_server.client() as admin:
        await become(lambda: admin.pubsub_numsub("channel") == [(b"channel", 0)])


class FailsAtTheEnd(Confirmations):
    """Fails when it is cancelled, as where the server goes away at that very moment."""

    async def run(self) -> None:
        await super().run()
        try:
            await asyncio.Event().wait()
        finally:
            raise RedisError("the server is gone")


async def test_it_ends_also_if_the_server_goes_away_at_that_moment(lonely_server: RedisServer) -> None:
    """A group of tasks that fails while it is cancelled passes the cancellation over, before Python 3.13."""
    confirmations = FailsAtTheEnd()
    listening = Subscription(RedisStore(lonely_server.url).links, b"channel", lambda _: None, confirmations)
    listening.start()
    await confirmations.next()
    async with asyncio.timeout(30):
        await listening.stop()
