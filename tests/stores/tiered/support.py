"""What the tests of TieredStore share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import anyio

from accelerator.stores.redis.keys import Keys
from accelerator.stores.redis.orders import KEEP_META
from accelerator.stores.redis.scripts import BEAT, EXPEL
from accelerator.stores.redis.server import ASK_IDENTITY, identity_in
from accelerator.stores.tiered import TieredStore
from accelerator.testing import make_request

if TYPE_CHECKING:
    from accelerator.demo.redis_server import RedisServer

OpenTiered: TypeAlias = Callable[..., TieredStore]

PATIENCE = 30.0


async def become(is_so: Callable[[], object]) -> None:
    """Return when this is so; what it is about tells nobody."""
    async with asyncio.timeout(PATIENCE):
        while not is_so():  # noqa: ASYNC110 - there is no event
            await anyio.sleep(0.002)


def settle(server: RedisServer, prefix: str) -> None:
    """Begin an incarnation of messages, and settle it."""
    near = Keys(prefix.encode()).near
    with server.client() as admin:
        identity = identity_in(admin.execute_command(*ASK_IDENTITY, NEVER_DECODE=True))
        first = [f"{'0' * 16}", identity, KEEP_META]
        incarnation, *_ = admin.eval(BEAT.text, 1, near, *first, "f:nobody", "")
        assert admin.eval(EXPEL.text, 1, near, *first, incarnation, 1) == 1
        admin.hdel(near, "f:nobody")


def followers(server: RedisServer, prefix: str) -> set[bytes]:
    """Who is waited for."""
    with server.client() as admin:
        fields: dict[bytes, bytes] = admin.hgetall(Keys(prefix.encode()).near)
        return {name for name in fields if name.startswith(b"f:")}


async def following(*stores: TieredStore) -> None:
    """Return when all follow."""
    for store in stores:
        await store.lookup(make_request("https://example.org/nothing"))
    await become(lambda: all(store._page.is_good for store in stores))
