"""What is taken back in this process is counted, whoever asked for it."""

from __future__ import annotations

from functools import wraps
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine

    from accelerator.figures.invalidations import InvalidationCounts

InvalidateT = TypeVar("InvalidateT", bound="Callable[..., Coroutine[Any, Any, None]]")


class _Counts(Protocol):
    invalidated: InvalidationCounts


def observed(invalidate: InvalidateT) -> InvalidateT:
    """Let a method that invalidates tags count its calls in `invalidated` of the object that it belongs to.

    Args:
        invalidate: the method, which takes tags and `soft` as that of a store does.
    """

    @wraps(invalidate)
    async def counted(store: _Counts, tags: Collection[str], *, soft: bool) -> None:
        begun = perf_counter()
        try:
            await invalidate(store, tags, soft=soft)
        except Exception:
            store.invalidated.add_failure()
            raise
        store.invalidated.add(tags, perf_counter() - begun, soft=soft)

    return cast("InvalidateT", counted)
