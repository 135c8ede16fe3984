"""Measures the constants, on servers of its own on this machine. It needs Linux."""

from __future__ import annotations

import asyncio
import itertools
import platform
import socket
import tempfile
import time
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from accelerator import LMDBStore, MemoryStore, RedisStore, TieredStore
from accelerator.demo.redis_server import RedisServer
from accelerator.stores.redis import scripts
from accelerator.stores.redis.fleet import Acknowledgement, pack_acknowledgement
from accelerator.stores.redis.keys import PARTITIONS
from accelerator.stores.redis.orders import KEEP_META
from accelerator.stores.redis.scripts import BEAT, Script
from accelerator.stores.redis.server import ASK_IDENTITY
from accelerator.testing import make_entry, make_request
from benchmarks.deployments.cluster import SLOTS, RedisCluster, slot_of
from benchmarks.deployments.machine import processors
from benchmarks.near import PATIENCE, Fleet, Followers, until_near
from benchmarks.scaling.constants import Constants
from benchmarks.soak.contents import contents

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from accelerator import Store
    from accelerator.http.request import Request
    from accelerator.rules.entry import Entry

BODY: Final = bytes(10_000)
SMALLEST, SPREAD = 8192, 4096
"""Bodies of pages whose bytes are compared: Redis rounds up what it allocates, which has to even out."""

MILLION: Final = 1e6
FEW, MANY = 1, 21
"""Tags of what is compared to learn what one tag costs."""

BATCHES: Final = 20
"""Calls are measured in so many batches, of which the least counts: others use the machine as well."""

SIDE_BY_SIDE: Final = 64
ATTEMPTS: Final = 5
"""A fill may be refused where a server has begun empty."""

ID: Final = b"f:" + b"0" * 12 + b"%04d"
ORIGIN: Final = b"0" * 16
SECRET: Final = b"0" * 16
"""An incarnation."""


class Effort(NamedTuple):
    """How much is done to measure.

    Attributes:
        entries: entries of which the bytes are compared.
        calls: calls of which the CPU time is measured.
        followers: followers whose messages are.
        runs: how often all is measured.
    """

    entries: int = 10_000
    calls: int = 2_000
    followers: int = 400
    runs: int = 3


# --- what servers say -------------------------------------------------------------------------------------------------


def said(server: RedisServer, section: str) -> dict[str, Any]:
    """Return what a server says of itself."""
    with server.client() as client:
        found: dict[str, Any] = client.info(section)
        return found


def cpu(server: RedisServer) -> float:
    """Return the µs that the main thread of a server has been at work."""
    found = said(server, "cpu")
    return MILLION * float(found["used_cpu_sys_main_thread"] + found["used_cpu_user_main_thread"])


def used(servers: Iterable[RedisServer]) -> float:
    """Return the bytes that servers use, without those of connections."""
    found = [said(server, "memory") for server in servers]
    return float(sum(memory["used_memory"] - memory["mem_clients_normal"] for memory in found))


def network(server: RedisServer) -> float:
    """Return the bytes to and from a server."""
    found = said(server, "stats")
    return float(found["total_net_input_bytes"] + found["total_net_output_bytes"])


def learn(server: RedisServer) -> None:
    """Let a server know all scripts, so that none is sent as text."""
    with server.client() as client:
        for script in vars(scripts).values():
            if isinstance(script, Script):
                client.script_load(script.text)


async def sent(servers: Sequence[RedisServer], work: Awaitable[object]) -> dict[str, int]:
    """Return how often each command came to servers meanwhile, except those inside of scripts and `INFO`."""
    for server in servers:
        with server.client() as client:
            client.config_resetstat()
    await work
    found = {"mget": 0, "evalsha": 0, "eval": 0}
    for server in servers:
        for name, stat in said(server, "commandstats").items():
            if (command := name.removeprefix("cmdstat_")) in found:
                found[command] += stat["calls"]
    return {command: number for command, number in found.items() if number}


# --- bytes ------------------------------------------------------------------------------------------------------------


def body_of(number: int) -> bytes:
    """Return the body of a page."""
    return bytes(SMALLEST + number * 37 % SPREAD)


