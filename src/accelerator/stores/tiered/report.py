"""What a near store reports: figures, events for `on_event`, and lines in the log."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from accelerator.events import NearEvent
from accelerator.forks import lock_over_forks
from accelerator.stores.redis import fleet

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from accelerator.stores.redis.fleet import Announced, Message
    from accelerator.stores.tiered.page import Page

logger = logging.getLogger("accelerator")


class NearFigures(NamedTuple):
    """Where a near store stands, and what this process has counted.

    Of workers that share an `LMDBStore` one follows. `behind`, `heartbeat`, `leases`, `lapsed`, `emptied` and `applied`
    are of a process that does, and stay as they are in one that does not.

    Attributes:
        follower: the name under which it follows, None if it does not.
        lease: the seconds for which it may answer from now on, if no heartbeat is answered meanwhile; 0 if it may not.
        sequence: the number of the last invalidation that was applied.
        behind: the number of invalidations that it still lacked when a heartbeat was answered last.
        heartbeat: the seconds from that heartbeat to its answer, None if there was none.
        leases: how often it began to answer.
        lapsed: how often its lease ran out.
        emptied: how often it was emptied, since invalidations may have been missed.
        applied: the number of invalidations that were made in it one by one.
        waited: the number of invalidations of this process that waited for followers.
        waiting: the seconds that those waited, in all.
        silent: how many followers let an invalidation wait for the length of a lease.
    """

    follower: str | None
    lease: float
    sequence: int
    behind: int = 0
    heartbeat: float | None = None
    leases: int = 0
    lapsed: int = 0
    emptied: int = 0
    applied: int = 0
    waited: int = 0
    waiting: float = 0.0
    silent: int = 0


class Report:
    """Counts, tells `on_event`, and logs. Any thread may use it.

    Args:
        page: what is known of the near store.
        listener: the option `on_event`. What it raises is logged and goes no further.
    """

    def __init__(self, page: Page, listener: Callable[[NearEvent], None] | None) -> None:
        self._page = page
        self._listener = listener
        self._lock = lock_over_forks()
        self._counted = NearFigures(None, 0.0, 0)
        self._is_good = False  # when it was looked at last
        self._is_failing = False  # the last heartbeat has failed

    def figures(self) -> NearFigures:
        """Return the figures of now."""
        name = self._page.follower
        return self._counted._replace(
            follower=None if name is None else fleet.shown(name), lease=self._page.left, sequence=self._page.applied
        )

    def look_at_lease(self) -> None:
        """Note whether the near store may answer, if that has changed."""
        is_good = self._page.left > 0
        if is_good is self._is_good:
            return
        self._is_good = is_good
        if is_good:
            self._count(leases=1)
            logger.info("a near store answers from now on, as %s", self.figures().follower)
            self._emit(NearEvent("good"))
        else:
            self._count(lapsed=1)
            logger.warning(
                "a near store is not used for now: its lease was not renewed in time, or the server has begun anew"
            )
            self._emit(NearEvent("lapsed"))

    def stopped(self) -> None:
        """Note that it is not followed any more."""
        self._is_good = False

    def heartbeat(self, sent: float, sequence: int) -> None:
        """Note that a heartbeat was answered: when it was sent, and what number was announced."""
        self._is_failing = False
        behind, seconds = max(0, sequence - self._page.applied), fleet.clock() - sent
        with self._lock:
            self._counted = self._counted._replace(behind=behind, heartbeat=seconds)

    def heartbeat_failed(self, error: Exception) -> None:
        """Note that a heartbeat failed. Of several in a row the first one is logged."""
        if not self._is_failing:
            logger.warning("the lease of a near store is not renewed until a heartbeat succeeds: %s", error)
        self._is_failing = True

    def emptied(self, sequence: int) -> None:
        """Note that all was given up which messages up to a number would have taken back."""
        self._count(emptied=1)
        logger.info("a near store begins anew, and empty, after the invalidation of number %d", sequence)
        self._emit(NearEvent("emptied", sequence))

    def applied(self, message: Message) -> None:
        """Note that a message was applied."""
        self._count(applied=1)
        self._emit(NearEvent("applied", message.sequence, frozenset(message.tags)))

    def waited(self, announced: Announced, tags: Collection[str], said: Mapping[bytes, float | None]) -> None:
        """Note that an invalidation holds everywhere: the seconds until each follower had said so, if it has."""
        seconds = fleet.clock() - announced.since
        silent = [*said.values()].count(None)
        self._count(waited=1, waiting=seconds, silent=silent)
        followers = {fleet.shown(follower): after for follower, after in said.items()}
        self._emit(NearEvent("waited", announced.sequence, frozenset(tags), seconds, followers))

    def _count(self, **more: float) -> None:
        with self._lock:
            self._counted = self._counted._replace(
                **{name: getattr(self._counted, name) + value for name, value in more.items()}
            )

    def _emit(self, event: NearEvent) -> None:
        if self._listener is not None:
            try:
                self._listener(event)
            except Exception:
                logger.exception("on_event failed")
