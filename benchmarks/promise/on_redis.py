"""The promise on one Redis: its server, what can happen to it, and ways to break the rule."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Final

from redis.exceptions import RedisError

from accelerator import RedisStore
from accelerator.demo.redis_server import RedisServer
from accelerator.stores.redis import server as redis_server
from accelerator.stores.redis import verdict as redis_verdict

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from accelerator import Store
    from accelerator.rules.entry import Entry

MUTATIONS: Final = ("mark-at-storing", "missing-is-valid", "no-identity")

SPARE: Final = 0.9
"""The part of what the entries would take that Redis may use, where they are to be evicted."""

WARM: Final = 86
"""Keys beyond which entries are evicted."""

AT_ONCE: Final = ("--repl-diskless-sync-delay", "0")


class _MarksAtStoring(RedisStore):
    async def commit(self, entry: Entry) -> bool:
        values = await self.links.here().read([partition.meta for partition in self.keys.partitions])
        metas = self._orders.see(values, self._orders.before())
        object.__setattr__(entry, "mark", entry.mark if metas.lost else metas.mark)
        return await super().commit(entry)


def make_store(url: str, mutation: str) -> RedisStore:
    """Return the store, broken as asked for."""
    if mutation == "mark-at-storing":
        return _MarksAtStoring(url, deadline=1)
    if mutation == "missing-is-valid":
        compare = redis_verdict.compare

        def skip_missing(entry: Entry, records: list[tuple[int, bytes | None]], metas: Any) -> tuple[bool, bool]:
            return compare(entry, [record for record in records if record[1] is not None], metas)

        redis_verdict.compare = skip_missing
    if mutation == "no-identity":

        def nobody(answer: bytes) -> bytes:  # noqa: ARG001 - that is the fault
            return b"nobody"

        redis_server.identity_in = nobody
    return RedisStore(url, deadline=1)


class OnRedis:
    """A Redis of its own.

    Args:
        folder: where its socket is.
        items: the number of tags.

    Attributes:
        pauses: the faults, and the seconds between two of a kind.
        longest_stop: the most seconds for which a worker is stopped.
        evicted: the entries that it evicted.
        passing: what happened to what passes on the way to it.
    """

    pauses: ClassVar = {"cut": 0.2, "kill": 1.0, "promote": 1.0, "evict": 0.03}
    longest_stop = 0.4

    def __init__(self, folder: Path, items: int) -> None:
        self._socket = folder / "redis.sock"
        self._url = f"unix://{self._socket}"
        self._keys = RedisStore(self._url).keys
        self.evicted = 0
        self.passing: Counter[str] = Counter()
        self._items = items
        self._server = RedisServer(*AT_ONCE)
        self._change = asyncio.Lock()

    async def start(self) -> None:
        """Start the server."""
        await asyncio.to_thread(self._server.start)
        self._move_in()

    async def stop(self) -> None:
        """End it."""
        self._server.stop()

    def address(self, _number: int) -> str:
        """Return what `make_store` needs in a worker, which is the same for all."""
        return self._url

    def store(self, number: int) -> Store:
        """Return a store for the writer of a number."""
        return make_store(self.address(number), "")

    async def close(self, store: Store) -> None:
        """Close that store."""
        await store.aclose()

    def count_evicted(self) -> None:
        """Add what this server evicted, before it ends."""
        with suppress(RedisError), self._server.client() as admin:
            self.evicted += admin.info("stats")["evicted_keys"]

    def shared_reads(self) -> int:
        """Return 0, since nobody counts."""
        return 0

    def _move_in(self) -> None:
        """Let the server answer where everybody looks for it."""
        self._server.socket.replace(self._socket)
        self._server.socket = self._socket

    # --- faults -------------------------------------------------------------------------------------------------------

    async def cut(self, _chance: random.Random) -> None:
        """Cut every connection to Redis."""
        with suppress(RedisError), self._server.client() as admin:
            admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    async def kill(self, chance: random.Random) -> None:
        """Kill Redis, and start it empty."""
        async with self._change:
            self.count_evicted()
            self._server.kill()
            await asyncio.sleep(chance.random() * 0.3)
            await asyncio.to_thread(self._server.start)

    async def evict(self, chance: random.Random) -> None:
        """Let Redis evict at random once it is warm, and lose the records that matter more often than chance would."""
        with suppress(RedisError), self._server.client() as admin:
            evicts = admin.config_get("maxmemory")["maxmemory"] != "0"
            if not evicts and admin.dbsize() > WARM:
                admin.config_set("maxmemory-policy", "allkeys-random")
                memory: Any = admin.info("memory")
                base = memory["used_memory_startup"]
                admin.config_set("maxmemory", base + int(SPARE * (memory["used_memory"] - base)))
            admin.delete(*self._keys.needed([f"item:{chance.randrange(self._items)}"]).records)

    async def promote(self, chance: random.Random) -> None:
        """Promote a replica that missed what was written last."""
        async with self._change:
            replica = RedisServer(*AT_ONCE)
            await asyncio.to_thread(replica.start)
            with replica.client() as admin:
                admin.replicaof("127.0.0.1", str(self._server.port))
                while admin.info("replication")["master_link_status"] != "up":  # noqa: ASYNC110 - Redis tells nobody
                    await asyncio.sleep(0.01)
                admin.replicaof("NO", "ONE")
            await asyncio.sleep(0.1 + chance.random() * 0.2)
            self.count_evicted()
            self._server.kill()
            former, self._server = self._server, replica
            self._move_in()
            former.stop()
