"""Invalidations on a Redis server: they run to their end, wait for near stores, and are repeated where they failed."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from accelerator.stores.observed import Invalidated, observed
from accelerator.stores.pending import Pending
from accelerator.stores.protocol import InvalidationError
from accelerator.stores.redis.fleet import read_announced, shown
from accelerator.stores.redis.orders import KEEP_META
from accelerator.stores.redis.scripts import EXPEL
from accelerator.stores.redis.server import FAILURES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine, Mapping

    from accelerator.stores.protocol import Store
    from accelerator.stores.redis.fleet import Announced, Heard
    from accelerator.stores.redis.keys import Keys
    from accelerator.stores.redis.links import Links
    from accelerator.stores.redis.mailbox import Mailbox
    from accelerator.stores.redis.orders import Orders

logger = logging.getLogger("accelerator")

REPEATED_AT_ONCE: Final = 500
"""Number of tags in one call that repeats failed invalidations."""

REPEAT_SECONDS: Final = (0.1, 0.3, 1.0, 3.0)
"""Seconds between the repetitions of a failed invalidation; the last pause is used for all that follow."""


class Front(NamedTuple):
    """The near store of this process.

    Attributes:
        near: the store. None of its methods waits.
        is_strict: invalidations wait for the near stores of other processes.
        waited: is told for whom one has waited, and how long: the seconds until each had acknowledged it, if it has.
    """

    near: Store
    is_strict: bool
    waited: Callable[[Announced, Collection[str], Mapping[bytes, float | None]], None]


class Invalidations:
    """The invalidations of one store in this process.

    Args:
        keys: the keys of the store.
        links: its connections.
        orders: its orders of positions.
        mailbox: where acknowledgements are told.

    Attributes:
        pending: those that failed.
        invalidated: what was taken back in this process.
    """

    def __init__(self, keys: Keys, links: Links, orders: Orders, mailbox: Mailbox) -> None:
        self.pending = Pending()
        self.invalidated = Invalidated()
        self._front: Front | None = None
        self._keys = keys
        self._links = links
        self._orders = orders
        self._running: set[asyncio.Task[None]] = set()
        self._repeater: asyncio.Task[None] | None = None
        self._mailbox = mailbox

    def stand_behind(self, front: Front) -> None:
        """Note that this process has a near store."""
        self._front = front

    async def invalidate(self, tags: Collection[str], *, soft: bool) -> None:
        """Set the position of each tag, and wait until that holds in all near stores. Cancelling does not stop it.

        Raises:
            InvalidationError: it is not known to hold. It is kept, holds in this process, and is repeated.
        """
        await asyncio.shield(self._begin(self._invalidate(list(tags), soft=soft)))

    async def aclose(self) -> None:
        """Wait for what runs on this event loop. What failed is repeated only when the store is used again."""
        loop = asyncio.get_running_loop()
        if ours := [work for work in self._running if work.get_loop() is loop]:
            await asyncio.wait(ours)
        if self._repeater is not None and self._repeater.get_loop() is loop:
            self._repeater.cancel()

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, work: asyncio.Task[None]) -> None:
        self._running.discard(work)
        if not work.cancelled():
            work.exception()  # a cancelled caller does not retrieve it, and asyncio would log that

    @observed
    async def _invalidate(self, tags: Collection[str], *, soft: bool) -> None:
        await self._apply_here(tags, soft)
        with self._mailbox.acknowledgements.heard() as heard:
            try:
                announced = await self._announce(tags, soft)
                if announced.followers and not self._mailbox.subscription.is_confirmed and await self._subscribe():
                    announced = await self._announce(tags, soft)  # what was acknowledged before came to nobody
            except FAILURES as error:
                failure = self._links.address.without_secrets(error, self._links.deadline)
                await self._keep(tags, soft)
                logger.warning("an invalidation failed and will be repeated: %s", failure)
                raise InvalidationError(
                    f"not known to be taken back: {failure}; this process acts as if it were, and goes on trying"
                ) from failure
            if self._front is None or self._front.is_strict:
                await self._wait(announced, heard, tags)

    async def _announce(self, tags: Collection[str], soft: bool) -> Announced:
        """Set the positions, tell the followers, and then do the same in the near store of this process."""
        reply = await self._orders.invalidate(self._links.here(), tags, soft=soft, origin=self._mailbox.origin)
        announced = read_announced(reply)
        await self._apply_here(tags, soft)  # a far read from before it may have been stored since the call began
        return announced

    async def _apply_here(self, tags: Collection[str], soft: bool) -> None:
        """Do the same in the near store. Where that fails it holds in this process, and its follower is waited for."""
        if self._front is not None:
            with suppress(InvalidationError):
                await self._front.near.invalidate(tags, soft=soft)

    # --- near stores of other processes -------------------------------------------------------------------------------

    async def _subscribe(self) -> bool:
        """Begin to listen to acknowledgements. Return whether that was done in time."""
        self._mailbox.subscription.start()
        return await self._mailbox.subscription.confirmed(self._links.deadline)

    async def _wait(self, announced: Announced, heard: Heard, tags: Collection[str]) -> None:
        """Wait until an invalidation holds in all near stores, and take out those that did not say so in time."""
        said = await heard.wait(announced)
        silent = [follower for follower, seconds in said.items() if seconds is None]
        if self._front is not None:
            self._front.waited(announced, tags, said)
        if silent:
            names = ", ".join(map(shown, silent))
            logger.warning(
                "%d of %d near stores did not acknowledge an invalidation: %s", len(silent), len(said), names
            )
        if announced.settled and silent and len(silent) == len(announced.followers):
            await self._mailbox.subscription.renew()  # none of them was heard
        if silent or not announced.settled:
            with suppress(*FAILURES):  # who invalidates next waits as long, and tries again
                await self._expel(announced, silent)

    async def _expel(self, announced: Announced, silent: list[bytes]) -> None:
        """Take out followers whose leases have run out, unless they have renewed them since: then the number differs.

        Who has waited for the length of a lease in a new incarnation knows that those of before have run out.
        """
        await self._links.here().run(
            EXPEL,
            [self._keys.near],
            [
                KEEP_META,
                announced.incarnation,
                int(not announced.settled),
                *[part for follower in silent for part in (follower, announced.followers[follower])],
            ],
        )

    # --- what failed --------------------------------------------------------------------------------------------------

    async def _keep(self, tags: Collection[str], soft: bool) -> None:
        """Keep an invalidation that failed. It holds in this process."""
        self.pending.add(tags, soft=soft)
        await self._apply_here(tags, soft)
        self.see_to_pending()

    def see_to_pending(self) -> None:
        """Start a task that repeats failed invalidations, if there are any and no such task runs."""
        if self.pending.kept and (self._repeater is None or self._repeater.done()):
            self._repeater = asyncio.get_running_loop().create_task(self._repeat())

    async def _repeat(self) -> None:
        pauses = iter(REPEAT_SECONDS)
        pause = next(pauses)
        while self.pending.kept:
            await asyncio.sleep(pause)
            kept = self.pending.kept
            try:
                for soft in (False, True):
                    tags = [tag for tag, (hard, _) in kept.items() if hard is not soft]
                    for start in range(0, len(tags), REPEATED_AT_ONCE):
                        some = tags[start : start + REPEATED_AT_ONCE]
                        await self._announce(some, soft)
                        self.invalidated.tell(some, soft=soft)  # once more: others have answered from it until now
            except FAILURES:
                pause = next(pauses, pause)
            else:
                self.invalidated.settled(*self.pending.settle(kept))
