"""Switching threads where one wants to: before any instruction of some modules that others could notice."""

from __future__ import annotations

import dis
import functools
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from types import CodeType, FrameType, ModuleType

_REACHING_OUT = ("LOAD_ATTR", "LOAD_METHOD", "STORE_ATTR", "BINARY_SUBSCR", "STORE_SUBSCR", "DELETE_SUBSCR", "CONTAINS")


@functools.cache
def _steps(code: CodeType) -> frozenset[int]:
    """Where the code reads or writes an object; everything between is a function's own affair."""
    return frozenset(one.offset for one in dis.get_instructions(code) if one.opname.startswith(_REACHING_OUT))


def stepwise(modules: Collection[ModuleType], work: Callable[[], object], before_step: Callable[[], bool]) -> None:
    """Do some work, and call `before_step` before each instruction of these modules that reads or writes an object.

    Once it returns False the rest is done at full speed.
    """
    files = {module.__file__ for module in modules}

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        if frame.f_code.co_filename not in files:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode" and frame.f_lasti in _steps(frame.f_code) and not before_step():
            sys.settrace(None)  # also in the frames that go on, whatever traced them before
        return trace

    outer = sys.gettrace()
    sys._getframe().f_trace_opcodes = True  # Python 3.12 heeds no frame's wish for opcodes that came after `settrace`
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(outer)


def count_steps(modules: Collection[ModuleType], work: Callable[[], object]) -> int:
    """Return how often some work reads or writes an object, as far as the code of these modules does it."""
    steps = 0

    def count() -> bool:
        nonlocal steps
        steps += 1
        return True

    stepwise(modules, work, count)
    return steps


class WatchedLock:
    """A lock that tells when a thread has to wait for it."""

    def __init__(self, on_wait: Callable[[], None]) -> None:
        self._lock = threading.Lock()
        self._on_wait = on_wait

    def acquire(self, *, blocking: bool = True) -> bool:
        is_mine = self._lock.acquire(blocking=False)
        if is_mine or not blocking:
            return is_mine
        self._on_wait()
        return self._lock.acquire()

    def release(self) -> None:
        self._lock.release()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class Intruder:
    """Another thread that does its work while the first one stands still: to its end, or up to a lock it waits for."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._stands = threading.Event()
        self._error: Exception | None = None
        self._work = work
        self._thread = threading.Thread(target=self._run)

    def lock(self) -> WatchedLock:
        """Return a lock to share with it."""
        return WatchedLock(self._on_wait)

    def _on_wait(self) -> None:
        if threading.current_thread() is self._thread:
            self._stands.set()

    def _run(self) -> None:
        try:
            self._work()
        except Exception as error:  # noqa: BLE001 - raised again where it is waited for
            self._error = error
        finally:
            self._stands.set()

    def intrude(self) -> None:
        """Start it, and go on once it has ended or waits."""
        self._thread.start()
        self._stands.wait()

    def finish(self) -> None:
        """Let it come to its end, and raise what it raised."""
        if self._thread.ident is None:
            self._thread.start()
        self._thread.join()
        if self._error is not None:
            raise self._error