def mean_body(entries: int) -> float:
    """Return the mean length of the bodies of so many pages."""
    return sum(len(body_of(number)) for number in range(entries)) / entries


async def fill(store: Store, numbers: Iterable[int], tags: Callable[[int], Sequence[str]]) -> None:
    """Store pages, many at a time."""

    async def one(number: int) -> None:
        request = make_request(f"https://www.example.org/page/{number:08}")
        for _ in range(ATTEMPTS):
            mark = (await store.lookup(request)).mark
            if await store.commit(make_entry(request, mark, tags(number), body=body_of(number))):
                return
        raise RuntimeError("a page was not stored")

    every = list(numbers)
    for start in range(0, len(every), SIDE_BY_SIDE):
        await asyncio.gather(*map(one, every[start : start + SIDE_BY_SIDE]))


def shared(count: int) -> Callable[[int], Sequence[str]]:
    """Return the same tags for each page."""
    return lambda _: [f"shared:{number:05}" for number in range(count)]


async def bytes_of_entries(store: RedisStore, servers: Sequence[RedisServer], entries: int) -> list[float]:
    """Return the bytes of an entry without tags, those of each tag of one, and those of a tag's record."""
    found = []
    for tags in (shared(0), shared(10), lambda number: [f"own:{number:08}"]):
        before = used(servers)
        await fill(store, range(entries), tags)
        found.append((used(servers) - before) / entries)
        for server in servers:
            with server.client() as client:
                client.flushall()
    plain, of_ten, own = found
    of_one = (of_ten - plain) / 10
    return [plain - mean_body(entries), of_one, own - plain - of_one]


async def bytes_of_the_rest(server: RedisServer, store: RedisStore) -> dict[str, float]:
    """Return the bytes of the other keys."""
    (partition,) = store.keys.partitions
    await store.invalidate_tag([f"logged:{number:05}" for number in range(1000)])
    vary = (b"accept-language",)
    with server.client() as client:
        beat(client, store, range(1000))
        for number in range(64):
            request = make_request("https://www.example.org/varies", [("accept-language", f"x-{number:02}")])
            mark = (await store.lookup(request)).mark
            await store.commit(make_entry(request, mark, vary=vary))
        (variants,) = client.keys(b"*v:{*}")
        found = {
            "meta_bytes": client.memory_usage(partition.meta, samples=0),
            "place_bytes": client.memory_usage(partition.log, samples=0) / 1000,
            "follower_bytes": client.memory_usage(store.keys.near, samples=0) / 1000,
            "variant_bytes": client.memory_usage(variants, samples=0) / 64,
        }
        client.flushall()
    return found


async def bytes_near(entries: int) -> dict[str, float]:
    """Return the bytes of an entry in near stores, beyond its body."""
    memory = MemoryStore(2**32)
    await fill(memory, range(entries), shared(5))
    with tempfile.TemporaryDirectory() as folder:
        lmdb = LMDBStore(folder, 4 * entries * len(BODY))
        await fill(lmdb, range(entries), shared(5))
        lmdb.close()
        found = contents(Path(folder))
    return {
        "memory_bytes": memory.size / entries - mean_body(entries),
        "lmdb_bytes": found.entry_bytes / found.entries - mean_body(found.entries),
    }


# --- CPU of the server ------------------------------------------------------------------------------------------------


