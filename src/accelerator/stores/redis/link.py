"""One event loop's connections to a Redis server: a deadline for each call, a pause after failures, shared reads."""

from __future__ import annotations

import asyncio
import contextvars
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, cast
from weakref import WeakKeyDictionary

from hiredis import pack_command
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MaxConnectionsError, NoScriptError, ReadOnlyError, RedisError, ResponseError

if TYPE_CHECKING:
    from asyncio import StreamWriter
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from redis.asyncio import ConnectionPool
    from redis.asyncio.connection import AbstractConnection

    from accelerator.stores.redis.scripts import Script

BREAK_SECONDS: Final = 1.0
"""Seconds for which a server that failed is not called, before one call tries again."""

IDENTITY_SECONDS: Final = 1.0
"""Seconds for which a connection is taken to lead to the same server in the same role, before it is asked again."""

MAX_CALLS: Final = 16
"""Number of calls at the same time, each on its own connection. The others wait, within their deadline."""

MAX_SHARED: Final = 128
"""Number of reads that share one command, at most."""

MAX_BYTES: Final = 4 * 1024 * 1024
"""Bytes that the answer to one command should have, so that it comes in time. They are estimated by the last answer."""

FAILURES: Final = (RedisError, OSError, TimeoutError)
"""What a call raises if the server is unreachable or slow, or answers with an error."""


class Values(dict[bytes, "bytes | None"]):
    """The values that one command has read, by key.

    Attributes:
        made: results computed from these values, by key, for all reads that share the command.
    """

    __slots__ = ("made",)

    def __init__(self, read: Iterable[tuple[bytes, bytes | None]]) -> None:
        super().__init__(read)
        self.made: dict[bytes, Any] = {}


class ServerLeftAloneError(RedisConnectionError):
    """The server failed within the last `BREAK_SECONDS`, so the call is not made."""


class Reply(NamedTuple):
    """The answer of a server, and its identity: the id of its run and that of its replication history."""

    value: Any
    identity: bytes


class _Known(NamedTuple):
    """The identity of the server at the other end of a connection, and when it was asked for."""

    identity: bytes
    since: float


class _Sent(NamedTuple):
    """A command is sent on this connection, to a server of this identity."""

    connection: AbstractConnection
    identity: bytes


_Wanted: TypeAlias = "tuple[Sequence[bytes], asyncio.Future[tuple[Values, bytes]]]"


