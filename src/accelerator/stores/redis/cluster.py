"""One event loop's connections to the nodes of a Redis cluster: what is asked of which node, and where it went since.

redis-py asks the nodes who has which slots. Where one answers that a key has moved, the call follows; where a slot is
just being moved, reads count as a miss, and scripts go where the node says, or try again.
"""

from __future__ import annotations

import asyncio
from functools import lru_cache
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from redis.asyncio.cluster import ClusterNode
from redis.cluster import PRIMARY
from redis.crc import key_slot
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MovedError,
    RedisClusterException,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError

from accelerator.stores.redis.cluster_address import pool_to
from accelerator.stores.redis.link import Call, Connections, Link
from accelerator.stores.redis.server import FAILURES, Breaker, ServerLeftAloneError, Values, words_of

if TYPE_CHECKING:
    from collections import defaultdict
    from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping, Sequence

    from redis.asyncio import ConnectionPool

    from accelerator.stores.redis.cluster_address import ClusterAddress

T = TypeVar("T")

NODES_SECONDS: Final = 1.0
"""Seconds in which one node has to say who has which slots; and between two such questions because of failures."""

FOLLOWED: Final = 3
"""Number of times that a read goes after keys that have moved."""

PAUSE: Final = 0.01
"""Seconds before a script is run again whose keys are just being moved."""

_slot_of: Final = lru_cache(4096)(key_slot)


class Nodes:
    """Who has which slots, as redis-py knows it for one event loop.

    Args:
        address: where the cluster is.
        told: is called with the names of all nodes each time they were asked for.
    """

    def __init__(self, address: ClusterAddress, told: Callable[[Collection[str]], Awaitable[None]]) -> None:
        self._address = address
        self._manager = address.client().nodes_manager
        self._told = told
        self._named = self._manager.startup_nodes.copy()
        self._breaker = Breaker()
        self._asking: asyncio.Task[None] | None = None
        self._asked_at = float("-inf")

    async def known(self, *, anyway: bool = False) -> None:
        """Return when it is known who has which slots.

        Args:
            anyway: ask even if nobody answered a moment ago.

        Raises:
            FAILURES: no node says so.
        """
        if not self._manager.slots_cache:
            self._breaker.enter(anyway=anyway)
            try:
                await asyncio.shield(self._ask())
            except FAILURES as error:
                self._breaker.fail(error)
                raise
            self._breaker.succeed()

    def doubt(self) -> None:
        """Ask who has which slots now, since a node has failed, unless that was asked a moment ago."""
        if monotonic() >= self._asked_at + NODES_SECONDS:
            self._ask().add_done_callback(_retrieve)

    def _ask(self) -> asyncio.Task[None]:
        """Return the task in which the nodes are asked: one at a time, whoever waits for it."""
        if self._asking is None or self._asking.done():
            self._asked_at = monotonic()
            self._asking = asyncio.get_running_loop().create_task(self._ask_nodes())
        return self._asking

    async def _ask_nodes(self) -> None:
        try:
            self._manager.startup_nodes.update(self._named)  # all others may have been replaced
            async with asyncio.timeout(NODES_SECONDS):
                await self._manager.initialize()
            self._address.remember(self._manager.nodes_cache.values())
            await self._told(self._manager.nodes_cache)
        except RedisClusterException as error:
            raise RedisConnectionError(f"no node says who has which keys: {words_of(_first_of(error))}") from None
        except IndexError:  # redis-py expects some node to have slots
            raise RedisConnectionError("no node of the cluster has any slot") from None
        finally:
            for node in [*self._manager.nodes_cache.values(), *self._manager.startup_nodes.values()]:
                await node.disconnect()

    def of(self, key: bytes) -> ClusterNode:
        """Return the node that has a key, as far as is known.

        Raises:
            RedisConnectionError: no node has its slot.
        """
        nodes = self._manager.slots_cache.get(_slot_of(key))
        if not nodes:
            self.doubt()
            raise RedisConnectionError(f"no node of the cluster has the slot {_slot_of(key)}")
        return nodes[0]

    def all(self) -> dict[str, ClusterNode]:
        """Return the primaries, by their names."""
        return {node.name: node for node in self._manager.nodes_cache.values() if node.server_type == PRIMARY}

    async def note(self, error: MovedError, said_by: ClusterNode) -> None:
        """Note that a slot has moved."""
        place = f"{error.host or said_by.host}:{error.port}"  # who does not know its own name says only the port
        self._manager.slots_cache.setdefault(error.slot_id, [])  # redis-py expects one
        await self._manager.move_slot(MovedError(f"{error.slot_id} {place}"))

    def at(self, error: AskError, said_by: ClusterNode) -> ClusterNode:
        """Return the node that is to be asked while a slot is being moved."""
        host = error.host or said_by.host
        found: ClusterNode | None = self._manager.get_node(host, error.port)
        return found or ClusterNode(host, error.port, **self._manager.connection_kwargs)

    async def close(self) -> None:
        """End what runs."""
        if self._asking is not None and not self._asking.done():
            self._asking.cancel()
            await asyncio.wait([self._asking])


