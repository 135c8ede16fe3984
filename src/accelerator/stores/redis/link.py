"""One event loop's connections to a Redis server: a deadline for each call, a pause after failures, shared reads."""

from __future__ import annotations

import asyncio
import contextvars
import os
from itertools import chain
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, cast
from weakref import WeakKeyDictionary

from hiredis import pack_command
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MaxConnectionsError, NoScriptError, ResponseError

from accelerator.stores.redis import server
from accelerator.stores.redis.sentinel import PrimaryPool
from accelerator.stores.redis.server import ASK_IDENTITY, FAILURES, Identity, TooFewReplicasError, Values, mget

if TYPE_CHECKING:
    from asyncio import StreamWriter
    from collections.abc import Awaitable, Callable, Sequence

    from redis.asyncio import ConnectionPool
    from redis.asyncio.connection import AbstractConnection

    from accelerator.stores.redis.scripts import Script
    from accelerator.stores.redis.server import Breaker

MAX_CALLS: Final = 16
"""Number of calls at the same time, each on its own connection. The others wait, within their deadline."""

MAX_SHARED: Final = 128
"""Number of reads that share one command, at most."""

MAX_BYTES: Final = 4 * 1024 * 1024
"""Bytes that the answer to one command should have, so that it comes in time. They are estimated by the last answer."""


