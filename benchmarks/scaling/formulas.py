"""Keys, bytes, commands, hits, messages and waits, by formulas from the measured constants."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import ceil, exp, inf
from typing import TYPE_CHECKING, Final, NamedTuple

from accelerator.stores.redis.fleet import LEASE_SECONDS
from accelerator.stores.redis.keys import PARTITIONS
from accelerator.stores.redis.orders import LOG_LENGTH
from accelerator.stores.tiered.follower import BEATS

if TYPE_CHECKING:
    from benchmarks.scaling.constants import Constants

NODE_BYTES: Final = 64e9
"""Bytes of memory of a node."""

FULL: Final = 0.7
"""The part of them that is for what is stored: the rest is for connections, copies for replicas, and growth."""

BUSY: Final = 0.7
"""The part of a second that a server may be at work before others wait long for it."""

HOP: Final = 100e-6
"""Seconds from one machine to another, as within a data centre."""

STEP: Final = 1.1
"""Pages of ranks that differ by less are taken for equally popular, beyond the first ones."""

EXACT: Final = 200


# --- keys and bytes ---------------------------------------------------------------------------------------------------


def keys(entries: float, all_tags: float, partitions: int = 1) -> float:
    """Return the number of keys: an entry and the record of its URL, records of tags, orders, and who follows."""
    return 2 * entries + all_tags + 2 * partitions + 1


def stored_bytes(
    c: Constants, entries: float, tags: float, all_tags: float, body: float, *, is_cluster: bool = False
) -> float:
    """Return the bytes of Redis for entries with so many tags each."""
    partitions = PARTITIONS if is_cluster else 1
    each = body + (c.cluster_entry_bytes if is_cluster else c.entry_bytes) + tags * c.tag_bytes
    orders = partitions * (c.meta_bytes + LOG_LENGTH * c.place_bytes)
    return entries * each + all_tags * c.record_bytes + orders


def nodes_for(stored: float) -> int:
    """Return the number of nodes of 64 GB that hold so many bytes."""
    return ceil(stored / (FULL * NODE_BYTES))


# --- commands ---------------------------------------------------------------------------------------------------------


def touched(tags: float) -> float:
    """Return how many partitions so many tags are in, on average."""
    return PARTITIONS * (1.0 - float((1 - 1 / PARTITIONS) ** tags))


class Commands(NamedTuple):
    """What is sent for one of each, by a process that has connected, with so many tags.

    Attributes:
        hit: of a URL that this process remembers, also if it has been taken back meanwhile.
        cold_hit: of one that it does not.
        miss: of a URL that nobody has.
        fill: after the miss.
        invalidation: of all of these tags at once.
    """

    hit: float
    cold_hit: float
    miss: float
    fill: float
    invalidation: float


def commands(tags: int, *, is_cluster: bool) -> Commands:
    """Return the commands of each operation."""
    if not is_cluster:
        return Commands(1, 2, 1, 1, 1)
    parts = touched(tags + 1)  # the URL is a tag, too
    first = 1 + PARTITIONS
    return Commands(1 + parts, first + 1 + parts, first, parts + 1, touched(tags) + 1)


LEASE: Final = (1, 2)
"""The lookups and scripts that a fill takes besides where it is one for all."""

BEATS_A_SECOND: Final = BEATS / LEASE_SECONDS
"""Heartbeats of a follower."""

IDENTITIES: Final = 2
"""Times a second that a process with a near store asks who the server is: with its heartbeats, and with requests."""


# --- hits -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Site:
    """A site, and what it is asked.

    Attributes:
        workers: processes.
        a_store: workers that share a near store.
        pages: pages, of one variant each.
        tags: tags of a page.
        all_tags: tags that there are, all on equally many pages.
        requests: requests a second for stored pages, of the whole fleet.
        invalidations: invalidations a second, of one tag each.
        near: pages that a near store has room for.
        fill_seconds: seconds that it takes to make a page.
        skew: the exponent of Zipf's law, by which pages are asked for.
    """

    workers: int = 16
    a_store: int = 1
    pages: int = 1_000_000
    tags: int = 5
    all_tags: int = 1_000_000
    requests: float = 1_000.0
    invalidations: float = 10.0
    near: int = 10_000
    fill_seconds: float = 0.05
    skew: float = 0.9

    @property
    def stores(self) -> int:
        """The near stores, each with one follower."""
        return ceil(self.workers / self.a_store)

    @property
    def taken_back(self) -> float:
        """How often a second each page is taken back."""
        return self.invalidations * self.tags / self.all_tags


@lru_cache(8)
def popularity(pages: int, skew: float) -> tuple[tuple[float, float], ...]:
    """Return the pages in groups, each as how many they are and the share of the requests of one of them."""
    groups = [(1.0, rank**-skew) for rank in range(1, min(pages, EXACT) + 1)]
    edges = [EXACT + 0.5]
    while edges[-1] < pages + 0.5:
        edges.append(min(STEP * edges[-1], pages + 0.5))
    for low, high in pairwise(edges):
        weight = (high ** (1 - skew) - low ** (1 - skew)) / (1 - skew)
        groups.append((high - low, weight / (high - low)))
    total = sum(count * weight for count, weight in groups)
    return tuple((count, weight / total) for count, weight in groups)


def kept_seconds(site: Site) -> float:
    """Return after how long a near store gives up a page that nobody asks it for (the approximation of Che)."""
    if site.near >= site.pages:
        return inf
    rates = [(count, site.requests * share / site.stores) for count, share in popularity(site.pages, site.skew)]
    low, high = 0.0, 1e12
    for _ in range(200):
        middle = (low + high) / 2
        held = sum(count * (1 - exp(-rate * middle)) for count, rate in rates)
        low, high = (middle, high) if held < site.near else (low, middle)
    return high


class Hits(NamedTuple):
    """What becomes of requests for stored pages.

    Attributes:
        near: the part that near stores answer.
        fills: pages that are made again a second, each once for all.
        fills_alone: the same where each process that is asked for it makes it.
    """

    near: float
    fills: float
    fills_alone: float


def hits(site: Site) -> Hits:
    """Return what becomes of requests."""
    back, kept = site.taken_back, kept_seconds(site)
    near = fills = alone = 0.0
    for count, share in popularity(site.pages, site.skew):
        rate = site.requests * share
        here = rate / site.stores
        near += count * share * here / (here + back) * (1 - exp(-(here + back) * kept))
        again = count * rate * back / (rate + back)
        fills += again
        alone += again * (1 + (site.workers - 1) * (1 - exp(-rate * site.fill_seconds / site.workers)))
    return Hits(near, fills, alone)


def made_after(site: Site, part: float, seconds: float = 1.0) -> float:
    """Return how many pages are made in the first seconds after a tag on so large a part of them was taken back."""
    groups = popularity(site.pages, site.skew)
    return part * sum(count * (1 - exp(-site.requests * share * seconds)) for count, share in groups)


# --- one server -------------------------------------------------------------------------------------------------------


def server_load(c: Constants, site: Site) -> float:
    """Return the part of a second that one Redis is at work: fills once for all, each far read twice at most."""
    found = hits(site)
    fill = c.fill_cpu + site.tags * c.fill_tag_cpu
    scripts = LEASE[1] * c.heartbeat_cpu  # which are about as short
    µs = 2 * site.requests * (1 - found.near) * c.hit_cpu + found.fills * (fill + LEASE[0] * c.hit_cpu + scripts)
    µs += site.stores * BEATS_A_SECOND * c.heartbeat_cpu + (site.workers + site.stores) * c.identity_cpu
    return (µs + site.invalidations * invalidation_work(c, site.stores)) / 1e6


def server_commands(site: Site) -> float:
    """Return the commands a second that come to one Redis."""
    found = hits(site)
    reads = 2 * site.requests * (1 - found.near)
    fills = found.fills * (1 + sum(LEASE))
    own = site.stores * BEATS_A_SECOND + site.workers + site.stores
    return reads + fills + own + site.invalidations * (1 + site.stores)


# --- invalidations ----------------------------------------------------------------------------------------------------


def invalidation_work(c: Constants, followers: float, nodes: int = 1) -> float:
    """Return the µs that the server of the followers takes for an invalidation with all acknowledgements."""
    bus = (1 + followers) * (nodes - 1) * c.bus_sent_cpu
    return c.invalidation_cpu + followers * (c.told_cpu + c.acknowledgement_cpu) + bus


def most_invalidations(c: Constants, followers: float, nodes: int = 1) -> float:
    """Return how many invalidations a second the server of the followers bears."""
    return BUSY * 1e6 / invalidation_work(c, followers, nodes)


def most_of_a_writer(c: Constants, followers: float) -> float:
    """Return how many strict invalidations a second one process bears that does nothing else."""
    return BUSY * 1e6 / (c.writer_cpu + followers * c.heard_cpu)


def wait(c: Constants, followers: int, hop: float = HOP) -> float:
    """Return the seconds of a strict invalidation where nothing else happens, each process on a processor of its own.

    The server tells the followers one after the other, and then takes their acknowledgements, as does who waits; the
    slower of both decides.
    """
    slower = max(c.acknowledgement_cpu, c.heard_cpu)
    µs = c.writer_cpu + c.invalidation_cpu + followers * (c.told_cpu + slower) + (followers > 0) * c.follower_cpu
    return (4 if followers else 2) * hop + µs / 1e6


def message_bytes(c: Constants, followers: float) -> float:
    """Return the bytes to and from the server for an invalidation of one tag."""
    return followers * (c.told_bytes + c.listed_bytes + c.acknowledgement_bytes)


def bus_messages(followers: float, nodes: int) -> float:
    """Return the messages between the nodes of a cluster for an invalidation: each one goes to all nodes."""
    return (1 + followers) * (nodes - 1)
