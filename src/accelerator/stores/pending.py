"""Invalidations that failed: they are kept until they succeed, and in this process they hold already."""

from __future__ import annotations

import threading
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias

from accelerator.stores.sizes import text_bytes
from accelerator.tags import ALL

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

MAX_PENDING: Final = 10_000
MAX_PENDING_BYTES: Final = 2 * 1024 * 1024
"""These limit the number of tags and the bytes of their texts. Beyond either, everything is invalidated by one tag."""

Kept: TypeAlias = "Mapping[str, tuple[bool, int]]"
"""For each tag, whether its invalidation is hard, and the number of the call of `add` that asked for it."""


class Pending:
    """The failed invalidations, one record for each tag. Any thread may use it.

    Args:
        kept: the first records, such as those of a process before it was forked.

    Attributes:
        kept: the records. The mapping is replaced and never changed, so a reader needs no lock.
    """

    def __init__(self, kept: Kept = MappingProxyType({})) -> None:
        self.kept = kept
        self._lock = threading.Lock()
        self._calls = max([call for _, call in kept.values()], default=0)
        self._size = sum(map(text_bytes, kept))

    def add(self, tags: Iterable[str], *, soft: bool) -> None:
        """Keep an invalidation. A soft one does not replace a hard one."""
        with self._lock:
            self._calls += 1
            kept = dict(self.kept)
            for tag in tags:
                self._size += 0 if tag in kept else text_bytes(tag)
                was_hard, _ = kept.get(tag, (False, 0))
                kept[tag] = (was_hard or not soft, self._calls)
            if len(kept) > MAX_PENDING or self._size > MAX_PENDING_BYTES:
                kept, self._size = {ALL: (True, self._calls)}, text_bytes(ALL)
            self.kept = kept

    def settle(self, done: Kept) -> tuple[list[str], list[str]]:
        """Forget the invalidations in `done`, except those that were asked for again since.

        Returns:
            the tags that are forgotten: those that were invalidated hard, and those that were softly.
        """
        with self._lock:
            before = self.kept
            self.kept = {tag: record for tag, record in before.items() if done.get(tag) != record}
            self._size = sum(map(text_bytes, self.kept))
            settled = {tag: is_hard for tag, (is_hard, _) in before.items() if tag not in self.kept}
        return [tag for tag in settled if settled[tag]], [tag for tag in settled if not settled[tag]]


def judge(kept: Kept, tags: Collection[str]) -> tuple[bool, bool]:
    """Return whether an entry with these tags is invalidated hard, and whether it is invalidated softly."""
    if not kept:
        return False, False
    found = [kept[tag][0] for tag in tags if tag in kept]
    return any(found), not all(found)
