"""One event loop's connections to a Redis server: a deadline for each call, a pause after failures, shared reads."""

from __future__ import annotations

import asyncio
import contextvars
import os
from abc import ABC, abstractmethod
from functools import partial
from itertools import chain
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
    from collections.abc import Awaitable, Callable, Collection, Sequence

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


class Call(NamedTuple):
    """A script to be run.

    Attributes:
        script: the script.
        keys: its keys, which are all in one hash slot of a cluster.
        arguments: its arguments after the first two, which are added where it is sent: a new incarnation, in case that
            one has to begin, and the identity of the server.
    """

    script: Script
    keys: Sequence[bytes]
    arguments: Sequence[object]


class Replies(NamedTuple):
    """The answers of a server, errors among them, and its identity."""

    values: list[Any]
    identity: bytes


class Connections(ABC):
    """The connections of one event loop: to a server, or to the nodes of a cluster."""

    @abstractmethod
    async def read(self, keys: Sequence[bytes]) -> Values:
        """Return the values of keys. Those of a key that could not be read raise where they are looked at.

        Raises:
            FAILURES: the server is unreachable or slow.
        """
        ...

    @abstractmethod
    async def run_all(self, calls: Sequence[Call], *, anyway: bool = False, replicas: int = 0) -> list[Any]:
        """Run scripts side by side, and return the result of each, or the failure with which it ended.

        Args:
            calls: the scripts.
            anyway: call a server even if it failed a moment ago.
            replicas: the number of replicas of each server that have to have what was written.
        """
        ...

    @abstractmethod
    async def send(self, key: bytes, *command: bytes) -> Any:
        """Send a command to where a key is, even if that failed a moment ago, and return the answer.

        Raises:
            FAILURES: the server is unreachable or slow, or answers with an error.
        """
        ...

    @abstractmethod
    async def servers(self) -> Sequence[str]:
        """Return the names of the servers, sorted.

        Raises:
            FAILURES: no node of a cluster says which there are.
        """
        ...

    @abstractmethod
    async def server_of(self, key: bytes) -> str:
        """Return the name of the server that has a key, as far as is known.

        Raises:
            FAILURES: no node of a cluster says which one it is.
        """
        ...

    @abstractmethod
    async def ask(self, server: str, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """Send commands to a server, all at once, and return the answers, errors among them.

        Args:
            server: its name.
            commands: what it is asked.

        Raises:
            FAILURES: the server is unreachable or slow, or there is none of this name.
        """
        ...

    @abstractmethod
    async def close(self) -> None:
        """Close them."""
        ...

    async def run(
        self,
        script: Script,
        keys: Sequence[bytes],
        arguments: Sequence[object],
        *,
        anyway: bool = False,
        replicas: int = 0,
    ) -> Any:
        """Run a script as `run_all` does, and return its result.

        Raises:
            FAILURES: the server is unreachable or slow, or answers with an error, or too few replicas have it in time.
        """
        (result,) = await self.run_all([Call(script, keys, arguments)], anyway=anyway, replicas=replicas)
        if isinstance(result, Exception):
            raise result
        return result


class _Sent(NamedTuple):
    """So many commands are sent on this connection, to a server of this identity."""

    connection: AbstractConnection
    identity: bytes
    commands: int


_Wanted: TypeAlias = "tuple[Sequence[bytes], asyncio.Future[Values]]"
_Commands: TypeAlias = "Callable[[bytes], Sequence[Sequence[Any]]]"
"""Returns the commands to send, for the identity of the server."""


class _Scripts(NamedTuple):
    """How scripts are sent.

    Attributes:
        asks: each is told to be what another server has said to ask this one.
        replicas: the number of replicas that have to have what was written.
        milliseconds: how long these have, which is half of the deadline, so that the server tells how many there were.
        by_sha: the server is taken to know them.
    """

    asks: bool
    replicas: int
    milliseconds: int
    by_sha: bool = True

    def commands(self, calls: Sequence[Call], identity: bytes) -> list[Sequence[Any]]:
        """Return the commands, for the identity of the server."""
        commands: list[Sequence[Any]] = []
        for call in calls:
            what = (b"EVALSHA", call.script.sha) if self.by_sha else (b"EVAL", call.script.text)
            commands += [(b"ASKING",)] * self.asks
            commands.append((*what, len(call.keys), *call.keys, random_incarnation(), identity, *call.arguments))
        if self.replicas:
            commands.append((b"WAIT", self.replicas, self.milliseconds))
        return commands

    def results(self, replies: list[Any]) -> list[Any]:
        """Return the results, for the replies to these commands: errors if too few replicas have what was written."""
        have = replies.pop() if self.replicas else 0
        results = replies[1::2] if self.asks else replies
        if isinstance(have, Exception) or have < self.replicas:
            too_few = TooFewReplicasError(f"{have} of the {self.replicas} replicas that are waited for have it")
            return [result if isinstance(result, Exception) else too_few for result in results]
        return results


class Link(Connections):
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
        self._is_closed = False
        self._shared = MAX_SHARED // 16

    async def read(self, keys: Sequence[bytes]) -> Values:
        """Return the values of keys.

        Reads that wait at the same time share one MGET. It runs in its own task, so cancelling one reader does not
        affect the others. A read that is alone runs where it is: a task and a future would cost 20 µs.

        Raises:
            FAILURES: the server is unreachable or slow.
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

    def _join(self, keys: Sequence[bytes]) -> asyncio.Future[Values]:
        answer: asyncio.Future[Values] = asyncio.get_running_loop().create_future()
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

    async def _read(self, keys: Sequence[bytes], readers: int) -> Values:
        """Read the keys of so many readers at once, and learn how many should share the next reading."""
        parts = self._parts(keys)
        try:
            replies = await self.call_all(lambda _: [mget(part) for part in parts])
        except TimeoutError:
            self._shared = max(1, readers // 2)
            raise
        values = Values(replies.identity)
        for part, reply in zip(parts, replies.values, strict=True):
            if isinstance(reply, ResponseError):
                values.fail(part, reply)
            else:
                values.update(zip(part, reply, strict=True))
        size = sum(len(value) for value in values.values() if value is not None)
        self._shared = max(1, min(MAX_SHARED, MAX_BYTES * readers // (size + 1)))
        return values

    def _parts(self, keys: Sequence[bytes]) -> Collection[Sequence[bytes]]:
        """Return keys by the commands that read them."""
        return (keys,)

    async def run_all(
        self, calls: Sequence[Call], *, anyway: bool = False, replicas: int = 0, asks: bool = False
    ) -> list[Any]:
        """Do what `Connections.run_all` does.

        Args:
            calls: the scripts.
            anyway: call the server even if it failed a moment ago.
            replicas: the number of replicas that have to have what was written.
            asks: tell the server that another one has said to ask it (Redis Cluster: ASKING).
        """
        sending = _Scripts(asks, replicas, max(1, int(500 * self._deadline)))
        try:
            found = await self._results(sending, calls, anyway=anyway)
            unknown = [number for number, result in enumerate(found) if isinstance(result, NoScriptError)]
            if unknown:
                again = sending._replace(by_sha=False)
                results = await self._results(again, [calls[number] for number in unknown], anyway=anyway)
                for number, result in zip(unknown, results, strict=True):
                    found[number] = result
        except FAILURES as error:
            return [error] * len(calls)
        return found

    async def _results(self, sending: _Scripts, calls: Sequence[Call], *, anyway: bool) -> list[Any]:
        replies = await self.call_all(partial(sending.commands, calls), anyway=anyway, confirms=True)
        return sending.results(replies.values)

    async def send(self, key: bytes, *command: bytes) -> Any:  # noqa: ARG002 - all keys are on this server
        """Do what `Connections.send` does."""
        replies = await self.call_all(lambda _: [command], anyway=True)
        (answer,) = replies.values
        if isinstance(answer, ResponseError):
            raise answer
        return answer

    async def servers(self) -> Sequence[str]:
        """Return one empty name."""
        return ("",)

    async def server_of(self, key: bytes) -> str:  # noqa: ARG002 - all keys are on this server
        """Return the same."""
        return ""

    async def ask(self, server: str, commands: Sequence[Sequence[Any]]) -> list[Any]:  # noqa: ARG002 - there is one
        """Do what `Connections.ask` does."""
        return (await self.call_all(lambda _: commands)).values

    async def call_all(self, commands_for: _Commands, *, anyway: bool = False, confirms: bool = False) -> Replies:
        """Send commands and return the replies, unless the server failed a moment ago.

        Args:
            commands_for: returns the commands for the identity of the server.
            anyway: call the server even if it failed a moment ago.
            confirms: what they write counts only if Sentinel names the server afterwards, where one does: then nobody
                has used a new primary before.

        Raises:
            FAILURES: the server is unreachable or slow.
        """
        self._breaker.enter(anyway=anyway)
        sent = self._send_now(commands_for)
        try:
            async with asyncio.timeout(self._deadline), self._free:
                replies = await self._exchange_at_last(commands_for, sent, confirms=confirms)
        except FAILURES as error:
            self._breaker.fail(error)
            raise
        self._breaker.succeed()
        for reply in replies.values:
            if isinstance(reply, ResponseError):
                self._breaker.fail(reply)
        return replies

    def _send_now(self, commands_for: _Commands) -> _Sent | None:
        """Send commands if nothing has to be waited for: the server is at work while the deadline is set (10 µs)."""
        if not self._idle or self._free.locked():
            return None
        connection = self._idle[-1]
        known = self._known_identity(connection)
        if known is None or not self._breaker.trusts(known) or _socket(connection).is_closing():
            return None
        commands = commands_for(known.name)
        _socket(connection).write(_packed(commands))
        return _Sent(self._idle.pop(), known.name, len(commands))

    async def _exchange_at_last(self, commands_for: _Commands, sent: _Sent | None, *, confirms: bool) -> Replies:
        """Send commands, and once more on a new connection if the first one is closed, as servers close idle ones."""
        try:
            return await self._exchange(commands_for, sent, confirms=confirms)
        except MaxConnectionsError:
            raise
        except RedisConnectionError:
            self._breaker.lose()
            return await self._exchange(commands_for, None, confirms=confirms)

    async def _exchange(self, commands_for: _Commands, sent: _Sent | None, *, confirms: bool) -> Replies:
        connection = await self._take() if sent is None else sent.connection
        try:
            if sent is None:
                sent = await self._send(connection, commands_for)
            replies = Replies([await _answer(connection) for _ in range(sent.commands)], sent.identity)
            if confirms and isinstance(self._pool, PrimaryPool):
                await self._pool.confirm(connection, server.clock())
        except ResponseError:
            raise
        except BaseException:
            await connection.disconnect(nowait=True)  # an answer may still come: the connection cannot be used again
            raise
        else:
            return replies
        finally:
            await self._give_back(connection)

    async def _send(self, connection: AbstractConnection, commands_for: _Commands) -> _Sent:
        identity = await self._identify(connection)
        commands = commands_for(identity)
        # no health check: the pool has just made one, and to reconnect could lead to a server of another identity
        await connection.send_packed_command(_packed(commands), check_health=False)
        return _Sent(connection, identity, len(commands))

    async def _take(self) -> AbstractConnection:
        if self._idle:
            return self._idle.pop()
        get: Callable[[], Awaitable[AbstractConnection]] = self._pool.get_connection  # redis-py does not annotate it
        return await get()

    async def _give_back(self, connection: AbstractConnection) -> None:
        """Keep a connection if nobody else uses the pool: releasing it and getting it again would cost 20 µs."""
        if self._idle is None:
            await self._pool.release(connection)
        elif self._is_closed:
            await connection.disconnect(nowait=True)  # a call that was made meanwhile has connected anew
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
            known = self._known[_socket(connection)] = Identity(await self._identity(connection), since)
            self._breaker.meet(known)
        return known.name

    async def _confirm(self, connection: AbstractConnection) -> float:
        """Return from when on the server of a connection is known to be the one to use: now, or as Sentinel said.

        Raises:
            RedisConnectionError: Sentinel names another one, or does not answer.
        """
        now = server.clock()
        if not isinstance(self._pool, PrimaryPool):
            return now
        return await self._pool.confirm(connection, max(self._breaker.failed_at, now - server.IDENTITY_SECONDS))

    async def _identity(self, connection: AbstractConnection) -> bytes:
        """Ask a server for its identity.

        Raises:
            RedisConnectionError: it is a replica, which may lag behind its primary, or it is of another kind.
        """
        await connection.send_command(*ASK_IDENTITY, check_health=False)
        answer = await connection.read_response(disable_decoding=True)
        self._check(answer)
        return server.identity_in(answer)

    def _check(self, answer: bytes) -> None:
        """Raise if the server is of another kind than is expected."""
        server.check_mode(answer)

    async def close(self) -> None:
        """Close the connections. That of a call that goes on is closed after it."""
        self._is_closed = True
        await self._pool.disconnect()


def _packed(commands: Sequence[Sequence[Any]]) -> bytes:
    """Return the bytes of commands, made in C: redis-py's own way takes five times as long."""
    return b"".join([pack_command(tuple(command)) for command in commands])


async def _answer(connection: AbstractConnection) -> Any:
    """Return the answer of a server, which may be an error."""
    try:
        return await connection.read_response(disable_decoding=True)
    except ResponseError as error:
        return error


def random_incarnation() -> str:
    """Return a name for an order of positions or messages: nobody has used it before."""
    return os.urandom(8).hex()


def _socket(connection: AbstractConnection) -> StreamWriter:
    """Return an object that is another one each time the connection connects."""
    return cast("StreamWriter", connection._writer)  # noqa: SLF001 - redis-py has no public name for it
