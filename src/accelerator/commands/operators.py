"""Serve a site, and what is for its operators on a port of its own."""

from __future__ import annotations

import socket
from contextlib import suppress
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import click

from accelerator.commands.printing import need

if TYPE_CHECKING:
    from accelerator import ASGIAccelerator


def address_of(_: click.Context, __: click.Parameter, text: str | None) -> tuple[str, int] | None:
    """Return host and port of `[HOST:]PORT`, which is on loopback unless it says where.

    Raises:
        click.BadParameter: there is no port in it.
    """
    if text is None:
        return None
    host, _colon, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65535):
        raise click.BadParameter(f"a port is a number from 0 to 65535, as in 8081 or localhost:8081, not {text!r}")
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port)


def serve_with_operators(app: ASGIAccelerator, where: tuple[str, int], settings: dict[str, Any]) -> None:
    """Serve a site until the process gets a signal to end, and what its operators see on a port of its own.

    Args:
        app: the site.
        where: host and port for operators; port 0 takes a free one.
        settings: those of the site's server, as uvicorn takes them.

    Raises:
        click.ClickException: nothing can be listened to there.
    """
    need("gateway with --ops", "gateway,ops", "starlette")
    host, port = where
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.create_server(address, family=family)
    except (OSError, UnicodeError) as error:
        reason = str(getattr(error, "strerror", None) or error).partition(" (")[0]  # the rest repeats the address
        raise _unfit(host, port, reason) from None
    with listening:
        _serve(app, host, listening, settings)


def _serve(app: ASGIAccelerator, host: str, listening: socket.socket, settings: dict[str, Any]) -> None:
    """Serve a site, and its operators on a socket that listens, by one server."""
    import uvicorn

    from accelerator.ops.listener import Listener

    port = listening.getsockname()[1]
    site = Listener(app, app, host, port)
    log: dict[str, Any] = deepcopy(uvicorn.config.LOGGING_CONFIG)
    log["loggers"]["accelerator.ops"] = {"handlers": ["default"], "level": "INFO"}  # who took back what
    config = uvicorn.Config(site, log_config=log, **settings)
    with config.bind_socket() as own:
        if own.getsockname()[1] == port:  # on another address of this machine
            raise _unfit(host, port, "that is the port of the site")
        own.listen(config.backlog)  # nobody is refused from here on
        address = f"http://{f'[{host}]' if ':' in host else host}:{port}{site.path}"
        click.echo(f"Whoever knows this address may operate the cache: {address}", err=True)
        with suppress(KeyboardInterrupt):  # uvicorn has ended as it was asked to
            uvicorn.Server(config).run([own, listening])


def _unfit(host: str, port: int, reason: str) -> click.ClickException:
    return click.ClickException(f"cannot listen on {host}, port {port}: {reason}. Say another --ops.")
