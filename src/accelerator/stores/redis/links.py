"""The connections of a store to its servers: some for each event loop that uses it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING

from redis.asyncio import RedisCluster
from redis.asyncio.sentinel import SentinelConnectionPool

from accelerator.stores.redis.address import Address, needs_sentinel, new_pool, pool_like
from accelerator.stores.redis.cluster import ClusterLink
from accelerator.stores.redis.cluster_address import ClusterAddress, names_a_cluster
from accelerator.stores.redis.link import Link
from accelerator.stores.redis.server import Breaker

if TYPE_CHECKING:
    from typing import TypeAlias

    from redis.asyncio import ConnectionPool, Redis

    from accelerator.stores.redis.link import Connections

    Source: TypeAlias = "str | Redis | RedisCluster"
    """The URL of a server or a cluster, or a client of one, which belongs to whoever made it."""


class Links:
    """The connections of a store, by event loop.

    Args:
        source: where the store is. A client of one server works on one event loop; of that of a Sentinel or a cluster
            only the settings are used.
        deadline: seconds that a call to a server may take, with the time to connect.
        breaker: leaves the server alone after failures; the nodes of a cluster have one each.

    Raises:
        TypeError: the client is one of replicas, which may lag behind their primary.
        ValueError: see `new_pool`.

    Attributes:
        address: where the server is.
        deadline: seconds that a call may take.
        blocking_url: the URL by which threads connect. There is none for a client, nor where somebody has to be asked
            for the server.
    """

    def __init__(self, source: Source, deadline: float, breaker: Breaker) -> None:
        self.deadline = deadline
        self.blocking_url: str | None = None
        self._cluster: ClusterAddress | None = None
        self._shared: ConnectionPool | None = None  # that of a client, by which others may be connected as well
        if isinstance(source, RedisCluster) or (isinstance(source, str) and names_a_cluster(source)):
            self._cluster = ClusterAddress(source, deadline)
            self.address = self._cluster.text
        elif isinstance(source, str):
            self._new_pool = partial(new_pool, source)
            self.address = Address(self._new_pool())
            self.blocking_url = None if needs_sentinel(source) else source
        else:
            pool = source.connection_pool
            if isinstance(pool, SentinelConnectionPool) and not pool.is_master:
                raise TypeError("a client of the primary, as Sentinel(...).master_for(name), not of its replicas")
            self._new_pool = partial(pool_like, pool)
            self.address = Address(pool)
            self._shared = None if isinstance(pool, SentinelConnectionPool) else pool
        self._breaker = breaker
        self._nodes: defaultdict[str, Breaker] = defaultdict(Breaker)
        self._links: dict[asyncio.AbstractEventLoop, Connections] = {}

    @property
    def is_cluster(self) -> bool:
        """Whether it is a cluster."""
        return self._cluster is not None

    def here(self) -> Connections:
        """Return the connections of the running event loop.

        Raises:
            RuntimeError: a client was given, and is used on another loop already.
        """
        loop = asyncio.get_running_loop()
        link = self._links.get(loop)
        if link is None:
            self._forget_closed()
            if self._cluster is not None:
                link = ClusterLink(self._cluster, self.deadline, self._nodes)
            elif self._shared is None:
                link = Link(self._new_pool(), self.deadline, self._breaker, is_own=True)
            elif not self._links:
                link = Link(self._shared, self.deadline, self._breaker)
            else:
                raise RuntimeError("the client given works on one event loop: give RedisStore a URL to use several")
            self._links[loop] = link
        return link

    def _forget_closed(self) -> None:
        for closed in [loop for loop in list(self._links) if loop.is_closed()]:  # other threads have loops, too
            del self._links[closed]

    def own(self) -> Connections:
        """Return new connections, for the loop that runs now. The failures of requests are none of theirs."""
        if self._cluster is not None:
            return ClusterLink(self._cluster, self.deadline, defaultdict(Breaker))
        return Link(self._new_pool(), self.deadline, Breaker(), is_own=True)

    async def new_pool(self, key: bytes) -> ConnectionPool:
        """Return a new pool of connections to where a key is.

        Raises:
            FAILURES: no node of the cluster says where that is.
        """
        if self._cluster is None:
            return self._new_pool()
        nodes = ClusterLink(self._cluster, self.deadline, self._nodes)
        try:
            return await nodes.pool_for(key)
        finally:
            await nodes.close()

    async def close(self) -> None:
        """Close the connections of the running event loop, but not those of a client that was given."""
        link = self._links.pop(asyncio.get_running_loop(), None)
        if link is not None and self._shared is None:
            await link.close()
