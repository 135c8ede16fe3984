"""Stores that wait for I/O, for tests of what has none to wait on."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from accelerator import Lookup, MemoryStore, Store

if TYPE_CHECKING:
    from collections.abc import Collection

    from accelerator.http.request import Request
    from accelerator.rules.entry import Entry


class WaitingStore(Store):
    """A `MemoryStore` whose calls wait for their event loop, and note the threads they run in."""

    def __init__(self) -> None:
        self.memory = MemoryStore()
        self.threads: set[threading.Thread] = set()
        self.error: Exception | None = None

    async def _wait(self) -> None:
        self.threads.add(threading.current_thread())
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error

    async def lookup(self, request: Request) -> Lookup:
        await self._wait()
        return await self.memory.lookup(request)

    async def commit(self, entry: Entry) -> bool:
        await self._wait()
        return await self.memory.commit(entry)

    async def invalidate(self, tags: Collection[str], *, soft: bool) -> None:
        await self._wait()
        await self.memory.invalidate(tags, soft=soft)
