"""The servers of the demo: one process, or several workers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import click
import uvicorn

from accelerator.demo.database import HANDLES, create
from accelerator.demo.shared import SharedActivity
from accelerator.demo.site import create_site
from accelerator.stores.urls import StoreURL

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from types import FrameType

    from fastapi import FastAPI

    from accelerator import Store
    from accelerator.demo.activity import Activity

FOLDER: Final = "ACCELERATOR_DEMO_FOLDER"
SOCKET: Final = "ACCELERATOR_DEMO_SOCKET"
STORE: Final = "ACCELERATOR_DEMO_STORE"
WORKER: Final = "ACCELERATOR_DEMO_WORKER"
"""These environment variables give a worker what it shares with the others, by path, file descriptor and URL, and its
number."""

SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a directory of random name is made there
"""Where Linux has a file system in memory."""

DATABASE: Final = "site.sqlite3"
SOCKETS: Final = "sockets"
"""What is in the folder that the workers share."""

LOOK_SECONDS: Final = 0.1
"""Seconds between two checks whether to end."""

DEADLINE: Final = 1.0
"""Seconds that a Redis has for a call: a small machine is slow while workers start."""

PATIENCE: Final = 10.0
"""Seconds that workers have to finish their requests."""


class Server(uvicorn.Server):
    """A server that ends the streams of the live list when it stops, since it waits for all responses.

    Args:
        config: the configuration of uvicorn.
        activity: the live list.
    """

    def __init__(self, config: uvicorn.Config, activity: Activity) -> None:
        super().__init__(config)
        self._activity = activity

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop the server."""
        self._activity.close()
        await super().shutdown(sockets)


def listen(host: str, port: int) -> socket.socket:
    """Open a listening socket, on a free port if `port` is 0.

    Raises:
        OSError, UnicodeError: there is no such host, or the port is not available.
    """
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    return socket.create_server(address, family=family)


def url_of(listening: socket.socket) -> str:
    """Return the URL of a listening socket."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def make_server(site: FastAPI, **options: Any) -> Server:
    """Make a server that stops when the process gets a signal to end."""
    server = Server(uvicorn.Config(site, log_level="warning", **options), site.state.activity)
    on_end(server.handle_exit)
    return server


def on_end(handler: Callable[[int, FrameType | None], None]) -> None:
    """Call `handler` on each signal that ends the process. Otherwise most of them would leave temporary files."""
    for name in {"SIGINT", "SIGTERM", "SIGHUP"} & set(dir(signal)):
        signal.signal(getattr(signal, name), handler)


def serve(listening: socket.socket, store: Store) -> None:
    """Serve the demo in this process until it gets a signal to end, with a temporary database."""
    with TemporaryDirectory(prefix="accelerator-demo-") as directory:
        database = Path(directory, DATABASE)
        server = make_server(create_site(database, store=store))
        create(database)
        click.echo(f"The demo is at {url_of(listening)} (Ctrl-C ends it)")
        server.run([listening])


def signals_to_end() -> list[int]:
    """Return a list that gets the signals to end as they come."""
    signals: list[int] = []
    on_end(lambda number, _frame: signals.append(number))
    return signals


def serve_by_workers(listening: socket.socket, count: int, url: str, signals: Collection[int], hint: str) -> None:
    """Serve the demo by several processes until there is a signal to end, with a temporary database.

    A worker that ends early is not replaced: the others go on, with all that it has stored in the cache.

    Args:
        listening: the socket that they accept connections from.
        count: how many they are.
        url: the URL of the store that they share.
        signals: the list from `signals_to_end`.
        hint: what is said of the store, in a line of its own.

    Raises:
        click.ClickException: no worker is left.
    """
    with TemporaryDirectory(prefix="accelerator-demo-") as directory:
        create(Path(directory, DATABASE))
        Path(directory, SOCKETS).mkdir()
        workers: list[subprocess.Popen[bytes]] = []
        try:
            workers.extend(start_worker(number, Path(directory), url, listening) for number in range(1, count + 1))
            click.echo(f"The demo is at {url_of(listening)}, served by {count} workers (Ctrl-C ends it)")
            click.echo(hint, nl=bool(hint))
            while not signals:
                if all(worker.poll() is not None for worker in workers):
                    raise click.ClickException("no worker is left")
                time.sleep(LOOK_SECONDS)
        finally:
            end_workers(workers)


@contextmanager
def temporary_file() -> Iterator[str]:
    """Make a directory for an `LMDBStore`, in memory if the system has a file system there, and yield its URL."""
    parent = SHARED_MEMORY if os.access(SHARED_MEMORY, os.W_OK) else None
    with TemporaryDirectory(prefix="accelerator-demo-", dir=parent) as directory:
        yield f"lmdb://{quote(directory)}?max_bytes=32MiB"


@contextmanager
def temporary_redis() -> Iterator[str]:
    """Start a Redis, and yield its URL.

    Raises:
        FileNotFoundError: there is no Redis server.
        RuntimeError: it does not start.
    """
    from accelerator.demo.redis_server import RedisServer

    with RedisServer() as redis:
        yield redis.url


async def begin_anew(store: Store) -> None:
    """Take back what an earlier run has left in a store, since that was made from another database, and close it.

    Raises:
        InvalidationError: it is not known to be taken back.
    """
    try:
        await store.invalidate_tag(f"name:{handle}" for handle in HANDLES)  # each page has one of these
    finally:
        await store.aclose()


def start_worker(number: int, folder: Path, url: str, listening: socket.socket) -> subprocess.Popen[bytes]:
    """Start a process that accepts connections from the socket of this one. Ctrl-C reaches only this process."""
    told = {WORKER: str(number), FOLDER: str(folder), STORE: url, SOCKET: str(listening.fileno())}
    return subprocess.Popen(
        [sys.executable, "-c", "from accelerator.demo.serve import work; work()"],
        env={**os.environ, **told},
        pass_fds=[listening.fileno()],
        start_new_session=True,
    )


def end_workers(workers: Collection[subprocess.Popen[bytes]]) -> None:
    """Let the workers finish their requests for `PATIENCE` seconds, then kill them."""
    for worker in workers:
        worker.terminate()
    until = time.monotonic() + PATIENCE
    for worker in workers:
        try:
            worker.wait(max(0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()


def work() -> None:
    """Serve the demo as one of several workers. Each response closes its connection, so that the workers take turns."""
    folder = Path(os.environ[FOLDER])
    activity = SharedActivity(folder / SOCKETS, int(os.environ[WORKER]))
    store = StoreURL(os.environ[STORE]).open(deadline=DEADLINE)
    site = create_site(folder / DATABASE, store=store, activity=activity)
    with socket.socket(fileno=int(os.environ[SOCKET])) as listening:
        make_server(site, headers=[("connection", "close")]).run([listening])
