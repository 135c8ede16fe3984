"""The origin of proxies: it says how long a page is fresh, and keeps nothing."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from benchmarks.peers.site import Served

if TYPE_CHECKING:
    from benchmarks.peers.site import Pages, Site


def serve(site: Site, pages: Pages) -> Served:
    """Return the site."""
    framework = import_module(f"benchmarks.peers.frameworks.{site.framework}")
    return Served(framework.build(pages, fields={"cache-control": f"max-age={site.ttl}"}), framework.IS_ASGI)
