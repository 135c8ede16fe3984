"""A store in memory that grants leases, for accelerators that stand for processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from accelerator import MemoryStore
from accelerator.stores import GrantsLeases, Lease, TakenLease

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class MemoryLease(TakenLease):
    """A lease as others see it. No time ends it."""

    def __init__(self, store: LeasingStore, name: bytes) -> None:
        self.store = store
        self.name = name
        self.ended = anyio.Event()

    def end(self, unstorable_seconds: float) -> None:
        if not self.ended.is_set():
            self.ended.set()
            del self.store.leases[self.name]
            self.store.unstorable[self.name] = anyio.current_time() + unstorable_seconds

    async def wait(self, seconds: float, sleep: Callable[[float], Awaitable[object]]) -> float:
        deadline = anyio.current_time() + seconds
        with anyio.move_on_at(deadline):
            await self.ended.wait()
        return max(0.0, deadline - anyio.current_time())


class Granted(Lease):
    """A lease as its owner sees it."""

    def __init__(self, lease: MemoryLease) -> None:
        self.lease = lease

    def end(self, unstorable_seconds: float = 0.0) -> None:
        self.lease.end(unstorable_seconds)


class LeasingStore(GrantsLeases, MemoryStore):
    """A memory store with leases, which counts how often it was asked for one, and for an entry."""

    def __init__(self) -> None:
        super().__init__()
        self.leases: dict[bytes, MemoryLease] = {}
        self.unstorable: dict[bytes, float] = {}
        self.asked: list[bytes] = []

    async def lease(self, name: bytes) -> Lease | TakenLease | None:
        self.asked.append(name)
        if anyio.current_time() < self.unstorable.get(name, 0.0):
            return None
        if name in self.leases:
            return self.leases[name]
        self.leases[name] = MemoryLease(self, name)
        return Granted(self.leases[name])
