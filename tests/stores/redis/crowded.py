"""A site on a RedisStore, for servers: its page waits for the file `gate`, and says which process made it.

Each line of the file `made` is a call of the application, and each of `asked` a request: the process that has it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from accelerator import ASGIAccelerator, MemoryStore, RedisStore, TieredStore, cache_for
from accelerator.engine import flight
from accelerator.stores.redis import leasing
from tests.asgi.served import lifespan
from tests.support import chunk, start

if TYPE_CHECKING:
    from tests.support import Receive, Scope, Send

FOLDER = Path(os.environ["FOLDER"])

flight.PATIENCE = 1000.0  # type: ignore[misc]  # however slow the machine is
leasing.LEASE_SECONDS = float(os.environ["LEASE_SECONDS"])  # type: ignore[misc]


def note(name: str) -> None:
    with (FOLDER / name).open("a") as file:
        file.write(f"{os.getpid()}\n")


async def page(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    note("made")
    while not (FOLDER / "gate").exists():  # noqa: ASYNC110 - a file tells nobody
        await anyio.sleep(0.01)
    cache_for(3600)
    await send(start(("x-made-by", str(os.getpid())), ("content-length", "4")))
    await send(chunk(b"page"))


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        note("asked")
    await cached(scope, receive, send)


far = RedisStore(os.environ["STORE"], deadline=20)
cached = ASGIAccelerator(page, store=TieredStore(MemoryStore(), far) if os.environ["NEAR"] else far)
