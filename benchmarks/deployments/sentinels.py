"""A primary, replicas, and three Sentinels that watch them, all on this machine."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from accelerator.demo.redis_server import STARTS, RedisServer, Started, find_redis_server, free_port

if TYPE_CHECKING:
    from collections.abc import Callable

SERVICE: Final = "shop"
"""The name that the Sentinels have for the primary."""

SENTINELS: Final = 3

QUORUM: Final = 2

DOWN_AFTER: Final = 700
"""Milliseconds without an answer after which a server counts as down."""

FAILOVER_TIMEOUT: Final = 2000
"""Milliseconds that a failover may take."""

PATIENCE: Final = 60.0
"""Seconds within which the servers have to come to where they are waited for."""

ASK_AGAIN: Final = 5.0
"""Seconds after which a failover that was begun has come to nothing, as where a Sentinel was stopped meanwhile."""

HASTE: Final = ("INFO-PERIOD", "300", "PING-PERIOD", "200")
"""What Sentinels do more often here than by themselves, where it is each 10 seconds and each second."""

PUBLISH_PERIOD: Final = 300
"""Milliseconds between two times that a Sentinel tells what it knows, 2000 by itself.

After four times that it makes a replica of a former primary that takes itself for one.
"""

Address = tuple[str, int]


class SentinelServer:
    """A Sentinel, with a port of 127.0.0.1."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="sentinel-"))
        self.socket = self._folder / "sentinel.sock"
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, lines: list[str]) -> None:
        """Start it, and return when it listens. If its port is not free any more, another one is tried.

        Args:
            lines: the lines of its configuration that say what to watch.

        Raises:
            RuntimeError: it does not listen.
        """
        for _ in range(STARTS):
            own = [f"port {self.port}", "bind 127.0.0.1", f"unixsocket {self.socket}", f"dir {self._folder}"]
            configuration = self._folder / "sentinel.conf"
            configuration.write_text("\n".join([*own, *lines, ""]))
            with (self._folder / "log").open("ab") as log:
                # in its own session, so that Ctrl-C reaches only the caller, who first ends what uses it
                self.process = subprocess.Popen(  # noqa: S603 - fixed
                    [find_redis_server(), str(configuration), "--sentinel"],
                    stdout=log, stderr=log, start_new_session=True,
                )  # fmt: skip
            if self._listens(self.process):
                return
            self._kill()
            self.port = free_port()
        raise RuntimeError(f"a Sentinel did not start: {(self._folder / 'log').read_text()[-2000:]}")

    def _listens(self, process: subprocess.Popen[bytes]) -> bool:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return True
            time.sleep(0.01)
        return False

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self) -> None:
        """Kill it, and remove its folder."""
        self._kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


