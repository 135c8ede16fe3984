"""Scripts, threads and management commands: no loop of their own."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeAlias

import pytest
from click.testing import CliRunner, Result

from accelerator import InvalidationError, RedisStore, SyncStore
from accelerator.__main__ import main
from accelerator.stores.loop_thread import loop_thread
from accelerator.stores.redis import server as redis_server
from tests.stores.redis.support import OpenStore, StartServer, fill, state

if TYPE_CHECKING:
    from accelerator.demo.redis_server import RedisServer

Make: TypeAlias = Callable[..., RedisStore]


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes stores for `SyncStore`, and closes their connections on its loop."""
    made: list[RedisStore] = []

    def make(url: str, prefix: str = "accelerator:", *, deadline: float = 5) -> RedisStore:
        made.append(RedisStore(url, prefix, deadline=deadline))
        return made[-1]

    yield make
    for store in made:
        loop_thread.run(store.aclose())


def stored(server: RedisServer, prefix: str, *tags: str) -> None:
    async def run() -> None:
        store = RedisStore(server.url, prefix, deadline=5)
        await fill(store, *tags)
        await store.aclose()

    asyncio.run(run())


def seen(server: RedisServer, prefix: str) -> str:
    async def run() -> str:
        store = RedisStore(server.url, prefix, deadline=5)
        found = await state(store)
        await store.aclose()
        return found

    return asyncio.run(run())


def test_from_a_script_without_a_loop(server: RedisServer, prefix: str, make: Make) -> None:
    store = SyncStore(make(server.url, prefix))
    calls: list[Callable[[], None]] = [
        lambda: store.invalidate_tag("x"),
        lambda: store.invalidate_url("https://example.org/x"),
        store.clear,
    ]
    for call in calls:
        stored(server, prefix, "x")
        assert seen(server, prefix) == "fresh"
        call()
        assert seen(server, prefix) == "missing"


def test_calls_share_one_connection(start_server: StartServer, make: Make) -> None:
    server = start_server()
    store = SyncStore(make(server.url))
    with server.client() as admin:
        before: int = admin.info("stats")["total_connections_received"]
        for number in range(20):
            store.invalidate_tag(f"{number}")
        after: int = admin.info("stats")["total_connections_received"]
    assert after - before == 1


def test_from_threads_of_ones_own(server: RedisServer, prefix: str, make: Make) -> None:
    stored(server, prefix, *(f"{number}" for number in range(8)))
    store = SyncStore(make(server.url, prefix))
    threads = [threading.Thread(target=store.invalidate_tag, args=(f"{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen(server, prefix) == "missing"


@pytest.mark.anyio
async def test_from_a_thread_of_the_loop_s_pool(server: RedisServer, prefix: str, open_store: OpenStore) -> None:
    import anyio.to_thread

    store = open_store(server.url, prefix)
    await fill(store, "x")
    await anyio.to_thread.run_sync(SyncStore(store).invalidate_tag, "x")
    assert await state(store) == "missing"


@pytest.mark.anyio
async def test_in_the_loop_s_own_thread_it_says_what_to_do(
    server: RedisServer, prefix: str, open_store: OpenStore
) -> None:
    with pytest.raises(RuntimeError, match="await"):
        SyncStore(open_store(server.url, prefix)).invalidate_tag("x")


def test_what_fails_is_raised_and_repeated_while_the_process_lives(
    start_server: StartServer, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_server, "BREAK_SECONDS", 0.01)
    server = start_server()
    inner = make(server.url, deadline=0.5)
    store = SyncStore(inner)
    store.invalidate_tag("connected")
    server.kill()
    with pytest.raises(InvalidationError):
        store.invalidate_tag("x")
    server.start()
    done = threading.Event()
    for _ in range(400):
        if not inner.invalidations.pending.kept:
            break
        done.wait(0.05)
    assert not inner.invalidations.pending.kept
    with server.client() as admin:
        assert admin.zscore(inner.keys.partitions[0].log, "x") is not None


def test_a_script_that_ends_at_once_has_done_it(server: RedisServer, prefix: str) -> None:
    stored(server, prefix, "x")
    script = "import sys; from accelerator import RedisStore, SyncStore\n"
    script += "SyncStore(RedisStore(sys.argv[1], sys.argv[2], deadline=5)).invalidate_tag('x')"
    command = [sys.executable, "-c", script, server.url, prefix]
    done = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ), check=False)  # noqa: S603 - our own
    assert (done.returncode, done.stderr) == (0, "")
    assert seen(server, prefix) == "missing"


# --- the command line -------------------------------------------------------------------------------------------------


def purge(*arguments: str) -> Result:
    result = CliRunner().invoke(main, ["purge", *arguments])
    loop_thread.stop()
    return result


@pytest.mark.parametrize(
    ("words", "outcome", "said"),
    [
        (["x", "y"], "missing", "Taken back: every response made from x, y, in "),
        (["--soft", "x"], "stale", "Made stale: every response made from x, in "),
        (["--all"], "missing", "Taken back: everything, in "),
    ],
    ids=["hard", "soft", "all"],
)
def test_purge_takes_back_what_the_tags_name_and_says_so(
    server: RedisServer, prefix: str, words: list[str], outcome: str, said: str
) -> None:
    stored(server, prefix, "x")
    arguments = ["-m", "accelerator", "purge", "--store", server.url, "--prefix", prefix, *words]
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)  # noqa: S603 - our own
    where = f"<RedisStore: {server.socket}, prefix {prefix!r}>"
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{said}{where}\n", "")
    assert seen(server, prefix) == outcome


