"""The page under Litestar."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from litestar import Litestar, MediaType, get

from benchmarks.peers.site import as_it_is

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.peers.site import Pages

IS_ASGI = True


def build(
    pages: Pages, decorate: Callable[[Any], Any] = as_it_is, cache: int | None = None, **options: Any
) -> Litestar:
    """Return the application; its own cache keeps a page for `cache` seconds."""

    async def page(size: int, milliseconds: int, number: int) -> str:
        text = pages.show(size, number)
        if milliseconds:
            await asyncio.sleep(milliseconds / 1000)
        return text

    route = get("/page/{size:int}/{milliseconds:int}/{number:int}", media_type=MediaType.TEXT, cache=cache or False)
    return Litestar([route(decorate(page))], openapi_config=None, **options)
