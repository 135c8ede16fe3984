"""fastapi-cache2: a decorator that keeps what the view returned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi_cache import FastAPICache
from fastapi_cache.backends.inmemory import InMemoryBackend
from fastapi_cache.backends.redis import RedisBackend
from fastapi_cache.decorator import cache
from redis.asyncio import Redis

from benchmarks.peers.frameworks import fastapi
from benchmarks.peers.site import Served

if TYPE_CHECKING:
    from benchmarks.peers.site import Pages, Site


def serve(site: Site, pages: Pages) -> Served:
    """Return the site behind it."""
    backend = RedisBackend(Redis.from_url(site.redis)) if site.redis else InMemoryBackend()
    FastAPICache.init(backend, prefix="site")
    app = fastapi.build(pages, cache(expire=site.ttl, namespace="pages"))
    return Served(app, True, lambda _: FastAPICache.clear(namespace="pages"), "namespace")