class Link:
    """Calls to a server through a pool of connections, on the event loop that runs now.

    Args:
        pool: the connections.
        deadline: seconds that a call may take, with the time to connect.
        is_own: nobody else uses the pool, so connections are kept between calls.
    """

    def __init__(self, pool: ConnectionPool, deadline: float, *, is_own: bool = False) -> None:
        self._pool = pool
        self._idle: list[AbstractConnection] | None = [] if is_own else None
        self._deadline = deadline
        self._time = asyncio.get_running_loop().time
        self._free = asyncio.Semaphore(MAX_CALLS)
        self._known: WeakKeyDictionary[StreamWriter, _Known] = WeakKeyDictionary()
        self._failed_at = 0.0
        self._left_alone_until = 0.0
        self._waiting: list[_Wanted] = []
        self._is_reading = False
        self._shared = MAX_SHARED // 16

    async def read(self, keys: Sequence[bytes]) -> tuple[Values, bytes]:
        """Return the values of keys, and the identity of the server that had them.

        Reads that wait at the same time share one MGET. It runs in its own task, so cancelling one reader does not
        affect the others. A read that is alone runs where it is: a task and a future would cost 20 µs.

        Raises:
            FAILURES: the server is unreachable or slow, or answers with an error.
        """
        if self._is_reading:
            return await self._join(keys)
        self._is_reading = True
        try:
            await asyncio.sleep(0)  # others of this moment may join
            if not self._waiting:
                return await self._read(keys, 1)
            answer = self._join(keys)
        finally:
            if self._waiting:
                asyncio.get_running_loop().create_task(self._read_waiting(), context=contextvars.Context())
            else:
                self._is_reading = False
        return await answer

    def _join(self, keys: Sequence[bytes]) -> asyncio.Future[tuple[Values, bytes]]:
        answer: asyncio.Future[tuple[Values, bytes]] = asyncio.get_running_loop().create_future()
        self._waiting.append((keys, answer))
        return answer

    async def _read_waiting(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[: self._shared], self._waiting[self._shared :]
            keys = list(dict.fromkeys(chain.from_iterable(wanted for wanted, _ in batch)))
            try:
                found = await self._read(keys, len(batch))
            except Exception as error:  # noqa: BLE001 - whatever it is, each read that waits has to get it
                for _, answer in batch:
                    if not answer.done():
                        answer.set_exception(error)
            else:
                for _, answer in batch:
                    if not answer.done():
                        answer.set_result(found)
        self._is_reading = False

    async def _read(self, keys: Sequence[bytes], readers: int) -> tuple[Values, bytes]:
        """Read the keys of so many readers by one command, and learn how many should share the next one."""
        try:
            reply = await self.call(partial(_mget, keys))
        except TimeoutError:
            self._shared = max(1, readers // 2)
            raise
        size = sum(len(value) for value in reply.value if value is not None)
        self._shared = max(1, min(MAX_SHARED, MAX_BYTES * readers // (size + 1)))
        return Values(zip(keys, reply.value, strict=True)), reply.identity

    async def run(
        self,
        script: Script,
        keys: Sequence[bytes],
        incarnation: str,
        arguments: Sequence[object],
        *,
        anyway: bool = False,
    ) -> Any:
        """Run a script, and return its result.

        Args:
            script: the script.
            keys: its keys.
            incarnation: its first argument. The second one, the identity of the server, is added here.
            arguments: its other arguments.
            anyway: call the server even if it failed a moment ago.

        Raises:
            FAILURES: the server is unreachable or slow, or answers with an error.
        """

        def by_sha(identity: bytes) -> Sequence[Any]:
            return ("EVALSHA", script.sha, len(keys), *keys, incarnation, identity, *arguments)

        def by_text(identity: bytes) -> Sequence[Any]:
            return ("EVAL", script.text, len(keys), *keys, incarnation, identity, *arguments)

        try:
            return (await self.call(by_sha, anyway=anyway)).value
        except NoScriptError:
            return (await self.call(by_text, anyway=anyway)).value

    async def call(self, command_for: Callable[[bytes], Sequence[Any]], *, anyway: bool = False) -> Reply:
        """Send a command and return the reply, unless the server failed a moment ago.

        Args:
            command_for: returns the command for the identity of the server.
            anyway: call the server even if it failed a moment ago.

        Raises:
            FAILURES: the server is unreachable or slow, or answers with an error.
        """
        if self._left_alone_until:
            if self._time() < self._left_alone_until and not anyway:
                raise ServerLeftAloneError("the server failed a moment ago")
            self._left_alone_until = self._time() + BREAK_SECONDS  # other calls do not try at the same time
        sent = self._send_now(command_for)
        try:
            async with asyncio.timeout(self._deadline), self._free:
                reply = await self._exchange_at_last(command_for, sent)
        except FAILURES as error:
            if _shows_life(error):
                self._left_alone_until = 0.0
            else:
                self._failed_at = self._time()
                self._left_alone_until = self._failed_at + BREAK_SECONDS
            raise
        self._left_alone_until = 0.0
        return reply

    def _send_now(self, command_for: Callable[[bytes], Sequence[Any]]) -> _Sent | None:
        """Send a command if nothing has to be waited for: the server is at work while the deadline is set (10 µs)."""
        if not self._idle or self._free.locked():
            return None
        connection = self._idle[-1]
        identity = self._known_identity(connection)
        if identity is None or _socket(connection).is_closing():
            return None
        _socket(connection).write(pack_command(tuple(command_for(identity))))
        return _Sent(self._idle.pop(), identity)

    async def _exchange_at_last(self, command_for: Callable[[bytes], Sequence[Any]], sent: _Sent | None) -> Reply:
        """Send a command, and once more on a new connection if the first one is closed, as servers close idle ones."""
        try:
            return await self._exchange(command_for, sent)
        except MaxConnectionsError:
            raise
        except RedisConnectionError:
            self._failed_at = self._time()
            return await self._exchange(command_for, None)

    async def _exchange(self, command_for: Callable[[bytes], Sequence[Any]], sent: _Sent | None) -> Reply:
        connection = await self._take() if sent is None else sent.connection
        try:
            identity = await self._send(connection, command_for) if sent is None else sent.identity
            return Reply(await connection.read_response(disable_decoding=True), identity)
        except ResponseError:
            raise
        except BaseException:
            await connection.disconnect(nowait=True)  # an answer may still come: the connection cannot be used again
            raise
        finally:
            await self._give_back(connection)

    async def _send(self, connection: AbstractConnection, command_for: Callable[[bytes], Sequence[Any]]) -> bytes:
        identity = await self._identify(connection)
        # no health check: the pool has just made one, and to reconnect could lead to a server of another identity
        command = pack_command(tuple(command_for(identity)))  # in C: redis-py's own takes five times as long
        await connection.send_packed_command(command, check_health=False)
        return identity

    async def _take(self) -> AbstractConnection:
        if self._idle:
            return self._idle.pop()
        get: Callable[[], Awaitable[AbstractConnection]] = self._pool.get_connection  # redis-py does not annotate it
        return await get()

    async def _give_back(self, connection: AbstractConnection) -> None:
        """Keep a connection if nobody else uses the pool: releasing it and getting it again would cost 20 µs."""
        if self._idle is None:
            await self._pool.release(connection)
        else:
            self._idle.append(connection)

    def _known_identity(self, connection: AbstractConnection) -> bytes | None:
        """Return the identity of the server of a connection, None if it has to be asked for."""
        known = self._known.get(_socket(connection)) if connection.is_connected else None
        if known is None or known.since <= self._failed_at or known.since + IDENTITY_SECONDS < self._time():
            return None
        return known.identity

    async def _identify(self, connection: AbstractConnection) -> bytes:
        """Return the identity of the server of a connection.

        A connection from before a failure is replaced, because it may be dead without showing it.
        """
        identity = self._known_identity(connection)
        if identity is None:
            if connection.is_connected and self._is_from_before_a_failure(connection):
                await connection.disconnect(nowait=True)
            if not connection.is_connected:
                await connection.connect()  # type: ignore[no-untyped-call]  # redis-py does not annotate it
            since = self._time()
            identity = await _identity(connection)
            self._known[_socket(connection)] = _Known(identity, since)
        return identity

    def _is_from_before_a_failure(self, connection: AbstractConnection) -> bool:
        known = self._known.get(_socket(connection))
        return known is not None and known.since <= self._failed_at

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.disconnect()


def _mget(keys: Iterable[bytes], _: bytes) -> Sequence[bytes]:
    return (b"MGET", *keys)


def _shows_life(error: Exception) -> bool:
    """Tell whether the server still works: it answered with an error, or the pool had no connection left."""
    return isinstance(error, ResponseError | MaxConnectionsError) and not isinstance(error, ReadOnlyError)


def _socket(connection: AbstractConnection) -> StreamWriter:
    """Return an object that is another one each time the connection connects."""
    return cast("StreamWriter", connection._writer)  # noqa: SLF001 - redis-py has no public name for it


async def _identity(connection: AbstractConnection) -> bytes:
    """Ask a server for its identity: the id of its run, and that of its replication history.

    If it has changed, the server was restarted or promoted, and may have lost invalidations.

    Raises:
        RedisConnectionError: it is a replica, which may lag behind its primary.
    """
    await connection.send_command("INFO", "server", "replication", check_health=False)
    answer: bytes = await connection.read_response(disable_decoding=True)
    facts = dict(line.split(b":", 1) for line in answer.splitlines() if b":" in line)
    if facts.get(b"role") != b"master":
        raise RedisConnectionError("the server is no primary")
    return facts[b"run_id"] + b":" + facts[b"master_replid"]
