"""A worker: uvicorn on a unix socket, with an application whose pages are made from versioned data.

As a script it serves until it is killed. With an `LMDBStore` or a near store it is a parent that uses the store, and
whose child serves, as with `gunicorn --preload`; if the child ends it forks another one.

`GET /VARIANT/PAGE` is a page. `POST /invalidate/ITEM` invalidates by the store of the worker. `POST /block/WHICH` lets
one of its event loops do nothing for some seconds: that of its `requests`, or that on which it hears of `messages`.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import uvicorn
from redis.exceptions import RedisError

from accelerator import ASGIAccelerator, InvalidationError, cache_for, tag
from accelerator.stores.loop_thread import loop_thread
from accelerator.stores.redis import fleet
from accelerator.testing import make_request
from benchmarks.promise import on_lmdb, on_near, on_redis, on_sentinel

if TYPE_CHECKING:
    from collections.abc import Callable

    from accelerator import Store
    from accelerator.asgi_types import Application, Receive, Scope, Send

ROOT: Final = Path(__file__).parents[2]

ITEMS: Final = 8
PADDING: Final = bytes(20_000)

BLOCKED: Final = 3.0
"""Seconds for which a loop is blocked: longer than a near store may answer without news."""


class Data:
    """The versions of the items, in memory that all processes share; each has one writer."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            # read and written eight bytes at once; struct fills with zeros first, which another process may read
            self._versions = memoryview(mmap.mmap(file.fileno(), 8 * ITEMS)).cast("Q")

    def __getitem__(self, item: int) -> int:
        return self._versions[item]

    def change(self, item: int) -> int:
        """Make the next version, and return it."""
        version = self[item] + 1
        self._versions[item] = version
        return version


class Worker:
    """The process of a worker.

    Args:
        folder: where the data is, and the sockets are.
        number: its number.
        store: the store, as `kind`, address and mutation.
    """

    def __init__(self, folder: Path, number: int, store: tuple[str, str, str]) -> None:
        self.socket = folder / f"worker-{number}.sock"
        self.asked = asyncio.Event()  # it is to invalidate something
        self._command = [sys.executable, "-m", "benchmarks.promise.worker", str(folder / "data"), *store]
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it, and return when it listens."""
        command = [*self._command, str(self.socket)]
        self._process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)  # noqa: ASYNC220, S603 - it returns at once, and is our own
        while self._process.poll() is None:
            with suppress(OSError):
                _, writer = await asyncio.open_unix_connection(self.socket)
                writer.close()
                return
            await asyncio.sleep(0.02)
        raise RuntimeError("a worker did not start")

    async def invalidate(self, item: int) -> bool:
        """Let it invalidate an item, and return whether that is done.

        Raises:
            OSError, asyncio.IncompleteReadError: see `order`.
        """
        self.asked.set()
        return await self.order(f"invalidate/{item}")

    async def order(self, what: str) -> bool:
        """Let it do something, and return whether it says that it has.

        Raises:
            OSError, asyncio.IncompleteReadError: it ended meanwhile, or is not there.
        """
        reader, writer = await asyncio.open_unix_connection(self.socket)
        try:
            writer.write(f"POST /{what} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n".encode())
            return b" 200 " in await reader.readuntil(b"\r\n")
        finally:
            writer.close()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process that serves."""
        with suppress(FileNotFoundError, ProcessLookupError, ValueError):
            os.kill(int(_pid_file(self.socket).read_text()), number)

    def stop(self) -> None:
        """End it, with its child."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def _pid_file(socket: Path) -> Path:
    return socket.with_suffix(".pid")


def create_app(data: Data, store: Store) -> Application:
    """Return the application: page n is made from items n and n + 1."""
    chance = random.Random(os.getpid())  # noqa: S311 - no secret

    async def pages(scope: Scope, _receive: Receive, send: Send) -> None:
        page = int(scope["path"].rpartition("/")[2])
        items = page % ITEMS, (page + 1) % ITEMS
        cache_for(60)
        tag(*(f"item:{item}" for item in items))
        versions = [data[item] for item in items]
        await asyncio.sleep(chance.random() * 0.004)
        body = b"%d %d " % (versions[0], versions[1]) + PADDING
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return ASGIAccelerator(pages, store=store)


def obedient(app: Application, store: Store) -> Application:
    """Return the application with the orders to a worker in front of it."""

    async def invalidate(item: str) -> None:
        await store.invalidate_tag(f"item:{item}")

    async def sleep() -> None:
        time.sleep(BLOCKED)  # noqa: ASYNC251 - that is the fault

    async def block(which: str) -> None:
        if which == "requests":
            await sleep()
        else:
            loop_thread.begin(sleep())

    orders = {"invalidate": invalidate, "block": block}

    async def front(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await app(scope, receive, send)
            return
        _, order, argument = scope["path"].split("/")
        status = 200
        try:
            await orders[order](argument)
        except InvalidationError:
            status = 503
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    return front


def serve(data: Data, store: Store, socket: Path) -> None:
    """Serve until told to end."""
    _pid_file(socket).write_text(str(os.getpid()))
    uvicorn.run(obedient(create_app(data, store), store), uds=str(socket), lifespan="off", log_level="critical")


def serve_in_children(data: Data, store: Store, socket: Path) -> None:
    """Use the store, and fork who serves, again and again."""
    used = on_near.used_before_forks(store)
    while True:
        with suppress(OSError, RedisError):  # a stopped process may have the lock, or the server be away
            asyncio.run(used.lookup(make_request()))
        child = os.fork()
        if child == 0:
            serve(data, store, socket)
            return
        os.waitpid(child, 0)


def main(data: str, kind: str, address: str, mutation: str, socket: str) -> None:
    """Serve with a store."""
    stores: dict[str, Callable[[str, str], Store]] = {
        "lmdb": on_lmdb.make_store, "near": on_near.make_store, "near-lmdb": on_near.make_store,
        "near-cluster": on_near.make_store, "near-sentinel": on_sentinel.make_near_store, "redis": on_redis.make_store,
        "cluster": on_redis.make_store, "sentinel": on_sentinel.make_store,
    }  # fmt: skip
    is_far = kind in {"redis", "cluster"}
    if is_far:  # nobody has a near store: where the list of them is evicted, there is none to wait for
        fleet.LEASE_SECONDS = 0.0  # type: ignore[misc]
    store = stores[kind](address, mutation)
    (serve if is_far else serve_in_children)(Data(Path(data)), store, Path(socket))


if __name__ == "__main__":
    main(*sys.argv[1:])
