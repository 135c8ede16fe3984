"""This cache, under each of the frameworks."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from accelerator import ASGIAccelerator, MemoryStore, RedisStore, WSGIAccelerator, cached
from benchmarks.peers.site import ROOM, Served

if TYPE_CHECKING:
    from accelerator import Store
    from benchmarks.peers.site import Pages, Site

PATIENCE = 1.0
"""Seconds in which Redis has to answer: it shares a processor with the client here."""


def serve(site: Site, pages: Pages) -> Served:
    """Return the site behind it."""
    return behind(site, pages, RedisStore(site.redis, deadline=PATIENCE) if site.redis else MemoryStore(ROOM))


def behind(site: Site, pages: Pages, store: Store) -> Served:
    """Return the site behind this cache with that store."""
    framework = import_module(f"benchmarks.peers.frameworks.{site.framework}")
    app = framework.build(pages, cached(site.ttl, tags=["pages"]))
    if framework.IS_ASGI:
        return Served(ASGIAccelerator(app, store=store), True, lambda _: store.invalidate_tag("pages"), "tag")
    accelerator = WSGIAccelerator(app, store=store)
    return Served(accelerator, False, lambda _: accelerator.invalidate_tag("pages"), "tag")
