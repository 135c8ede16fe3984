"""What a hit from Redis costs in process, beside Litestar's cache on Redis and a bare GET; and what an outage costs.

The cases take turns in one run, at 1 and at 32 concurrent requests, with a body of 10 KB and five tags. The bare GET
brings the very bytes of the entry that the hit is answered from. All talk to one Redis of this script's own, over a
unix socket. Then requests come at a steady rate while Redis is stopped (SIGSTOP), goes on, is killed and started empty.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import signal
import sys
from statistics import median, quantiles
from time import perf_counter
from typing import TYPE_CHECKING, Any

from litestar import Litestar, get
from litestar.config.response_cache import ResponseCacheConfig
from litestar.stores.redis import RedisStore as LitestarStore
from redis.asyncio import Redis

from accelerator import ASGIAccelerator, RedisStore, cache_for, tag
from accelerator.demo.redis_server import RedisServer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from accelerator.asgi_types import Application, Message, Receive, Scope, Send

BODY = "x" * 10 * 1024
HIT, GET = "hit", "redis-py, GET of the same bytes"
TAGS = [f"tag:{number}" for number in range(5)]
RATE = 400
"""Requests a second during the outage."""


def scope(query: str = "") -> Scope:
    """Return a browser's request."""
    lines = [(b"host", b"example.org"), (b"user-agent", b"Mozilla/5.0"), (b"accept", b"text/html,*/*;q=0.8")]
    lines += [(b"accept-encoding", b"gzip, deflate, br"), (b"accept-language", b"en-GB,en;q=0.9")]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/hello",
        "raw_path": b"/hello",
        "query_string": query.encode(),
        "root_path": "",
        "headers": lines,
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 40000),
        "state": {},
    }


async def receive() -> Message:
    """Give the one message of a request without a body."""
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(message: Message) -> None:
    """Take what a server would write out."""


async def hello(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Answer with a text made from five things."""
    cache_for(3600)
    tag(*TAGS)
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(BODY))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": BODY.encode()})


def litestar_app(url: str) -> Litestar:
    """Return the same in Litestar, with its own cache of responses on Redis."""

    @get("/hello", cache=3600, sync_to_thread=False, media_type="text/plain")
    def view() -> str:
        return BODY

    store = LitestarStore(Redis.from_url(url))
    return Litestar([view], stores={"redis": store}, response_cache_config=ResponseCacheConfig(store="redis"))


def request_to(app: Application | Any) -> Callable[[], Awaitable[object]]:
    """Return what makes a request."""
    return lambda: app(scope(), receive, send)


def request_to_many(app: Application | Any) -> Callable[[], Awaitable[object]]:
    """Return what makes a request of one of many URLs, each after the other."""
    numbers = itertools.cycle(range(64))
    return lambda: app(scope(f"page={next(numbers)}"), receive, send)


async def check(name: str, app: Application | Any) -> None:
    """See that it answers, and the second time from its cache."""
    messages: list[Message] = []

    async def keep(message: Message) -> None:
        messages.append(message)

    for _ in range(2):
        await app(scope(), receive, keep)
    assert [message["status"] for message in messages if "status" in message] == [200, 200], name


async def time_of(call: Callable[[], Awaitable[object]], concurrent: int, calls: int) -> float:
    """Return the microseconds that a call takes, of so many at the same time."""

    async def work() -> None:
        for _ in range(calls // concurrent):
            await call()

    start = perf_counter()
    await asyncio.gather(*(work() for _ in range(concurrent)))
    return 1e6 * (perf_counter() - start) / (calls // concurrent * concurrent)


async def compare(server: RedisServer, rounds: int) -> None:
    """Print the table of hits."""
    store = RedisStore(server.url, deadline=5)
    cached = ASGIAccelerator(hello, store=store)
    litestar = litestar_app(server.url)
    await check("accelerator", cached)
    await check("Litestar", litestar)
    client = Redis.from_url(server.url)
    (entry,) = await client.keys("accelerator:e:*")
    stored = await client.get(entry) or b""
    await client.mset({f"key:{number}": stored for number in range(8)})
    cases: dict[str, Callable[[], Awaitable[object]]] = {
        HIT: request_to(cached),
        "hit, 64 URLs in turn": request_to_many(cached),
        "Litestar, response cache on Redis": request_to(litestar),
        "the same, 64 URLs in turn": request_to_many(litestar),
        GET: lambda: client.get("key:0"),
        "redis-py, MGET of 8": lambda: client.mget([f"key:{number}" for number in range(8)]),
        "no cache": request_to(hello),
    }
    print(f"Python {sys.version.split()[0]}; µs a request, median and quartiles of {rounds} rounds; times the GET")
    for concurrent in (1, 32):
        times: dict[str, list[float]] = {name: [] for name in cases}
        for turn in range(rounds + 1):
            for name, call in cases.items():
                taken = await time_of(call, concurrent, 320)
                if turn:
                    times[name].append(taken)
        for name, taken_by in times.items():
            low, _, high = quantiles(taken_by, n=4)
            ratio = median(taken / base for taken, base in zip(taken_by, times[GET], strict=True))
            print(f"{concurrent:3} at once  {name:36}{median(taken_by):8.1f}{f'{low:.0f}-{high:.0f}':>12}{ratio:7.2f}")
    await store.aclose()
    await client.aclose()


async def availability(server: RedisServer, seconds: float) -> None:
    """Print what requests take before, during and after outages."""
    store = RedisStore(server.url)
    app = ASGIAccelerator(hello, store=store)
    assert server.process is not None
    process = server.process
    for name, change in {
        "before": lambda: None,
        "stopped (SIGSTOP)": lambda: process.send_signal(signal.SIGSTOP),
        "going on": lambda: process.send_signal(signal.SIGCONT),
        "killed": server.kill,
        "started empty": server.start,
    }.items():
        await asyncio.to_thread(change)
        times, answered = await ask_steadily(app, seconds)
        middle, p99 = 1e3 * median(times), 1e3 * quantiles(times, n=100)[98]
        share = 100 * answered / len(times)
        print(f"{name:20} {len(times):6} requests, {share:.2f} % answered, p50 {middle:.3f} ms, p99 {p99:.2f} ms")
    await store.aclose()


async def ask_steadily(app: Application, seconds: float) -> tuple[list[float], int]:
    """Ask at a steady rate, whatever the answers take; return the times, and how many were answered with 200."""
    times: list[float] = []
    answered = 0

    async def ask() -> None:
        nonlocal answered
        statuses: list[int] = []

        async def keep(message: Message) -> None:
            statuses.append(message.get("status", 0))

        start = perf_counter()
        with contextlib.suppress(Exception):
            await app(scope(), receive, keep)
        times.append(perf_counter() - start)
        answered += statuses[:1] == [200]

    async with asyncio.TaskGroup() as group:
        for _ in range(int(seconds * RATE)):
            group.create_task(ask())
            await asyncio.sleep(1 / RATE)
    return times, answered


async def main(rounds: int, seconds: float) -> None:
    """Measure both."""
    with RedisServer() as server:
        await compare(server, rounds)
        await availability(server, seconds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=60, help="rounds of each case (60)")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of each part of the outage (4)")
    arguments = parser.parse_args()
    asyncio.run(main(arguments.rounds, arguments.seconds))
