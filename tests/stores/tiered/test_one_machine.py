"""Processes that share their near store: one follows for all, and when it dies another one goes on from there."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from accelerator import LMDBStore, RedisStore, TieredStore
from accelerator.stores.lmdb import file
from accelerator.stores.redis import fleet
from accelerator.testing import make_request
from tests.stores.lmdb.support import locked
from tests.stores.redis.support import fill, state
from tests.stores.tiered.support import become, followers, following

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from accelerator.demo.redis_server import RedisServer
    from tests.stores.tiered.support import OpenTiered

pytestmark = pytest.mark.anyio

X = make_request("https://example.org/x")

FOLLOWS = """
import asyncio, sys
from accelerator import LMDBStore, RedisStore
from accelerator.stores.redis import fleet
from accelerator.stores.tiered import TieredStore
from accelerator.testing import make_request

fleet.LEASE_SECONDS = float(sys.argv[4])
store = TieredStore(LMDBStore(sys.argv[1]), RedisStore(sys.argv[2], sys.argv[3]))

async def main():
    await store.lookup(make_request())
    while not store._page.is_good:
        await asyncio.sleep(0.001)
    print("follows", flush=True)
    await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""


@pytest.fixture
def near(tmp_path: Path) -> LMDBStore:
    return LMDBStore(tmp_path / "near")


@pytest.fixture
def start_other(
    tmp_path: Path, near: LMDBStore, server: RedisServer, prefix: str
) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Starts another process of this machine, which follows."""
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        arguments = [str(tmp_path / "near"), server.url, prefix, str(fleet.LEASE_SECONDS)]
        process = subprocess.Popen(  # noqa: S603 - our own
            [sys.executable, "-c", FOLLOWS, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "follows\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


async def test_one_process_of_a_machine_follows_for_all(
    open_tiered: OpenTiered,
    near: LMDBStore,
    start_other: Callable[[], object],
    server: RedisServer,
    prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fleet, "LEASE_SECONDS", 60.0)
    start_other()
    store = open_tiered(near=near)
    await following(store)
    assert followers(server, prefix) == {store._page.follower}
    assert not store._follower._subscription.is_confirmed
    await fill(store, "x")
    plain = open_tiered()._far
    await plain.invalidate_tag("x")
    assert await state(store) == "missing"


async def test_when_the_one_that_follows_is_killed_another_one_goes_on_and_keeps_what_is_near(
    open_tiered: OpenTiered,
    near: LMDBStore,
    start_other: Callable[[], subprocess.Popen[str]],
    server: RedisServer,
    prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fleet, "LEASE_SECONDS", 0.5)
    other = start_other()
    store = open_tiered(near=near)
    await following(store)
    await fill(store, "x")
    name = store._page.follower
    other.kill()
    await become(lambda: store._follower._subscription.is_confirmed)
    await become(lambda: store._page.is_good)
    assert store._page.follower == name
    assert followers(server, prefix) == {name}
    assert (await near.lookup(X)).entry is not None


def test_a_directory_that_another_site_uses_is_refused(
    near: LMDBStore, start_other: Callable[[], object], server: RedisServer, prefix: str
) -> None:
    start_other()
    with pytest.raises(ValueError, match="another server, database or prefix"):
        TieredStore(near, RedisStore(server.url, f"{prefix}elsewhere:"))


async def test_who_closes_lets_another_one_go_on(
    open_tiered: OpenTiered, near: LMDBStore, server: RedisServer, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet, "LEASE_SECONDS", 60.0)
    one = open_tiered(near=near)
    await following(one)
    name = one._page.follower
    await one.aclose()
    assert followers(server, prefix) == {name}
    other = open_tiered(near=near)
    await other.lookup(X)
    await become(lambda: other._follower._subscription.is_confirmed)
    assert other._page.follower == name


async def test_a_near_store_that_cannot_be_changed_costs_no_promise(
    open_tiered: OpenTiered, near: LMDBStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The follower does not acknowledge, ends its lease, and empties the near store when that can be done."""
    monkeypatch.setattr(file, "WRITE_SECONDS", 0.0)
    store = open_tiered(near=near)
    await following(store)
    await fill(store, "x")
    with locked(near):
        monkeypatch.setattr(fleet, "LEASE_SECONDS", 0.2)
        await store.invalidate_tag("x")
        assert await state(store) == "missing"
        assert not store._page.is_good
    await become(lambda: store._page.is_good)
    assert await state(store) == "missing"


async def test_a_near_store_that_fails_leaves_the_far_one(
    open_tiered: OpenTiered, near: LMDBStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = open_tiered(near=near)
    await following(store)

    async def fails(*_: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(near, "lookup", fails)
    monkeypatch.setattr(near, "commit", fails)
    await fill(store, "x")
    assert await state(store) == "fresh"
    assert [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING] == [
        "the near store failed, and the far one is asked until it works again: the disk is gone"
    ]
