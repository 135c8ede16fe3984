"""hishel: a middleware after RFC 9111. It has no storage in memory; the usual one is SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hishel import AsyncRedisStorage, AsyncSqliteStorage
from hishel.asgi import ASGICacheMiddleware
from redis.asyncio import Redis

from benchmarks.peers.drive import asgi_scope, receive, send
from benchmarks.peers.frameworks import starlette
from benchmarks.peers.site import Served

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.peers.site import Pages, Site


def serve(site: Site, pages: Pages) -> Served:
    """Return the site behind it."""
    page = starlette.build(pages, fields={"cache-control": f"max-age={site.ttl}"})

    async def edited(scope: Any, receive: Any, send: Any) -> None:
        """Answer a PUT, by which HTTP takes back its URL."""
        if scope.get("method") != "PUT":
            await page(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    app = ASGICacheMiddleware(edited, storage=_opened(site))

    async def take_back(paths: Sequence[str]) -> None:
        for path in paths:
            await app(asgi_scope(path, "PUT"), receive, send)

    return Served(app, True, take_back, "URL by URL")


def _opened(site: Site) -> Any:
    if site.redis:
        return AsyncRedisStorage(client=Redis.from_url(site.redis))
    return AsyncSqliteStorage(database_path=site.calls.with_suffix(".db"))
