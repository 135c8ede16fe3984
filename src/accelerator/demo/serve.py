"""The server of the demo."""

from __future__ import annotations

import signal
import socket
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click
import uvicorn

from accelerator.demo.database import create
from accelerator.demo.site import create_site

if TYPE_CHECKING:
    from accelerator.demo.activity import Activity


class Server(uvicorn.Server):
    """A server that ends the live lists when it stops: it waits for every response, and those have no end.

    Args:
        config: what uvicorn wants to know.
        activity: what the live lists show.
    """

    def __init__(self, config: uvicorn.Config, activity: Activity) -> None:
        super().__init__(config)
        self._activity = activity

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop."""
        self._activity.close()
        await super().shutdown(sockets)


def listen(host: str, port: int) -> socket.socket:
    """Open the socket, on a free port if `port` is 0.

    Raises:
        OSError, UnicodeError: there is no such host, or the port cannot be had.
    """
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    return socket.create_server(address, family=family)


def url_of(listening: socket.socket) -> str:
    """Return the URL at which a socket is to be found."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def serve(listening: socket.socket) -> None:
    """Serve the demo until it is told to end, from a database that goes with it."""
    with listening, TemporaryDirectory(prefix="accelerator-demo-") as directory:
        database = Path(directory, "site.sqlite3")
        site = create_site(database)
        server = Server(uvicorn.Config(site, log_level="warning"), site.state.activity)
        for name in {"SIGINT", "SIGTERM", "SIGHUP"} & set(dir(signal)):
            signal.signal(getattr(signal, name), server.handle_exit)  # else the last two would leave the database
        create(database)
        click.echo(f"The demo is at {url_of(listening)} (Ctrl-C ends it)")
        server.run([listening])