class Reply(NamedTuple):
    """The answer of a server, and its identity: the id of its run and that of its replication history."""

    value: Any
    identity: bytes


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
        breaker: leaves the server alone after failures.
        is_own: nobody else uses the pool, so connections are kept between calls.
    """

    def __init__(self, pool: ConnectionPool, deadline: float, breaker: Breaker, *, is_own: bool = False) -> None:
        self._pool = pool
        self._idle: list[AbstractConnection] | None = [] if is_own else None
        self._deadline = deadline
        self._breaker = breaker
        self._free = asyncio.Semaphore(MAX_CALLS)
        self._known: WeakKeyDictionary[StreamWriter, Identity] = WeakKeyDictionary()
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
            reply = await self.call(lambda _: mget(keys))
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
        arguments: Sequence[object],
        *,
        anyway: bool = False,
        replicas: int = 0,
    ) -> Any:
        """Run a script, and return its result.

        Args:
            script: the script.
            keys: its keys.
            arguments: its arguments after the first two, which are added here: a new incarnation, in case that one has
                to begin, and the identity of the server.
            anyway: call the server even if it failed a moment ago.
            replicas: the number of replicas that have to have what it wrote.

        Raises:
            FAILURES: the server is unreachable or slow, or answers with an error, or too few replicas have it in time.
        """
        incarnation = random_incarnation()

        def by_sha(identity: bytes) -> Sequence[Any]:
            return ("EVALSHA", script.sha, len(keys), *keys, incarnation, identity, *arguments)

        def by_text(identity: bytes) -> Sequence[Any]:
            return ("EVAL", script.text, len(keys), *keys, incarnation, identity, *arguments)

        try:
            return (await self.call(by_sha, anyway=anyway, replicas=replicas)).value
        except NoScriptError:
            return (await self.call(by_text, anyway=anyway, replicas=replicas)).value

    async def call(
        self, command_for: Callable[[bytes], Sequence[Any]], *, anyway: bool = False, replicas: int | None = None
    ) -> Reply:
        """Send a command and return the reply, unless the server failed a moment ago.

        Args:
            command_for: returns the command for the identity of the server.
            anyway: call the server even if it failed a moment ago.
            replicas: the number of replicas that have to have what it wrote; None if it matters to nobody else.

        Raises:
            FAILURES: the server is unreachable or slow, or answers with an error, or too few replicas have it in time.
        """
        self._breaker.enter(anyway=anyway)
        sent = self._send_now(command_for)
        try:
            async with asyncio.timeout(self._deadline), self._free:
                reply = await self._exchange_at_last(command_for, sent, replicas)
        except FAILURES as error:
            self._breaker.fail(error)
            raise
        self._breaker.succeed()
        return reply

    def _send_now(self, command_for: Callable[[bytes], Sequence[Any]]) -> _Sent | None:
        """Send a command if nothing has to be waited for: the server is at work while the deadline is set (10 µs)."""
        if not self._idle or self._free.locked():
            return None
        connection = self._idle[-1]
        known = self._known_identity(connection)
        if known is None or not self._breaker.trusts(known) or _socket(connection).is_closing():
            return None
        _socket(connection).write(pack_command(tuple(command_for(known.name))))
        return _Sent(self._idle.pop(), known.name)

    async def _exchange_at_last(
        self, command_for: Callable[[bytes], Sequence[Any]], sent: _Sent | None, replicas: int | None
    ) -> Reply:
        """Send a command, and once more on a new connection if the first one is closed, as servers close idle ones."""
        try:
            return await self._exchange(command_for, sent, replicas)
        except MaxConnectionsError:
            raise
        except RedisConnectionError:
            self._breaker.lose()
            return await self._exchange(command_for, None, replicas)

    async def _exchange(
        self, command_for: Callable[[bytes], Sequence[Any]], sent: _Sent | None, replicas: int | None
    ) -> Reply:
        connection = await self._take() if sent is None else sent.connection
        try:
            identity = await self._send(connection, command_for) if sent is None else sent.identity
            return Reply(await self._answer(connection, replicas), identity)
        except ResponseError:
            raise
        except BaseException:
            await connection.disconnect(nowait=True)  # an answer may still come: the connection cannot be used again
            raise
        finally:
            await self._give_back(connection)

    async def _answer(self, connection: AbstractConnection, replicas: int | None) -> Any:
        """Return the answer to a command, once so many replicas have what it wrote.

        They have half of the deadline, so that the server tells how many there were. What was written counts only if
        Sentinel still names this server: then nobody has used a new primary before.

        Raises:
            TooFewReplicasError: fewer have said so.
            RedisConnectionError: Sentinel names another server.
        """
        answer = await connection.read_response(disable_decoding=True)
        if replicas:
            await connection.send_command(b"WAIT", replicas, max(1, int(500 * self._deadline)), check_health=False)
            have = await connection.read_response(disable_decoding=True)
            if have < replicas:
                raise TooFewReplicasError(f"{have} of the {replicas} replicas that are waited for have it")
        if replicas is not None and isinstance(self._pool, PrimaryPool):
            await self._pool.confirm(connection, monotonic())
        return answer

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

    def _known_identity(self, connection: AbstractConnection) -> Identity | None:
        return self._known.get(_socket(connection)) if connection.is_connected else None

    async def _identify(self, connection: AbstractConnection) -> bytes:
        """Return the identity of the server of a connection.

        A connection from before a failure is replaced, because it may be dead without showing it. So is one that is
        known to be closed: what event loops raise when something is sent on it differs.
        """
        known = self._known_identity(connection)
        is_old = known is not None and known.since <= self._breaker.failed_at
        if is_old or (connection.is_connected and _socket(connection).is_closing()):
            await connection.disconnect(nowait=True)
            known = None
        if not connection.is_connected:
            await connection.connect()  # type: ignore[no-untyped-call]  # redis-py does not annotate it
        if known is None or not self._breaker.trusts(known):
            since = await self._confirm(connection)
            known = self._known[_socket(connection)] = Identity(await _identity(connection), since)
        return known.name

    async def _confirm(self, connection: AbstractConnection) -> float:
        """Return from when on the server of a connection is known to be the one to use: now, or as Sentinel said.

        Raises:
            RedisConnectionError: Sentinel names another one, or does not answer.
        """
        now = monotonic()
        if not isinstance(self._pool, PrimaryPool):
            return now
        return await self._pool.confirm(connection, max(self._breaker.failed_at, now - server.IDENTITY_SECONDS))

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.disconnect()


def random_incarnation() -> str:
    """Return a name for an order of positions or messages: nobody has used it before."""
    return os.urandom(8).hex()


def _socket(connection: AbstractConnection) -> StreamWriter:
    """Return an object that is another one each time the connection connects."""
    return cast("StreamWriter", connection._writer)  # noqa: SLF001 - redis-py has no public name for it


async def _identity(connection: AbstractConnection) -> bytes:
    """Ask a server for its identity.

    Raises:
        RedisConnectionError: it is a replica, which may lag behind its primary.
    """
    await connection.send_command(*ASK_IDENTITY, check_health=False)
    return server.identity_in(await connection.read_response(disable_decoding=True))
