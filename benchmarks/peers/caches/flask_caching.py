"""Flask-Caching: a decorator that keeps what the view returned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask
from flask_caching import Cache

from benchmarks.peers.frameworks import flask
from benchmarks.peers.site import MANY, Served

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.peers.site import Pages, Site


def serve(site: Site, pages: Pages) -> Served:
    """Return the site behind it."""
    app = Flask("site")
    where = {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": site.redis} if site.redis else {"CACHE_TYPE": "SimpleCache"}
    cache = Cache(app, config={**where, "CACHE_THRESHOLD": MANY})
    flask.build(pages, cache.cached(timeout=site.ttl), app)

    def take_back(paths: Sequence[str]) -> None:
        with app.app_context():
            cache.delete_many(*(f"view/{path}" for path in paths))

    return Served(app, False, take_back, "key by key")
