"""One site, served bare and in each way behind the cache, and visited."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from itertools import chain, product
from typing import TYPE_CHECKING, Final

from benchmarks.sites import streams
from benchmarks.sites.crawl import crawl
from benchmarks.sites.differences import left_out
from benchmarks.sites.servers import serve, serve_gateway
from benchmarks.sites.side import BARE, Side
from benchmarks.sites.site import NOBODY
from benchmarks.sites.visit import Bare, Outcome, Visit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.sites.compare import Comparison
    from benchmarks.sites.environments import Environment
    from benchmarks.sites.servers import Server
    from benchmarks.sites.site import Site

DOORS: Final = ("middleware", "gateway")
STORES: Final = ("memory", "redis")
WAYS: Final = tuple(product(DOORS, STORES))


def run(
    site: Site, environment: Environment, redis: str, folder: Path, comparison: Comparison
) -> tuple[list[Outcome], list[str]]:
    """Serve a site in each way and visit it; return what came of it, and what went wrong besides.

    Args:
        site: which.
        environment: its software and its data.
        redis: the URL of a server of ours.
        folder: for copies of its data, and logs.
        comparison: compares, and remembers what was met.
    """
    with ExitStack() as stack:
        origin, *others = [stack.enter_context(server) for server in _servers(site, environment, redis, folder)]
        servers = (origin, *others)
        for server in servers:
            server.wait()
        sides = [Side(site, BARE, origin.url, stack)]
        bare = Bare(sides[0], site)
        outcomes, visits = [], []
        for (door, store), server in zip(WAYS, others, strict=True):
            outcomes.append(Outcome(site.name, door, store))
            sides.append(Side(site, door, server.url, stack))
            visits.append(Visit(site, bare, sides[-1], comparison, outcomes[-1]))
            if site.has_streams:
                found = streams.faults(site, door, f"{door}-{store}", origin.url, server.url, comparison)
                outcomes[-1].faults += found
        for target, of_nobody in _targets(site, bare).items():
            for visit in visits:
                visit.target(target, of_nobody=of_nobody)
            bare.forget()
        complaints = [f"{server.log}: {line}" for server in servers for line in server.complaints()]
        return outcomes, [*complaints, *(leak for side in sides for leak in side.leaks)]


def _servers(site: Site, environment: Environment, redis: str, folder: Path) -> Iterator[Server]:
    """Start to serve the bare site, and the site in each way, each with data of its own."""
    bare = serve(site, environment.python, environment.copy_home(folder / "bare"), "")
    yield bare
    for door, store in WAYS:
        place, url = folder / f"{door}-{store}", store if store == "memory" else redis
        if door == "gateway":
            yield serve_gateway(site, bare.url, url, place.with_suffix(".log"))
        else:
            yield serve(site, environment.python, environment.copy_home(place), url)


def _targets(site: Site, bare: Bare) -> dict[str, bool]:
    """Return the targets that visitors find at a site, and whether nobody does."""
    found = {
        name: crawl(partial(bare.reply, name), site.start, left_out(site.name), site.limit) for name in bare.visitors
    }
    bare.forget()
    return {target: target in found[NOBODY] for target in dict.fromkeys(chain.from_iterable(found.values()))}
