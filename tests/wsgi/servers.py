"""Real WSGI servers, each in a process of its own, on a free port of the loopback interface.

As a program it runs one of the servers that are made to be run by a program: `python -m tests.wsgi.servers waitress
tests.wsgi.served:app`.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
import subprocess
import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from wsgiref.simple_server import make_server

import httpx

if TYPE_CHECKING:
    from types import TracebackType

ROOT = Path(__file__).parents[2]
PATIENCE = 60
"""Seconds that a server has to start, to answer and to end."""

NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Whom clients trust, who speak plain HTTP: to read all that a system trusts would take longer than what they ask."""

GUNICORN = ("gunicorn", "--bind=127.0.0.1:0", "--graceful-timeout=5", "--no-control-socket")
HERE = ("tests.wsgi.servers",)
COMMANDS = {
    "gunicorn sync": GUNICORN,
    "gunicorn gthread": (*GUNICORN, "--threads=8"),
    "gunicorn preload": (*GUNICORN, "--threads=4", "--preload"),
    "waitress": (*HERE, "waitress"),
    "cheroot": (*HERE, "cheroot"),
    "granian": ("granian", "--interface=wsgi", "--blocking-threads=8", "--host=127.0.0.1"),
    "wsgiref": (*HERE, "wsgiref"),
}
THREADED = ["gunicorn gthread", "waitress", "cheroot", "granian"]
_READY = re.compile(r"Serving on http://127\.0\.0\.1:(\d+)|Listening at: http://127\.0\.0\.1:(\d+) \(|Started worker-1")


class Server:
    """A server that runs an application, and what it says in its log."""

    def __init__(self, kind: str, target: str, **environment: str) -> None:
        command = [sys.executable, "-m", *COMMANDS[kind], target]
        self._log: list[str] = []
        self._has_new_lines = threading.Condition()
        self._is_ready = threading.Event()
        self._port = ""
        if kind == "granian":  # it does not tell which port it found free
            self._port = free_port()
            command.append(f"--port={self._port}")
        self._process = subprocess.Popen(  # noqa: S603 - the commands above
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
        )
        assert self._process.stdout is not None
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    def _read(self, output: IO[str]) -> None:
        for line in output:
            with self._has_new_lines:
                self._log.append(line)
                self._has_new_lines.notify_all()
            if found := _READY.search(line):
                self._port = found[1] or found[2] or self._port
                self._is_ready.set()
        self._is_ready.set()

    def __enter__(self) -> Server:
        assert self._is_ready.wait(PATIENCE), self._log
        assert self._port, self._log
        with self.client() as client:
            client.head("/")  # granian says that it has started a moment before it listens
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        finally:
            self._process.kill()
            self._reader.join(PATIENCE)
            if self._process.stdout is not None:
                self._process.stdout.close()

    def says(self, *texts: str) -> bool:
        """Tell whether all of this comes to stand in the log."""
        with self._has_new_lines:
            return self._has_new_lines.wait_for(lambda: all(text in "".join(self._log) for text in texts), PATIENCE)

    @property
    def address(self) -> tuple[str, int]:
        return ("127.0.0.1", int(self._port))

    def client(self, **options: Any) -> httpx.Client:
        # cheroot closes a connection after an error without saying so
        limits = httpx.Limits(max_keepalive_connections=0)
        transport = httpx.HTTPTransport(retries=5, limits=limits, verify=NOBODY)
        url = f"http://127.0.0.1:{self._port}"
        return httpx.Client(base_url=url, timeout=PATIENCE, transport=transport, trust_env=False, **options)


def free_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def main(kind: str, target: str) -> None:
    """Serve an application until the process is ended."""
    module, _, name = target.partition(":")
    app = getattr(import_module(module), name)
    if kind == "waitress":
        import waitress  # type: ignore[import-untyped]  # it ships no types

        listening = socket.create_server(("127.0.0.1", 0))
        say_ready(listening.getsockname()[1])
        waitress.serve(app, sockets=[listening], threads=8)
    elif kind == "cheroot":
        from cheroot.wsgi import Server as CherootServer

        server = CherootServer(("127.0.0.1", 0), app, numthreads=8)
        server.prepare()
        say_ready(server.bind_addr[1])
        server.serve()
    else:
        with make_server("127.0.0.1", 0, app) as simple:
            say_ready(simple.server_port)
            simple.serve_forever()


def say_ready(port: int) -> None:
    sys.stdout.write(f"Serving on http://127.0.0.1:{port}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
