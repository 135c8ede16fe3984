"""Invalidations that failed are repeated, in a thread that runs while there are any."""

from __future__ import annotations

import threading
from time import sleep
from typing import TYPE_CHECKING, Final

import lmdb

from accelerator.stores.lmdb.layout import DamagedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from accelerator.stores.observed import Invalidated
    from accelerator.stores.pending import Pending

FAILURES: Final = (OSError, RuntimeError, lmdb.Error, DamagedError)
"""What a write raises if the file cannot be opened or written, or the lock is not to be had in time."""

REPEAT_SECONDS: Final = (0.1, 0.3, 1.0, 3.0)
"""Seconds between the repetitions of a failed invalidation; the last pause is used for all that follow."""

REPEATED_AT_ONCE: Final = 500
"""Number of tags in one write that repeats failed invalidations."""


class Repeater:
    """Repeats failed invalidations until they succeed.

    Args:
        pending: the failed invalidations.
        invalidated: what was taken back in this process, and is told when they have succeeded.
    """

    def __init__(self, pending: Pending, invalidated: Invalidated) -> None:
        self._pending = pending
        self._invalidated = invalidated
        self._running = threading.Lock()

    def see_to(self, take_back: Callable[[list[str], bool], None]) -> None:
        """Start the thread if there is something to repeat and none runs.

        Args:
            take_back: invalidates tags, softly or hard.
        """
        if self._pending.kept and self._running.acquire(blocking=False):
            threading.Thread(target=self._run, args=(take_back,), name="accelerator invalidations", daemon=True).start()

    def _run(self, take_back: Callable[[list[str], bool], None]) -> None:
        try:
            self._repeat(take_back)
        finally:
            self._running.release()
        self.see_to(take_back)  # what was added just before it ended

    def _repeat(self, take_back: Callable[[list[str], bool], None]) -> None:
        pauses = iter(REPEAT_SECONDS)
        pause = next(pauses)
        while self._pending.kept:
            sleep(pause)
            kept = self._pending.kept
            try:
                for soft in (False, True):
                    tags = [tag for tag, (hard, _) in kept.items() if hard is not soft]
                    for start in range(0, len(tags), REPEATED_AT_ONCE):
                        take_back(tags[start : start + REPEATED_AT_ONCE], soft)
            except FAILURES:
                pause = next(pauses, pause)
            else:
                self._invalidated.settled(*self._pending.settle(kept))
