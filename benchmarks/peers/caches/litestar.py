"""Litestar's response cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from litestar.stores.memory import MemoryStore
from litestar.stores.redis import RedisStore

from benchmarks.peers.frameworks import litestar
from benchmarks.peers.site import Served

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.peers.site import Pages, Site


def serve(site: Site, pages: Pages) -> Served:
    """Return the site behind it."""
    store = RedisStore.with_client(site.redis) if site.redis else MemoryStore()
    app = litestar.build(pages, cache=site.ttl, stores={"response_cache": store})

    async def take_back(paths: Sequence[str]) -> None:
        for path in paths:
            await store.delete(f"GET{path}")

    return Served(app, True, take_back, "key by key")
