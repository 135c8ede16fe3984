"""Plots: what has to come together where a fault of the protocol of near stores would show."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias

from tests.consistency.near_world import CLUSTER, SENTINELS, SERVER, World

Step: TypeAlias = Callable[[World], None]

A, B, C = range(3)


def do(name: str, *arguments: Any) -> Step:
    """Return the call of a method as a step."""

    def step(world: World) -> None:
        getattr(world, name)(*arguments)

    return step


class Plot(NamedTuple):
    """Steps that lead to where a fault would show, and by how many processes.

    Each has a machine of its own, or all but the last share one. The clock of the first is the fastest.
    """

    steps: list[Step]
    processes: int = 2
    is_shared: bool = False
    kind: str = SERVER


def late(name: str, who: int, tag: str = "x", *, after: int = 1) -> Step:
    """Return the begin of a task whose command comes late to the server."""
    return partial(World.begin, who=who, name=name, tag=tag, hold_in=after, holds_command=True)


def slow(name: str, who: int, tag: str = "x", *, after: int = 1) -> Step:
    """Return the begin of a task that the server's answer comes to late."""
    return partial(World.begin, who=who, name=name, tag=tag, hold_in=after)


PLOTS: Final = {
    "a lease that is renewed while an invalidation is on its way to the server": Plot(
        [
            late("invalidate", A),
            do("pass_time", 90),
            do("begin", B, "heartbeat"),
            do("hold", B),
            do("pass_time", 12),
            do("let", A, "invalidate"),
        ],
    ),
    "a heartbeat that is answered late": Plot(
        [
            slow("heartbeat", B),
            do("hold", B),
            do("begin", A, "invalidate"),
            do("pass_time", 60),
            do("let", B, "heartbeat"),
            do("pass_time", 41),
        ],
    ),
    "a clock that is faster than the follower's": Plot(
        [
            do("begin", B, "heartbeat"),
            do("hold", B),
            do("begin", A, "invalidate"),
            do("pass_time", 99),
        ],
    ),
    "a heartbeat while messages are late": Plot(
        [
            do("hold", B),
            do("begin", A, "invalidate"),
            do("pass_time", 60),
            do("begin", B, "heartbeat"),
            do("pass_time", 41),
        ],
    ),
    "a follower that is held up while it applies a message": Plot(
        [
            do("hold", B, 1),
            do("begin", A, "invalidate"),
        ],
    ),
    "a message that comes after one was lost": Plot(
        [
            do("hold", B),
            do("begin", A, "invalidate", "x"),
            do("lose_messages", B),
            do("begin", A, "invalidate", "y"),
            do("let", B, "follow"),
        ],
    ),
    "a read that is under way while the near store is emptied": Plot(
        [
            do("drop", B),
            slow("answer", B),
            do("hold", B),
            do("begin", A, "invalidate", "x"),
            do("lose_messages", B),
            do("begin", A, "invalidate", "y"),
            do("let", B, "follow"),
            do("let", B, "answer"),
        ],
    ),
    "a read before the server has the invalidation of its own process": Plot(
        [
            do("begin", B, "leave"),
            do("drop", A),
            late("invalidate", A),
            do("begin", A, "answer"),
            do("hold", A),
            do("let", A, "invalidate"),
        ],
    ),
    "an invalidation that fails, and a read before it does": Plot(
        [
            do("drop", A),
            late("invalidate", A),
            do("begin", A, "answer"),
            do("lose_unexecuted"),
            do("let", A, "invalidate"),
            do("begin", A, "answer"),
        ],
    ),
    "an invalidation that fails in one of two processes with the same near store": Plot(
        [
            late("invalidate", A),
            do("lose_unexecuted"),
            do("let", A, "invalidate"),
            do("begin", B, "answer"),
            do("begin", A, "answer"),
        ],
        processes=3,
        is_shared=True,
    ),
    "a follower that joins while another invalidates": Plot(
        [
            do("begin", B, "leave"),
            late("invalidate", A, after=2),
            do("begin", B, "heartbeat"),
            do("begin", B, "answer"),
            do("hold", B),
            do("let", A, "invalidate"),
        ],
    ),
    "a follower that is not heard, and goes on": Plot(
        [
            do("hold", A),
            do("begin", A, "invalidate"),
            do("pass_time", 90),
            do("begin", B, "heartbeat"),
            do("pass_time", 11),
            do("begin", B, "answer"),
            do("hold", B),
            do("begin", A, "invalidate"),
        ],
    ),
    "a follower that is taken out twice, and joins between": Plot(
        [
            do("hold", A),
            do("hold", C),
            slow("invalidate", C, after=2),
            do("begin", A, "invalidate"),
            do("pass_time", 101),
            do("begin", B, "heartbeat"),
            do("begin", B, "answer"),
            do("let", C, "invalidate"),
            do("hold", B),
            do("begin", A, "invalidate"),
        ],
        processes=3,
    ),
    "a follower that is to be taken out where the server began anew": Plot(
        [
            do("begin", B, "heartbeat"),
            do("hold", A),
            slow("invalidate", A, after=2),
            do("evict_key"),
            do("begin", A, "heartbeat"),
            do("pass_time", 103),
            do("begin", A, "heartbeat"),
            do("begin", B, "heartbeat"),
            do("begin", B, "answer"),
            do("let", A, "invalidate"),
            do("hold", B),
            do("begin", A, "invalidate"),
        ],
    ),
    "a heartbeat that is answered after its follower has left": Plot(
        [
            slow("heartbeat", B),
            do("begin", B, "leave"),
            do("let", B, "heartbeat"),
            do("begin", B, "answer"),
            do("hold", B),
            do("begin", A, "invalidate"),
        ],
    ),
    "a heartbeat that settles what is gone when it comes": Plot(
        [
            do("evict_key"),
            do("beat_all"),
            do("pass_time", 101),
            late("heartbeat", B),
            do("begin", C, "heartbeat"),
            do("begin", C, "answer"),
            do("hold", C),
            do("evict_key"),
            do("let", B, "heartbeat"),
            do("begin", A, "invalidate"),
        ],
        processes=3,
    ),
    "a lease of before the server began anew": Plot(
        [
            do("evict_key"),
            do("hold", B),
            do("begin", A, "heartbeat"),
            do("begin", A, "heartbeat"),
            do("begin", A, "invalidate"),
        ],
    ),
    "numbers of before the server began anew": Plot(
        [
            *[do("begin", A, "invalidate")] * 3,
            do("restart_empty"),
            do("follow"),
            do("pass_time", 103),
            do("beat_all"),
            do("beat_all"),
            do("request_everywhere_for", "x"),
            do("begin", A, "invalidate"),
            do("request_everywhere_for", "x"),
            do("hold", B),
            do("begin", A, "invalidate"),
            do("pass_time", 60),
            do("begin", B, "heartbeat"),
            do("pass_time", 43),
        ],
    ),
    "the last message of an invalidation is lost": Plot(
        [
            do("hold", B),
            do("begin", A, "invalidate"),
            do("lose_messages", B),
            do("let", B, "follow"),
        ],
    ),
    "the server's clock is set while an invalidation waits": Plot(
        [
            do("hold", B),
            do("begin", A, "invalidate"),
            do("set_servers_clock"),
            do("begin", A, "invalidate", "y"),
        ],
    ),
    "a connection is deaf": Plot(
        [
            do("deafen", A),
            do("deafen", B),
            do("begin", A, "invalidate"),
        ],
    ),
    "a process that forks": Plot(
        [
            do("fork", B),
            do("follow"),
            do("begin", A, "invalidate"),
        ],
    ),
    "a process that dies": Plot(
        [
            do("kill", B),
            do("begin", A, "invalidate"),
        ],
    ),
    "a replica takes over that has missed a follower": Plot(
        [
            do("begin", B, "leave"),
            do("replicate"),
            do("begin", B, "heartbeat"),
            do("begin", B, "answer"),
            do("promote"),
            do("begin", A, "invalidate"),
        ],
    ),
    "a request that reads at a former primary after its follower has heard of the new one": Plot(
        [
            do("fail_over"),
            do("begin", A, "invalidate", "y"),
            do("begin", A, "invalidate", "x"),
            do("begin", B, "heartbeat"),
            do("begin", B, "heartbeat"),
            do("begin", B, "answer"),
            do("pass_time", 60),
            do("begin", B, "heartbeat"),
            do("pass_time", 43),
        ],
        kind=SENTINELS,
    ),
    "a former primary takes an invalidation after the new one has an entry": Plot(
        [
            do("pass_time", 52),
            do("begin", A, "invalidate", "y"),
            do("fail_over"),
            do("drop", B),
            do("begin", B, "answer"),
            do("begin", A, "invalidate"),
            do("begin", B, "answer"),
        ],
        kind=SENTINELS,
    ),
    "a former primary is read for as long as it is trusted": Plot(
        [
            do("begin", B, "leave"),
            do("fail_over"),
            do("begin", A, "invalidate", "y"),
            do("begin", A, "invalidate", "x"),
            do("pass_time", 101),
            do("begin", B, "answer"),
        ],
        kind=SENTINELS,
    ),
    "a machine that sleeps while its follower is waited for": Plot(
        [
            do("stop", B),
            do("begin", A, "invalidate"),
            do("pass_time", 101),
            do("let_go_on"),
        ],
    ),
    "a machine that sleeps while a former primary is trusted": Plot(
        [
            do("begin", B, "leave"),
            do("fail_over"),
            do("begin", A, "invalidate", "y"),
            do("begin", A, "invalidate", "x"),
            do("stop", B),
            do("pass_time", 101),
            do("let_go_on"),
            do("begin", B, "answer"),
        ],
        kind=SENTINELS,
    ),
    "a reader of a process that repeats what failed": Plot(
        [
            late("invalidate", A),
            do("lose_unexecuted"),
            do("let", A, "invalidate"),
            do("pass_time", 1),
            do("begin", A, "answer"),
            do("fail_over"),
            do("connect"),
            do("connect"),
            do("begin", A, "answer"),
        ],
        kind=SENTINELS,
    ),
    "a follower that joins between the steps of an invalidation": Plot(
        [
            do("begin", B, "leave"),
            late("invalidate", A, after=2),
            do("begin", B, "heartbeat"),
            do("begin", B, "answer"),
            do("hold", B),
            do("let", A, "invalidate"),
        ],
        kind=CLUSTER,
    ),
    "a read between the steps of an invalidation": Plot(
        [
            late("invalidate", A, after=2),
            do("drop", B),
            do("begin", B, "answer"),
            do("let", A, "invalidate"),
        ],
        kind=CLUSTER,
    ),
    "a read in which an invalidation comes between the steps": Plot(
        [
            do("drop", B),
            late("answer", B, after=2),
            do("hold", B),
            do("begin", A, "invalidate"),
            do("let", B, "answer"),
            do("let", B, "follow"),
        ],
        kind=CLUSTER,
    ),
    "the near stores' server begins anew between the steps of an invalidation": Plot(
        [
            late("invalidate", A, after=2),
            do("hold", B),
            do("evict_key"),
            do("let", A, "invalidate"),
        ],
        kind=CLUSTER,
    ),
    "an entry that is stored in steps, and taken back between them": Plot(
        [
            do("evict_far"),
            do("drop", B),
            late("answer", B, after=5),
            do("begin", A, "invalidate"),
            do("let", B, "answer"),
            do("request_everywhere_for", "x"),
        ],
        kind=CLUSTER,
    ),
}
