"""Primaries that Sentinels watch, for the tests, which also do what is only fit for those."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from benchmarks.deployments.sentinels import SERVICE, Watched

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from accelerator.demo.redis_server import RedisServer

__all__ = ["SERVICE", "Watched", "cut_off", "kept_as_primary", "succeeds"]

PATIENCE = 30.0


async def succeeds(call: Callable[[], Awaitable[Any]]) -> Any:
    """What a call returns when it has no failure any more: a failover takes its time."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await call()
            except (RedisError, OSError, TimeoutError):
                await asyncio.sleep(0.01)


def cut_off(watched: Watched) -> None:
    """Let the replica hear no more of the primary, which whoever is connected to it goes on to use."""
    with watched.client(watched.primary) as admin:
        admin.config_set("requirepass", "unknown to the replica")
        admin.execute_command("CLIENT", "KILL", "TYPE", "replica")


def kept_as_primary(server: RedisServer) -> None:
    """Let a server that is not started yet take nobody for its primary: after a failover it goes on as one itself."""
    server.options += ("--rename-command", "SLAVEOF", "", "--rename-command", "REPLICAOF", "")
