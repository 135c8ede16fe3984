"""The engine's world without a loop: its coroutines are driven by hand, in the thread that a request has."""

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
"""Threads at the same time for work beside the requests; past that, a request does such work itself."""


@types.coroutine
def outside(work: Callable[[], T]) -> Generator[Callable[[], T], T, T]:
    """Have the driver call `work`, in the context of its thread, and return what it returns or raises."""
    return (yield work)


@types.coroutine
def pause() -> Generator[None, None, None]:
    """Give the driver the word, until it resumes."""
    yield


class Driven:
    """A coroutine driven by hand.

    It runs in a context of its own: a server may go on with another request in the same thread, or with this one in
    another, while it pauses, and what it has set (who listens to `cache_for`) must neither meet the other nor be
    missing. What it calls `outside` runs in the thread's own context, as if there were no coroutine.

    Args:
        work: the coroutine.
        deadline: when to raise `TimeoutError` in it, between two of its calls `outside`; a thread cannot be stopped.
    """

    __slots__ = ("_deadline", "_run", "_work")

    def __init__(self, work: Coroutine[Any, Any, None], deadline: float | None = None) -> None:
        self._work: Coroutine[Any, Any, None] | None = work
        self._run = copy_context().run
        self._deadline = deadline

    def resume(self) -> bool:
        """Drive it to its next pause, if it has not ended; return whether it pauses."""
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
        """End it in its own context: where it is dropped, another request may be under way."""
        if self._work is not None:
            self._run(self._work.close)

    def _step(self, work: Coroutine[Any, Any, None], wanted: Callable[[], object]) -> Any:
        """Make a call for it, and drive it to the next one."""
        if self._deadline is not None and monotonic() > self._deadline:
            self._deadline = None  # what it does to clean up is not kept from it
            return self._run(work.throw, TimeoutError(TOO_LONG))
        try:
            result = wanted()
        except BaseException as error:  # noqa: BLE001 - it is raised where the coroutine called
            return self._run(work.throw, error)
        return self._run(work.send, result)


class ThreadSignal:
    """A signal between threads. Waiting for it blocks the thread."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """Let it happen."""
        self._event.set()

    async def wait(self, seconds: float) -> float:
        """Wait until it has happened, but no longer than `seconds`; return the seconds that are left, 0 if none."""
        deadline = monotonic() + seconds
        self._event.wait(seconds)
        return max(0.0, deadline - monotonic())


class ThreadRuntime:
    """A process of threads."""

    def __init__(self) -> None:
        self._free = threading.Semaphore(MAX_THREADS)

    def signal(self) -> Signal:
        """Return a new signal."""
        return ThreadSignal()

    def spawn(self, name: str, limit: float, work: Callable[..., Coroutine[Any, Any, None]], *arguments: Any) -> None:
        """Start `work(*arguments)` in a daemon thread, or do it here and now if there are too many of them."""

        def run() -> None:
            try:
                Driven(work(*arguments), monotonic() + limit).resume()
            except Exception as error:  # noqa: BLE001 - whatever an application raises
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
        except RuntimeError:  # the system gives no more threads
            run_beside()
