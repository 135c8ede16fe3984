"""The address of a Redis cluster: a client of redis-py from a URL, or like another one."""

from __future__ import annotations

import inspect
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from redis.asyncio import ConnectionPool, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import SSLConnection
from redis.exceptions import RedisClusterException, RedisError
from redis.maint_notifications import MaintNotificationsConfig

from accelerator.stores.redis.address import ENCODE, UNREADABLE, Address, new_pool, not_taken, ours
from accelerator.stores.redis.sentinel import host_and_port

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from urllib.parse import SplitResult

NODE_SECONDS: Final = 0.2
"""Seconds that a node has to say who has which keys, at most: others are asked after it."""

_OF_CLIENTS: Final[dict[str, Any]] = {
    "require_full_coverage": False,  # where some nodes are away the others go on
    "decode_responses": False,
    "maint_notifications_config": MaintNotificationsConfig(enabled=False),
}
_TAKEN: Final = frozenset(inspect.signature(RedisCluster.__init__).parameters) - {"self", "retry", *_OF_CLIENTS}
"""The settings of a client that another one has as well."""


class ClusterAddress:
    """Where a cluster is.

    Args:
        source: a URL that names one or several nodes, `redis+cluster://` or `rediss+cluster://`; or a client, of which
            only the settings are used.
        deadline: seconds that a call may take: a node has no longer to say who has which keys.

    Raises:
        ValueError: see `new_pool`.

    Attributes:
        text: the same without secrets.
    """

    def __init__(self, source: str | RedisCluster, deadline: float) -> None:
        self._source = source
        self._told: tuple[tuple[str, int], ...] = ()
        within = min(deadline, NODE_SECONDS)
        self._within = _OF_CLIENTS | {"socket_timeout": within, "socket_connect_timeout": within}
        client = self.client()
        self.text = Address(pool_to(client.startup_nodes[0]), _named(client.startup_nodes))

    def remember(self, nodes: Iterable[ClusterNode]) -> None:
        """Remember nodes that the cluster has: those that are named may be away when the next client is made."""
        self._told = tuple((node.host, int(node.port)) for node in nodes)

    def client(self) -> RedisCluster:
        """Return a new client, for the event loop that runs now."""
        told = [ClusterNode(*place) for place in self._told]
        if isinstance(self._source, str):
            return self._by_url(self._source, told)
        settings = self._source.connection_kwargs
        taken = {name: settings[name] for name in settings.keys() & _TAKEN}
        nodes = [ClusterNode(node.host, node.port) for node in self._source.startup_nodes]
        is_secure = issubclass(settings["connection_class"], SSLConnection)
        return RedisCluster(startup_nodes=nodes + told, ssl=is_secure, **taken | self._within)

    def _by_url(self, url: str, told: list[ClusterNode]) -> RedisCluster:
        parts = _parts_of(url)
        nodes = [*_nodes_in(parts), *told]
        first = _of_first_node(parts)
        new_pool(first)  # it says what is wrong with the rest of the URL
        with suppress(TypeError, ValueError, RedisError, RedisClusterException):  # their messages may quote secrets
            return RedisCluster.from_url(first, startup_nodes=nodes, **self._within)
        raise ValueError(not_taken(parts, "for a cluster"))


def names_a_cluster(url: str) -> bool:
    """Tell whether a URL names a cluster."""
    return url.partition(":")[0].lower() in {"redis+cluster", "rediss+cluster"}


def pool_to(node: ClusterNode) -> ConnectionPool:
    """Return a pool of connections to a node."""
    options = node.connection_kwargs | ours() | {"socket_connect_timeout": None}
    return ConnectionPool(node.connection_class, **options)


def _named(nodes: Iterable[ClusterNode]) -> str:
    return f"the cluster of {', '.join(dict.fromkeys(host_and_port(node.host, int(node.port)) for node in nodes))}"


def _parts_of(url: str) -> SplitResult:
    with suppress(ValueError):  # its message may quote the password
        return urlsplit(url)
    raise ValueError(UNREADABLE)


def _of_first_node(parts: SplitResult) -> str:
    """Return the URL of the first node in that of a cluster."""
    login, at, ends = parts.netloc.rpartition("@")
    return parts._replace(scheme=parts.scheme.removesuffix("+cluster"), netloc=login + at + ends.split(",")[0]).geturl()


def _nodes_in(parts: SplitResult) -> Iterator[ClusterNode]:
    if parts.path.strip("/") not in {"", "0"}:
        raise ValueError(f"a cluster has no database but 0, so its URL ends with the hosts, or with /0; {ENCODE}")
    for end in parts.netloc.rpartition("@")[2].split(","):
        with suppress(OSError, ValueError):
            node = urlsplit(f"//{end}")
            if node.hostname:
                yield ClusterNode(node.hostname, node.port or 6379)
                continue
        raise ValueError(f"the URL of a cluster names nodes as host:port, with commas between them; {ENCODE}")
