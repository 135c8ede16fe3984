"""Run the engine's coroutines without an event loop, each in the thread of its request."""

from __future__ import annotations

import threading
import types
from contextvars import copy_context
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeVar

from accelerator.engine.runtime import TOO_LONG, log_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

    from accelerator.engine.runtime import Signal

T = TypeVar("T")

MAX_THREADS: Final = 32
"""Number of threads for work beside requests. If all are busy, a request does such work itself."""


@types.coroutine
def outside(work: Callable[[], T]) -> Generator[Callable[[], T], T, T]:
    """Suspend until the driver has called `work` in the context of its thread; return or raise what `work` does."""
    return (yield work)


@types.coroutine
def pause() -> Generator[None, None, None]:
    """Suspend this coroutine until its driver resumes it."""
    yield


class Driven:
    """A coroutine that is run step by step, without an event loop.

    It has a context of its own. While it pauses, the server may handle another request in the same thread, or continue
    this one in another thread: the context variables of the coroutine, such as the notes of `cache_for`, must not be
    seen by the other request, and must not be lost. What it calls by `outside` runs in the context of the thread, as if
    there were no coroutine.

    Args:
        work: the coroutine.
        deadline: the value of `time.monotonic` after which `TimeoutError` is raised in the coroutine, at its next call
            of `outside`: a thread itself cannot be stopped.
    """

    __slots__ = ("_deadline", "_run", "_work")

    def __init__(self, work: Coroutine[Any, Any, None], deadline: float | None = None) -> None:
        self._work: Coroutine[Any, Any, None] | None = work
        self._run = copy_context().run
        self._deadline = deadline

    def resume(self) -> bool:
        """Run it to its next pause; return whether it pauses, False if it has ended."""
        work, self._work = self._work, None
        if work is None:
            return False
        try:
            wanted = self._run(work.send, None)
            while wanted is not None:
                wanted = self._step(work, wanted)
        except StopIteration:
            return False
        self._work = work
        return True

    def __del__(self) -> None:
        """Close the coroutine in its own context, because another request may run where it is dropped."""
        if self._work is not None:
            self._run(self._work.close)

    def _step(self, work: Coroutine[Any, Any, None], wanted: Callable[[], object]) -> Any:
        """Make a call for the coroutine, run it to its next call, and return that."""
        if self._deadline is not None and monotonic() > self._deadline:
            self._deadline = None  # its cleanup may call `outside` again
            return self._run(work.throw, TimeoutError(TOO_LONG))
        try:
            result = wanted()
        except BaseException as error:  # noqa: BLE001 - it is raised in the coroutine
            return self._run(work.throw, error)
        return self._run(work.send, result)


class ThreadSignal:
    """A signal between threads. To wait for it blocks the thread."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """Set the signal, and wake all that wait for it."""
        self._event.set()

    async def wait(self, seconds: float) -> float:
        """Wait until it is set, for at most `seconds`; return the seconds that are left, 0 if the time is over."""
        deadline = monotonic() + seconds
        self._event.wait(seconds)
        return max(0.0, deadline - monotonic())


class ThreadRuntime:
    """The environment of an engine without an event loop: each request has a thread."""

    def __init__(self) -> None:
        self._free = threading.Semaphore(MAX_THREADS)

    def signal(self) -> Signal:
        """Return a new signal."""
        return ThreadSignal()

    async def sleep(self, seconds: float) -> None:
        """Block the thread for a number of seconds."""
        threading.Event().wait(seconds)

    def spawn(self, name: str, limit: float, work: Callable[..., Coroutine[Any, Any, None]], *arguments: Any) -> None:
        """Run `work(*arguments)` in a daemon thread, or at once in this one if too many threads run."""

        def run() -> None:
            try:
                Driven(work(*arguments), monotonic() + limit).resume()
            except Exception as error:  # noqa: BLE001 - an application may raise anything
                log_failure(name, error)

        def run_beside() -> None:
            try:
                run()
            finally:
                self._free.release()

        if not self._free.acquire(blocking=False):
            run()
            return
        try:
            threading.Thread(target=run_beside, name=name, daemon=True).start()
        except RuntimeError:  # the system cannot start another thread
            run_beside()
