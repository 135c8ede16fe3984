"""Invalidations that failed: kept until they hold, and acted upon here as if they did."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, TypeAlias

from accelerator.tagging import ALL

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

MAX_PENDING: Final = 10_000
"""Tags kept. Past that, everything counts as taken back, which is one record."""

Kept: TypeAlias = "Mapping[str, tuple[bool, int]]"
"""Of each tag whether it is hard, and which call it was."""


class Pending:
    """One record a tag. Any thread may use it.

    Attributes:
        kept: the records. It is replaced, never changed: whoever has it may look at it whenever he likes.
    """

    def __init__(self) -> None:
        self.kept: Kept = {}
        self._lock = threading.Lock()
        self._calls = 0

    def add(self, tags: Iterable[str], *, soft: bool) -> None:
        """Keep an invalidation; a soft one does not weaken a hard one."""
        with self._lock:
            self._calls += 1
            kept = dict(self.kept)
            for tag in tags:
                was_hard, _ = kept.get(tag, (False, 0))
                kept[tag] = (was_hard or not soft, self._calls)
            self.kept = kept if len(kept) <= MAX_PENDING else {ALL: (True, self._calls)}

    def settle(self, done: Kept) -> None:
        """Forget what has been done, but for what was asked for again since."""
        with self._lock:
            self.kept = {tag: record for tag, record in self.kept.items() if done.get(tag) != record}


def judge(kept: Kept, tags: Collection[str]) -> tuple[bool, bool]:
    """Tell whether an entry with these tags is taken back hard, and whether softly."""
    if not kept:
        return False, False
    found = [kept[tag][0] for tag in tags if tag in kept]
    return any(found), not all(found)
