"""Calls of async methods that never wait, without an event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


def finish_now(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never suspends to its end, and return its result.

    Raises:
        RuntimeError: it did suspend.
    """
    try:
        work.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    work.close()
    raise RuntimeError("a store with suspends = False waited for something")
