"""What requests cost, as numbers that no machine's noise moves: calls, coroutines, bytes, work for the collector."""

from __future__ import annotations

import gc
import inspect
import sys
import tracemalloc
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.support import drive

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from types import FrameType

    from tests.support import Message

TRIES = 5  # threads of other tests may add to a count, and never take from it: the least is the work's own


class Calls(NamedTuple):
    """How many functions some work calls.

    Attributes:
        python: those written in Python; each part of a coroutine or generator counts that begins or goes on.
        c: those written in C.
        coroutines: those of `python` that are coroutines. In work that never suspends that is how many it makes.
    """

    python: int
    c: int
    coroutines: int


def calls_of(work: Callable[[], object]) -> Calls:
    """Count the functions that some work calls, without `work` itself and what ends the counting."""
    counted = {"call": -1, "c_call": -1, "coroutines": 0}

    def count(frame: FrameType, event: str, _argument: Any) -> None:
        if event in counted:
            counted[event] += 1
        if event == "call" and frame.f_code.co_flags & inspect.CO_COROUTINE:
            counted["coroutines"] += 1

    outer = sys.getprofile()
    with _collector_off():  # libraries such as hypothesis have it call them
        sys.setprofile(count)
        try:
            work()
        finally:
            sys.setprofile(outer)
    return Calls(*counted.values())


def peak_bytes_of(work: Callable[[], object]) -> int:
    """Return how many bytes some work holds at most at any one time, beyond what was held before."""
    with _collector_off():
        tracemalloc.start()
        try:
            return min(_peak_bytes(work) for _ in range(TRIES))
        finally:
            tracemalloc.stop()


def _peak_bytes(work: Callable[[], object]) -> int:
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    work()
    return tracemalloc.get_traced_memory()[1] - before


def cycles_of(work: Callable[[], object]) -> int:
    """Count the objects that some work leaves in cycles of references, which only the garbage collector frees."""
    left = 0
    with _collector_off():
        for _ in range(TRIES):
            if not (left := _cycles(work)):
                break
    return left


def _cycles(work: Callable[[], object]) -> int:
    gc.collect()
    work()
    return gc.collect()


@contextmanager
def _collector_off() -> Iterator[None]:
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def receive() -> Message:
    """Give the one message of a request without content."""
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(message: Message) -> None:
    """Nobody looks."""


def driving(make: Callable[[], Coroutine[Any, Any, object]]) -> Callable[[], object]:
    """Return work that makes a coroutine and drives it by hand: it fails if the coroutine suspends."""
    return lambda: drive(make())
