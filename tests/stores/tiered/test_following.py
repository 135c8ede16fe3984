"""What a follower knows of its near store, message by message, by a clock that is wound by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from accelerator import InvalidationError, MemoryStore
from accelerator.stores.finish import finish_now
from accelerator.stores.tiered.following import MARGIN, Following, Heartbeat
from accelerator.testing import make_entry
from tests.stores.tiered.near import LEASE, REQUEST, Near

if TYPE_CHECKING:
    from collections.abc import Collection

    from accelerator.testing import ManualClock


def test_before_the_first_heartbeat_nothing_is_believed(clock: ManualClock) -> None:
    near = Near()
    assert not near.believed()
    assert near.page.incarnation is None


def test_joining_empties_and_gives_a_lease(clock: ManualClock) -> None:
    near = Near()
    assert near.heartbeat(7) is False
    assert near.has == ""
    assert near.believed()
    assert near.page.applied == 7


def test_a_lease_counts_from_when_the_heartbeat_was_sent(near: Near, clock: ManualClock) -> None:
    clock.advance(0.5)
    near.heartbeat(7, sent=1000.25)
    clock.advance(MARGIN * LEASE - 0.26)
    assert near.believed()
    clock.advance(0.02)
    assert not near.believed()


def test_a_heartbeat_proves_nothing_before_all_is_applied_that_it_tells_of(near: Near, clock: ManualClock) -> None:
    clock.advance(1)
    near.heartbeat(8, sent=1001)
    clock.advance(1)
    assert not near.believed()
    assert near.message(8)
    assert near.believed()
    clock.advance(MARGIN * LEASE - 1)
    assert not near.believed()


@pytest.mark.parametrize(("soft", "left"), [(False, "other"), (True, "stale x other")])
def test_a_message_is_applied_before_it_is_acknowledged(near: Near, soft: bool, left: str) -> None:
    assert near.message(8, soft=soft)
    assert near.has == left
    assert near.page.applied == 8


def test_a_message_that_comes_again_is_acknowledged_again(near: Near) -> None:
    near.message(8)
    near.fill()
    assert near.message(8)
    assert near.has == "x other"
    assert near.page.applied == 8


def test_a_gap_costs_the_near_store_and_nothing_else(near: Near) -> None:
    assert near.message(9)
    assert near.has == ""
    assert near.page.applied == 9
    assert near.believed()


def test_what_was_being_filled_across_a_gap_is_refused(near: Near) -> None:
    mark = finish_now(near.store.lookup(REQUEST)).mark
    near.message(9)
    assert finish_now(near.store.commit(make_entry(REQUEST, mark, ["never told of"]))) is False


@pytest.mark.parametrize("sequence", [0, 7, 8, 100])
def test_a_message_of_another_incarnation_is_passed_over_until_a_heartbeat_tells_of_it(
    near: Near, sequence: int
) -> None:
    """Databases of one server have their channels in common. A new order is unsettled: who invalidates waits anyway."""
    assert near.message(sequence, b"b") is False
    assert near.believed()
    assert (near.page.incarnation, near.page.applied) == (b"a", 7)
    near.heartbeat(3, b"b")
    assert near.has == ""
    assert near.page.applied == 3
    assert near.believed()


def test_an_incarnation_is_joined_when_it_is_settled_for_until_then_requests_may_read_at_a_former_primary(
    near: Near,
) -> None:
    near.heartbeat(3, b"b", settled=False)
    assert not near.believed()
    near.fill()  # with what was read there
    near.heartbeat(3, b"b", settled=True)
    assert near.has == ""
    assert near.believed()


def test_a_heartbeat_of_another_incarnation_begins_anew(near: Near) -> None:
    near.heartbeat(2, b"b")
    assert near.has == ""
    assert (near.page.incarnation, near.page.applied) == (b"b", 2)


def test_after_a_new_subscription_a_sequence_that_has_moved_is_a_gap(near: Near) -> None:
    near.following.subscribed()
    assert near.heartbeat(8) is False
    assert near.has == ""
    assert near.page.applied == 8


def test_after_a_new_subscription_a_sequence_that_has_not_moved_keeps_all(near: Near, clock: ManualClock) -> None:
    clock.advance(LEASE)
    near.following.subscribed()
    assert near.heartbeat(7, sent=1000 + LEASE) is False
    assert near.has == "x other"
    assert near.believed()


def test_a_message_that_has_not_come_by_the_next_heartbeat_never_will(near: Near) -> None:
    """It may be the last one for long: no later message would show the gap."""
    assert near.heartbeat(8) is False
    assert near.has == "x other"
    assert near.heartbeat(8) is True
    assert near.has == ""
    assert near.page.applied == 8


def test_a_heartbeat_that_was_overtaken_by_messages_is_no_gap(near: Near) -> None:
    near.heartbeat(8)
    near.message(8)
    near.fill()
    near.heartbeat(9)
    assert near.has == "x other"


def test_who_has_left_gets_no_lease_by_an_answer_on_its_way(near: Near) -> None:
    follower = near.page.follower
    assert near.page.follower == follower
    near.page.leave()
    assert not near.believed()
    assert near.following.heartbeat(follower or b"", 1000, Heartbeat(b"a", 7, True)) is False
    assert not near.believed()
    near.following.subscribed()
    assert near.page.follower not in {None, follower}, "a name is never used again"


def test_an_incarnation_is_settled_by_who_has_heard_of_it_for_the_length_of_a_lease(
    near: Near, clock: ManualClock
) -> None:
    assert near.following.to_settle() == b""
    near.heartbeat(0, b"b", settled=False)
    clock.advance(LEASE - 0.01)
    assert near.following.to_settle() == b""
    clock.advance(0.01)
    assert near.following.to_settle() == b"b"
    near.heartbeat(0, b"b", settled=True)
    assert near.following.to_settle() == b""


class Refusing(MemoryStore):
    """A near store that can not be changed now, as one in a file whose lock somebody else holds."""

    is_locked = False

    async def invalidate(self, tags: Collection[str], *, soft: bool) -> None:
        if self.is_locked:
            raise InvalidationError
        await super().invalidate(tags, soft=soft)


@pytest.mark.parametrize("sequence", [8, 9])
def test_what_can_not_be_applied_ends_all_belief(clock: ManualClock, sequence: int) -> None:
    near = Near()
    near.store = Refusing()
    near.following = Following(near.store, near.page, near.report)
    near.following.subscribed()
    near.heartbeat(7)
    near.fill()
    near.store.is_locked = True
    assert near.message(sequence) is False
    assert not near.believed()
    assert near.page.incarnation is None
    near.store.is_locked = False
    near.heartbeat(sequence)
    assert near.has == ""
    assert near.believed()
