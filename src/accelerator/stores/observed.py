"""What is taken back in this process is counted, and caches downstream are told of it, whoever asked for it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import wraps
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, Protocol, TypedDict, TypeVar, cast

from accelerator.figures.histogram import Histogram, HistogramFigures
from accelerator.stores.forks import lock_over_forks
from accelerator.tags import ALL

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine

InvalidateT = TypeVar("InvalidateT", bound="Callable[..., Coroutine[Any, Any, None]]")

_FIRST_SECONDS: Final = 2.0**-20
"""Where the first bucket of durations ends: a microsecond. The last one that ends does so at eight seconds."""


class Kinds(TypedDict):
    """How many tags were invalidated hard, and how many softly."""

    hard: int
    soft: int


class DownstreamFigures(TypedDict):
    """What one cache downstream was told in this process.

    Attributes:
        sent: the number of keys that it has taken back, all together counting as one.
        failed: the number of calls that failed. What they were for is sent again.
        waiting: the number of keys that it has not taken back yet.
    """

    sent: int
    failed: int
    waiting: int


class InvalidationFigures(TypedDict):
    """What a store has taken back in this process.

    Attributes:
        invalidations: for `tag` (of the application, or of a cache group), `url` and `all`, the number of tags of that
            kind.
        invalidating: the seconds that the calls took which succeeded.
        invalidations_failed: the number of calls that raised.
        fanout: for each cache downstream by its name, what it was told.
    """

    invalidations: dict[str, Kinds]
    invalidating: HistogramFigures
    invalidations_failed: int
    fanout: dict[str, DownstreamFigures]


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


class InvalidationCounts:
    """Counts the invalidations of a store, and tells of them. Any thread may use it.

    Attributes:
        downstream: who is told, None for nobody.
    """

    def __init__(self) -> None:
        self._lock = lock_over_forks()
        self._hard = dict.fromkeys(("tag", "url", "all"), 0)
        self._soft = self._hard.copy()
        self._seconds = Histogram(_FIRST_SECONDS)
        self._failed = 0
        self.downstream: Downstream | None = None

    def follow(self, downstream: Downstream) -> None:
        """Tell these caches from now on what was taken back, in place of whom it was told before."""
        self.downstream = downstream

    def tell(self, tags: Collection[str], *, soft: bool) -> None:
        """Tell the caches downstream, if there are any, that these tags are taken back here."""
        if self.downstream is not None:
            self.downstream.take_back(tags, soft=soft)

    async def aclose(self) -> None:
        """Wait until the caches downstream were told all, but only for some seconds."""
        if self.downstream is not None:
            await self.downstream.aclose()

    def add(self, tags: Collection[str], seconds: float, *, soft: bool) -> None:
        """Count a call that succeeded."""
        numbers = self._soft if soft else self._hard
        with self._lock:
            for tag in tags:
                kind = "tag" if tag[0] != "@" else "all" if tag == ALL else "url" if tag[1:5] == "url:" else "tag"
                numbers[kind] += 1
            self._seconds.add(seconds)

    def add_failure(self) -> None:
        """Count a call that raised."""
        with self._lock:
            self._failed += 1

    def as_figures(self) -> InvalidationFigures:
        """Return what was counted."""
        fanout = {} if self.downstream is None else self.downstream.figures()
        with self._lock:
            return {
                "invalidations": {kind: {"hard": self._hard[kind], "soft": self._soft[kind]} for kind in self._hard},
                "invalidating": self._seconds.as_dict(),
                "invalidations_failed": self._failed,
                "fanout": fanout,
            }


class _Counts(Protocol):
    invalidated: InvalidationCounts


def observed(invalidate: InvalidateT) -> InvalidateT:
    """Let a method that invalidates tags count its calls in `invalidated` of the object that it belongs to.

    Once a call has succeeded, or was kept in order to be repeated, caches downstream are told: it holds here by then.

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
            store.invalidated.tell(tags, soft=soft)
            raise
        store.invalidated.add(tags, perf_counter() - begun, soft=soft)
        store.invalidated.tell(tags, soft=soft)

    return cast("InvalidateT", counted)
