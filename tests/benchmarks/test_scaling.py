"""docs/scaling.md says what its formulas and its simulation say, and these agree with each other and with servers."""

from __future__ import annotations

import asyncio
import zlib
from dataclasses import asdict
from random import Random
from statistics import median
from typing import TYPE_CHECKING

import pytest

from accelerator import RedisStore
from accelerator.demo.redis_server import RedisServer
from accelerator.stores.redis import fleet
from accelerator.stores.redis.keys import PARTITIONS
from accelerator.testing import make_entry, make_request
from benchmarks.deployments.cluster import RedisCluster
from benchmarks.scaling import constants, formulas
from benchmarks.scaling.__main__ import main
from benchmarks.scaling.formulas import Site
from benchmarks.scaling.measure import Effort, learn, measure, sent
from benchmarks.scaling.tables import MEASURED, PAGE, PLACE, TABLES, into_page, requests_of, small
from benchmarks.scaling.traffic import Traffic
from benchmarks.scaling.waiting import Fleet, Waits
from tests.wsgi.servers import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

C = constants.read()


# --- the page ---------------------------------------------------------------------------------------------------------


def test_each_table_of_the_page_is_what_the_program_says() -> None:
    page = PAGE.read_text()
    assert [found[2] for found in PLACE.finditer(page)] == list(TABLES)
    assert into_page(page, C) == page


def test_the_real_run_is_that_of_the_benchmarks() -> None:
    text = (ROOT / "docs" / "benchmarks.md").read_text()
    rows = text.partition("near stores: MemoryStore\n")[2].partition("\n\n")[0].splitlines()
    strict = [row.split() for row in rows if row.split()[1:3] == ["TieredStore,", "strict"]]
    assert {int(row[0]): (float(row[3]), float(row[4])) for row in strict} == MEASURED


def test_the_program_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--table", "commands"]) == 0
    assert capsys.readouterr().out == f"commands\n\n{TABLES['commands'](C)}\n\n"


# --- commands, beside servers -----------------------------------------------------------------------------------------


