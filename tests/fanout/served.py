"""A site for a server of its own: a POST takes back a page, of which a cache downstream is told."""

from __future__ import annotations

import os

from accelerator import ASGIAccelerator, MemoryStore
from accelerator.fanout import FanOut, Varnish, fan_out
from tests.support import Receive, Scope, Send, chunk, start

fan_out.CLOSE_SECONDS = 30.0  # type: ignore[misc]  # on a busy machine
store = MemoryStore()
FanOut(Varnish(os.environ["EDGE"])).follow(store)


async def site(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
    else:
        await send(start(("content-length", "0")))
        await send(chunk())


app = ASGIAccelerator(site, store=store)
