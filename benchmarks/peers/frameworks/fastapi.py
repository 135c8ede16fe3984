"""The page under FastAPI."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

from benchmarks.peers.site import as_it_is

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.peers.site import Pages

IS_ASGI = True


def build(pages: Pages, decorate: Callable[[Any], Any] = as_it_is) -> FastAPI:
    """Return the application."""
    app = FastAPI()

    @app.get("/page/{size}/{milliseconds}/{number}", response_class=PlainTextResponse)
    @decorate
    async def page(size: int, milliseconds: int, number: int) -> str:
        text = pages.show(size, number)
        if milliseconds:
            await asyncio.sleep(milliseconds / 1000)
        return text

    return app
