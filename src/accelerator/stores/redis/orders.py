"""The orders of positions of a store: one on a single server, and one for each partition of a cluster.

On a server an invalidation and a commit are one script each. On a cluster each is a script in every partition of its
tags, and then one where the near stores, or the entry, are. That is as good: what is stored after its records were
checked has its mark, and an invalidation that comes between moves the records.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, cast

from redis.exceptions import ConnectionError as RedisConnectionError

from accelerator.stores.binary import POSITION_OFFSET, Component, pack
from accelerator.stores.redis.keys import named
from accelerator.stores.redis.link import Call
from accelerator.stores.redis.memo import MAX_VARIANTS
from accelerator.stores.redis.scripts import ANNOUNCE, BEAR, COMMIT, INVALIDATE, KEEP, MOVE, RENEW
from accelerator.stores.redis.verdict import components_of, position_in, read_meta
from accelerator.tags import ALL

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from accelerator.rules.entry import Entry, Mark
    from accelerator.stores.redis.keys import Keys, Needed, Partition
    from accelerator.stores.redis.link import Connections
    from accelerator.stores.redis.server import Values
    from accelerator.stores.redis.verdict import Meta

LOG_LENGTH: Final = 8192
"""Number of tags in the log of a partition. A fill during which more are invalidated may be refused."""

KEEP_META: Final = 7 * 24 * 3600 * 1000
"""Milliseconds without a write for which meta and log are kept, at least; after that a new order begins."""

_Before: TypeAlias = "tuple[Component | None, ...]"


class Vector(NamedTuple):
    """The mark of a fill on a cluster.

    Attributes:
        before: what this process had seen of each partition before the trip. An older position is a safe mark.
        read: what the trip has read.
    """

    before: _Before
    read: tuple[Component, ...]

    def of(self, partition: int) -> Component | None:
        """Return the position in a partition, None if it is not known."""
        return next((one for one in self.read if one.partition == partition), self.before[partition])


class Metas(NamedTuple):
    """What was read of the orders.

    Attributes:
        mark: the mark of a fill that begins now.
        found: the metas, by the numbers of their partitions.
        lost: the partitions that have no order on the server that answers.
    """

    mark: Mark
    found: dict[int, Meta]
    lost: tuple[Partition, ...]


class Storing(NamedTuple):
    """An entry that is to be stored.

    Attributes:
        entry: the entry.
        needed: the keys of what tells whether it may be used.
        keys: its own key, those of the selecting header fields and of the variants of its URL.
        lifetime: milliseconds to keep it.
    """

    entry: Entry
    needed: Needed
    keys: tuple[bytes, bytes, bytes]
    lifetime: int

    @property
    def vary(self) -> bytes:
        """Its selecting header fields, as one text."""
        return b",".join(self.entry.vary)


class Orders(ABC):
    """The orders of a store, as this process knows them.

    Args:
        keys: the keys of the store.
        wait_replicas: the number of replicas that have to have an invalidation before it counts as made.
    """

    def __init__(self, keys: Keys, wait_replicas: int) -> None:
        self._keys = keys
        self._wait_replicas = wait_replicas

    @abstractmethod
    def to_read(self, *, knows_tags: bool) -> tuple[bytes, ...]:
        """Return what a lookup reads in any case.

        Args:
            knows_tags: which partitions matter to the URL is known.
        """
        ...

    @abstractmethod
    def before(self) -> _Before:
        """Return what is known now."""
        ...

    @abstractmethod
    def see(self, values: Values, before: _Before) -> Metas:
        """Return the orders among what a trip of a lookup has read.

        Args:
            values: what it has read.
            before: what was known before it.
        """
        ...

    @abstractmethod
    async def begin(self, connections: Connections, metas: Metas) -> Mark:
        """Begin orders that are lost, unless another process just has. Return the mark of a fill that begins now.

        Raises:
            FAILURES: the server is unreachable or slow, or answers with an error.
        """
        ...

    @abstractmethod
    async def commit(self, connections: Connections, storing: Storing) -> bool:
        """Store an entry, unless a tag of it was invalidated hard after its mark.

        Raises:
            FAILURES: the server is unreachable or slow, or answers with an error.
        """
        ...

    @abstractmethod
    async def invalidate(
        self, connections: Connections, tags: Collection[str], *, soft: bool, origin: bytes
    ) -> list[Any]:
        """Set the position of each tag, and tell the near stores. Return what the script that tells them has answered.

        Raises:
            FAILURES: a server is unreachable or slow, or answers with an error.
        """
        ...


class OneOrder(Orders):
    """The order of a single server: each operation is one script."""

    def to_read(self, *, knows_tags: bool) -> tuple[bytes, ...]:  # noqa: ARG002 - there is one partition
        """Return the key of the meta."""
        return (self._keys.partitions[0].meta,)

    def before(self) -> _Before:
        """Return nothing: each lookup reads the whole mark."""
        return ()

    def see(self, values: Values, before: _Before) -> Metas:  # noqa: ARG002 - there was nothing
        """Return the order."""
        partition = self._keys.partitions[0]
        return _one_order(partition, values[partition.meta], values.identity_of(partition.meta))

    async def begin(self, connections: Connections, metas: Metas) -> Mark:
        """Begin the order."""
        (partition,) = metas.lost
        return (position_in(0, *await connections.run(RENEW, [partition.meta, partition.log], [KEEP_META])),)

    async def commit(self, connections: Connections, storing: Storing) -> bool:
        """Check the tags of an entry and store it in one step."""
        (mark,) = components_of(storing.entry)
        (partition,) = self._keys.partitions
        keys = [partition.meta, partition.log, *storing.keys, *storing.needed.records]
        arguments = [
            max(KEEP_META, storing.lifetime),
            mark.incarnation.hex(),
            mark.position,
            pack(storing.entry),
            storing.lifetime,
            storing.vary,
            MAX_VARIANTS,
            POSITION_OFFSET,
            *named(storing.entry.tags),
        ]
        return bool(await connections.run(COMMIT, keys, arguments))

    async def invalidate(
        self, connections: Connections, tags: Collection[str], *, soft: bool, origin: bytes
    ) -> list[Any]:
        """Set the positions and tell the near stores in one step."""
        (partition,) = self._keys.partitions
        answer: list[Any] = await connections.run(
            INVALIDATE,
            [partition.meta, partition.log, self._keys.near, *partition.records(tags)],
            [KEEP_META, int(soft), int(ALL in tags), LOG_LENGTH, origin, *named(tags)],
            anyway=True,
            replicas=self._wait_replicas,
        )
        return answer


@lru_cache(16)  # only invalidations change it
def _one_order(partition: Partition, meta: bytes | None, identity: bytes) -> Metas:
    found = read_meta(partition.number, meta, identity)
    return Metas((), {}, (partition,)) if found is None else Metas((found.last,), {partition.number: found}, ())


class ManyOrders(Orders):
    """The orders of a cluster, one for each partition.

    A mark is a position in each partition. What a process has seen makes up for what a lookup has not read: an older
    position is only more cautious.
    """

    def __init__(self, keys: Keys, wait_replicas: int) -> None:
        super().__init__(keys, wait_replicas)
        self._metas = tuple(partition.meta for partition in keys.partitions)
        self._seen: _Before = (None,) * len(keys.partitions)

    def to_read(self, *, knows_tags: bool) -> tuple[bytes, ...]:
        """Return the keys of all metas, unless it is known which ones matter."""
        return () if knows_tags else self._metas

    def before(self) -> _Before:
        """Return the positions that this process has seen, by partition."""
        return self._seen

    def see(self, values: Values, before: _Before) -> Metas:
        """Return the orders of those partitions that were read."""
        found, lost = {}, []
        for partition in self._keys.partitions:
            if partition.meta in values:
                identity = values.identity_of(partition.meta)
                meta = read_meta(partition.number, values[partition.meta], identity)
                if meta is None:
                    lost.append(partition)
                else:
                    found[partition.number] = meta
        read = tuple(meta.last for meta in found.values())
        self._note(read)
        return Metas(Vector(before, read), found, tuple(lost))

    async def begin(self, connections: Connections, metas: Metas) -> Mark:
        """Begin the orders that are lost. Those where that fails are not part of the mark."""
        calls = [Call(RENEW, [lost.meta, lost.log], [KEEP_META]) for lost in metas.lost]
        answers = await connections.run_all(calls)
        begun = tuple(
            position_in(lost.number, *answer)
            for lost, answer in zip(metas.lost, answers, strict=True)
            if not isinstance(answer, Exception)
        )
        if not begun:
            raise answers[0]
        self._note(begun)
        vector = cast("Vector", metas.mark)
        return vector._replace(read=vector.read + begun)

    async def commit(self, connections: Connections, storing: Storing) -> bool:
        """Check the tags in each partition, and store the entry if it may be used in all of them."""
        divided = self._keys.by_partition(tag for tag in storing.entry.tags if tag != ALL)
        mark = _needed(storing.entry.mark, divided)
        if mark is None:
            return False
        calls = [
            Call(
                BEAR,
                [partition.meta, partition.log, *partition.records(tags)],
                [
                    max(KEEP_META, storing.lifetime),
                    since.incarnation.hex(),
                    since.position,
                    storing.lifetime,
                    *named(tags),
                ],
            )
            for (partition, tags), since in zip(divided.items(), mark, strict=True)
        ]
        answers = _done(await connections.run_all(calls))
        self._note(
            position_in(partition.number, incarnation, position)
            for partition, (_, incarnation, position) in zip(divided, answers, strict=True)
        )
        if not all(may_be_stored for may_be_stored, _, _ in answers):
            return False
        arguments = [pack(replace(storing.entry, mark=mark)), storing.lifetime, storing.vary, MAX_VARIANTS]
        return bool(await connections.run(KEEP, storing.keys, arguments))

    async def invalidate(
        self, connections: Connections, tags: Collection[str], *, soft: bool, origin: bytes
    ) -> list[Any]:
        """Set the positions in each partition, and tell the near stores once that is done in all of them."""
        divided = self._keys.by_partition(tags)
        calls = [
            Call(
                MOVE,
                [partition.meta, partition.log, *partition.records(some)],
                [KEEP_META, int(soft), int(ALL in some), LOG_LENGTH, *named(some)],
            )
            for partition, some in divided.items()
        ]
        answers = _done(await connections.run_all(calls, anyway=True, replicas=self._wait_replicas))
        self._note(position_in(part.number, *answer) for part, answer in zip(divided, answers, strict=True))
        announced: list[Any] = await connections.run(
            ANNOUNCE,
            [self._keys.near],
            [KEEP_META, int(soft), int(ALL in tags), origin, *named(tags)],
            anyway=True,
        )
        return announced

    def _note(self, positions: Iterable[Component]) -> None:
        """Note positions that were seen. Those of an order do not go back."""
        seen = list(self._seen)
        for position in positions:
            known = seen[position.partition]
            if known is None or known.incarnation != position.incarnation or known.position < position.position:
                seen[position.partition] = position
        self._seen = tuple(seen)


def _needed(mark: Mark, partitions: Iterable[Partition]) -> tuple[Component, ...] | None:
    """Return the positions of a mark in partitions, None if it is that of an entry that had no tags in one of them.

    Raises:
        RedisConnectionError: the position in one of them could not be read when the fill began.
    """
    if isinstance(mark, Vector):
        found = [mark.of(partition.number) for partition in partitions]
        if None in found:
            raise RedisConnectionError("a node of the cluster was away when this was begun")
    else:
        positions = {component.partition: component for component in cast("tuple[Component, ...]", mark)}
        found = [positions.get(partition.number) for partition in partitions]
    return None if None in found else tuple(cast("list[Component]", found))


def _done(answers: Sequence[Any]) -> Sequence[Any]:
    """Return answers if none of them is a failure.

    Raises:
        FAILURES: the first that is one.
    """
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return answers