def test_purge_takes_the_store_and_its_options_from_the_environment(
    server: RedisServer, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(server, prefix, "x")
    monkeypatch.setenv("ACCELERATOR_STORE", f"{server.url}?prefix={prefix}&protocol=3")
    assert purge("x").exit_code == 0
    assert seen(server, prefix) == "missing"


def test_purge_has_time_to_wait_unless_the_url_says_another(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    deadlines: list[float] = []

    async def invalidate(self: RedisStore, *_tags: object, **_soft: object) -> None:
        deadlines.append(self._deadline)

    monkeypatch.setattr(RedisStore, "invalidate", invalidate)
    for url in (server.url, f"{server.url}?deadline=0.5"):
        assert purge("--store", url, "x").exit_code == 0
    assert deadlines == [5, 0.5]


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["--store", "redis://127.0.0.1:1", "x"], 1, "nothing is known to be taken back"),
        (["--store", "http://localhost", "x"], 1, "URL"),
        (["--store", "redis://localhost", "@all"], 1, "library's own"),
        (["--store", "redis://localhost?prefix=a", "--prefix", "b", "x"], 1, "prefix stands there twice"),
        (["--store", "memory:", "x"], 1, "memory: is a store in the memory of one process"),
        (["--store", "redis://localhost"], 2, "TAG"),
        (["--store", "redis://localhost", "--all", "x"], 2, "TAG"),
        (["--store", "redis://localhost", "--all", "--soft"], 2, "never soft"),
        (["x"], 2, "by --store or ACCELERATOR_STORE, such as lmdb:///dev/shm/site or redis://localhost:6379/0"),
    ],
    ids=[
        *("Redis is down", "no such URL", "no such tag", "two prefixes", "memory"),
        *("no tag", "all and a tag", "all softly", "no store"),
    ],
)
def test_purge_says_what_went_wrong(arguments: list[str], status: int, text: str) -> None:
    result = purge(*arguments)
    assert result.exit_code == status
    assert text in result.output


@pytest.mark.parametrize("command", [["purge", "x"], ["stats"], ["ls"], ["explain", "https://example.org/"], ["top"]])
def test_a_server_that_is_down_is_one_line_of_the_command_and_none_of_a_log(command: list[str]) -> None:
    name, *words = command
    arguments = ["-m", "accelerator", name, "--store", "redis://127.0.0.1:1", *words]
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)  # noqa: S603 - our own
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"Error: .*Redis at 127\.0\.0\.1:1: .*\n", done.stderr), done.stderr


DROPPED = """
import asyncio, gc, sys
from accelerator import MemoryStore, RedisStore, SyncStore, TieredStore
from accelerator.testing import make_request

url, prefix = sys.argv[1:]

async def main():
    follows = TieredStore(MemoryStore(), RedisStore(url, prefix, deadline=20))
    async with asyncio.timeout(60):
        while follows.figures().lease <= 0:
            await follows.lookup(make_request())
            await asyncio.sleep(0.01)

    def drop():
        for _ in range(10):
            SyncStore(RedisStore(url, prefix, deadline=20)).invalidate_tag("x")
            gc.collect()

    await asyncio.to_thread(drop)
    async with asyncio.timeout(60):
        while (await admin.pubsub_channels(f"{prefix}*")) != [f"{prefix}{{0}}:near1".encode()]:
            await asyncio.sleep(0.01)
    await follows.aclose()
    await admin.aclose()

from redis.asyncio import Redis
admin = Redis.from_url(url)
asyncio.run(main())
"""


def test_a_store_that_was_dropped_listens_no_longer_and_says_nothing(server: RedisServer, prefix: str) -> None:
    """It has begun to, since near stores follow, and nobody has closed it."""
    command = [sys.executable, "-c", DROPPED, server.url, prefix]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)  # noqa: S603 - a test's own
    assert (done.returncode, done.stderr) == (0, "")
