"""Ways to break the rule of near stores on purpose, to show that the check finds them."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING, Any, Final

from accelerator.stores.redis.fleet import Heard
from accelerator.stores.tiered import TieredStore, page
from accelerator.stores.tiered.following import Following, Heartbeat
from accelerator.stores.tiered.page import Page

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from accelerator import Lookup, RedisStore, Store
    from accelerator.http.request import Request
    from accelerator.stores.redis.fleet import Announced


def _waits_for_nobody() -> None:
    async def wait(self: Heard, announced: Announced) -> dict[bytes, float | None]:  # noqa: ARG001 - that is the fault
        return {}

    Heard.wait = wait  # type: ignore[method-assign]


def _believes_for_ever() -> None:
    Page.is_good = property(lambda self: self._lease[0] > 0)  # type: ignore[assignment,method-assign]


def _renews_by_heartbeats_alone() -> None:
    heartbeat = Following.heartbeat

    def renewed(self: Following, follower: bytes, sent: float, answer: Heartbeat) -> bool:
        if answer.incarnation == self.page.incarnation:
            answer = answer._replace(sequence=self.page.applied)
        return heartbeat(self, follower, sent, answer)

    Following.heartbeat = renewed  # type: ignore[method-assign]


def _is_its_parent() -> None:
    """Let a child follow under the name of its parent, and believe in the lease of that."""

    def inherited() -> mmap.mmap:
        return mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)

    vars(page)["wiped_by_forks"] = inherited


class _MarksAfterReading(TieredStore):
    async def lookup(self, request: Request) -> Lookup:
        near = self._look_near(request)
        if near is None or self._is_fresh(near):
            return near or await self._far.lookup(request)
        far = await self._far.lookup(request)
        return self._joined(near._replace(mark=(await self._near.lookup(request)).mark), far)


class _AppliesOnlyBefore(TieredStore):
    """Applies before the call alone, and does not wait for the near store of this process either."""

    def __init__(self, near: Store, far: RedisStore) -> None:
        super().__init__(near, far)
        invalidations: Any = far.invalidations
        announce, known = invalidations._announce, self._follower.page  # noqa: SLF001 - to break it

        async def to_others(tags: list[str], soft: bool) -> Announced:
            said: Announced = await announce(tags, soft)
            others = {name: beat for name, beat in said.followers.items() if name != known.follower}
            return said._replace(followers=others)

        async def nowhere(tags: list[str], soft: bool) -> None:
            pass

        invalidations._announce, invalidations._apply_here = to_others, nowhere  # noqa: SLF001 - to break it

    async def invalidate(self, tags: Collection[str], *, soft: bool) -> None:
        await self._near.invalidate(tags, soft=soft)
        await self._far.invalidate(tags, soft=soft)


PATCHES: Final[dict[str, Callable[[], None]]] = {
    "waits-for-nobody": _waits_for_nobody,
    "no-lease": _believes_for_ever,
    "renewal-without-sequence": _renews_by_heartbeats_alone,
    "id-shared-after-fork": _is_its_parent,
}
STORES: Final[dict[str, Callable[[Store, RedisStore], TieredStore]]] = {
    "near-mark-after-far-read": _MarksAfterReading,
    "applied-only-before": _AppliesOnlyBefore,
}
MUTATIONS: Final = (*PATCHES, *STORES)
OF_SHARED: Final = tuple(name for name in MUTATIONS if name != "id-shared-after-fork")  # there it is to be shared


def broken(mutation: str, near: Store, far: RedisStore) -> TieredStore:
    """Return the store, broken as asked for: in this process alone, but for good."""
    if mutation in PATCHES:
        PATCHES[mutation]()
    return STORES.get(mutation, TieredStore)(near, far)
