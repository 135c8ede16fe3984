"""What is taken back in this process is counted, and caches downstream are told of it, whoever asked for it."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from functools import wraps
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from accelerator.figures.invalidations import InvalidationCounts

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine

    from accelerator.figures.snapshot import DownstreamFigures, StoreFigures

logger = logging.getLogger("accelerator")

InvalidateT = TypeVar("InvalidateT", bound="Callable[..., Coroutine[Any, Any, None]]")


class Downstream(ABC):
    """Caches downstream of a store, which are told what it has taken back. Any thread may use it."""

    @abstractmethod
    def take_back(self, tags: Collection[str], *, soft: bool) -> None:
        """Note that these tags are to be taken back there, too. This waits for nothing, and raises nothing."""
        ...

    @abstractmethod
    def figures(self) -> dict[str, DownstreamFigures]:
        """Return what each of them was told, by their names."""
        ...

    @abstractmethod
    async def aclose(self) -> None:
        """Wait until they were told all, but only for some seconds. A later use begins anew."""
        ...


class Invalidated(InvalidationCounts):
    """What a store has taken back in this process: it is counted, and told to caches downstream, if there are any."""

    def __init__(self) -> None:
        super().__init__()
        self._downstream: Downstream | None = None

    def follow(self, downstream: Downstream) -> None:
        """Tell these caches from now on what was taken back, in place of whom it was told before."""
        self._downstream = downstream

    def tell(self, tags: Collection[str], *, soft: bool) -> None:
        """Tell the caches downstream that these tags are taken back here."""
        if self._downstream is not None:
            self._downstream.take_back(tags, soft=soft)

    def settled(self, hard: Collection[str], soft: Collection[str]) -> None:
        """Count tags whose invalidations had failed and hold now, and log that, unless there are none."""
        if hard or soft:
            self.add_repeated(hard, soft)
            logger.warning("invalidations that had failed hold now (tags: %d)", len(hard) + len(soft))

    def downstream_figures(self) -> StoreFigures:
        """Return what the caches downstream were told, as a part of the figures of the store."""
        return {} if self._downstream is None else {"fanout": self._downstream.figures()}

    async def aclose(self) -> None:
        """Wait until the caches downstream were told all, but only for some seconds."""
        if self._downstream is not None:
            await self._downstream.aclose()


class _Invalidates(Protocol):
    invalidated: Invalidated


def observed(invalidate: InvalidateT) -> InvalidateT:
    """Let a method that invalidates tags count its calls in `invalidated` of the object that it belongs to.

    Once a call has succeeded, or was kept in order to be repeated, caches downstream are told: it holds here by then.

    Args:
        invalidate: the method, which takes tags and `soft` as that of a store does.
    """

    @wraps(invalidate)
    async def counted(store: _Invalidates, tags: Collection[str], *, soft: bool) -> None:
        begun = perf_counter()
        try:
            await invalidate(store, tags, soft=soft)
        except Exception:
            store.invalidated.add_failure()
            store.invalidated.tell(tags, soft=soft)
            raise
        store.invalidated.add(tags, perf_counter() - begun, soft=soft)
        store.invalidated.tell(tags, soft=soft)

    return cast("InvalidateT", counted)


async def tell_all(store: object) -> None:
    """Wait until caches downstream of a store were told all, if there are any, but only for some seconds.

    A server may end its process by a signal once the application has ended, and leave no other time for that.
    """
    invalidated = getattr(store, "invalidated", None)
    if isinstance(invalidated, Invalidated):
        await invalidated.aclose()
