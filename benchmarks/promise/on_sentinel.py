"""The promise on the primary that three Sentinels name: the servers, and what can happen to them."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar, Final

from redis.exceptions import RedisError

from accelerator.stores.redis import server as redis_server
from accelerator.stores.redis.sentinel import PrimaryPool
from benchmarks.deployments.sentinels import Watched
from benchmarks.promise import near_mutations, on_near, on_redis

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from redis.asyncio.connection import AbstractConnection

    from accelerator import Store

MUTATIONS: Final = (*on_redis.MUTATIONS, "never-asks-again")
NEAR_MUTATIONS: Final = (*near_mutations.MUTATIONS, "never-asks-again")

SILENT: Final = 1.5
"""The most seconds for which a Sentinel is stopped. After two it would take no part in anything for half a minute."""


def make_store(url: str, mutation: str) -> Store:
    """Return the store, broken as asked for."""
    return on_redis.make_store(url, _broken(mutation))


def make_near_store(address: str, mutation: str) -> Store:
    """Return near stores in front of it, broken as asked for; see `on_near.make_store`."""
    return on_near.make_store(address, _broken(mutation))


def _broken(mutation: str) -> str:
    """Break what is of this kind of store alone, and return what else is to be broken."""
    if mutation != "never-asks-again":
        return mutation

    async def believe(self: PrimaryPool, connection: AbstractConnection, after: float) -> float:  # noqa: ARG001 - that is the fault
        return redis_server.clock()

    PrimaryPool.confirm = believe  # type: ignore[method-assign]
    return ""


class OnSentinel:
    """A primary of its own, two replicas, and three Sentinels.

    Args:
        folder: where a file may be.
        is_near: each process has a near store in front of it.

    Attributes:
        pauses: the faults, and the seconds between two of a kind.
        longest_stop: the most seconds for which a worker is stopped.
        evicted: 0, since nothing is evicted here.
        passing: nothing, since nothing is between.
    """

    pauses: ClassVar = {"failover": 3.0, "kill": 6.0, "cut": 1.0, "silent": 2.0}
    longest_stop = 3.0  # longer than a connection is used without asking who the primary is
    evicted = 0

    def __init__(self, folder: Path, *, is_near: bool) -> None:
        self.passing: Counter[str] = Counter()
        self._reads = folder / "far-reads"
        self._reads.touch()
        self._is_near = is_near
        self._watched = Watched(replicas=2, publish_period=1000)
        self._change = asyncio.Lock()

    async def start(self) -> None:
        """Start the servers."""
        await asyncio.to_thread(self._watched.start)

    async def stop(self) -> None:
        """End them."""
        self._watched.stop()

    def address(self, _number: int) -> str:
        """Return what `make_store` needs in a worker, which is the same for all."""
        url = self._watched.url
        return "\n".join(on_near.Place(url, str(self._reads), "")) if self._is_near else url

    def store(self, number: int) -> Store:
        """Return a store for the writer of a number."""
        return (make_near_store if self._is_near else make_store)(self.address(number), "")

    async def close(self, store: Store) -> None:
        """Close that store."""
        await store.aclose()

    def count_evicted(self) -> None:
        """Do nothing, since nothing is evicted here."""

    def shared_reads(self) -> int:
        """Return the number of lookups that near stores left to the primary."""
        return self._reads.stat().st_size

    # --- faults -------------------------------------------------------------------------------------------------------

    async def failover(self, _chance: random.Random) -> None:
        """Let the Sentinels make a replica the primary. The former one takes itself for it for four seconds."""
        async with self._change:
            await asyncio.to_thread(self._watched.failover)
            await asyncio.to_thread(self._watched.become_whole)

    async def kill(self, chance: random.Random) -> None:
        """Kill the primary, so that a replica takes its place, and start it again, empty."""
        async with self._change:
            killed = await asyncio.to_thread(self._watched.kill_primary)
            await asyncio.sleep(chance.random())
            await asyncio.to_thread(self._watched.revive, killed)
            await asyncio.to_thread(self._watched.become_whole)

    async def cut(self, _chance: random.Random) -> None:
        """Cut every connection to the servers."""
        for server in self._watched.servers:
            with suppress(RedisError), self._watched.client(server) as admin:
                admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    async def silent(self, chance: random.Random) -> None:
        """Stop a Sentinel for a while. What it answers when it goes on may be old."""
        number = chance.randrange(len(self._watched.sentinels))
        self._watched.stop_sentinel(number)
        await asyncio.sleep(chance.random() * SILENT)
        self._watched.continue_sentinel(number)
