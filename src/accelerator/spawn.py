"""Work that outlives the request that caused it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

logger = logging.getLogger("accelerator")

_running: Final[set[asyncio.Task[None]]] = set()  # the loop itself holds its tasks only weakly


def spawn(name: str, limit: float, work: Callable[..., Awaitable[None]], *arguments: Any) -> None:
    """Start `work(*arguments)` beside the running request, on asyncio or trio.

    An exception in it is logged, since nobody waits for it.

    Args:
        name: what it is called in logs and debuggers.
        limit: seconds after which it is ended.
        work: an async function.
        arguments: its arguments.
    """

    async def run() -> None:
        try:
            with anyio.fail_after(limit):
                await work(*arguments)
        except Exception:
            logger.exception("%s failed", name)

    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        import trio  # not a dependency: it is there if it runs this

        trio.lowlevel.spawn_system_task(run, name=name)
    else:
        task = loop.create_task(run(), name=name)
        _running.add(task)
        task.add_done_callback(_running.discard)
