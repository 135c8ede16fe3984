"""starlette-caches: a middleware on top of aiocache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aiocache import Cache
from starlette.datastructures import URL, Headers
from starlette_caches.middleware import CacheMiddleware
from starlette_caches.utils.cache import delete_from_cache

from benchmarks.peers.drive import HOST
from benchmarks.peers.frameworks import starlette
from benchmarks.peers.site import Served

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.peers.site import Pages, Site


def serve(site: Site, pages: Pages) -> Served:
    """Return the site behind it."""
    cache = _opened(site)

    async def take_back(paths: Sequence[str]) -> None:
        for path in paths:  # what `CacheHelper.invalidate_cache_for` calls
            await delete_from_cache(URL(f"http://{HOST}{path}"), vary=Headers(), cache=cache)

    return Served(CacheMiddleware(starlette.build(pages), cache=cache), True, take_back, "URL by URL")


def _opened(site: Site) -> Any:
    if not site.redis:
        return Cache(Cache.MEMORY, ttl=site.ttl)
    where = urlsplit(site.redis)
    return Cache(Cache.REDIS, endpoint=where.hostname, port=where.port, db=int(where.path[1:]), ttl=site.ttl)
