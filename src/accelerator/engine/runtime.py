"""What the engine needs of its environment: to wait for a signal, and to run work beside a request."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final, Protocol

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

logger = logging.getLogger("accelerator")
_running: Final[set[asyncio.Task[None]]] = set()  # the event loop itself has only weak references to tasks
TOO_LONG: Final = "it took too long"


def log_failure(name: str, error: Exception) -> None:
    """Log in one line why work beside a request failed, and its traceback at level DEBUG.

    Args:
        name: the name of the work.
        error: what it raised.
    """
    logger.error("%s failed (it runs after its request, when outer middlewares have closed theirs): %r", name, error)
    logger.debug("where %s failed", name, exc_info=error)


class Signal(Protocol):
    """An event that happens once, and that many can wait for."""

    def set(self) -> None:
        """Set the signal, and wake all that wait for it."""
        ...

    async def wait(self, seconds: float) -> float:
        """Wait until it is set, for at most `seconds`; return the seconds that are left, 0 if the time is over."""
        ...


class Runtime(Protocol):
    """The environment that an engine runs in: an event loop, or threads."""

    def signal(self) -> Signal:
        """Return a new signal."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for a number of seconds."""
        ...

    def spawn(self, name: str, limit: float, work: Callable[..., Coroutine[Any, Any, None]], *arguments: Any) -> None:
        """Run `work(*arguments)` beside the current request. An exception in it is logged, since nobody awaits it.

        Args:
            name: its name in logs and debuggers.
            limit: seconds after which it is stopped.
            work: an async function.
            arguments: its arguments.
        """
        ...


class AnyioSignal:
    """A signal on an event loop, which is set in the thread of that loop."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    def set(self) -> None:
        """Set the signal, and wake all that wait for it."""
        self._event.set()

    async def wait(self, seconds: float) -> float:
        """Wait until it is set, for at most `seconds`; return the seconds that are left, 0 if the time is over."""
        deadline = anyio.current_time() + seconds
        with anyio.move_on_at(deadline):
            await self._event.wait()
        return max(0.0, deadline - anyio.current_time())


class AnyioRuntime:
    """An event loop of asyncio or trio."""

    def signal(self) -> Signal:
        """Return a new signal."""
        return AnyioSignal()

    async def sleep(self, seconds: float) -> None:
        """Wait for a number of seconds."""
        await anyio.sleep(seconds)

    def spawn(self, name: str, limit: float, work: Callable[..., Coroutine[Any, Any, None]], *arguments: Any) -> None:
        """Run `work(*arguments)` as an asyncio task, or as a trio system task."""

        async def run() -> None:
            try:
                with anyio.move_on_after(limit) as scope:
                    await work(*arguments)
            except Exception as error:  # noqa: BLE001 - an application may raise anything
                log_failure(name, error)
            else:
                if scope.cancelled_caught:
                    log_failure(name, TimeoutError(TOO_LONG))

        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            _spawn_on_trio(name, run)
        else:
            task = loop.create_task(run(), name=name)
            _running.add(task)
            task.add_done_callback(_running.discard)


def _spawn_on_trio(name: str, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
    import trio  # not a dependency: it is installed if it runs this

    async def contained() -> None:
        try:
            await run()
        except trio.Cancelled:
            raise
        except BaseException:  # an exception of a system task would end the program
            logger.exception("%s was ended", name)

    trio.lowlevel.spawn_system_task(contained, name=name)
