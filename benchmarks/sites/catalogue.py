"""The sites, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.sites.sites import datasette, fastapi, httpbin, litestar, pypiserver, quart, static, wagtail

if TYPE_CHECKING:
    from benchmarks.sites.site import Site

SITES: Final = {
    each.name: each
    for each in (
        wagtail.SITE,  # what takes longest begins first
        datasette.SITE,
        httpbin.SITE,
        pypiserver.SITE,
        static.SITE,
        fastapi.SITE,
        quart.SITE,
        litestar.SITE,
    )
}


def site(name: str) -> Site:
    """Return the site of this name."""
    return SITES[name]