class Watched(Started):
    """A primary and its replicas, of which Sentinels make another one the primary where it is told, or the first fails.

    Args:
        options: command line options of the servers.
        replicas: the number of replicas.
        password: that of the servers, if they have one.
        own_password: that of the Sentinels, if they have one.
        publish_period: milliseconds between two times that a Sentinel tells what it knows.
    """

    def __init__(
        self,
        *options: str,
        replicas: int = 1,
        password: str = "",
        own_password: str = "",
        publish_period: int = PUBLISH_PERIOD,
    ) -> None:
        self._password = password
        self._own_password = own_password
        self._pace = (*HASTE, "PUBLISH-PERIOD", str(publish_period))
        at_once = ("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")
        self.servers = [RedisServer(*at_once, *options) for _ in range(1 + replicas)]
        self.sentinels = [SentinelServer() for _ in range(SENTINELS)]

    # --- beginning and end --------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start all, and return when the Sentinels know each other and the replicas.

        Raises:
            RuntimeError: they do not.
        """
        first, *others = self.servers
        self._start(first)
        for server in others:
            self._start(server, "--replicaof", "127.0.0.1", str(first.port))
        lines = [
            f"sentinel monitor {SERVICE} 127.0.0.1 {first.port} {QUORUM}",
            f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER}",
            f"sentinel failover-timeout {SERVICE} {FAILOVER_TIMEOUT}",
        ]
        if self._password:
            lines.append(f"sentinel auth-pass {SERVICE} {self._password}")
        if self._own_password:
            lines += [f"requirepass {self._own_password}", f"sentinel sentinel-pass {self._own_password}"]
        for sentinel in self.sentinels:
            sentinel.start(lines)
        for sentinel in self.sentinels:
            self.become(partial(self._ask, sentinel, "DEBUG", *self._pace))
            self.become(partial(self._knows_all, sentinel))
        self.become(self.is_whole)

    def stop(self) -> None:
        """End all."""
        for sentinel in self.sentinels:
            sentinel.stop()
        for server in self.servers:
            server.stop()

    # --- what is there ------------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The URL of a store."""
        return self.url_with("")

    def url_with(self, options: str) -> str:
        """Return the URL of a store with options."""
        if self._own_password:
            options += f"&sentinel_password={quote(self._own_password, safe='')}"
        login = f":{quote(self._password, safe='')}@" if self._password else ""
        places = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{login}{places}/{SERVICE}?{options}"

    @property
    def places(self) -> list[Address]:
        """Host and port of the Sentinels."""
        return [("127.0.0.1", sentinel.port) for sentinel in self.sentinels]

    def client(self, server: RedisServer) -> Any:  # redis-py annotates each result as sync or async
        """Return a new sync client of a server."""
        return Redis(
            unix_socket_path=str(server.socket),
            password=self._password or None,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=PATIENCE,
        )

    def sentinel_client(self, sentinel: SentinelServer) -> Any:  # as above
        """Return a new sync client of a Sentinel."""
        return Redis(
            port=sentinel.port,
            password=self._own_password or None,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=PATIENCE,
            protocol=2,
        )

    @property
    def primary(self) -> RedisServer:
        """The server that the first Sentinel to answer names."""
        port = self._named()
        return next(server for server in self.servers if server.port == port)

    @property
    def replicas(self) -> list[RedisServer]:
        """The other servers."""
        primary = self.primary
        return [server for server in self.servers if server is not primary]

    def is_whole(self) -> bool:
        """Tell whether all Sentinels name one primary, and all other servers follow it without a lag."""
        names = {self._asked_name(sentinel) for sentinel in self.sentinels if self._is_running(sentinel)}
        if len(names) != 1 or None in names:
            return False
        primary = self.primary
        try:
            with self.client(primary) as admin:
                facts = admin.info("replication")
        except RedisError:
            return False
        others = [facts.get(f"slave{number}") for number in range(len(self.servers) - 1)]
        return facts["role"] == "master" and all(other and other["state"] == "online" for other in others)

    # --- what can happen ----------------------------------------------------------------------------------------------

    def failover(self) -> RedisServer:
        """Let the Sentinels make another server the primary, and return the former one when all name the new one."""
        former = self.primary
        asked_at = float("-inf")

        def is_begun() -> bool:
            """Tell whether a Sentinel names another one, and ask again where that comes to nothing."""
            nonlocal asked_at
            running = [sentinel for sentinel in self.sentinels if self._is_running(sentinel)]
            if any(self._asked_name(sentinel) not in {None, former.port} for sentinel in running):
                return True
            if time.monotonic() > asked_at + ASK_AGAIN and self._ask(running[0], "FAILOVER", SERVICE):
                asked_at = time.monotonic()
            return False

        self.become(is_begun)
        self.await_another(former)
        return former

    def kill_primary(self) -> RedisServer:
        """Kill the primary, and return it when all Sentinels name another one."""
        former = self.primary
        former.kill()
        self.await_another(former)
        return former

    def revive(self, server: RedisServer) -> None:
        """Start a server that was killed: empty, and a primary until the Sentinels tell it whom to follow."""
        self._start(server)

    def stop_sentinel(self, number: int) -> None:
        """Let a Sentinel do nothing."""
        self.sentinels[number].signal(signal.SIGSTOP)

    def continue_sentinel(self, number: int) -> None:
        """Let it go on."""
        self.sentinels[number].signal(signal.SIGCONT)

    def await_another(self, former: RedisServer) -> None:
        """Return when all Sentinels that run name another primary."""
        self.become(
            lambda: all(
                self._asked_name(sentinel) not in {None, former.port}
                for sentinel in self.sentinels
                if self._is_running(sentinel)
            )
        )

    def become_whole(self) -> None:
        """Return when all servers follow one primary, also a former one."""
        self.become(self.is_whole)

    def become(self, is_so: Callable[[], object]) -> None:
        """Return when this is so.

        Raises:
            RuntimeError: it does not become so.
        """
        until = time.monotonic() + PATIENCE
        while not is_so():
            if time.monotonic() > until:
                raise RuntimeError("the servers do not come to where they are waited for")
            time.sleep(0.02)

    def _start(self, server: RedisServer, *more: str) -> None:
        server.start(*more)
        if self._password:  # later, because the server is asked without one whether it has started
            with server.client() as admin:
                admin.config_set("masterauth", self._password)
                admin.config_set("requirepass", self._password)

    def _is_running(self, sentinel: SentinelServer) -> bool:
        """Tell whether a Sentinel is not stopped, by what the system says of its process."""
        assert sentinel.process is not None
        state = Path(f"/proc/{sentinel.process.pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state != "T"

    def _knows_all(self, sentinel: SentinelServer) -> bool:
        facts = self._ask(sentinel, "MASTER", SERVICE)
        if not facts:
            return False
        known = dict(zip(facts[::2], facts[1::2], strict=True))
        return (int(known[b"num-slaves"]), int(known[b"num-other-sentinels"])) == (
            len(self.servers) - 1,
            SENTINELS - 1,
        )

    def _named(self) -> int:
        names = (self._asked_name(sentinel) for sentinel in self.sentinels if self._is_running(sentinel))
        return next(name for name in names if name is not None)

    def _asked_name(self, sentinel: SentinelServer) -> int | None:
        """Return the port of the primary by a Sentinel."""
        named = self._ask(sentinel, "GET-MASTER-ADDR-BY-NAME", SERVICE)
        return int(named[1]) if named else None

    def _ask(self, sentinel: SentinelServer, *command: str) -> Any:
        """Return the answer of a Sentinel, None for an error."""
        with suppress(RedisError), self.sentinel_client(sentinel) as admin:
            return admin.execute_command("SENTINEL", *command)
        return None
