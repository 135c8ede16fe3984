"""Connections to whichever server Redis Sentinel names as the primary now.

Who reads at a former primary has to leave it before an invalidation at the new one returns. So a server counts as the
primary if more than half of the Sentinels say so: no two servers can, since none of them goes back to the former one.
And a connection is used only for as long after the question as `link.py` trusts an identity. That is less than a lease
of near stores, for which the first invalidations at a new primary wait.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from redis.asyncio.sentinel import MasterNotFoundError, Sentinel, SentinelConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError

from accelerator.stores.redis import server
from accelerator.stores.redis.server import FAILURES, words_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from redis.asyncio import Redis
    from redis.asyncio.connection import AbstractConnection

SENTINEL_PORT: Final = 26379
"""The port of a Sentinel where none is said."""

_HOST: Final = re.compile(rb"[\w.:%-]+")


class Named(NamedTuple):
    """What the Sentinels have answered.

    Attributes:
        address: host and port of the primary.
        since: the value of `server.clock` before they were asked.
    """

    address: tuple[str, int]
    since: float


class PrimaryPool(SentinelConnectionPool):
    """Connections to the primary of a service, for one event loop.

    All Sentinels are asked at the same time, so one that does not answer costs nothing. How long to wait for them is up
    to who asks.

    Args:
        service_name: the name by which the Sentinels know the primary.
        sentinel_manager: the Sentinels. The connections to them are closed with those of the pool.
        options: those of redis-py's pool, and of its connections.
    """

    def __init__(self, service_name: str, sentinel_manager: Sentinel, **options: Any) -> None:
        super().__init__(service_name, sentinel_manager, **options)  # type: ignore[no-untyped-call]  # redis-py does not annotate it
        pools = [sentinel.connection_pool for sentinel in sentinel_manager.sentinels]
        self._sentinels: list[AbstractConnection] = [pool.connection_class(**pool.connection_kwargs) for pool in pools]
        self._turn = asyncio.Lock()
        self._named: Named | None = None

    async def get_master_address(self) -> tuple[str, int]:
        """Return host and port for a connection that is made now.

        Raises:
            MasterNotFoundError: no server is named by more than half of the Sentinels.
        """
        return (await self._named_after(server.clock())).address

    async def confirm(self, connection: AbstractConnection, after: float) -> float:
        """Return when the Sentinels were asked, if the server of a connection is the one that they name.

        Args:
            connection: the connection.
            after: the value of `server.clock` before which an answer does not count any more.

        Raises:
            RedisConnectionError: they name another one, or none.
        """
        named = await self._named_after(after)
        if named.address != _address(connection):
            raise RedisConnectionError("Sentinel names another primary")
        return named.since

    async def disconnect(self, inuse_connections: bool = True) -> None:
        """Close the connections, those to the Sentinels as well."""
        try:
            await super().disconnect(inuse_connections)
        finally:
            for sentinel in self._sentinels:
                await sentinel.disconnect()

    async def _named_after(self, moment: float) -> Named:
        """Return the answer to a question after a moment. Those who wait for one at the same time share it."""
        async with self._turn:
            if self._named is None or self._named.since < moment:
                since = server.clock()
                self._named = Named(await self._ask_all(), since)
                self.master_address = self._named.address  # redis-py keeps only connections to it
            return self._named

    async def _ask_all(self) -> tuple[str, int]:
        votes: Counter[tuple[str, int]] = Counter()
        failures = []
        asking = [asyncio.ensure_future(self._ask(sentinel)) for sentinel in self._sentinels]
        try:
            for answer in asyncio.as_completed(asking):
                try:
                    address = await answer
                except FAILURES as error:
                    failures.append(str(error))
                    continue
                votes[address] += 1
                if votes[address] > len(asking) // 2:
                    return address
        finally:
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
        said = [
            f"{count} {'say' if count > 1 else 'says'} {host_and_port(*address)}" for address, count in votes.items()
        ]
        raise MasterNotFoundError(
            f"fewer than {len(asking) // 2 + 1} of {len(asking)} Sentinels name the same primary:"
            f" {'; '.join(said + failures)}"
        )

    async def _ask(self, sentinel: AbstractConnection) -> tuple[str, int]:
        """Return the address that a Sentinel names.

        Raises:
            FAILURES: it cannot be reached, answers with an error, or names none. The message says which it is.
        """
        try:
            if not sentinel.is_connected:
                await sentinel.connect()  # type: ignore[no-untyped-call]  # redis-py does not annotate it
            # not SENTINEL MASTERS, which redis-py sends: its answer names the former primary for longer
            command = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.service_name)
            await sentinel.send_command(*command, check_health=False)
            answer = await sentinel.read_response(disable_decoding=True)
        except BaseException as error:
            await sentinel.disconnect(nowait=True)  # an answer may still come: the connection cannot be used again
            if isinstance(error, FAILURES):
                raise RedisConnectionError(f"{host_and_port(*_address(sentinel))}: {words_of(error)}") from None
            raise
        match answer:
            case None:
                said = f"knows no {self.service_name!r}"
            case [bytes(host), bytes(port)] if _HOST.fullmatch(host) and port.isdigit():
                return self.sentinel_manager._force_master_ip or host.decode(), int(port)  # noqa: SLF001 - it has no public name
            case _:
                said = "names no host and port"
        raise RedisConnectionError(f"{host_and_port(*_address(sentinel))}: {said}")


def sentinels(
    places: Iterable[tuple[str, int]], options: dict[str, Any], force_master_ip: str | None = None
) -> Sentinel:
    """Return Sentinels that are not connected yet.

    Args:
        places: host and port of each.
        options: those of redis-py for connections to them.
        force_master_ip: the host to connect to, whichever they name.
    """
    return Sentinel(places, sentinel_kwargs=options, force_master_ip=force_master_ip)  # type: ignore[no-untyped-call]  # redis-py does not annotate it


def sentinels_like(manager: Sentinel, options: dict[str, Any]) -> Sentinel:
    """Return the same Sentinels as others, with some other options."""
    places = map(_place, manager.sentinels)
    return sentinels(places, manager.sentinel_kwargs | options, manager._force_master_ip)  # noqa: SLF001 - it has no public name


def places_of(manager: Sentinel) -> list[str]:
    """Return host and port of each Sentinel as one text."""
    return [host_and_port(*_place(sentinel)) for sentinel in manager.sentinels]


def host_and_port(host: str, port: int) -> str:
    """Return host and port as one text."""
    return f"{f'[{host}]' if ':' in host else host}:{port}"


def _place(sentinel: Redis) -> tuple[str, int]:
    settings = sentinel.connection_pool.connection_kwargs
    return settings["host"], settings["port"]


def _address(connection: AbstractConnection) -> tuple[str, int]:
    """Return host and port, which the common class of connections by TCP and by a socket has not."""
    return vars(connection)["host"], vars(connection)["port"]
