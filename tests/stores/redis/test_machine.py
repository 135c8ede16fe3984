"""Random schedules against the real scripts, with eviction at every step; and each thing broken in them is found.

A cluster has an order in each of its partitions, of which there are two here, and scripts of its own.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha1
from typing import TYPE_CHECKING, Any

import pytest
from redis.cluster import RedisCluster as Admin

from accelerator import RedisStore
from accelerator.stores.redis import link, orders
from accelerator.stores.redis import scripts as redis_scripts
from accelerator.stores.redis import store as redis_store
from accelerator.stores.redis import verdict as redis_verdict
from accelerator.testing import make_entry, make_request
from tests.stores.redis.sentinels import Watched

if TYPE_CHECKING:
    from accelerator.demo.redis_server import RedisServer
    from accelerator.rules.entry import Entry, Mark
    from benchmarks.deployments.cluster import RedisCluster

URLS = [f"https://example.org/{name}" for name in "ab"]
TAGS = ("x", "y")


@dataclass
class Fill:
    url: str
    mark: Mark
    versions: dict[str, int]


@dataclass
class Machine:
    """What was changed and taken back, and what is being made."""

    store: RedisStore
    admin: Any
    prefix: str
    chance: random.Random
    versions: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TAGS, 0))
    hard: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TAGS, 0))
    fills: list[Fill] = field(default_factory=list)
    hits: int = 0

    async def step(self) -> None:
        acts = [self.begin, self.commit, self.commit, self.invalidate, self.evict, self.evict, self.lose]
        await self.chance.choice(acts)()
        for url in URLS:
            await self.look(url)

    async def begin(self) -> None:
        url = self.chance.choice(URLS)
        self.fills.append(Fill(url, (await self.store.lookup(make_request(url))).mark, dict(self.versions)))

    async def commit(self) -> None:
        if self.fills:
            fill = self.fills.pop(self.chance.randrange(len(self.fills)))
            tags = self.chance.choice([("x",), ("y",), ("x", "y")])
            body = b"%d %d" % (fill.versions["x"], fill.versions["y"])
            await self.store.commit(make_entry(make_request(fill.url), fill.mark, tags, body=body))

    async def invalidate(self) -> None:
        tag = self.chance.choice(TAGS)
        soft = self.chance.random() < 0.3
        self.versions[tag] += 1
        await self.store.invalidate_tag(tag, soft=soft)
        if not soft:
            self.hard[tag] = self.versions[tag]

    async def evict(self) -> None:
        """Any key, as a server that is full would."""
        keys: list[bytes] = sorted(self.admin.scan_iter(f"{self.prefix}*", count=1000))
        if keys:
            self.admin.delete(self.chance.choice(keys))

    async def lose(self) -> None:
        """What is rare by chance: the order, or the log."""
        if self.chance.random() < 0.3:
            self.admin.delete(
                self.chance.choice([key for one in self.store.keys.partitions for key in (one.meta, one.log)])
            )

    async def look(self, url: str) -> None:
        found = await self.store.lookup(make_request(url))
        if found.entry is None:
            return
        self.hits += 1
        made_from = dict(zip(TAGS, map(int, found.entry.body.split()), strict=True))
        for tag in set(TAGS) & found.entry.tags:
            floor = self.hard[tag] if found.invalidated else self.versions[tag]
            assert made_from[tag] >= floor, (url, tag, made_from, self.versions, self.hard)


@dataclass
class Place:
    """Where the games are played."""

    url: str
    client: Callable[[], Any]
    scripts: dict[str, str]


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    with Watched() as watched:
        yield watched


@pytest.fixture
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Place:
    if request.param == "server":
        server: RedisServer = request.getfixturevalue("server")
        return Place(server.url, server.client, {})
    if request.param == "sentinel":
        watched: Watched = request.getfixturevalue("watched")
        return Place(watched.url, lambda: watched.client(watched.primary), {})
    cluster: RedisCluster = request.getfixturevalue("cluster")
    monkeypatch.setattr(redis_store, "PARTITIONS", 2)
    node = cluster.running()[0]
    return Place(cluster.url, lambda: Admin(host="127.0.0.1", port=node.port), {"COMMIT": "BEAR", "INVALIDATE": "MOVE"})


async def play(place: Place, prefix: str, seed: int, steps: int, games: int) -> int:
    """Play games of so many steps, and return how many hits there were."""
    hits = 0
    with place.client() as admin:
        for game in range(games):
            own = f"{prefix}{game}:"
            store = RedisStore(place.url, own, deadline=20)
            machine = Machine(store, admin, own, random.Random(seed + game))  # noqa: S311 - no secret
            try:
                for _ in range(steps):
                    await machine.step()
            finally:
                await store.aclose()
            hits += machine.hits
    return hits


@pytest.fixture(autouse=True)
def short_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "LOG_LENGTH", 1)


@pytest.mark.parametrize("seed", [0, 1000])
@pytest.mark.parametrize("place", ["server", "cluster", "sentinel"], indirect=True)
def test_no_schedule_shows_what_was_taken_back(place: Place, prefix: str, seed: int) -> None:
    hits = asyncio.run(play(place, prefix, seed, steps=40, games=20))
    assert hits > 40


# --- mutations --------------------------------------------------------------------------------------------------------

Break = Callable[[pytest.MonkeyPatch, Place], None]
broken: dict[str, Break] = {}


def in_script(name: str, script: str, before: str, after: str) -> None:
    def change(patch: pytest.MonkeyPatch, place: Place) -> None:
        changed = place.scripts.get(script, script)
        text: str = getattr(redis_scripts, changed).text
        assert before in text
        body = text.replace(before, after)
        found = redis_scripts.Script(body, sha1(body.encode(), usedforsecurity=False).hexdigest())
        patch.setattr(orders, changed, found)

    broken[name] = change


in_script("birth at zero", "COMMIT", "born[KEYS[i]] = math.max(floor, last)", "born[KEYS[i]] = 0")
in_script("birth at the mark", "COMMIT", "if floor > mark or last > mark then return nil end", "last = mark")
in_script("births know no floor", "COMMIT", "redis.call('ZSCORE', log, '') or m.position", "0")
in_script(
    "births do not look into the log",
    "COMMIT",
    "redis.call('ZSCORE', log, ARGV[i - first_record + first_tag]) or 0",
    "0",
)
in_script(
    "overwrite instead of max",
    "COMMIT",
    "local birth = born[KEYS[i]]",
    "local birth = born[KEYS[i]] or tonumber(ARGV[5])",
)
in_script("the floor does not rise", "INVALIDATE", "redis.call('ZADD', log, dropped[2], '')", "")
in_script("a lost log means nothing happened", "COMMIT", "redis.call('ZSCORE', log, '') or m.position", "'1'")
in_script(
    "a log begins at zero", "INVALIDATE", "redis.call('ZADD', log, m.position, '')", "redis.call('ZADD', log, 0, '')"
)
in_script(
    "an invalidation finds the record but does not move it",
    "INVALIDATE",
    "write_record(KEYS[i], m.incarnation, m.position, was_soft, 'KEEPTTL')",
    "",
)
in_script(
    "soft overwrites hard",
    "INVALIDATE",
    "write_record(KEYS[i], m.incarnation, was_hard, m.position",
    "write_record(KEYS[i], m.incarnation, 0, m.position",
)
in_script("an invalidation has no position of its own", "INVALIDATE", "m.position = m.position + 1", "")


def breaks(name: str) -> Callable[[Break], Break]:
    def keep(change: Break) -> Break:
        broken[name] = change
        return change

    return keep


@breaks("missing means valid")
def _missing_means_valid(patch: pytest.MonkeyPatch, place: Place) -> None:
    compare = redis_verdict.compare

    def skip(entry: Entry, records: list[tuple[int, bytes | None]], metas: Any) -> tuple[bool, bool]:
        return compare(entry, [(partition, record) for partition, record in records if record is not None], metas)

    patch.setattr(redis_verdict, "compare", skip)


@breaks("incarnations are not told apart")
def _incarnation_ignored(patch: pytest.MonkeyPatch, place: Place) -> None:
    patch.setattr(link, "random_incarnation", lambda: "0123456789abcdef")


@breaks("what was usable once stays so while its bytes do not change")
def _verdicts_kept(patch: pytest.MonkeyPatch, place: Place) -> None:
    judge = redis_verdict.Stored.judge

    def keep(stored: Any, read: list[bytes | None], metas: Any) -> Any:
        return stored.judged[1] or judge(stored, read, metas)

    patch.setattr(redis_verdict.Stored, "judge", keep)


@breaks("mark at storing")
def _mark_at_storing(patch: pytest.MonkeyPatch, place: Place) -> None:
    commit = RedisStore.commit

    async def late(store: RedisStore, entry: Entry) -> bool:
        mark = (await store.lookup(make_request(URLS[0]))).mark
        return await commit(store, make_entry(make_request(_url(entry)), mark, _named(entry), body=entry.body))

    patch.setattr(RedisStore, "commit", late)


def _url(entry: Entry) -> str:
    return f"https://example.org{entry.key[3]}"


def _named(entry: Entry) -> Iterator[str]:
    return (tag for tag in entry.tags if tag in TAGS)


RARE = {"birth at zero", "a log begins at zero", "overwrite instead of max"}
"""What shows in few schedules. The scripts of both have the lines in common, so they are broken on a server alone."""


@pytest.mark.parametrize(
    ("place", "name"),
    [*[("server", name) for name in sorted(broken)], *[("cluster", name) for name in sorted(broken.keys() - RARE)]],
    indirect=["place"],
)
def test_each_mutation_is_found(place: Place, prefix: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken[name](monkeypatch, place)
    with pytest.raises(AssertionError):
        asyncio.run(play(place, prefix, 0, steps=60, games=300))