class NodeLink(Link):
    """Calls to a node. One command reads keys of one slot only, so each slot takes one, all sent at once."""

    def _parts(self, keys: Sequence[bytes]) -> Collection[Sequence[bytes]]:
        parts: dict[int, list[bytes]] = {}
        for key in keys:
            parts.setdefault(_slot_of(key), []).append(key)
        return parts.values()

    def _check(self, answer: bytes) -> None:
        """Take any node: it has said that it is one."""


class SpreadValues(Values):
    """The values that several nodes had."""

    __slots__ = ("_identities", "_on_their_way")

    def __init__(self) -> None:
        super().__init__(b"")
        self._identities: dict[bytes, bytes] = {}
        self._on_their_way: set[bytes] = set()

    def __missing__(self, key: bytes) -> None:
        """Return nothing for a key that is just being moved, and raise why another one could not be read."""
        if key not in self._on_their_way:
            super().__missing__(key)

    def identity_of(self, key: bytes) -> bytes:
        """Return the identity of the node that had the value of a key."""
        return self._identities[key]

    def take(self, key: bytes, value: bytes | None, identity: bytes) -> None:
        """Take a value from the node of an identity."""
        self[key] = value
        self._identities[key] = identity

    def leave(self, key: bytes) -> None:
        """Note that a key is just being moved: it may be there, so nothing has to begin in its place."""
        self._on_their_way.add(key)


class _Open(NamedTuple):
    """A call without a result yet: who is to be asked, and whether because of what another node has said."""

    node: ClusterNode
    asks: bool = False


