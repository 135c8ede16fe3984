"""What the engine needs of the world it runs in: to wait for a signal, and to start work beside a request."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final, Protocol

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

logger = logging.getLogger("accelerator")
_running: Final[set[asyncio.Task[None]]] = set()  # the loop itself holds its tasks only weakly
TOO_LONG: Final = "it took too long"


def log_failure(name: str, error: Exception) -> None:
    """Say in one line why work beside a request failed; its traceback is for who asks for it.

    Args:
        name: what the work is called.
        error: what it raised.
    """
    logger.error("%s failed (it runs after its request, when outer middlewares have closed theirs): %r", name, error)
    logger.debug("where %s failed", name, exc_info=error)


class Signal(Protocol):
    """Something that happens once, and that many can wait for."""

    def set(self) -> None:
        """Let it happen."""
        ...

    async def wait(self, seconds: float) -> float:
        """Wait until it has happened, but no longer than `seconds`; return the seconds that are left, 0 if none."""
        ...


class Runtime(Protocol):
    """The world that an engine runs in."""

    def signal(self) -> Signal:
        """Return a new signal."""
        ...

    def spawn(self, name: str, limit: float, work: Callable[..., Coroutine[Any, Any, None]], *arguments: Any) -> None:
        """Start `work(*arguments)` beside the running request. An exception in it is logged, since nobody waits.

        Args:
            name: what it is called in logs and debuggers.
            limit: seconds after which it is ended.
            work: an async function.
            arguments: its arguments.
        """
        ...


class AnyioSignal:
    """A signal on an event loop. It is set in the loop's thread."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    def set(self) -> None:
        """Let it happen."""
        self._event.set()

    async def wait(self, seconds: float) -> float:
        """Wait until it has happened, but no longer than `seconds`; return the seconds that are left, 0 if none."""
        deadline = anyio.current_time() + seconds
        with anyio.move_on_at(deadline):
            await self._event.wait()
        return max(0.0, deadline - anyio.current_time())


class AnyioRuntime:
    """An event loop of asyncio or trio."""

    def signal(self) -> Signal:
        """Return a new signal."""
        return AnyioSignal()

    def spawn(self, name: str, limit: float, work: Callable[..., Coroutine[Any, Any, None]], *arguments: Any) -> None:
        """Start `work(*arguments)` as an asyncio task or a trio system task."""

        async def run() -> None:
            try:
                with anyio.move_on_after(limit) as scope:
                    await work(*arguments)
            except Exception as error:  # noqa: BLE001 - whatever an application raises
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
    import trio  # not a dependency: it is there if it runs this

    async def contained() -> None:
        try:
            await run()
        except trio.Cancelled:
            raise
        except BaseException:  # whatever a system task raises ends the whole program
            logger.exception("%s was ended", name)

    trio.lowlevel.spawn_system_task(contained, name=name)
