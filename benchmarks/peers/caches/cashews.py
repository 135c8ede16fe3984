"""cashews: a decorator that keeps what the view returned, with tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cashews import Cache

from benchmarks.peers.frameworks import fastapi
from benchmarks.peers.site import MANY, Served

if TYPE_CHECKING:
    from benchmarks.peers.site import Pages, Site


def serve(site: Site, pages: Pages) -> Served:
    """Return the site behind it."""
    cache = Cache()
    if site.redis:
        cache.setup(site.redis)
    else:
        cache.setup("mem://", size=MANY)
    keep = cache(ttl=site.ttl, key="page:{size}:{milliseconds}:{number}", tags=["pages"])
    return Served(fastapi.build(pages, keep), True, lambda _: cache.delete_tags("pages"), "tag")
