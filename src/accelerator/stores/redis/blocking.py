"""Connections to a Redis server for threads without an event loop: a read blocks its thread, and no other.

A thread reads by a connection that nobody else uses meanwhile. It never connects, because that may take longer than the
deadline (names are resolved without a limit): connections are made beside, and until there is one, or where an answer
is none of values, `Link` has to be asked. So a thread waits for no more than one answer.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, cast

from hiredis import HiredisError, Reader, pack_command
from redis import ConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from accelerator.stores.redis import server
from accelerator.stores.redis.server import ASK_IDENTITY, FAILURES, Identity, Values, mget

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from redis.connection import AbstractConnection

    from accelerator.stores.redis.address import Address
    from accelerator.stores.redis.server import Breaker

logger = logging.getLogger("accelerator")

MAX_CONNECTIONS: Final = 16
"""Number of connections. Threads that find all of them in use share those of the event loop."""

CHUNK: Final = 65536
"""Bytes that are taken from a socket at once, at most."""

_MORE: Final = object()


class BlockingLink:
    """Reads from a server that block their thread. Any thread may use it.

    Args:
        url: the URL of the server.
        address: the same without secrets.
        deadline: seconds that a read may take.
        breaker: leaves the server alone after failures.
    """

    def __init__(self, url: str, address: Address, deadline: float, breaker: Breaker) -> None:
        self._url = url
        self._address = address
        self._deadline = deadline
        self._breaker = breaker
        self._free: deque[_Wire | None] = deque()  # None stands for a connection that is not made yet
        self.close()

    def close(self) -> None:
        """Close the connections; those in use are dropped after their read. A later read has new ones made."""
        before, self._free = self._free, deque([None] * MAX_CONNECTIONS)
        self._pid = os.getpid()
        self._connecting = threading.Lock()
        self._connect_after = 0.0
        for wire in filter(None, before):
            wire.close()

    def read(self, keys: Sequence[bytes]) -> Values | None:
        """Return the values of keys.

        None says that no connection is there, or that the answer is none of values: `Link` has to be asked.

        Raises:
            FAILURES: the server failed a moment ago, or gives no answer in time.
        """
        self._breaker.refuse()
        if self._pid != os.getpid():  # the parent goes on with the connections from before a fork
            self.close()
        free = self._free
        try:
            wire = free.pop()  # the one used last, so that no more are kept busy than there are threads at work
        except IndexError:
            return None
        if wire is None or wire.identity.since <= self._breaker.failed_at:
            self._replace(wire, free)
            return None
        return self._read(wire, free, keys)

    def _read(self, wire: _Wire, free: deque[_Wire | None], keys: Sequence[bytes]) -> Values | None:
        is_in_step = False  # after a failure an answer may still come: the connection cannot be used again
        try:
            answer = wire.read(keys, self._breaker)
            identity = wire.identity.name  # read before another thread gets the connection, and asks anew
            is_in_step = True
        except TimeoutError as error:
            self._breaker.fail(error)
            raise TimeoutError from None
        except (RedisConnectionError, HiredisError, OSError):
            self._breaker.lose()
            return None
        finally:
            if is_in_step:
                free.append(wire)
            else:
                wire.close()
                free.appendleft(None)
        if isinstance(answer, HiredisError):  # `Link` is told the same, and knows what it means
            return None
        values = Values(identity)
        values.update(zip(keys, answer, strict=True))
        return values

    def _replace(self, wire: _Wire | None, free: deque[_Wire | None]) -> None:
        """Make a connection in a thread of its own, one at a time, if the server is known to work."""
        if wire is not None:
            wire.close()
        is_time = not self._breaker.is_open and monotonic() >= self._connect_after
        if is_time and self._connecting.acquire(blocking=False):
            try:
                threading.Thread(
                    target=self._connect, args=(free, self._connecting), name="accelerator connects", daemon=True
                ).start()
            except RuntimeError:  # the system cannot start another thread
                self._connecting.release()
            else:
                return
        free.appendleft(None)

    def _connect(self, free: deque[_Wire | None], connecting: threading.Lock) -> None:
        wire = None
        try:
            wire = _Wire(self._url, self._deadline)
        except (*FAILURES, HiredisError) as error:
            self._connect_after = monotonic() + server.BREAK_SECONDS
            failure = self._address.without_secrets(error, self._deadline)
            logger.warning("threads have to ask the event loop, for want of a connection: %s", failure)
        finally:
            if wire is None:
                free.appendleft(None)
            else:
                free.append(wire)
            connecting.release()


class _Wire:
    """A connection to a server, which is asked for its identity at once.

    Args:
        url: the URL of the server.
        deadline: seconds that connecting, and each answer, may take.

    Attributes:
        identity: who the server is.

    Raises:
        FAILURES: the server is unreachable or slow, or answers with an error.
        HiredisError: it does not say who it is.
    """

    def __init__(self, url: str, deadline: float) -> None:
        ours = {"socket_timeout": deadline, "socket_connect_timeout": deadline, "retry": Retry(NoBackoff(), 0)}
        ours["protocol"] = 2  # RESP2, in which a server sends nothing but answers
        pool = ConnectionPool.from_url(url)
        self._connection: AbstractConnection = pool.connection_class(**pool.connection_kwargs | ours)
        self._connection.connect()
        self._socket: socket.socket = self._connection._sock  # noqa: SLF001 - redis-py has no public name for it
        self._deadline = deadline
        self._reader = Reader(notEnoughData=_MORE)
        self._chunk = bytearray(CHUNK)
        since = server.clock()
        (info,) = self._ask(ASK_IDENTITY)
        if isinstance(info, HiredisError):
            raise info
        self.identity = Identity(server.identity_in(info), since)

    def close(self) -> None:
        """Close the connection; in a child process, without disturbing its parent's."""
        self._connection.disconnect()  # type: ignore[no-untyped-call]  # redis-py does not annotate it

    def read(self, keys: Sequence[bytes], breaker: Breaker) -> list[bytes | None] | HiredisError:
        """Return the values of keys, or the error with which the server answers.

        Where its identity has to be asked for again, that question travels with the read.

        Raises:
            TimeoutError: the answer has not come by the deadline.
            OSError, RedisError, HiredisError: the connection is closed or broken, or leads to a replica.
        """
        if not breaker.trusts(self.identity):
            since = server.clock()
            info, values = self._ask(ASK_IDENTITY, mget(keys))
            if isinstance(info, HiredisError):
                return info
            self.identity = Identity(server.identity_in(info), since)
        else:
            (values,) = self._ask(mget(keys))
        return cast("list[bytes | None] | HiredisError", values)

    def _ask(self, *commands: Sequence[Any]) -> list[Any]:
        """Send commands, and return the answers. An error is an answer."""
        until = monotonic() + self._deadline
        self._socket.sendall(b"".join([pack_command(tuple(command)) for command in commands]))
        self._receive()
        return [self._answer(until) for _ in commands]

    def _answer(self, until: float) -> Any:
        while (answer := self._reader.gets(False)) is _MORE:
            left = until - monotonic()
            if left <= 0:
                raise TimeoutError
            self._socket.settimeout(left)
            self._receive()
            self._socket.settimeout(self._deadline)
        return answer

    def _receive(self) -> None:
        size = self._socket.recv_into(self._chunk)
        if not size:
            raise RedisConnectionError("the server has closed the connection")
        self._reader.feed(self._chunk, 0, size)  # type: ignore[arg-type]  # it takes any buffer
