"""Messages from a Redis server, on the loop that this process keeps in a thread: no loop of an application can stop it.

The subscription is begun by the first who needs it, and anew after a fork. Where it breaks it is made again, and who
hears is told, since messages may have been missed.
"""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import TYPE_CHECKING, Final, Protocol

from redis.asyncio.client import PubSub
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

from accelerator.stores.loop_thread import loop_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from accelerator.stores.redis.links import Links

logger = logging.getLogger("accelerator")

CONNECT_SECONDS: Final = 2.0
"""Seconds in which a server has to confirm a subscription."""

MAX_PAUSE: Final = 2.0
"""Seconds between two attempts to connect, at most."""

FIRST_PAUSE: Final = 0.05
"""Seconds before the second attempt, in about; it doubles with each that follows."""

QUIET_SECONDS: Final = 60.0
"""Seconds without a failure after which the next one is another outage."""


_LISTENING: Final[set[asyncio.Task[None]]] = set()
"""The tasks that listen: a loop holds its tasks only weakly."""


class BrokenSubscriptionError(RedisConnectionError):
    """A subscription has to be made anew: what it should have heard has not come."""


class Meanwhile(Protocol):
    """What is done beside a subscription, on the same loop."""

    async def begin(self) -> None:
        """Return when the subscription may be made."""
        ...

    async def run(self) -> None:
        """Do it, from when the server has confirmed the subscription until it breaks.

        Raises:
            BrokenSubscriptionError: the subscription is to be made anew.
        """
        ...

    async def end(self) -> None:
        """Do what is left to do when nobody listens any more."""
        ...


class Subscription:
    """Hears what is published on one channel.

    Args:
        links: connections to the server.
        channel: the channel.
        hear: takes a message. It is called on the loop of the thread, as all that follows.
        meanwhile: what else to do.
    """

    def __init__(
        self,
        links: Links,
        channel: bytes,
        hear: Callable[[bytes], None],
        meanwhile: Meanwhile | None = None,
    ) -> None:
        self._links = links
        self._channel = channel
        self._hear = hear
        self._meanwhile = meanwhile
        self._started_by = 0  # a process
        self._is_confirmed = asyncio.Event()
        self._failures = 0  # since messages came last
        self._failed_at = float("-inf")
        self._loop: asyncio.AbstractEventLoop | None = None  # of the thread, and only that looks at what follows
        self._turn = asyncio.Lock()
        self._listening: asyncio.Task[None] | None = None

    @property
    def is_confirmed(self) -> bool:
        """Whether the server says that messages come, and nothing has shown that they do not."""
        return self._started_by == os.getpid() and self._is_confirmed.is_set()

    def start(self) -> None:
        """Begin to listen, unless this process does already. It waits for nothing, and any thread may call it."""
        if self._started_by != os.getpid():
            self._started_by = os.getpid()
            self._is_confirmed = asyncio.Event()
            loop_thread.begin(self._start())

    async def confirmed(self, seconds: float) -> bool:
        """Wait until the server has confirmed it, for so long at most. Return whether it has."""
        return await asyncio.wrap_future(loop_thread.begin(self._wait(seconds)))

    async def _wait(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._is_confirmed.wait(), seconds)
        return self._is_confirmed.is_set()

    async def stop(self) -> None:
        """End it, if this process has begun it, and return when it has ended. It may be started again."""
        if self._started_by == os.getpid():
            self._started_by = 0
            await asyncio.wrap_future(loop_thread.begin(self._stop()))

    def forget(self) -> None:
        """End it without waiting, since who has used it is gone. The collector of garbage may call it in any thread."""
        loop, listening = self._loop, self._listening
        if self._started_by == os.getpid() and loop is not None and listening is not None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(listening.cancel)

    async def renew(self) -> None:
        """Make it anew: what should have come has not, so nothing may come any more."""
        if self._started_by == os.getpid():
            await asyncio.wrap_future(loop_thread.begin(self._renew()))

    async def _renew(self) -> None:
        await self._stop()
        await self._start()

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:  # the one before is of the process before a fork
            self._loop, self._turn, self._listening = loop, asyncio.Lock(), None
        if self._listening is None:
            self._listening = loop.create_task(self._listen())
            _LISTENING.add(self._listening)
            self._listening.add_done_callback(_LISTENING.discard)

    async def _stop(self) -> None:
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.cancel()
            await asyncio.wait([listening])

    async def _listen(self) -> None:
        """Listen until this is cancelled, also by the end of the process."""
        async with self._turn:  # one that was stopped may not have ended yet
            try:
                if self._meanwhile is not None:
                    await self._meanwhile.begin()
                await self._listen_again_and_again()
            finally:
                if self._meanwhile is not None:
                    await self._meanwhile.end()

    async def _listen_again_and_again(self) -> None:
        pause = ExponentialWithJitterBackoff(MAX_PAUSE, FIRST_PAUSE)
        self._failures = 0
        while True:
            try:
                async with self._confirmed() as messages:
                    await self._hear_all(messages)
            except* Exception as failed:  # noqa: BLE001 - whatever it is, such as a message that cannot be read
                self._report(_first_of(failed))
            _pass_on_cancellation()
            self._failures += 1
            await asyncio.sleep(pause.compute(self._failures))

    def _report(self, error: Exception) -> None:
        """Log an outage once, also where a subscription is broken each time it is made."""
        was_quiet = monotonic() - self._failed_at > QUIET_SECONDS
        self._failed_at = monotonic()
        if was_quiet:
            told = self._links.address.without_secrets(error, CONNECT_SECONDS)
            logger.warning("no messages of other processes, until they come again: %s", told)

    @asynccontextmanager
    async def _confirmed(self) -> AsyncIterator[PubSub]:
        async with asyncio.timeout(CONNECT_SECONDS):
            pool = await self._links.new_pool(self._channel)
        messages = PubSub(pool, ignore_subscribe_messages=True)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await messages.subscribe(self._channel)
                await messages.get_message(timeout=None)  # the confirmation
            self._is_confirmed.set()
            self._failures = 0
            yield messages
        finally:
            self._is_confirmed.clear()
            await messages.aclose()  # type: ignore[no-untyped-call]  # redis-py does not annotate it
            await messages.connection_pool.disconnect()

    async def _hear_all(self, messages: PubSub) -> None:
        async with asyncio.TaskGroup() as tasks:
            if self._meanwhile is not None:
                tasks.create_task(self._meanwhile.run())
            async for message in messages.listen():
                self._hear(message["data"])


def _pass_on_cancellation() -> None:
    """Raise if this task was cancelled: before Python 3.13 a group that fails at the same moment does not."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():  # pragma: no cover - from Python 3.13 on the group has raised it
        raise asyncio.CancelledError


def _first_of(failed: ExceptionGroup[Exception]) -> Exception:
    """Return the first error in a group, of groups it may be."""
    first = failed.exceptions[0]
    return _first_of(first) if isinstance(first, ExceptionGroup) else first
