"""A site whose paths say what becomes of them, with all that operators have, for servers with several workers."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from accelerator import ASGIAccelerator, cache_for, no_store, tag
from accelerator.metrics.prometheus import Collector
from accelerator.ops import OpsApp

if TYPE_CHECKING:
    from starlette.requests import Request


def page(request: Request) -> PlainTextResponse:
    """Answer with what may be stored, by a thread."""
    cache_for(600)
    tag(f"page:{request.path_params['number']}")
    time.sleep(0.001)
    return PlainTextResponse("page " * 20)


def private(_: Request) -> PlainTextResponse:
    """Answer with what may not."""
    return PlainTextResponse("yours", headers={"cache-control": "private"})


def metrics(_: Request) -> Response:
    """Show the figures of all workers to Prometheus."""
    no_store()
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


registry = CollectorRegistry()
site = Starlette(
    routes=[
        Route("/page/{number:int}", page, methods=["GET", "POST"]),
        Route("/private", private),
        Route("/metrics", metrics),
    ]
)
app = ASGIAccelerator(site, store=os.environ.get("STORE") or None)
site.router.routes.append(Mount("/ops", OpsApp(app, authorize=lambda request: request.headers.get("x-operator"))))
registry.register(Collector(app))
