"""One event loop's connections to a Redis server: a deadline on every call, a breaker, reads that share a command."""

from __future__ import annotations

import asyncio
import contextvars
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, cast
from weakref import WeakKeyDictionary

from hiredis import pack_command
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MaxConnectionsError, NoScriptError, ReadOnlyError, RedisError, ResponseError

if TYPE_CHECKING:
    from asyncio import StreamWriter
    from collections.abc import Callable, Iterable, Sequence

    from redis.asyncio import ConnectionPool
    from redis.asyncio.connection import AbstractConnection

    from accelerator.stores.redis.scripts import Script

BREAK_SECONDS: Final = 1.0
"""For how long a server that failed is left alone, before one call tries again."""

IDENTITY_SECONDS: Final = 1.0
"""For how long a connection is taken to lead to the same server in the same role, before it is asked again."""

MAX_CALLS: Final = 16
"""Calls at the same time, each on a connection of its own; the others wait, within their deadline."""

MAX_SHARED: Final = 128
"""Reads that share one command, at most."""

MAX_BYTES: Final = 4 * 1024 * 1024
"""Bytes that one command should bring, as far as the size of the last answer tells: it has to come in time."""

FAILURES: Final = (RedisError, OSError, TimeoutError)
"""What a call raises when the server is away, slow or refuses."""


class Values(dict[bytes, "bytes | None"]):
    """What was read; `made` is what those who share it have made of it, for the others."""

    __slots__ = ("made",)

    def __init__(self, read: Iterable[tuple[bytes, bytes | None]]) -> None:
        super().__init__(read)
        self.made: dict[bytes, Any] = {}


class ServerLeftAloneError(RedisConnectionError):
    """The server failed a moment ago, so it is not asked."""


class Reply(NamedTuple):
    """What a server answered, and which server it was: its run and its place in replication."""

    value: Any
    identity: bytes


class _Known(NamedTuple):
    """The server at the other end of a connection, and when it was asked."""

    identity: bytes
    since: float


_Wanted: TypeAlias = "tuple[Sequence[bytes], asyncio.Future[tuple[Values, bytes]]]"