@pytest.fixture
def _no_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has a near store here: a server that has just begun has no leases of before to wait for."""
    monkeypatch.setattr(fleet, "LEASE_SECONDS", 0.0)


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="module")
def cluster() -> Iterator[RedisCluster]:
    with RedisCluster(replicas=0) as cluster:
        yield cluster


async def counts(url: str, servers: Sequence[RedisServer], tags: list[str]) -> dict[str, int]:
    """The commands of each operation."""
    for one in servers:
        learn(one)
    store, other = (RedisStore(url, f"{len(tags)}:", deadline=20) for _ in range(2))
    request, elsewhere = make_request(PAGE_URL), make_request("https://example.org/elsewhere")
    for one_store in (store, other):
        await one_store.lookup(elsewhere)  # it has connected now, and the orders have begun
    await store.invalidate_tag("settled")  # who comes first notes that there are no leases of before
    found = {"miss": await sent(servers, store.lookup(request))}
    entry = make_entry(request, (await store.lookup(request)).mark, tags)
    found["fill"] = await sent(servers, store.commit(entry))
    await store.lookup(request)
    found["hit"] = await sent(servers, store.lookup(request))
    found["cold_hit"] = await sent(servers, other.lookup(request))
    assert (await other.lookup(request)).entry is not None
    found["invalidation"] = await sent(servers, store.invalidate_tag(tags))
    await store.aclose()
    await other.aclose()
    return {name: sum(commands.values()) for name, commands in found.items()}


PAGE_URL = "https://example.org/page"


@pytest.mark.usefixtures("_no_leases")
@pytest.mark.parametrize("tags", [1, 5, 20])
def test_the_commands_of_one_redis_are_counted(server: RedisServer, tags: int) -> None:
    found = asyncio.run(counts(server.url, [server], [f"tag {number}" for number in range(tags)]))
    assert found == formulas.commands(tags, is_cluster=False)._asdict()


@pytest.mark.usefixtures("_no_leases")
@pytest.mark.parametrize("tags", [1, 5, 20])
def test_the_commands_of_a_cluster_are_counted(cluster: RedisCluster, tags: int) -> None:
    """The formula has the average number of partitions; here it is known which ones these are."""
    names = [f"tag {number}" for number in range(tags)]
    parts = {zlib.crc32(name.encode()) % PARTITIONS for name in names}
    with_url = parts | {zlib.crc32(f"@url:{PAGE_URL.removeprefix('https://')}".encode()) % PARTITIONS}
    first = 1 + PARTITIONS
    found = asyncio.run(counts(cluster.url, cluster.nodes, names))
    assert found == {
        "miss": first,
        "fill": len(with_url) + 1,
        "hit": 1 + len(with_url),
        "cold_hit": first + 1 + len(with_url),
        "invalidation": len(parts) + 1,
    }


def test_the_formula_has_the_average_number_of_partitions() -> None:
    """Of names without a pattern; those that differ in a digit or two are spread more evenly."""
    rand = Random(1)  # noqa: S311 - names
    for tags in (1, 5, 20):
        draws = [{zlib.crc32(rand.randbytes(12)) % PARTITIONS for _ in range(tags)} for _ in range(2000)]
        mean = sum(map(len, draws)) / len(draws)
        assert formulas.touched(tags) == pytest.approx(mean, rel=0.02)


# --- formulas, beside the simulation ----------------------------------------------------------------------------------


def test_the_same_seed_is_the_same_run() -> None:
    first, second, other = (Traffic(small(4), for_all=True, seed=seed).run(5_000) for seed in (1, 1, 2))
    assert first == second != other
    waits = [Waits(C, Fleet(8, writers=3, rate=50.0), seed=seed).run(30) for seed in (1, 1, 2)]
    assert waits[0] == waits[1] != waits[2]


@pytest.mark.parametrize("workers", [1, 16, 256])
def test_hits_and_fills_of_the_simulation_are_those_of_the_formula(workers: int) -> None:
    site = small(workers)
    found, once = formulas.hits(site), Traffic(site, for_all=True).run(requests_of(workers))
    assert once.near / once.requests == pytest.approx(found.near, abs=0.02)
    assert once.fills / once.seconds == pytest.approx(found.fills, rel=0.15)
    alone = Traffic(site, for_all=False).run(requests_of(workers))
    assert alone.fills / alone.seconds == pytest.approx(found.fills_alone, rel=0.15)


def test_a_near_store_of_a_machine_is_simulated_as_the_formula_has_it() -> None:
    site = Site(64, 16, pages=2_000, all_tags=2_000, near=400, requests=3_200, invalidations=16)
    run = Traffic(site, for_all=True).run(60_000)
    assert run.near / run.requests == pytest.approx(formulas.hits(site).near, abs=0.02)
    assert run.told == 4 * run.invalidations


def test_each_request_of_the_simulation_is_answered_once() -> None:
    for for_all in (True, False):
        run = Traffic(small(64), for_all=for_all).run(20_000)
        assert run.requests == 10_000 == run.near + run.far + run.waited + run.fills
        assert run.commands >= run.requests - run.near


def test_with_room_for_all_pages_only_what_is_taken_back_is_not_near() -> None:
    site = Site(workers=1, pages=100, tags=1, all_tags=100, requests=100, invalidations=10, near=100, skew=0.5)
    back = 0.1
    groups = formulas.popularity(100, 0.5)
    expected = sum(count * share * 100 * share / (100 * share + back) for count, share in groups)
    assert formulas.hits(site).near == pytest.approx(expected)


def test_all_pages_are_asked_for() -> None:
    for pages in (10, 1_000, 10**9):
        groups = formulas.popularity(pages, 0.9)
        assert sum(count for count, _ in groups) == pytest.approx(pages, rel=1e-6)
        assert sum(count * share for count, share in groups) == pytest.approx(1)


@pytest.mark.parametrize("followers", [0, 1, 16, 256])
def test_an_invalidation_alone_waits_as_long_as_the_formula_says(followers: int) -> None:
    simulated = median(Waits(C, Fleet(followers)).run(20))
    assert simulated == pytest.approx(formulas.wait(C, followers), rel=0.1)


def test_invalidations_that_come_faster_than_they_are_done_wait_longer_and_longer() -> None:
    bears = formulas.most_invalidations(C, 64)
    few, many = (Waits(C, Fleet(64, writers=64, rate=rate)).run(300) for rate in (0.3 * bears, 3 * bears))
    assert median(many) > 5 * median(few)


def test_a_billion_entries_take_a_thousand_times_what_a_million_take() -> None:
    million, billion = (formulas.stored_bytes(C, entries, 5, entries, 10_000) for entries in (10**6, 10**9))
    assert billion == pytest.approx(1000 * million, rel=0.001)
    assert formulas.keys(10**9, 10**9) == 3 * 10**9 + 3


# --- measuring --------------------------------------------------------------------------------------------------------


def test_a_small_run_measures_all_constants() -> None:
    """What is sent is the same in each run; how long it takes is not looked at."""
    found = measure(Effort(entries=200, calls=200, followers=8, runs=1))
    assert set(asdict(found)) == set(asdict(C))
    assert found.told_bytes == pytest.approx(C.told_bytes, rel=0.2)
    assert found.follower_bytes == pytest.approx(C.follower_bytes, rel=0.2)
    assert found.meta_bytes == pytest.approx(C.meta_bytes, rel=0.2)
    assert found.listed_bytes == C.listed_bytes
    assert found.connections == C.connections
    assert found.bus_bytes > 2048, "a map of 16,384 slots is in each"
