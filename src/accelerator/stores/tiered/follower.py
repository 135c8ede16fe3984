"""Following a Redis server for a near store: messages, acknowledgements and heartbeats, on the loop of the thread."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from accelerator.stores.redis import fleet
from accelerator.stores.redis.fleet import Acknowledgement, pack_acknowledgement, read_message
from accelerator.stores.redis.orders import KEEP_META
from accelerator.stores.redis.scripts import BEAT
from accelerator.stores.redis.server import FAILURES
from accelerator.stores.redis.subscription import BrokenSubscriptionError, Subscription
from accelerator.stores.tiered.following import Following, Heartbeat
from accelerator.stores.tiered.page import OwnPage, Page, page_for
from accelerator.stores.tiered.report import Report

if TYPE_CHECKING:
    from collections.abc import Callable

    from accelerator.events import NearEvent
    from accelerator.stores.protocol import Store
    from accelerator.stores.redis.keys import Keys
    from accelerator.stores.redis.link import Connections
    from accelerator.stores.redis.links import Links

BEATS: Final = 4
"""Heartbeats in the length of a lease."""


class Follower:
    """Follows a Redis server for a near store, from its first use in a process on.

    Of all processes that share the near store one follows. When it ends another one goes on from where it was.

    Args:
        near: the near store. None of its methods waits.
        keys: the keys of the far store.
        links: its connections.
        listener: is told what happens to the near store.

    Attributes:
        page: what is known of the near store.
        report: what is reported of it.
    """

    def __init__(
        self, near: Store, keys: Keys, links: Links, listener: Callable[[NearEvent], None] | None = None
    ) -> None:
        self._shared = page_for(near, f"{links.address}, {keys.near!r}")
        self.page = Page(self._shared.memory)
        self.report = Report(self.page, listener)
        self._following = Following(near, self.page, self.report)
        self._keys = keys
        self._links = links
        self._subscription = Subscription(links, keys.near, self._hear, self)
        self._looking: asyncio.Task[None] | None = None
        self._link: Connections  # of `run`, while that runs
        self._heard = asyncio.Event()  # something is to be acknowledged
        self._origins: set[bytes] = set()

    def start(self) -> None:
        """Begin to follow, unless this process does already. It waits for nothing, and any thread may call it."""
        self._subscription.start()

    async def aclose(self) -> None:
        """Follow no longer; the near store is not used until `start` is called again."""
        await self._subscription.stop()

    def forget(self) -> None:
        """Follow no longer, since the near store is gone. It waits for nothing."""
        self._subscription.forget()

    async def begin(self) -> None:
        """Wait until no other process follows for the near store, and look at its lease from then on."""
        while not self._shared.acquire():  # noqa: ASYNC110 - the end of a process tells nobody
            await asyncio.sleep(fleet.LEASE_SECONDS / BEATS)
        self._looking = asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        while True:
            self.report.look_at_lease()
            await asyncio.sleep(fleet.LEASE_SECONDS / BEATS)

    async def run(self) -> None:
        """Send heartbeats and acknowledgements, until the subscription breaks.

        Raises:
            BrokenSubscriptionError: messages do not come, though heartbeats are answered.
        """
        self._link = self._links.own()
        self._heard = asyncio.Event()  # of this loop, which another process has not
        if self._origins:
            self._heard.set()
        name = self._following.subscribed()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._acknowledge(name))
                tasks.create_task(self._beat(name))
        finally:
            await self._link.close()

    async def end(self) -> None:
        """Let another process go on; if none shares the near store, nobody has to wait for it any more."""
        if isinstance(self._shared, OwnPage):
            await self._leave()
        if self._looking is not None:
            self._looking.cancel()
        self.report.stopped()
        self._shared.release()

    async def _leave(self) -> None:
        """Take this follower out of the list."""
        left = self.page.follower
        self.page.leave()
        if left is None:
            return
        link = self._links.own()
        try:
            await link.send(self._keys.near, b"HDEL", self._keys.near, left)
        except FAILURES:
            return  # whoever invalidates waits once for as long as a lease, and takes it out
        finally:
            await link.close()

    def _hear(self, payload: bytes) -> None:
        message = read_message(payload)
        if self._following.message(message):
            self._origins.add(message.origin)
            self._heard.set()

    async def _acknowledge(self, name: bytes) -> None:
        """Tell those who wait that all is applied up to a number. Those of several messages are told together."""
        while True:
            await self._heard.wait()
            self._heard.clear()
            origins, self._origins = self._origins, set()
            incarnation = self.page.incarnation
            if incarnation is None:
                continue
            said = pack_acknowledgement(Acknowledgement(name, incarnation, self.page.applied))
            try:
                for origin in origins:
                    await self._link.send(self._keys.near, b"PUBLISH", b"%s:%s" % (self._keys.near, origin), said)
            except FAILURES:
                self._origins |= origins  # they are told when the subscription is made anew
                raise

    async def _beat(self, name: bytes) -> None:
        """Send heartbeats, one at a time. A server that fails now and then costs a lease at most."""
        while True:
            try:
                is_broken = await self._send_heartbeat(name)
            except FAILURES as error:
                is_broken = False
                self.report.heartbeat_failed(self._links.address.without_secrets(error, self._links.deadline))
            if is_broken:
                raise BrokenSubscriptionError("messages have not come")
            await asyncio.sleep(fleet.LEASE_SECONDS / BEATS)

    async def _send_heartbeat(self, name: bytes) -> bool:
        sent = fleet.clock()
        reply = await self._link.run(BEAT, [self._keys.near], [KEEP_META, name, self._following.to_settle()])
        return self._following.heartbeat(name, sent, Heartbeat(reply[0], reply[1], bool(reply[2])))
