"""The page under Flask."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from flask import Flask, Response

from benchmarks.peers.site import as_it_is

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.peers.site import Pages

IS_ASGI = False


def build(pages: Pages, decorate: Callable[[Any], Any] = as_it_is, app: Flask | None = None) -> Flask:
    """Return the application, or the one given, with the page."""
    app = app or Flask("site")

    @app.get("/page/<int:size>/<int:milliseconds>/<int:number>")
    @decorate
    def page(size: int, milliseconds: int, number: int) -> Response:
        text = pages.show(size, number)
        if milliseconds:
            time.sleep(milliseconds / 1000)
        return Response(text, content_type="text/plain; charset=utf-8")

    return app
