"""The promise on a Redis cluster, with near stores in front or without: what can happen to its nodes and slots."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar, Final

from redis.exceptions import RedisError

from accelerator import RedisStore
from benchmarks.deployments.cluster import RedisCluster, slot_of
from benchmarks.promise import on_near, on_redis
from benchmarks.promise.on_near import FORGETS, OnNear, Place

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path

    from accelerator import Store
    from benchmarks.deployments.cluster import Node

WARM: Final = 150
"""Keys of all primaries beyond which entries are evicted: 64 of them are there before the first entry."""

LIMITS: Final = 0.05
"""Chance to look whether nodes are warm, which takes longer than to lose a record."""

SMALL_BACKLOG: Final = ("--repl-backlog-size", "16kb")
"""Of what replicas were sent: it counts as memory that is used, and would leave no room for entries."""

MOMENT: Final = 0.2
"""Seconds for which a slot stays half moved, or a replica misses writes, at most."""


class OnCluster:
    """A cluster of its own, of three primaries with a replica each.

    Args:
        items: the number of tags.

    Attributes:
        pauses: the faults, and the seconds between two of a kind.
        longest_stop: the most seconds for which a worker is stopped.
        evicted: the entries that it evicted.
        passing: what happened to what passes on the way to it, which is nothing here.
    """

    pauses: ClassVar = {"cut": 0.2, "reshard": 0.3, "promote": 2.0, "kill": 3.0, "takeover": 1.5, "evict": 0.03}
    longest_stop = 0.4

    def __init__(self, items: int) -> None:
        self._cluster = RedisCluster(*SMALL_BACKLOG)
        nodes = ",".join(f"127.0.0.1:{node.port}" for node in self._cluster.nodes)
        self._url = f"redis+cluster://{nodes}"
        self._keys = RedisStore(self._url).keys
        self.evicted = 0
        self.passing: Counter[str] = Counter()
        self._items = items
        self._change = asyncio.Lock()

    async def start(self) -> None:
        """Start the cluster."""
        await asyncio.to_thread(self._cluster.start)

    async def stop(self) -> None:
        """End it."""
        self._cluster.stop()

    def address(self, _number: int) -> str:
        """Return what `make_store` needs in a worker, which is the same for all."""
        return self._url

    def store(self, number: int) -> Store:
        """Return a store for the writer of a number."""
        return on_redis.make_store(self.address(number), "")

    async def close(self, store: Store) -> None:
        """Close that store."""
        await store.aclose()

    def count_evicted(self) -> None:
        """Add what its nodes evicted, before they end."""
        for node in self._cluster.running():
            self._count_evicted(node)

    def _count_evicted(self, node: Node) -> None:
        with suppress(RedisError):
            self.evicted += node.ask("INFO", "stats")["evicted_keys"]

    def shared_reads(self) -> int:
        """Return 0, since nobody counts."""
        return 0

    # --- faults -------------------------------------------------------------------------------------------------------

    async def cut(self, _chance: random.Random) -> None:
        """Cut every connection to the nodes, but not those of this process to their unix sockets."""
        self._cut("normal")

    def _cut(self, kind: str) -> None:
        for node in self._cluster.running():
            with suppress(RedisError):
                node.ask("CLIENT KILL", "TYPE", kind, "LADDR", f"127.0.0.1:{node.port}")

    async def reshard(self, chance: random.Random) -> None:
        """Move the slot of a tag to another primary, and stop in the middle of it for a while, twice."""
        slot = slot_of(self._record(chance))
        await self._locked(lambda: self._begin_move(slot, chance))
        await asyncio.sleep(chance.random() * MOMENT)
        await self._locked(lambda: self._cluster.move_some_keys(slot, 1))
        await asyncio.sleep(chance.random() * MOMENT)
        await self._locked(lambda: self._cluster.end_move(slot))

    def _begin_move(self, slot: int, chance: random.Random) -> None:
        owner = self._cluster.owner_of(slot)
        self._cluster.begin_move(slot, chance.choice([node for node in self._cluster.primaries() if node is not owner]))

    async def promote(self, chance: random.Random) -> None:
        """Promote a replica, as agreed with its primary."""
        await self._locked(lambda: self._cluster.promote(chance.choice(self._cluster.primaries())))

    async def kill(self, chance: random.Random) -> None:
        """Kill a primary. The others promote its replica, and it comes back empty as the replica of that."""
        async with self._change:
            primary = chance.choice(await asyncio.to_thread(self._cluster.primaries))
            self._count_evicted(primary)
            await asyncio.to_thread(self._cluster.kill, primary)
            await asyncio.sleep(chance.random() * MOMENT)
            await asyncio.to_thread(self._cluster.revive)

    async def takeover(self, chance: random.Random) -> None:
        """Promote a replica that missed what was written last, after the primary of a tag died."""
        async with self._change:
            primary = await asyncio.to_thread(self._cluster.owner_of, self._record(chance))
            await asyncio.to_thread(lambda: self._cluster.isolate(self._cluster.replicas_of(primary)[0]))
            await asyncio.sleep((0.5 + chance.random() / 2) * MOMENT)
            self._count_evicted(primary)
            primary.kill()
            await asyncio.to_thread(self._cluster.promote, primary, "TAKEOVER")
            await asyncio.to_thread(self._cluster.revive)

    async def evict(self, chance: random.Random) -> None:
        """Let nodes evict at random once they are warm, and lose the records that matter more often than by chance."""
        with suppress(RedisError):  # a node may be away, or the key be on the move
            if chance.random() < LIMITS:
                await asyncio.to_thread(self._limit)
            await asyncio.to_thread(self._delete, self._record(chance))

    def _limit(self) -> None:
        primaries = self._cluster.primaries()
        if sum(node.ask("DBSIZE") for node in primaries) > WARM:
            for node in primaries:
                _evict_from(node)

    def _delete(self, key: bytes) -> None:
        self._cluster.owner_of(key).ask("DEL", key)

    def _record(self, chance: random.Random) -> bytes:
        """Return the key of the record of a tag."""
        return self._keys.needed([f"item:{chance.randrange(self._items)}"]).records[0]

    async def _locked(self, change: Callable[[], object]) -> None:
        """Change the cluster in a thread, while nobody else does."""
        async with self._change:
            await asyncio.to_thread(change)


class OnNearCluster(OnCluster):
    """A cluster of its own, and a near store in each process.

    Args:
        folder: where lookups in the far store are counted.
        items: the number of tags.
    """

    pauses: ClassVar = OnCluster.pauses | {"deaf": OnNear.pauses["deaf"]}
    longest_stop = OnNear.longest_stop

    def __init__(self, folder: Path, items: int) -> None:
        super().__init__(items)
        self._reads = folder / "far-reads"
        self._reads.touch()

    def address(self, _number: int) -> str:
        """Return what `make_store` needs in a worker, which is the same for all."""
        return "\n".join(Place(self._url, str(self._reads), ""))

    def store(self, number: int) -> Store:
        """Return a store for the writer of a number."""
        return on_near.make_store(self.address(number), "")

    def shared_reads(self) -> int:
        """Return the number of lookups in the far store."""
        return self._reads.stat().st_size

    # --- faults -------------------------------------------------------------------------------------------------------

    async def deaf(self, _chance: random.Random) -> None:
        """Cut every connection that messages come by."""
        self._cut("pubsub")

    async def evict(self, chance: random.Random) -> None:
        """Let nodes evict, and lose the list of followers as well."""
        await super().evict(chance)
        if chance.random() < FORGETS:
            with suppress(RedisError):
                await asyncio.to_thread(self._delete, self._keys.near)


def _evict_from(node: Node) -> None:
    """Let a node have no more than it has now, if nobody has told it yet."""
    if node.ask("CONFIG GET", "maxmemory")["maxmemory"] == "0":
        used = node.ask("INFO", "memory")["used_memory"]
        node.ask("CONFIG SET", "maxmemory-policy", "allkeys-random", "maxmemory", used)