class Link:
    """Calls to the server behind a pool of connections, on the loop that runs now.

    Args:
        pool: the connections.
        deadline: seconds that a call may take, connecting included.
    """

    def __init__(self, pool: ConnectionPool, deadline: float) -> None:
        self._pool = pool
        self._deadline = deadline
        self._time = asyncio.get_running_loop().time
        self._free = asyncio.Semaphore(MAX_CALLS)
        self._known: WeakKeyDictionary[StreamWriter, _Known] = WeakKeyDictionary()
        self._failed_at = 0.0
        self._left_alone_until = 0.0
        self._waiting: list[_Wanted] = []
        self._reader: asyncio.Task[None] | None = None
        self._shared = MAX_SHARED // 16

    async def read(self, keys: Sequence[bytes]) -> tuple[Values, bytes]:
        """Read keys, and the identity of the server that had them. Reads that wait at the same time share one MGET.

        The command runs in a task of its own, so a reader that is cancelled takes nothing from the others.

        Raises:
            FAILURES: the server is away, slow or refuses.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[tuple[Values, bytes]] = loop.create_future()
        self._waiting.append((keys, answer))
        if self._reader is None:
            self._reader = loop.create_task(self._read_waiting(), context=contextvars.Context())
        return await answer

    async def _read_waiting(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[: self._shared], self._waiting[self._shared :]
            keys = dict.fromkeys(chain.from_iterable(wanted for wanted, _ in batch))
            try:
                reply = await self.call(lambda _, keys=keys: ("MGET", *keys))  # type: ignore[misc]  # a lambda has no types to say
            except TimeoutError as error:
                self._shared = max(1, len(batch) // 2)
                _fail(batch, error)
            except Exception as error:  # noqa: BLE001 - whatever it is, those who wait have to hear of it
                _fail(batch, error)
            else:
                size = sum(len(value) for value in reply.value if value is not None)
                self._shared = max(1, min(MAX_SHARED, MAX_BYTES * len(batch) // (size + 1)))
                values = Values(zip(keys, reply.value, strict=True))
                for _, answer in batch:
                    if not answer.done():
                        answer.set_result((values, reply.identity))
        self._reader = None

    async def run(
        self,
        script: Script,
        keys: Sequence[bytes],
        incarnation: str,
        arguments: Sequence[object],
        *,
        anyway: bool = False,
    ) -> Any:
        """Run a script, and return what it does.

        Args:
            script: the script.
            keys: its keys.
            incarnation: its first argument; the second is the identity of the server, which is known only here.
            arguments: the others.
            anyway: ask the server even if it failed a moment ago.

        Raises:
            FAILURES: the server is away, slow or refuses.
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
        """Make a call, unless the server failed a moment ago.

        Args:
            command_for: returns the command, given the server's identity.
            anyway: ask the server even if it failed a moment ago.

        Raises:
            FAILURES: the server is away, slow or refuses.
        """
        if self._left_alone_until:
            if self._time() < self._left_alone_until and not anyway:
                raise ServerLeftAloneError("the server failed a moment ago")
            self._left_alone_until = self._time() + BREAK_SECONDS  # while this call tries, the others do not
        try:
            async with asyncio.timeout(self._deadline), self._free:
                reply = await self._exchange_at_last(command_for)
        except FAILURES as error:
            if _shows_life(error):
                self._left_alone_until = 0.0
            else:
                self._failed_at = self._time()
                self._left_alone_until = self._failed_at + BREAK_SECONDS
            raise
        self._left_alone_until = 0.0
        return reply

    async def _exchange_at_last(self, command_for: Callable[[bytes], Sequence[Any]]) -> Reply:
        """Make a call, on a new connection if the first one turns out to be closed: servers close idle ones."""
        try:
            return await self._exchange(command_for)
        except MaxConnectionsError:
            raise
        except RedisConnectionError:
            self._failed_at = self._time()
            return await self._exchange(command_for)

    async def _exchange(self, command_for: Callable[[bytes], Sequence[Any]]) -> Reply:
        connection = await self._pool.get_connection()  # type: ignore[no-untyped-call]  # redis-py does not annotate it
        try:
            identity = await self._identify(connection)
            # the pool has just checked it; a check that connects anew would lead to a server of another identity
            command = pack_command(tuple(command_for(identity)))  # in C: redis-py takes five times as long
            await connection.send_packed_command(command, check_health=False)
            return Reply(await connection.read_response(disable_decoding=True), identity)
        except ResponseError:
            raise
        except BaseException:
            await connection.disconnect(nowait=True)  # an answer may be under way: the connection is of no use any more
            raise
        finally:
            await self._pool.release(connection)

    async def _identify(self, connection: AbstractConnection) -> bytes:
        """Return which server a connection leads to. One from before a failure may be dead without saying so."""
        known = self._known.get(_socket(connection))
        if known is not None and known.since <= self._failed_at:
            await connection.disconnect(nowait=True)
            await connection.connect()  # type: ignore[no-untyped-call]  # redis-py does not annotate it
            known = None
        if known is None or known.since + IDENTITY_SECONDS < self._time():
            since = self._time()
            known = self._known[_socket(connection)] = _Known(await _identity(connection), since)
        return known.identity

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.disconnect()


def _fail(batch: Iterable[_Wanted], error: Exception) -> None:
    for _, answer in batch:
        if not answer.done():
            answer.set_exception(error)


def _shows_life(error: Exception) -> bool:
    """Tell whether a failure is the answer of a server that works, or none that says anything of it."""
    return isinstance(error, ResponseError | MaxConnectionsError) and not isinstance(error, ReadOnlyError)


def _socket(connection: AbstractConnection) -> StreamWriter:
    """Return what is another object each time a connection connects."""
    return cast("StreamWriter", connection._writer)  # noqa: SLF001 - redis-py has no name for it in public


async def _identity(connection: AbstractConnection) -> bytes:
    """Ask a server for its run and its place in replication.

    Another one than before may have lost invalidations: it was restarted, or promoted.

    Raises:
        RedisConnectionError: it is a replica, which may lag behind.
    """
    await connection.send_command("INFO", "server", "replication", check_health=False)
    answer: bytes = await connection.read_response(disable_decoding=True)
    facts = dict(line.split(b":", 1) for line in answer.splitlines() if b":" in line)
    if facts.get(b"role") != b"master":
        raise RedisConnectionError("the server is no primary")
    return facts[b"run_id"] + b":" + facts[b"master_replid"]
