"""This cache with the store that all workers of a machine share, beside the file of the calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from accelerator import LMDBStore
from benchmarks.peers.caches.accelerator import behind
from benchmarks.peers.site import ROOM

if TYPE_CHECKING:
    from benchmarks.peers.site import Pages, Served, Site


def serve(site: Site, pages: Pages) -> Served:
    """Return the site behind it."""
    return behind(site, pages, LMDBStore(site.calls.with_suffix(".lmdb"), ROOM))
