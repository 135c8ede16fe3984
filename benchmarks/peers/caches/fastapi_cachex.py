"""fastapi-cachex: a decorator that keeps the response."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fastapi_cachex import BackendProxy, cache
from fastapi_cachex.backends import AsyncRedisCacheBackend, MemoryBackend

from benchmarks.peers.frameworks import fastapi
from benchmarks.peers.site import Served

if TYPE_CHECKING:
    from benchmarks.peers.site import Pages, Site


def serve(site: Site, pages: Pages) -> Served:
    """Return the site behind it; requests for what is being made wait, which is an option of the decorator."""
    if site.redis:
        where = urlsplit(site.redis)
        backend = AsyncRedisCacheBackend(host=where.hostname, port=where.port, db=int(where.path[1:]))
    else:
        backend = MemoryBackend()
    BackendProxy.set(backend)
    app = fastapi.build(pages, cache(ttl=site.ttl, coalesce=True))
    return Served(app, True, lambda _: backend.clear_pattern("*/page/*"), "pattern")
