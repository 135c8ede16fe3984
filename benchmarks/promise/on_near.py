"""The promise on near stores in front of one Redis: where they are, and what can happen to those who follow."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

from redis.exceptions import RedisError

from accelerator import LMDBStore, MemoryStore, RedisStore
from accelerator.stores.tiered import TieredStore
from benchmarks.promise import near_mutations
from benchmarks.promise.on_redis import OnRedis
from benchmarks.promise.relay import Relay

if TYPE_CHECKING:
    from collections.abc import Sequence

    from accelerator import Lookup, Store
    from accelerator.http.request import Request

NEAR_BYTES: Final = 64 * 1024 * 1024

MACHINES: Final = 2
"""Near stores, where processes share them: each is one of those that a machine has, with a follower of its own."""

FORGETS: Final = 0.02
"""Chance that Redis loses its list of followers where it evicts: at random that would happen too seldom."""


class Place(NamedTuple):
    """Where the stores are.

    Attributes:
        url: of the far store.
        reads: a file that gets a byte for each lookup in the far store.
        near: the directory of the near store, empty if each process has one of its own.
    """

    url: str
    reads: str
    near: str


class _CountsReads(RedisStore):
    def __init__(self, url: str, reads: str) -> None:
        super().__init__(url, deadline=1)
        self._counter = os.open(reads, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def lookup(self, request: Request) -> Lookup:
        os.write(self._counter, b".")  # appended at once, whichever process does it, and however it ends
        return await super().lookup(request)


def make_store(address: str, mutation: str) -> TieredStore:
    """Return the store, broken as asked for.

    Args:
        address: a `Place`, a line for each of its parts.
        mutation: how to break it.
    """
    place = Place(*address.split("\n"))
    near = LMDBStore(place.near, NEAR_BYTES) if place.near else MemoryStore()
    return near_mutations.broken(mutation, near, _CountsReads(place.url, place.reads))


def used_before_forks(store: Store) -> Store:
    """Return what a parent uses before it forks workers.

    That is the near store alone if it is shared: the parent, which no fault happens to, would follow for all workers.
    """
    near = store._near if isinstance(store, TieredStore) else store  # noqa: SLF001 - nobody else needs it
    return near if isinstance(near, LMDBStore) else store


class OnNear(OnRedis):
    """A Redis of its own, and near stores: one in each process, or two, of which half of the workers share each.

    Args:
        folder: where the sockets are.
        items: the number of tags.
        parent: a directory, where one is made for each shared near store, if there are to be such.
        faults: what is to happen.
        workers: the number of workers.
    """

    pauses: ClassVar = OnRedis.pauses | {"deaf": 0.3}
    longest_stop = 3.0  # longer than a near store may answer without news

    def __init__(self, folder: Path, items: int, parent: Path | None, faults: Sequence[str], workers: int) -> None:
        super().__init__(folder, items)
        machines = range(min(MACHINES, workers) if parent is not None else 0)
        self._shared = [Path(tempfile.mkdtemp(prefix="promise-", dir=parent)) for _ in machines]
        self._reads = folder / "far-reads"
        self._reads.touch()
        self._relay: Relay | None = None
        if "relay" in faults:
            socket = folder / "relay.sock"
            self._relay = Relay(socket, self._socket, random.Random(0))  # noqa: S311 - no secret
            self._url, self.passing = f"unix://{socket}", self._relay.counts

    async def start(self) -> None:
        """Start the server, and the relay."""
        await super().start()
        if self._relay is not None:
            await self._relay.start()

    async def stop(self) -> None:
        """End them, and remove the near stores."""
        if self._relay is not None:
            await self._relay.stop()
        await super().stop()
        for shared in self._shared:
            shutil.rmtree(shared)

    def address(self, number: int) -> str:
        """Return what `make_store` needs in the worker of a number."""
        near = str(self._shared[number % len(self._shared)] / "store") if self._shared else ""
        return "\n".join(Place(self._url, str(self._reads), near))

    def store(self, number: int) -> TieredStore:
        """Return a store for the writer of a number, who is on one of the machines as well."""
        return make_store(self.address(number), "")

    def shared_reads(self) -> int:
        """Return the number of lookups in the far store."""
        return self._reads.stat().st_size

    # --- faults -------------------------------------------------------------------------------------------------------

    async def deaf(self, _chance: random.Random) -> None:
        """Cut every connection that messages come by."""
        with suppress(RedisError), self._server.client() as admin:
            admin.execute_command("CLIENT", "KILL", "TYPE", "pubsub")

    async def evict(self, chance: random.Random) -> None:
        """Let Redis evict, its list of followers as well."""
        await super().evict(chance)
        if chance.random() < FORGETS:
            with suppress(RedisError), self._server.client() as admin:
                admin.delete(self._keys.near)
