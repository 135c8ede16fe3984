"""The parts of the invalidation rule that are of single steps, each by a schedule of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.consistency.history import RuleBrokenError
from tests.consistency.world import Asking, Reply, World, url_tag

if TYPE_CHECKING:
    from collections.abc import Iterator

X = frozenset("x")
SERVABLE_STALE = Reply(tags=X, stale_while_revalidate=100, stale_if_error=100)


@pytest.fixture
def world() -> Iterator[World]:
    world = World(1_000_000)
    yield world
    world.close()


def fill(world: World, reply: Reply) -> Asking:
    asking = world.ask("/a")
    (call,) = world.calls
    world.reply(call, reply)
    return asking


def status_line(asking: Asking) -> str | None:
    return asking.answer.get("cache-status") if asking.answer.messages else None


@pytest.mark.parametrize(("how", "conditions"), [("soft", {b"if-none-match": b'"0"'}), ("hard", {})])
def test_only_a_strong_validator_is_asked_about_and_only_after_a_soft_invalidation(
    world: World, how: str, conditions: dict[bytes, bytes]
) -> None:
    fill(world, Reply(tags=X, validator="strong"))
    world.invalidate("x", soft=how == "soft", changed=True)
    world.ask("/a")
    assert [call.conditions for call in world.calls] == [conditions]


@pytest.mark.parametrize("validator", ["weak", "date", "none"])
def test_without_a_strong_validator_what_was_softly_invalidated_is_made_anew(world: World, validator: str) -> None:
    fill(world, Reply(tags=X, validator=validator))
    world.invalidate("x", soft=True, changed=True)
    world.ask("/a")
    assert [call.conditions for call in world.calls] == [{}]


def test_a_strong_validator_lifts_an_entry_over_a_soft_invalidation(world: World) -> None:
    fill(world, Reply(tags=X, validator="strong"))
    world.invalidate("x", soft=True, changed=False)
    assert status_line(fill(world, Reply(304, tags=X, validator="strong"))) == (
        "accelerator; fwd=stale; fwd-status=304; stored"
    )
    assert status_line(world.ask("/a")) == "accelerator; hit; ttl=10"


def test_a_304_for_something_else_makes_the_entry_anew(world: World) -> None:
    fill(world, Reply(tags=X, validator="strong"))
    world.clock.advance(11)
    asking = fill(world, Reply(304, validator="other"))
    assert [call.conditions for call in world.calls] == [{}]
    world.reply(world.calls[0], Reply(tags=X))
    assert asking.answer.body == world.ask("/a").answer.body == b"2"


def test_a_304_whose_tags_are_too_many_drops_the_entry(world: World) -> None:
    fill(world, replace(SERVABLE_STALE, validator="strong"))
    world.clock.advance(11)
    world.ask("/a")
    world.reply(world.calls[0], Reply(304, tags=frozenset(f"tag:{number}" for number in range(1000))))
    world.ask("/a")
    assert [call.conditions for call in world.calls] == [{}], "it could be taken back by what it does not name"


def test_a_head_request_moves_no_mark(world: World) -> None:
    fill(world, Reply(tags=X, validator="strong"))
    world.invalidate("x", soft=True, changed=False)
    world.ask("/a", method="HEAD")
    assert [call.conditions for call in world.calls] == [{}]
    world.reply(world.calls[0], Reply(validator="other"))
    world.ask("/a")
    assert [call.conditions for call in world.calls] == [{b"if-none-match": b'"0"'}]


def test_nothing_that_was_taken_back_hard_stands_in_for_an_error(world: World) -> None:
    fill(world, SERVABLE_STALE)
    world.invalidate("x", soft=False, changed=True)
    assert fill(world, Reply(503)).answer.status == 503


def test_a_refresh_begun_before_a_soft_invalidation_is_not_the_one_after_it(world: World) -> None:
    fill(world, SERVABLE_STALE)
    world.clock.advance(11)
    world.ask("/a")
    (refresh,) = world.calls
    world.invalidate("x", soft=True, changed=True)
    world.reply(refresh, SERVABLE_STALE)
    if not world.calls:
        raise RuleBrokenError("nobody makes anew what was softly invalidated during its refresh")
    world.reply(world.calls[0], SERVABLE_STALE)
    assert status_line(world.ask("/a")) == "accelerator; hit; ttl=10"
    assert not world.calls


def test_who_waits_is_not_handed_what_was_taken_back_meanwhile(world: World) -> None:
    leader = world.ask("/a")
    world.invalidate("x", soft=False, changed=True)
    waiter = world.ask("/a")
    (call,) = world.calls
    world.reply(call, Reply(tags=X))
    assert leader.answer.is_complete
    assert not waiter.answer.messages
    world.reply(world.calls[0], Reply(tags=X))
    assert waiter.answer.body == b"1"


def test_an_unsafe_method_is_answered_only_when_its_invalidation_has_returned(world: World) -> None:
    fill(world, Reply(tags=X))
    world.closed_gates.add("before invalidate")
    poster = world.ask("/a", method="POST")
    world.reply(world.calls[0], Reply(303, location="/b"))
    assert not poster.answer.messages
    world.release(0)
    assert poster.answer.status == 303
    assert [one.tags for one in world.history.invalidations] == [{url_tag("/a"), url_tag("/b")}]
    world.ask("/a")
    assert len(world.calls) == 1
