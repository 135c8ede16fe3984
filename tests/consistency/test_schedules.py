"""The promise, by short schedules: a request is stopped at each point where it can be, and something happens there."""

from __future__ import annotations

from itertools import product

import pytest

from accelerator.tags import ALL
from tests.consistency.world import GATES, Asking, Reply, World, url_tag

STORED = {
    f"{validator}{', served while revalidated' if window else ''}": Reply(
        tags=frozenset("x"), validator=validator, stale_while_revalidate=window
    )
    for validator, window in product(["strong", "weak", "date", "none"], [0, 100])
}
INTRUSIONS = [*product([["x"], ["y"], [url_tag("/a")], [ALL]], ["hard", "soft"], ["changed", "unchanged"])]


def finish(world: World, reply: Reply) -> None:
    """Let go on what waits and answer what is asked, until nothing is left to do."""
    while world.waiting or world.calls:
        for _ in world.waiting:
            world.release(0)
        for call in world.calls:
            is_304 = world.may_say_not_modified(call)
            world.reply(call, Reply(304, reply.tags, reply.validator) if is_304 else reply)


def ask_and_finish(world: World, reply: Reply) -> Asking:
    asking = world.ask("/a")
    finish(world, reply)
    return asking


def schedule(
    stored: Reply | None, age: int, gate: str, now: Reply, intrusion: tuple[list[str], str, str] | None
) -> None:
    """Store a response, stop a later request for it, take something back or let others change it, and go on."""
    world = World(1_000_000)
    if stored is not None:
        ask_and_finish(world, stored)
    world.clock.advance(age)
    world.closed_gates.update([gate] if gate else [])
    world.ask("/a")
    if intrusion is None:
        poster = world.ask("/a", method="POST", is_slow=True)
        for call in world.calls:
            if call.asking is poster:
                world.reply(call, Reply())
    else:
        target, how, changed = intrusion
        world.invalidate(target, soft=how == "soft", changed=changed == "changed")
    world.ask("/a")
    finish(world, now)
    for pause in (0, 1, 11):
        world.clock.advance(pause)
        ask_and_finish(world, now)
    world.close()


@pytest.mark.parametrize("gate", ["", *GATES])
@pytest.mark.parametrize("age", [0, 11])
@pytest.mark.parametrize("stored", [None, *STORED])
def test_nothing_that_happens_during_a_request_breaks_the_promise(stored: str | None, age: int, gate: str) -> None:
    for intrusion, tags in product([*INTRUSIONS, None], ["x", "y"]):
        now = Reply(tags=frozenset(tags), validator="strong")
        schedule(STORED[stored] if stored else None, age, gate, now, intrusion)


def test_a_304_takes_no_tag_off_what_is_stored() -> None:
    world = World(1_000_000)
    ask_and_finish(world, Reply(tags=frozenset("x"), validator="strong"))
    world.clock.advance(11)
    ask_and_finish(world, Reply(tags=frozenset("y"), validator="strong"))
    world.invalidate(["x"], soft=False, changed=True)
    ask_and_finish(world, Reply(tags=frozenset("x"), validator="strong"))
    world.close()
