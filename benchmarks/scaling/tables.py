"""The tables of docs/scaling.md."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from math import ceil
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from benchmarks.scaling import formulas
from benchmarks.scaling.formulas import Site
from benchmarks.scaling.traffic import Traffic
from benchmarks.scaling.waiting import Fleet, Waits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from benchmarks.scaling.constants import Constants

PAGE: Final = Path(__file__).parents[2] / "docs" / "scaling.md"
PLACE: Final = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

WORKERS: Final = (1, 4, 16, 64, 256, 1000)
TAGS: Final = (1, 5, 20)
RATES: Final = (0.1, 1, 10, 100, 1000)
ENTRIES: Final = (10**6, 10**7, 10**8, 10**9)
NODES: Final = (6, 30, 100)
A_MACHINE: Final = 16
BODY: Final = 10_000

EACH_ASKS: Final = 50
"""Requests a second of a worker."""

ROOM: Final = 5_000
"""Pages of 10 KB that a near store of 64 MB has room for: as much as a worker has."""

UNITS: Final = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "KB"))

MEASURED: Final = {1: (0.66, 0.83), 4: (1.50, 1.82), 16: (3.63, 4.46)}
"""Milliseconds of a strict invalidation by the number of followers, least and median: docs/benchmarks.md."""


def fleet(workers: int, a_store: int = 1, **more: float) -> Site:
    """Return a site of so many workers, of which so many share a near store that has the room of all of theirs."""
    shared = min(workers, a_store)
    site = Site(workers=workers, a_store=shared, near=shared * ROOM, requests=EACH_ASKS * workers)
    return replace(site, **more)  # type: ignore[arg-type]  # of pages and tags there are whole numbers


def small(workers: int) -> Site:
    """Return a site that the simulation can go through request by request."""
    site = fleet(workers, pages=2_000, all_tags=2_000, near=200)
    return replace(site, invalidations=workers / 8)


def shop(a_store: int) -> Site:
    """Return the site of the worked example."""
    return fleet(640, a_store, pages=20_000_000, tags=8, all_tags=20_000_000, invalidations=50.0)


# --- text -------------------------------------------------------------------------------------------------------------


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table. The first column is text, the others are numbers."""
    rules = ["---", *["--:"] * (len(head) - 1)]
    lines = [head, rules, *([str(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def short(value: float) -> str:
    """Return a number with two digits that count, or all before the point."""
    if value == round(value) or abs(value) >= 10:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 1 else f"{value:.2g}"


def size(value: float) -> str:
    """Return bytes in a unit that suits them."""
    unit, name = next(((unit, name) for unit, name in UNITS if value >= unit), (1, "bytes"))
    return f"{short(value / unit)} {name}"


def percent(part: float) -> str:
    """Return a part of one in per cent."""
    return f"{100 * part:.1f} %"


def ms(seconds: float) -> str:
    """Return milliseconds."""
    return short(1e3 * seconds)


def costs(unit: str, *figures: float) -> str:
    """Return figures of one unit."""
    return f"{'; '.join(short(figure) for figure in figures)} {unit}"


# --- tables -----------------------------------------------------------------------------------------------------------


def bytes_of(c: Constants) -> str:
    """Return the measured bytes."""
    rows = [
        ("an entry, beyond its body of 10 KB and its tags, with the record of its URL", costs("bytes", c.entry_bytes)),
        ("the same on a cluster", costs("bytes", c.cluster_entry_bytes)),
        ("a tag of an entry, with a name of 12 characters", costs("bytes", c.tag_bytes)),
        ("the record of a tag, whatever number of entries has it", costs("bytes", c.record_bytes)),
        ("the order of a partition; a place in its log, of 8,192", costs("bytes", c.meta_bytes, c.place_bytes)),
        ("a follower in the list; a variant, beside its entry", costs("bytes", c.follower_bytes, c.variant_bytes)),
        ("an entry with five tags in a `MemoryStore`; an `LMDBStore`", costs("bytes", c.memory_bytes, c.lmdb_bytes)),
        ("a message to a follower; its place in the answer", costs("bytes", c.told_bytes, c.listed_bytes)),
        ("an acknowledgement, in and out; a heartbeat", costs("bytes", c.acknowledgement_bytes, c.heartbeat_bytes)),
        ("a message from node to node of a cluster", costs("bytes", c.bus_bytes)),
    ]
    return f"{c.date}, {c.versions}, {c.machine}\n\n{table(('one', 'takes'), rows)}"


def work_of(c: Constants) -> str:
    """Return the measured CPU time."""
    rows = [
        ("Redis: a hit with five tags", costs("µs", c.hit_cpu)),
        ("Redis: a fill; each tag of it", costs("µs", c.fill_cpu, c.fill_tag_cpu)),
        ("Redis: an invalidation; each follower told", costs("µs", c.invalidation_cpu, c.told_cpu)),
        ("Redis: an acknowledgement", costs("µs", c.acknowledgement_cpu)),
        ("Redis: a heartbeat; to say who it is", costs("µs", c.heartbeat_cpu, c.identity_cpu)),
        ("all nodes: a hit with five tags; a miss", costs("µs", c.cluster_hit_cpu, c.cluster_miss_cpu)),
        ("a node: a message to another node; from one", costs("µs", c.bus_sent_cpu, c.bus_taken_cpu)),
        ("a follower: an invalidation: heard, applied, acknowledged", costs("µs", c.follower_cpu)),
        ("who invalidates: the call; each acknowledgement", costs("µs", c.writer_cpu, c.heard_cpu)),
    ]
    return table(("work", "CPU"), rows)


def memory(c: Constants) -> str:
    """Return keys and bytes."""
    head = ("entries of 10 KB", "tags each", "keys", "in one Redis", "in a cluster", "primaries of 64 GB")
    rows = []
    for entries in ENTRIES:
        for tags in TAGS:
            kept = partial(formulas.stored_bytes, c, entries, tags, entries, BODY)
            nodes = formulas.nodes_for(kept(is_cluster=True))
            keys = f"{formulas.keys(entries, entries):,.0f}"
            rows.append((f"{entries:,}", tags, keys, size(kept()), size(kept(is_cluster=True)), f"{nodes:,}"))
    return table(head, rows)


def commands(c: Constants) -> str:  # noqa: ARG001 - they are counted, not measured
    """Return commands by operation."""
    names = {
        "hit": "hit, of a URL that this process remembers",
        "cold_hit": "hit, the first of a URL in a process",
        "miss": "miss, of a URL that nobody has",
        "fill": "fill, after the miss",
        "invalidation": "invalidation of all of these tags",
    }
    head = ("operation", "one Redis", *(f"cluster, tags: {tags}" for tags in TAGS))
    found = [formulas.commands(1, is_cluster=False), *(formulas.commands(tags, is_cluster=True) for tags in TAGS)]
    return table(head, [(text, *(short(getattr(one, name)) for one in found)) for name, text in names.items()])


def fleets(c: Constants) -> str:
    """Return what fleets ask one Redis for, with near stores of workers and of machines."""
    each, shared = "a store each", f"a store for {A_MACHINE}"
    columns = ("hits near", "commands a second", "Redis at work")
    head = ("workers", *(f"{column}, {where}" for where in (each, shared) for column in columns))
    rows = []
    for workers in WORKERS:
        row = [f"{workers:,}"]
        for site in (fleet(workers), fleet(workers, A_MACHINE)):
            row += [percent(formulas.hits(site).near), short(formulas.server_commands(site))]
            row.append(percent(formulas.server_load(c, site)))
        rows.append(row)
    return table(head, rows)


def rates(c: Constants) -> str:
    """Return what invalidations cost by their rate and the tags of a page."""
    head = ("invalidations a second", "tags of a page", "hits near", "made again a second", "messages a second")
    rows = []
    for rate in RATES:
        for tags in TAGS:
            site = fleet(256, A_MACHINE, tags=tags, invalidations=rate)
            found = formulas.hits(site)
            load = percent(formulas.server_load(c, site))
            rows.append(
                (short(rate), tags, percent(found.near), short(found.fills), short(2 * rate * site.stores), load)
            )
    return table((*head, "Redis at work"), rows)


def waits(c: Constants) -> str:
    """Return what an invalidation costs by the number of followers, and what it waits for."""
    head = ("followers", "messages", "bytes", "Redis, ms", "wait alone, ms", "simulated: median", "95 %")
    rows = []
    for followers in (0, *WORKERS):
        work = formulas.invalidation_work(c, followers)
        simulated = Waits(c, Fleet(followers, WRITERS, rate_for(c, followers))).run(200 if followers <= 256 else 60)
        row = [f"{followers:,}", f"{2 * followers:,}", size(formulas.message_bytes(c, followers))]
        row += [ms(work / 1e6), ms(formulas.wait(c, followers))]
        rows.append([*row, ms(median(simulated)), ms(simulated[int(0.95 * len(simulated))])])
    return table(head, rows)


WRITERS: Final = 8


def rate_for(c: Constants, followers: int) -> float:
    """Return ten invalidations a second, or as many as keep the processes that wait at work for a third of the time."""
    return min(10.0, WRITERS * formulas.most_of_a_writer(c, followers) / 2)


def most(c: Constants) -> str:
    """Return how many invalidations a second there can be."""
    head = ("followers", "one Redis", "one process that waits", "processes for 50 a second")
    rows = []
    for followers in WORKERS:
        server, writer = formulas.most_invalidations(c, followers), formulas.most_of_a_writer(c, followers)
        rows.append((f"{followers:,}", short(server), short(writer), f"{ceil(50 / writer):,}"))
    return table(head, rows)


def bus(c: Constants) -> str:
    """Return what an invalidation costs on the bus of a cluster."""
    head = ("nodes, replicas too", "followers", "messages", "bytes", "the followers' node, ms", "a second at most")
    rows = []
    for nodes in NODES:
        for followers in (16, 64, 1000):
            messages, work = formulas.bus_messages(followers, nodes), formulas.invalidation_work(c, followers, nodes)
            limit = short(formulas.most_invalidations(c, followers, nodes))
            sent = size(messages * c.bus_bytes)
            rows.append((nodes, f"{followers:,}", f"{messages:,.0f}", sent, ms(work / 1e6), limit))
    return table(head, rows)


def hot(c: Constants) -> str:  # noqa: ARG001 - what follows from requests alone
    """Return what is made again after one invalidation."""
    head = ("the tag is on", "pages", "made again in the first second", "in ten seconds")
    site = fleet(256)
    rows = []
    for name, part in (("one page in 100,000", 1e-5), ("one in 1,000", 1e-3), ("one in 10", 0.1), ("all", 1.0)):
        soon, later = (short(formulas.made_after(site, part, seconds)) for seconds in (1.0, 10.0))
        rows.append((name, f"{part * site.pages:,.0f}", soon, later))
    return table(head, rows)


def fills(c: Constants) -> str:  # noqa: ARG001 - they are counted, not measured
    """Return hits and fills, by formula and by simulation."""
    head = (
        "workers",
        "hits near",
        "simulated",
        "made again a second",
        "simulated",
        "by each who is asked",
        "simulated",
    )
    rows = []
    for workers in WORKERS:
        site = small(workers)
        found = formulas.hits(site)
        once, alone = (Traffic(site, for_all=for_all).run(requests_of(workers)) for for_all in (True, False))
        row = [f"{workers:,}", percent(found.near), percent(once.near / once.requests)]
        row += [short(found.fills), short(once.fills / once.seconds)]
        rows.append([*row, short(found.fills_alone), short(alone.fills / alone.seconds)])
    return table(head, rows)


def requests_of(workers: int) -> int:
    """Return how many requests fill near stores that begin half right, and then tell enough of them."""
    return max(80_000, 600 * workers)


def real(c: Constants) -> str:
    """Return the simulation beside a real run."""
    head = ("followers", "measured, ms: least", "median", "simulated, two processors for all", "part of the least")
    rows = []
    for followers, (least, middle) in MEASURED.items():
        simulated = 1e3 * median(Waits(c, Fleet(followers, shared=2, hop=0.0)).run(200))
        rows.append((followers, f"{least:.2f}", f"{middle:.2f}", f"{simulated:.2f}", f"{simulated / least:.2f}"))
    return table(head, rows)


def example(c: Constants) -> str:
    """Return the worked example."""
    both = [shop(1), shop(A_MACHINE)]
    kept, clustered = (
        formulas.stored_bytes(c, both[0].pages, both[0].tags, both[0].all_tags, BODY, is_cluster=is_cluster)
        for is_cluster in (False, True)
    )
    primaries = formulas.nodes_for(clustered)

    def reads(site: Site) -> float:
        return 2 * site.requests * (1 - formulas.hits(site).near)

    def work(site: Site, nodes: int = 1) -> float:
        return formulas.invalidation_work(c, site.stores, nodes)

    def writers(site: Site) -> int:
        return ceil(site.invalidations / formulas.most_of_a_writer(c, site.stores))

    rows: dict[str, Callable[[Site], str]] = {
        "keys": lambda site: f"{formulas.keys(site.pages, site.all_tags):,.0f}",
        "in one Redis": lambda _: size(kept),
        "in a cluster; primaries of 64 GB": lambda _: f"{size(clustered)}; {primaries}",
        "requests a second": lambda site: f"{site.requests:,.0f}",
        "hits near": lambda site: percent(formulas.hits(site).near),
        "pages made again a second": lambda site: short(formulas.hits(site).fills),
        "reads a second, of the cluster": lambda site: f"{reads(site):,.0f}",
        "primaries at work for them": lambda site: percent(reads(site) * c.cluster_hit_cpu / 1e6 / primaries),
        "heartbeats a second": lambda site: short(site.stores * formulas.BEATS_A_SECOND),
        "the followers' node at work for invalidations": lambda site: percent(site.invalidations * work(site) / 1e6),
        "with a replica each, and the bus": lambda site: percent(site.invalidations * work(site, 2 * primaries) / 1e6),
        "bytes of messages a second": lambda site: size(site.invalidations * formulas.message_bytes(c, site.stores)),
        "wait of an invalidation alone, ms": lambda site: ms(formulas.wait(c, site.stores)),
        "processes that have to share the waiting": lambda site: f"{writers(site):,}",
    }
    head = ("", *(f"{site.stores:,} followers" for site in both))
    return table(head, [(name, *(says(site) for site in both)) for name, says in rows.items()])


TABLES: Final[Mapping[str, Callable[[Constants], str]]] = {
    one.__name__: one
    for one in (bytes_of, work_of, memory, commands, fleets, rates, waits, most, bus, hot, fills, real, example)
}
"""How each table is made, by its name."""


def into_page(text: str, c: Constants) -> str:
    """Return the page with each table as it is now."""
    return PLACE.sub(lambda found: f"{found[1]}\n{TABLES[found[2]](c)}\n\n{found[3]}", text)
