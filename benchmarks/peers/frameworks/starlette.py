"""The page under Starlette."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from benchmarks.peers.site import as_it_is

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request

    from benchmarks.peers.site import Pages

IS_ASGI = True


def build(
    pages: Pages, decorate: Callable[[Any], Any] = as_it_is, fields: Mapping[str, str] | None = None
) -> Starlette:
    """Return the application."""

    async def page(request: Request) -> PlainTextResponse:
        size, milliseconds, number = (request.path_params[name] for name in ("size", "milliseconds", "number"))
        text = pages.show(size, number)
        if milliseconds:
            await asyncio.sleep(milliseconds / 1000)
        return PlainTextResponse(text, headers=fields)

    return Starlette(routes=[Route("/page/{size:int}/{milliseconds:int}/{number:int}", decorate(page))])
