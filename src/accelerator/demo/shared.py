"""The live list of several workers: each shows what all workers did, which they send each other through Redis."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from accelerator.demo.activity import REMEMBERED, Activity

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CHANNEL: Final = "accelerator-demo:activity"
"""The Redis channel of the lines."""

PAUSE_SECONDS: Final = 1.0
"""Seconds between two attempts to receive."""


class SharedActivity(Activity):
    """Collects what the cache did in every worker. While Redis is unreachable, only the list has no news.

    Args:
        url: the URL of the Redis server.
    """

    def __init__(self, url: str) -> None:
        super().__init__()
        self._redis: Any = Redis.from_url(url, retry=Retry(NoBackoff(), 0))  # its results have no useful types
        self._unsent: asyncio.Queue[dict[str, Any]] = asyncio.Queue(REMEMBERED)

    def add(self, line: dict[str, Any]) -> None:
        """Send a line to all workers, this one included."""
        with suppress(asyncio.QueueFull):
            self._unsent.put_nowait(line)

    @asynccontextmanager
    async def shared(self) -> AsyncIterator[None]:
        """Send and receive lines while the context lasts."""
        tasks = [asyncio.create_task(self._send()), asyncio.create_task(self._receive())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await self._redis.aclose()

    async def _send(self) -> None:
        while True:
            line = json.dumps(await self._unsent.get())
            with suppress(RedisError, OSError):
                await self._redis.publish(CHANNEL, line)

    async def _receive(self) -> None:
        while True:
            with suppress(RedisError, OSError):
                async with self._redis.pubsub(ignore_subscribe_messages=True) as channel:
                    await channel.subscribe(CHANNEL)
                    while True:
                        if message := await channel.get_message(timeout=None):  # None for the subscription itself
                            super().add(json.loads(message["data"]))
            await asyncio.sleep(PAUSE_SECONDS)
