"""What the tests of RedisStore on a cluster share: names for tags, URLs and positions by where they are."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import anyio

from accelerator.stores.redis.cluster import ClusterLink
from accelerator.stores.redis.server import FAILURES
from accelerator.testing import make_entry, make_request
from tests.stores.redis.support import entry_key, state

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from accelerator import RedisStore, Store
    from accelerator.rules.entry import Entry
    from accelerator.stores.binary import Component
    from accelerator.stores.redis.keys import Partition
    from benchmarks.deployments.cluster import Node, RedisCluster

PATIENCE = 60.0
"""Seconds within which what is waited for is so, on the slowest machine."""


def cluster_link(store: RedisStore) -> ClusterLink:
    """The connections of this event loop to the nodes."""
    link = store.links.here()
    assert isinstance(link, ClusterLink)
    return link


def partition_of(store: RedisStore, tag: str) -> Partition:
    (partition,) = store.keys.by_partition([tag])
    return partition


def tags_apart(store: RedisStore, count: int, *, url: str = "") -> list[str]:
    """Tags of different partitions, none of which is that of a URL."""
    found = {_partition_of_url(store, url)} if url else set()
    tags: list[str] = []
    for tag in (f"tag {number}" for number in itertools.count()):
        if len(tags) == count:
            break
        if (partition := partition_of(store, tag).number) not in found:
            found.add(partition)
            tags.append(tag)
    return tags


def _partition_of_url(store: RedisStore, url: str) -> int:
    (tag,) = make_entry(make_request(url), None, []).tags - {"@all"}
    return partition_of(store, tag).number


def tag_on(store: RedisStore, cluster: RedisCluster, *nodes: Node) -> str:
    """A tag whose partition is on one of these nodes."""
    tags = (f"tag {number}" for number in itertools.count())
    return next(tag for tag in tags if cluster.owner_of(partition_of(store, tag).meta) in nodes)


def url_on(store: RedisStore, cluster: RedisCluster, *nodes: Node) -> str:
    """A URL of which all is on one of these nodes: its entry, and the partition of its own tag."""
    for url in (f"https://example.org/{number}" for number in itertools.count()):
        partition = store.keys.partitions[_partition_of_url(store, url)]
        keys = entry_key(store, make_request(url)), partition.meta
        if all(cluster.owner_of(key) in nodes for key in keys):
            return url
    raise AssertionError


def at(mark: Any, partition: Partition) -> Component:
    """The position of a mark, or of an entry's, in a partition."""
    if hasattr(mark, "of"):
        return cast("Component", mark.of(partition.number))
    (found,) = [component for component in mark if component.partition == partition.number]
    return cast("Component", found)


def marked(mark: Any, entry: Entry, store: RedisStore) -> tuple[Component, ...]:
    """The components of a mark that an entry needs."""
    return tuple(at(mark, partition) for partition in store.keys.by_partition(entry.tags - {"@all"}))


async def become(is_so: Callable[[], object]) -> None:
    """Return when this is so; what it is about tells nobody."""
    async with asyncio.timeout(PATIENCE):
        while not is_so():  # noqa: ASYNC110 - there is no event
            await anyio.sleep(0.005)


async def answered(store: Store, url: str) -> str:
    """What a request meets; `failed` if the store says that it cannot tell."""
    try:
        return await state(store, url)
    except FAILURES:
        return "failed"


async def comes(store: Store, url: str, wanted: str) -> None:
    """Return when this is what a request meets. Whatever it meets before is right, too, if it is no entry."""
    async with asyncio.timeout(PATIENCE):
        while (found := await answered(store, url)) != wanted:
            assert found in {"failed", "missing"}, found
            await anyio.sleep(0.01)


async def refilled(store: Store, *tags: str, url: str) -> None:
    """Fill until that works, as requests do."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(*FAILURES):
                request = make_request(url)
                if await store.commit(make_entry(request, (await store.lookup(request)).mark, tags)):
                    return
            await anyio.sleep(0.01)


def sent_to(nodes: Collection[Node]) -> list[dict[str, int]]:
    """How often each node was sent a command by the store; the other ones are those of scripts, inside."""
    stats = [node.ask("INFO", "commandstats") for node in nodes]
    names = ("mget", "evalsha", "eval", "info", "cluster|slots", "asking")
    return [
        {name: found[f"cmdstat_{name}"]["calls"] for name in names if f"cmdstat_{name}" in found} for found in stats
    ]
