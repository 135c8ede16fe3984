"""No cache: the site itself, which a miss is compared with."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from benchmarks.peers.site import Served

if TYPE_CHECKING:
    from benchmarks.peers.site import Pages, Site


def serve(site: Site, pages: Pages) -> Served:
    """Return the site."""
    framework = import_module(f"benchmarks.peers.frameworks.{site.framework}")
    return Served(framework.build(pages), framework.IS_ASGI)
