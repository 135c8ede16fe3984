"""One event loop in a thread of its own, for sync code that calls async methods of a store that waits for I/O."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")

EXIT_SECONDS: Final = 5.0
"""Seconds that the end of the process waits until the tasks of the loop are cancelled."""


class LoopThread:
    """A daemon thread with an event loop, started by the first call, and by the first call after a fork."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start without a thread: after a fork the old one does not exist, and its lock may have been held."""
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop, and wait for its result. It goes on if the waiting thread is interrupted.

        Raises:
            RuntimeError: this is the thread of the loop, which would wait for itself.
        """
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("this thread runs the loop that a plain call would wait for: await instead")
        return self.begin(work).result()

    def begin(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine on the loop, without waiting for it. This process may end before it has."""
        return asyncio.run_coroutine_threadsafe(work, self._started())

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                started: Future[asyncio.AbstractEventLoop] = Future()
                self._thread = threading.Thread(
                    target=asyncio.run, args=(self._serve(started),), name="accelerator loop", daemon=True
                )
                self._thread.start()
                self._loop = started.result()
            return self._loop

    async def _serve(self, started: Future[asyncio.AbstractEventLoop]) -> None:
        self._end = asyncio.Event()
        started.set_result(asyncio.get_running_loop())
        await self._end.wait()

    def stop(self) -> None:
        """Cancel the tasks of the loop, and end the thread."""
        with self._lock:
            thread, loop, end = self._thread, self._loop, self._end
            self._thread = self._loop = self._end = None
        if thread is not None and loop is not None and end is not None:
            loop.call_soon_threadsafe(end.set)
            thread.join(EXIT_SECONDS)


loop_thread: Final = LoopThread()
"""The loop thread of this process."""

atexit.register(loop_thread.stop)
os.register_at_fork(after_in_child=loop_thread.forget)
