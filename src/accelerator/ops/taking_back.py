"""Takes back what an operator names. Once begun it runs to its end, and the log says who wanted it."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio

from accelerator.engine.runtime import AnyioRuntime
from accelerator.ops.answers import json_answer
from accelerator.stores.protocol import InvalidationError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from starlette.responses import Response

    from accelerator.ops.operated import Operated
    from accelerator.ops.orders import Order

logger = logging.getLogger("accelerator.ops")

LIMIT_SECONDS: Final = 600.0
"""How long taking back may last."""

AT_ONCE: Final = 20
"""How many invalidations of one order run at once: each may wait for a server."""

SHOWN_NAMES: Final = 20
"""How many of the names that are taken back a line of the log has."""


class TakingBack:
    """The taking back of what one order names.

    Args:
        operated: what takes it back.
        order: what is taken back.
        who: who wants it.
    """

    def __init__(self, operated: Operated, order: Order, who: str) -> None:
        self._operated = operated
        self._order = order
        self._who = who
        self._repeated: list[str] = []
        self._failed: list[str] = []
        self._is_complete = False
        self._is_over = anyio.Event()

    async def run(self) -> Response:
        """Take it back, and return the answer that says how that went. It goes on if who waits for it is cancelled."""
        logger.info("taken back by %.200r: %s", self._who, _shown(self._order))
        AnyioRuntime().spawn("taking back", LIMIT_SECONDS, self._work)
        await self._is_over.wait()
        if self._failed or not self._is_complete:
            reason = self._failed[0] if self._failed else f"it took more than {LIMIT_SECONDS:.0f} s"
            return json_answer({"done": False, "error": f"not all is taken back, send it again: {reason}"}, 500)
        if self._repeated:
            return json_answer({"done": False, "reason": self._repeated[0]}, 202)
        return json_answer({"done": True})

    async def _work(self) -> None:
        limiter = anyio.CapacityLimiter(AT_ONCE)
        try:
            async with anyio.create_task_group() as tasks:
                for step in self._steps():
                    tasks.start_soon(self._take, step, limiter)
            self._is_complete = True
        finally:
            self._is_over.set()

    def _steps(self) -> Iterator[Callable[[], Awaitable[None]]]:
        operated, order = self._operated, self._order
        if order.everything:
            yield operated.clear
        if order.tags:
            yield partial(operated.invalidate_tag, order.tags, soft=order.soft)
        for url in order.urls:
            yield partial(operated.invalidate_url, url, soft=order.soft)

    async def _take(self, step: Callable[[], Awaitable[None]], limiter: anyio.CapacityLimiter) -> None:
        """Take one step. What it raises does not keep the others back."""
        async with limiter:
            try:
                await step()
            except InvalidationError as error:
                logger.warning("not taken back everywhere yet, for %.200r: %.500r", self._who, error)
                self._repeated.append(str(error))
            except Exception as error:  # a store may raise anything
                logger.exception("what %.200r wanted to be taken back is not, and is not repeated", self._who)
                self._failed.append(f"the store raised {type(error).__name__}, see the log")


def _shown(order: Order) -> str:
    """Return what is taken back as text for one line of the log, in which nothing of a name can be mistaken."""
    names = [f"tag {tag!r:.200}" for tag in order.tags[:SHOWN_NAMES]]
    names += [f"URL {url!r:.200}" for url in order.urls[: SHOWN_NAMES - len(names)]]
    left = len(order.tags) + len(order.urls) - len(names)
    text = ", ".join(names) + (f" and {left} more" if left else "") or "everything"
    return f"{text} (soft)" if order.soft else text
