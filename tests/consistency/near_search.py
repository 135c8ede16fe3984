"""Schedules of the model of near stores, drawn by a seed.

Some follow a plot, between whose steps others come; else a few tasks are held up, and then anything happens. That finds
more than to switch between tasks at random does, since hardly a fault needs more than three that are held up.

`python -m tests.consistency.near_search --schedules 1000000` looks through many; `--seed` begins with another one.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Final

from tests.consistency import near_model
from tests.consistency.history import RuleBrokenError
from tests.consistency.near_plots import PLOTS, do
from tests.consistency.near_world import CLUSTER, SENTINELS, SERVER, World

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

    from tests.consistency.near_plots import Plot, Step

USUAL: Final = [
    *[do("begin_any", "answer")] * 4,
    *[do("begin_any", "invalidate")] * 4,
    *[do("begin_any", "heartbeat")] * 3,
    *[do("request_everywhere")] * 2,
    *[do("wait")] * 4,
    *[do("release")] * 4,
    *[do("hold_any")] * 2,
    do("to_any", "drop"),
    *map(do, ("release_and_hold_later", "beat_all", "connect")),
]
HELD: Final = [
    *[do("begin_any", name, 1.0) for name in ("answer", "invalidate", "heartbeat", "leave")],
    *[do("hold_any")] * 2,
]
FAULTS: Final = [
    *[[do("to_any", name)] for name in ("disconnect", "deafen", "lose_messages", "kill", "fork", "take_over")],
    *[[do(name)] for name in ("lose_a_command", "restart_empty", "evict_key", "evict_far", "set_servers_clock")],
    [do("begin_any", "leave")],
    [do("duplicate_messages"), do("reorder_messages")],
    [do("replicate"), do("promote")],
    [do("to_any", "stop"), do("wait"), do("let_go_on")],
]
FAULTS_OF: Final = {
    SERVER: [],
    SENTINELS: [[do("fail_over")], [do("replicate"), do("fail_over")]] * 6,
    CLUSTER: [[do("restart_near_server")], [do("restart_partition")]] * 2,
}


def follow(plot: Plot, model: ModuleType = near_model, *, until_quiet: bool = False) -> None:
    """Do what a plot says, and nothing else.

    Raises:
        RuleBrokenError: it breaks the promise, or what comes to an end in quiet does not.
    """
    world = World(0, model)
    begin(world, plot, plot.kind)
    run(world, plot.steps)
    if until_quiet:
        world.be_quiet()


def search(seeds: Iterable[int], model: ModuleType = near_model) -> None:
    """Run schedules; one in ten ends in quiet, which takes longer, and has to bring everything back.

    Raises:
        RuleBrokenError: it names the seed of one that breaks the promise, or where what ends in quiet does not.
    """
    for seed in seeds:
        world = World(seed, model)
        try:
            run(world, draw(world))
            if seed % 10 == 0:
                world.be_quiet()
        except RuleBrokenError as error:
            raise RuleBrokenError(f"schedule {seed}: {error}") from error


def draw(world: World) -> list[Step]:
    """Begin with a fleet, and return what happens to it."""
    random = world.random
    if random.random() < 0.5:
        plot = random.choice([*PLOTS.values()])
        begin(world, plot, kind := random.choice([*FAULTS_OF]) if plot.kind == SERVER else plot.kind)
        steps = list(plot.steps)
        strays = random.randrange(1, 7)
    else:
        begin_anyhow(world, kind := random.choice([*FAULTS_OF]))
        steps = []
        strays = random.randrange(6, 16)
    fault = random.choice(FAULTS + FAULTS_OF[kind])
    others = random.choices(random.sample(USUAL, 10), k=strays) + fault * random.choice((0, 1, 1, 2))
    for one in others:
        steps.insert(random.randrange(len(steps) + 1), one)
    return steps


def begin(world: World, plot: Plot, kind: str) -> None:
    world.populate([102, 100, 100][: plot.processes], is_shared=plot.is_shared, kind=kind)
    world.warm_up()


def begin_anyhow(world: World, kind: str) -> None:
    """Begin with any fleet, in which something is held up already."""
    random = world.random
    world.tags = random.choice(("x", "xy"))
    rates = random.choices((100, 102), k=random.choice((2, 2, 2, 3)))
    world.populate(rates, is_shared=random.random() < 0.25, kind=kind)
    if random.random() < 0.9:
        world.warm_up()
        for _ in range(random.choice((0, 1, 2, 3))):
            random.choice(HELD)(world)


def run(world: World, steps: list[Step]) -> None:
    """Let it happen, and hold it against the promise after each step."""
    for step in steps:
        step(world)
        world.settle()
        world.probe()


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0, help="of the first one")
    options = parser.parse_args(arguments)
    search(range(options.seed, options.seed + options.schedules))
    sys.stdout.write(f"{options.schedules} schedules, and none breaks the promise\n")


if __name__ == "__main__":
    main(sys.argv[1:])
