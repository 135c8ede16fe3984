"""Django's cache middleware."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.core.cache import cache

from benchmarks.peers.frameworks import django
from benchmarks.peers.site import MANY, Served

if TYPE_CHECKING:
    from benchmarks.peers.site import Pages, Site

FETCH, UPDATE = (f"django.middleware.cache.{name}CacheMiddleware" for name in ("FetchFrom", "Update"))
BACKENDS: Final = "django.core.cache.backends"


def serve(site: Site, pages: Pages) -> Served:
    """Return the site behind it. Only clearing takes back a page that the middleware keeps."""
    backend: dict[str, Any]
    if site.redis:
        backend = {"BACKEND": f"{BACKENDS}.redis.RedisCache", "LOCATION": site.redis}
    else:
        backend = {"BACKEND": f"{BACKENDS}.locmem.LocMemCache", "OPTIONS": {"MAX_ENTRIES": MANY}}
    middlewares = (UPDATE, django.COMMON, FETCH)
    app = django.build(pages, middlewares=middlewares, CACHES={"default": backend}, CACHE_MIDDLEWARE_SECONDS=site.ttl)
    return Served(app, False, lambda _: cache.clear(), "everything")
