"""How a near store follows the far one: what each message and heartbeat means for it.

Each message of an invalidation is applied before it is acknowledged, in order. Where one is missing the near store is
emptied, which refuses what is being made or read for it as well. A heartbeat extends the lease only when all is applied
that the server had announced by then: a heartbeat alone would prove nothing.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from accelerator.stores.finish import finish_now
from accelerator.stores.redis import fleet

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from accelerator.stores.protocol import Store
    from accelerator.stores.redis.fleet import Message
    from accelerator.stores.tiered.page import Page
    from accelerator.stores.tiered.report import Report

logger = logging.getLogger("accelerator")

MARGIN: Final = 0.98
"""The part of a lease that its holder uses: clocks of two machines may differ by so much in their rates."""


class Heartbeat(NamedTuple):
    """The answer to a heartbeat.

    Attributes:
        incarnation: the name of the order of messages.
        sequence: the number of the last message.
        settled: whether no lease of an incarnation before can be good.
    """

    incarnation: bytes
    sequence: int
    settled: bool


class _Awaited(NamedTuple):
    """A heartbeat that the lease waits for: when it was sent, and the message that has to be applied first."""

    sent: float
    sequence: int


class _Born(NamedTuple):
    """When this process has first heard of an incarnation."""

    incarnation: bytes
    when: float


class Following:
    """Follows for a near store. One thread calls what changes it.

    Args:
        near: the near store. None of its methods waits.
        page: what is known of it.
        report: what is reported of it.

    Attributes:
        page: what is known of the near store.
    """

    def __init__(self, near: Store, page: Page, report: Report) -> None:
        self.page = page
        self._near = near
        self._report = report
        self._born = _Born(b"", 0.0)
        self._is_settled = False
        self._awaited: _Awaited | None = None
        self._is_fresh = False  # no heartbeat was answered since the subscription was made
        self._has_failed = False  # the near store, when it was changed last

    def subscribed(self) -> bytes:
        """Note that the server sends messages from now on; some before may have been missed.

        Returns:
            The name under which it follows.
        """
        self._is_fresh = True
        self._awaited = None
        self._report.look_at_lease()
        name = self.page.follower
        if name is None:
            name = b"f:" + os.urandom(8).hex().encode()
            self.page.begin(name)
        return name

    def to_settle(self) -> bytes:
        """Return the incarnation that is settled by now, since leases of before have run out; `b""` if none is."""
        is_due = not self._is_settled and fleet.clock() >= self._born.when + fleet.LEASE_SECONDS
        return self._born.incarnation if is_due else b""

    def heartbeat(self, follower: bytes, sent: float, answer: Heartbeat) -> bool:
        """Take the answer to a heartbeat. Return whether the subscription has missed something, and is to be made anew.

        Args:
            follower: who has sent it.
            sent: when, by `clock`.
            answer: the answer.
        """
        if follower != self.page.follower:  # it has left since
            return False
        is_broken = False
        self._hear_of(answer)
        if answer.incarnation != self.page.incarnation:
            self._join(answer)
        elif answer.sequence > self.page.applied and (self._is_fresh or self._was_late()):
            is_broken = not self._is_fresh
            self._empty(answer.sequence)
        self._is_fresh = False
        self._awaited = _Awaited(sent, answer.sequence)
        self._renew()
        self._report.heartbeat(sent, answer.sequence)
        return is_broken

    def message(self, message: Message) -> bool:
        """Take a message. Return whether to acknowledge: all up to `applied` is done."""
        if message.incarnation != self.page.incarnation:
            return False  # of another database, or the server has begun anew: the next heartbeat tells
        if message.sequence == self.page.applied + 1:
            self._apply(message)
        elif message.sequence > self.page.applied:
            self._empty(message.sequence)
        self._renew()
        return self.page.incarnation is not None

    def _hear_of(self, answer: Heartbeat) -> None:
        if answer.incarnation != self._born.incarnation:
            self._born = _Born(answer.incarnation, fleet.clock())
        self._is_settled = answer.settled

    def _join(self, answer: Heartbeat) -> None:
        """Begin anew with an incarnation, once it is settled.

        Before that a request may still read at a former primary, and what it finds there was taken back here.
        """
        self.page.forget()
        self._awaited = None
        if answer.settled and self._change(self._near.clear()):
            self.page.join(answer.incarnation, answer.sequence)
            self._report.emptied(answer.sequence)

    def _was_late(self) -> bool:
        """Tell whether what the heartbeat before had announced has not come until now."""
        return self._awaited is not None and self._awaited.sequence > self.page.applied

    def _renew(self) -> None:
        if (
            self._awaited is not None
            and self.page.incarnation is not None
            and self.page.applied >= self._awaited.sequence
        ):
            self._report.look_at_lease()  # it may have run out, and nobody has looked
            self.page.extend(self._awaited.sent + MARGIN * fleet.LEASE_SECONDS)
            self._report.look_at_lease()
            self._awaited = None

    def _apply(self, message: Message) -> None:
        if self._change(self._near.invalidate(message.tags, soft=message.soft)):
            self.page.advance(message.sequence)
            self._report.applied(message)

    def _empty(self, sequence: int) -> None:
        """Give up what the near store has: what all messages up to a number would have taken back is among it."""
        if self._change(self._near.clear()):
            self.page.advance(sequence)
            self._report.emptied(sequence)

    def _change(self, work: Coroutine[Any, Any, None]) -> bool:
        """Change the near store, and return whether that is done. If not, nothing is known: a heartbeat begins anew."""
        try:
            finish_now(work)
        except Exception as error:  # noqa: BLE001 - whatever it is, the far store answers meanwhile
            self.page.forget()
            if not self._has_failed:
                logger.warning("a near store cannot be changed, and is not used until it can be emptied: %s", error)
            self._has_failed = True
            return False
        self._has_failed = False
        return True
