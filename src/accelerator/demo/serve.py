"""The servers of the demo: one process, or several workers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import click
import uvicorn

from accelerator.demo.database import create
from accelerator.demo.site import create_site, create_worker

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from types import FrameType

    from fastapi import FastAPI

    from accelerator.demo.activity import Activity

DATABASE: Final = "ACCELERATOR_DEMO_DATABASE"
REDIS: Final = "ACCELERATOR_DEMO_REDIS"
SOCKET: Final = "ACCELERATOR_DEMO_SOCKET"
"""These environment variables give a worker what it shares with the others: a file, a URL and a file descriptor."""

LOOK_SECONDS: Final = 0.1
"""Seconds between two checks whether to end."""

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


def serve(listening: socket.socket) -> None:
    """Serve the demo in this process until it gets a signal to end, with a temporary database."""
    with listening, TemporaryDirectory(prefix="accelerator-demo-") as directory:
        database = Path(directory, "site.sqlite3")
        server = make_server(create_site(database))
        create(database)
        click.echo(f"The demo is at {url_of(listening)} (Ctrl-C ends it)")
        server.run([listening])


def serve_by_workers(listening: socket.socket, count: int) -> None:
    """Serve the demo by several processes, with a temporary Redis server and database.

    A worker that ends early is not replaced: the others go on, with all that it has stored in the cache.

    Raises:
        FileNotFoundError: there is no Redis server.
        RuntimeError: the Redis server does not start, or no worker is left.
    """
    from accelerator.demo.redis_server import RedisServer

    signals: list[int] = []
    on_end(lambda number, _frame: signals.append(number))
    with listening, TemporaryDirectory(prefix="accelerator-demo-") as directory, RedisServer() as redis:
        database = Path(directory, "site.sqlite3")
        create(database)
        workers: list[subprocess.Popen[bytes]] = []
        try:
            workers.extend(start_worker(database, redis.url, listening) for _ in range(count))
            click.echo(f"The demo is at {url_of(listening)}, served by {count} workers (Ctrl-C ends it)")
            while not signals:
                if all(worker.poll() is not None for worker in workers):
                    raise RuntimeError("no worker is left")
                time.sleep(LOOK_SECONDS)
        finally:
            end_workers(workers)


def start_worker(database: Path, redis: str, listening: socket.socket) -> subprocess.Popen[bytes]:
    """Start a process that accepts connections from the socket of this one. Ctrl-C reaches only this process."""
    shared = {DATABASE: str(database), REDIS: redis, SOCKET: str(listening.fileno())}
    return subprocess.Popen(
        [sys.executable, "-c", "from accelerator.demo.serve import work; work()"],
        env={**os.environ, **shared},
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
    site = create_worker(Path(os.environ[DATABASE]), os.environ[REDIS])
    with socket.socket(fileno=int(os.environ[SOCKET])) as listening:
        make_server(site, headers=[("connection", "close")]).run([listening])
