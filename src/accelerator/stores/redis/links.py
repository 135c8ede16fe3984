"""The connections of a store to its server: some for each event loop that uses it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from redis.asyncio.sentinel import SentinelConnectionPool

from accelerator.stores.redis.address import Address, needs_sentinel, new_pool, pool_like
from accelerator.stores.redis.link import Link
from accelerator.stores.redis.server import Breaker

if TYPE_CHECKING:
    from redis.asyncio import ConnectionPool, Redis


class Links:
    """The connections of a store, by event loop.

    Args:
        source: the URL of the server, or a client, which works on one event loop and belongs to whoever made it. Of
            the client of a Sentinel only the settings are used.
        deadline: seconds that a call may take, with the time to connect.
        breaker: leaves the server alone after failures.

    Raises:
        ValueError: see `new_pool`.

    Attributes:
        address: where the server is.
        deadline: seconds that a call may take.
        blocking_url: the URL by which threads connect. There is none for a client, nor where Sentinel has to be asked.
    """

    def __init__(self, source: str | Redis, deadline: float, breaker: Breaker) -> None:
        pool = new_pool(source) if isinstance(source, str) else source.connection_pool
        self.address = Address(pool)
        self.deadline = deadline
        self.blocking_url = source if isinstance(source, str) and not needs_sentinel(source) else None
        self._source = source
        self._is_own = isinstance(source, str) or isinstance(pool, SentinelConnectionPool)
        self._breaker = breaker
        self._links: dict[asyncio.AbstractEventLoop, Link] = {}

    def here(self) -> Link:
        """Return the connections of the running event loop.

        Raises:
            RuntimeError: a client was given, and is used on another loop already.
        """
        loop = asyncio.get_running_loop()
        link = self._links.get(loop)
        if link is None:
            self._forget_closed()
            if self._is_own or isinstance(self._source, str):
                link = Link(self.new_pool(), self.deadline, self._breaker, is_own=True)
            elif not self._links:
                link = Link(self._source.connection_pool, self.deadline, self._breaker)
            else:
                raise RuntimeError("the client given works on one event loop: give RedisStore a URL to use several")
            self._links[loop] = link
        return link

    def _forget_closed(self) -> None:
        for closed in [loop for loop in self._links if loop.is_closed()]:
            del self._links[closed]

    def own(self) -> Link:
        """Return new connections, for the loop that runs now. The failures of requests are none of theirs."""
        return Link(self.new_pool(), self.deadline, Breaker(), is_own=True)

    def new_pool(self) -> ConnectionPool:
        """Return a new pool of connections, of whichever kind was given."""
        return new_pool(self._source) if isinstance(self._source, str) else pool_like(self._source.connection_pool)

    async def close(self) -> None:
        """Close the connections of the running event loop, but not those of a client that was given."""
        link = self._links.pop(asyncio.get_running_loop(), None)
        if link is not None and self._is_own:
            await link.close()