class ClusterLink(Connections):
    """Calls to the nodes of a cluster, on the event loop that runs now.

    Args:
        address: where the cluster is.
        deadline: seconds that a call to a node may take, with the time to connect.
        breakers: leave nodes alone after failures, by their names.
    """

    def __init__(self, address: ClusterAddress, deadline: float, breakers: defaultdict[str, Breaker]) -> None:
        self._nodes = Nodes(address, self._drop_others)
        self._deadline = deadline
        self._breakers = breakers
        self._links: dict[str, NodeLink] = {}

    async def read(self, keys: Sequence[bytes]) -> Values:
        """Return the values of keys, which each node is asked for at the same time.

        Raises:
            FAILURES: no node says who has which keys.
        """
        await self._nodes.known()
        found = SpreadValues()
        for _ in range(FOLLOWED):
            keys = await self._read(keys, found)
            if not keys:
                break
        return found

    async def _read(self, keys: Sequence[bytes], found: SpreadValues) -> list[bytes]:
        """Read keys where they are thought to be, and return those that have moved."""
        parts = self._by_node(keys, found)
        answers = await _side_by_side(self._link(node).read(part) for node, part in parts.items())
        moved: list[bytes] = []
        for (node, part), answer in zip(parts.items(), answers, strict=True):
            if isinstance(answer, Exception):
                self._doubt(answer)
                found.fail(part, _told_by(node, answer))
                continue
            for key in part:
                failure = answer.failures.get(key)
                if isinstance(failure, MovedError):
                    await self._nodes.note(failure, node)
                    found.fail([key], failure)
                    moved.append(key)
                elif isinstance(failure, AskError | TryAgainError):
                    found.leave(key)
                elif failure is None:
                    found.take(key, answer[key], answer.identity_of(key))
                else:
                    self._doubt(failure)
                    found.fail([key], failure)
        return moved

    def _by_node(self, keys: Sequence[bytes], found: SpreadValues) -> dict[ClusterNode, list[bytes]]:
        parts: dict[ClusterNode, list[bytes]] = {}
        for key in keys:
            try:
                node = self._nodes.of(key)
            except RedisConnectionError as error:
                found.fail([key], error)
            else:
                parts.setdefault(node, []).append(key)
        return parts

    async def run_all(self, calls: Sequence[Call], *, anyway: bool = False, replicas: int = 0) -> list[Any]:
        """Do what `Connections.run_all` does: all scripts at the same time, those of a node together."""
        try:
            await self._nodes.known(anyway=anyway)
        except FAILURES as error:
            return [error] * len(calls)
        results: list[Any] = [self._at_home(call) for call in calls]
        until = monotonic() + self._deadline
        while waiting := {number: where for number, where in enumerate(results) if isinstance(where, _Open)}:
            is_being_moved = False
            for number, result in (await self._run_once(calls, waiting, anyway, replicas)).items():
                is_being_moved = is_being_moved or isinstance(result, TryAgainError)
                again = await self._again(result, calls[number], waiting[number].node)
                results[number] = result if again is None or monotonic() >= until else again
            if is_being_moved:
                await asyncio.sleep(PAUSE)
        return results

    def _at_home(self, call: Call) -> _Open | Exception:
        """Return the node that has the keys of a call, as far as is known, or why it cannot be asked."""
        try:
            return _Open(self._nodes.of(call.keys[0]))
        except RedisConnectionError as error:
            return error

    async def _run_once(
        self, calls: Sequence[Call], waiting: Mapping[int, _Open], anyway: bool, replicas: int
    ) -> dict[int, Any]:
        parts: dict[_Open, list[int]] = {}
        for number, where in waiting.items():
            parts.setdefault(where, []).append(number)
        answers: list[list[Any]] = await asyncio.gather(
            *[
                self._link(where.node).run_all(
                    [calls[number] for number in part], anyway=anyway, replicas=replicas, asks=where.asks
                )
                for where, part in parts.items()
            ]
        )
        return {
            number: result
            for part, results in zip(parts.values(), answers, strict=True)
            for number, result in zip(part, results, strict=True)
        }

    async def _again(self, result: Any, call: Call, node: ClusterNode) -> _Open | Exception | None:
        """Return where to run a script once more, or why that cannot be done; None if it has a result."""
        if isinstance(result, MovedError):
            await self._nodes.note(result, node)
            return self._at_home(call)
        if isinstance(result, AskError):
            return _Open(self._nodes.at(result, node), asks=True)
        if isinstance(result, TryAgainError):
            return self._at_home(call)
        if isinstance(result, Exception):
            self._doubt(result)
            return _told_by(node, result)
        return None

    async def send(self, key: bytes, *command: bytes) -> Any:
        """Do what `Connections.send` does."""
        await self._nodes.known(anyway=True)
        node = self._nodes.of(key)
        try:
            return await self._link(node).send(key, *command)
        except MovedError as error:
            await self._nodes.note(error, node)
            return await self._link(self._nodes.of(key)).send(key, *command)
        except FAILURES as error:
            self._doubt(error)
            raise

    async def servers(self) -> Sequence[str]:
        """Return the names of the primaries, sorted."""
        await self._nodes.known()
        return sorted(self._nodes.all())

    async def server_of(self, key: bytes) -> str:
        """Do what `Connections.server_of` does."""
        await self._nodes.known()
        return self._nodes.of(key).name

    async def ask(self, server: str, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """Do what `Connections.ask` does. A key that has moved is none of this server's, and its answer an error."""
        await self._nodes.known()
        node = self._nodes.all().get(server)
        if node is None:
            raise RedisConnectionError("it is no primary of the cluster any more")
        try:
            return await self._link(node).ask("", commands)
        except FAILURES as error:
            self._doubt(error)
            raise _told_by(node, error) from None

    def _doubt(self, error: Exception) -> None:
        """Ask who has which slots if a node has failed or serves none of them, and not for what else it answers."""
        if isinstance(error, ClusterDownError) or not isinstance(error, ResponseError):
            self._nodes.doubt()

    def _link(self, node: ClusterNode) -> NodeLink:
        link = self._links.get(node.name)
        if link is None:
            link = NodeLink(pool_to(node), self._deadline, self._breakers[node.name], is_own=True)
            self._links[node.name] = link
        return link

    async def _drop_others(self, names: Collection[str]) -> None:
        """Close the connections to nodes that are none of the cluster any more."""
        for name in self._links.keys() - names:
            await self._links.pop(name).close()

    async def pool_for(self, key: bytes) -> ConnectionPool:
        """Return new connections to the node that has a key.

        Raises:
            FAILURES: no node says who that is.
        """
        await self._nodes.known()
        return pool_to(self._nodes.of(key))

    async def close(self) -> None:
        """Close the connections."""
        await self._nodes.close()
        links, self._links = self._links, {}
        for link in links.values():
            await link.close()


def _told_by(node: ClusterNode, error: Exception) -> Exception:
    """Return an error that says which node has failed."""
    if isinstance(error, TimeoutError):
        return TimeoutError(f"no answer of {node.name} in time")
    if isinstance(error, ServerLeftAloneError):
        return ServerLeftAloneError(f"{node.name} failed a moment ago, and is left alone for a second")
    return error


async def _side_by_side(calls: Iterable[Coroutine[Any, Any, T]]) -> list[T | Exception]:
    """Return the results of calls that wait at the same time, or the failures with which they end."""
    answers = await asyncio.gather(*calls, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, FAILURES):
            raise answer
    return answers  # type: ignore[return-value]  # whatever else it was is raised


def _first_of(error: BaseException) -> BaseException:
    """Return what an error began with: redis-py puts words of its own in place of the server's."""
    before = error.__cause__ or error.__context__
    return error if before is None else _first_of(before)


def _retrieve(asked: asyncio.Task[None]) -> None:
    """Take the failure of a task: whose call has failed was told so already."""
    if not asked.cancelled():
        asked.exception()