async def cpu_of_each(servers: Sequence[RedisServer], calls: int, work: Callable[[int], Awaitable[object]]) -> float:
    """Return the µs of all servers for each of some calls, one at a time."""
    await work(0)
    taken = []
    for _ in range(BATCHES):
        start = sum(map(cpu, servers))
        for number in range(calls // BATCHES):
            await work(number)
        taken.append((sum(map(cpu, servers)) - start) / (calls // BATCHES))
    return min(taken)


async def look_up(store: Store, request: Request, _: int) -> None:
    """Look up once more."""
    await store.lookup(request)


async def miss(store: Store, number: int) -> None:
    """Look up what nobody has."""
    await store.lookup(make_request(f"https://www.example.org/missing/{number}"))


async def commit(store: Store, entry: Entry, _: int) -> None:
    """Store once more."""
    await store.commit(entry)


async def cpu_of_requests(server: RedisServer, store: RedisStore, calls: int) -> dict[str, float]:
    """Return the µs of hits and fills."""
    fills: dict[int, float] = {}
    for tags in (FEW, MANY):
        request = make_request(f"https://www.example.org/{tags}")
        entry = make_entry(request, (await store.lookup(request)).mark, shared(tags)(0), body=BODY)
        fills[tags] = await cpu_of_each([server], calls, partial(commit, store, entry))
    request = make_request("https://www.example.org/hit")
    await store.commit(make_entry(request, (await store.lookup(request)).mark, shared(5)(0), body=BODY))
    slope = (fills[MANY] - fills[FEW]) / (MANY - FEW)
    return {
        "hit_cpu": await cpu_of_each([server], calls, partial(look_up, store, request)),
        "fill_cpu": fills[FEW] - FEW * slope,
        "fill_tag_cpu": slope,
    }


def beat(client: Any, store: RedisStore, followers: Iterable[int], run_id: bytes | None = None) -> None:
    """Send a heartbeat of each follower."""
    identity = run_id or b"somebody"
    for number in followers:
        client.evalsha(BEAT.sha, 1, store.keys.near, SECRET, identity, KEEP_META, ID % number, b"")


def identity_of(client: Any, store: RedisStore) -> bytes:
    """Return the identity that the store has written for its server."""
    found: bytes = client.get(store.keys.partitions[0].meta).split()[4]
    return found


class Silent:
    """Followers that hear, and do nothing. What they are sent stays in the buffers of the system.

    Args:
        server: the server.
        channel: what they listen to.
        number: how many.
    """

    def __init__(self, server: RedisServer, channel: bytes, number: int) -> None:
        self._sockets = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(number)]
        for one in self._sockets:
            one.sendall(b"*2\r\n$9\r\nSUBSCRIBE\r\n$%d\r\n%s\r\n" % (len(channel), channel))
        for one in self._sockets:
            one.settimeout(PATIENCE)
            if not one.recv(1000).startswith(b"*3"):
                raise RuntimeError("a subscription was refused")

    def close(self) -> None:
        """End them."""
        for one in self._sockets:
            one.close()


async def cost_of_messages(server: RedisServer, effort: Effort) -> dict[str, float]:
    """Return the µs and bytes of invalidations, acknowledgements and heartbeats."""
    store = TieredStore(
        MemoryStore(), far := RedisStore(server.tcp_url, "messages:", deadline=PATIENCE), consistency="eventual"
    )
    calls = effort.calls // 10
    found, taken = [], []
    with server.client() as client:
        await store.invalidate_tag("one:00000000")
        identity = identity_of(client, far)
        for number in (0, effort.followers):
            beat(client, far, range(number), identity)
            crowd = Silent(server, far.keys.near, number)
            await store.invalidate_tag("one:00000000")  # this one begins to listen
            start = network(server)
            found.append(await cpu_of_each([server], calls, lambda _: store.invalidate_tag("one:00000000")))
            taken.append((network(server) - start) / (calls + 1))
            crowd.close()
        channel = b"%s:%s" % (far.keys.near, ORIGIN)
        told = pack_acknowledgement(Acknowledgement(ID % 0, SECRET, 100_000))
        writer = Silent(server, channel, 1)

        async def acknowledge(_: int) -> None:
            client.publish(channel, told)

        async def heartbeat(number: int) -> None:
            beat(client, far, [number % effort.followers], identity)

        async def identify(_: int) -> None:
            client.execute_command(*ASK_IDENTITY)

        start = network(server)
        acknowledged = await cpu_of_each([server], effort.calls, acknowledge)
        between = network(server)
        beating = await cpu_of_each([server], effort.calls, heartbeat)
        end = network(server)
        asking = await cpu_of_each([server], effort.calls, identify)
        writer.close()
        calls_made = 1 + effort.calls // BATCHES * BATCHES
        answer = 2 * len(b"$18\r\n") + len(ID % 0) + len(b"1234567\r\n")
    await store.aclose()
    return {
        "invalidation_cpu": found[0],
        "told_cpu": (found[1] - found[0]) / effort.followers,
        "told_bytes": (taken[1] - taken[0]) / effort.followers - answer,
        "listed_bytes": float(answer),
        "acknowledgement_cpu": acknowledged,
        "acknowledgement_bytes": (between - start) / calls_made,
        "heartbeat_cpu": beating,
        "identity_cpu": asking,
        "heartbeat_bytes": (end - between) / calls_made,
    }


# --- CPU of processes -------------------------------------------------------------------------------------------------


async def work_done(store: TieredStore) -> tuple[float, int]:
    """Return the seconds that this process was at work, and the number of invalidations that it has applied."""
    return time.process_time(), store.figures().applied


async def cpu_of_writer(store: RedisStore, calls: int) -> float:
    """Return the µs of this process for an invalidation."""
    start = time.process_time()
    for _ in range(calls):
        await store.invalidate_tag("one:00000000")
    return MILLION * (time.process_time() - start) / calls


async def cpu_of_processes(server: RedisServer, calls: int, number: int = 2) -> dict[str, float]:
    """Return the µs of a process that invalidates, and of one that follows."""
    fleet = Fleet(server.tcp_url, "processes:", "MemoryStore", "")
    nobody, strict = fleet._replace(prefix="alone:").far(), fleet.far()
    alone, followed, following = [], [], []
    with Followers(fleet, number, work_done) as followers:
        for store in (nobody, strict):
            for _ in range(2):  # the first one waits for leases of before, and the next listens
                await store.invalidate_tag("settled")
        for _ in range(BATCHES):
            alone.append(await cpu_of_writer(nobody, calls // BATCHES))
            before = followers.ask()
            followed.append(await cpu_of_writer(strict, calls // BATCHES))
            pairs = zip(followers.ask(), before, strict=True)
            following += [(now[0] - then[0]) / (now[1] - then[1]) for now, then in pairs]
    for store in (nobody, strict):
        await store.aclose()
    return {
        "follower_cpu": MILLION * min(following),
        "writer_cpu": min(alone),
        "heard_cpu": (min(followed) - min(alone)) / number,
    }


async def connections(server: RedisServer) -> dict[str, float]:
    """Return the connections of a process that does all, one request at a time."""
    before = said(server, "clients")["connected_clients"]
    store = Fleet(server.tcp_url, "connections:", "MemoryStore", "").tiered()
    await until_near(store)
    await store.invalidate_tag("settled")
    await store.invalidate_tag("one:00000000")
    made = said(server, "clients")["connected_clients"] - before
    await store.aclose()
    return {"connections": made}


# --- a cluster --------------------------------------------------------------------------------------------------------


def read_bytes(server: RedisServer) -> int:
    """Return the bytes that a process has read, from files and sockets."""
    assert server.process is not None
    lines = Path(f"/proc/{server.process.pid}/io").read_text().splitlines()
    return int(lines[0].removeprefix("rchar:"))


def occupy(cluster: RedisCluster) -> None:
    """Store something in each slot, since a slot takes memory by itself once something is in it."""
    keys: dict[int, bytes] = {}
    for number in itertools.count():
        if len(keys) == SLOTS:
            break
        keys.setdefault(slot_of(b"%d" % number), b"%d" % number)
    for node in cluster.nodes:
        with node.client() as client:
            pipe = client.pipeline(transaction=False)
            for key in keys.values():
                pipe.set(key, b"", ex=3600)
            pipe.execute(raise_on_error=False)  # each node refuses the keys of others


async def cost_of_the_bus(cluster: RedisCluster, store: RedisStore, calls: int) -> dict[str, float]:
    """Return the µs and bytes of a message between nodes: an acknowledgement to nobody, as beside a single server."""
    source = cluster.owner_of(store.keys.near)
    other = next(node for node in cluster.nodes if node is not source)
    channel = b"%s:%s" % (store.keys.near, ORIGIN)
    told = pack_acknowledgement(Acknowledgement(ID % 0, SECRET, 100_000))
    with source.client() as client, RedisServer() as alone, alone.client() as bare:
        messages = source.ask("CLUSTER INFO").get("cluster_stats_messages_publish_sent", "0")
        idle = -read_bytes(other), -cpu(other)
        await asyncio.sleep(1)
        idle = idle[0] + read_bytes(other), idle[1] + cpu(other)

        async def to_all(_: int) -> None:
            client.publish(channel, told)

        async def to_nobody(_: int) -> None:
            bare.publish(channel, told)

        begun, bytes_before, work_before = time.monotonic(), read_bytes(other), cpu(other)
        sending = await cpu_of_each([source], calls, to_all)
        seconds = time.monotonic() - begun
        taken = read_bytes(other) - bytes_before - idle[0] * seconds, cpu(other) - work_before - idle[1] * seconds
        alone_sending = await cpu_of_each([alone], calls, to_nobody)
        now = source.ask("CLUSTER INFO")["cluster_stats_messages_publish_sent"]
    made = 1 + calls // BATCHES * BATCHES
    others = (int(now) - int(messages)) / made
    if others != len(cluster.nodes) - 1:
        raise RuntimeError(f"a message went to {others} nodes")
    return {
        "bus_sent_cpu": (sending - alone_sending) / others,
        "bus_taken_cpu": taken[1] / made,
        "bus_bytes": taken[0] / made,
    }


# --- all --------------------------------------------------------------------------------------------------------------


async def measure_server(effort: Effort) -> dict[str, float]:
    """Return what one server tells."""
    with RedisServer() as server:
        learn(server)
        open_store = partial(RedisStore, server.tcp_url, deadline=PATIENCE)
        store = open_store()
        entry, tag, record = await bytes_of_entries(store, [server], effort.entries)
        found = {"entry_bytes": entry, "tag_bytes": tag, "record_bytes": record}
        found |= await bytes_of_the_rest(server, store)
        await store.aclose()
        store = open_store("cpu:")
        found |= await cpu_of_requests(server, store, effort.calls)
        await store.aclose()
        found |= await cost_of_messages(server, effort)
        found |= await cpu_of_processes(server, effort.calls // 4)
        return found | await connections(server)


async def measure_cluster(effort: Effort) -> dict[str, float]:
    """Return what a cluster of three primaries tells."""
    with RedisCluster(replicas=0) as cluster:
        for node in cluster.nodes:
            learn(node)
        store = RedisStore(cluster.url, deadline=PATIENCE)
        found = await cost_of_the_bus(cluster, store, effort.calls)
        occupy(cluster)
        await fill(store, range(PARTITIONS), shared(0))
        before = used(cluster.nodes)
        await fill(store, range(PARTITIONS, PARTITIONS + effort.entries), shared(0))
        entry = (used(cluster.nodes) - before) / effort.entries - mean_body(effort.entries)
        request = make_request("https://www.example.org/hit")
        await store.commit(make_entry(request, (await store.lookup(request)).mark, shared(5)(0), body=BODY))
        found["cluster_hit_cpu"] = await cpu_of_each(cluster.nodes, effort.calls, partial(look_up, store, request))
        found["cluster_miss_cpu"] = await cpu_of_each(cluster.nodes, effort.calls // 4, partial(miss, store))
        await store.aclose()
        return found | {"cluster_entry_bytes": entry}


async def measure_once(effort: Effort) -> dict[str, float]:
    """Return all figures of one run."""
    found = await measure_server(effort) | await measure_cluster(effort)
    return found | await bytes_near(max(100, effort.entries // 10))


def measure(effort: Effort | None = None) -> Constants:
    """Return all constants: of CPU times the least of several runs."""
    effort = effort or Effort()
    runs = [asyncio.run(measure_once(effort)) for _ in range(effort.runs)]
    figures = {name: float(min(run[name] for run in runs)) for name in runs[0] if name.endswith("_cpu")}
    figures = {name: float(value) for name, value in runs[-1].items()} | figures
    with RedisServer() as server:
        redis = said(server, "server")["redis_version"]
    versions = f"Python {platform.python_version()}, redis-py {version('redis')}, Redis {redis}"
    return Constants(date=datetime.now(UTC).date().isoformat(), versions=versions, machine=processors(), **figures)
