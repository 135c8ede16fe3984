"""What a process keeps in mind of Redis has a bound in bytes, and is counted as what it takes."""

from __future__ import annotations

import gc
import tracemalloc
import urllib.parse
from typing import TYPE_CHECKING

import pytest

from accelerator.stores.redis import memo as redis_memo
from accelerator.stores.redis import store as redis_store
from accelerator.testing import make_entry
from tests.stores.test_sizes import EMOJI, request_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from accelerator import RedisStore
    from accelerator.demo.redis_server import RedisServer
    from tests.stores.redis.support import OpenStore

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024


async def use(store: RedisStore, numbers: Iterable[int], path: str, tags: int, variants: int = 1) -> None:
    """Store responses, and look each of them up."""
    for number in numbers:
        for variant in range(variants):
            vary = (b"accept",) if variants > 1 else ()
            request = request_of(number, path, [(b"accept", b"%d" % variant)])
            names = [f"{number} {tag}" for tag in range(tags)]
            entry = make_entry(request, (await store.lookup(request)).mark, names, vary=vary)
            assert await store.commit(entry)
            assert (await store.lookup(request)).entry == entry


async def taken_by(store: RedisStore, path: str, entries: int, tags: int = 5, variants: int = 1) -> int:
    """The bytes that the process has in use for them, once it is at work."""
    await use(store, [-1], path, tags)
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        await use(store, range(entries), path, tags, variants)
        urllib.parse.clear_cache()  # type: ignore[attr-defined]  # no part of its interface
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


async def test_many_urls_of_60_kb_with_one_character_outside_ascii_take_no_more_than_the_bounds(
    server: RedisServer, prefix: str, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_store, "MAX_DECODED_BYTES", 4 * MIB)
    monkeypatch.setattr(redis_memo, "MAX_MEMO_BYTES", MIB)
    store = open_store(server.url, prefix)
    taken = await taken_by(store, f"/{EMOJI}{'x' * 60_000}", entries=60)
    assert len(store._memos.kept) == 61, "a long URL takes no room there"
    assert 2 < len(store._decoded) < 12
    assert taken < 5 * MIB


@pytest.mark.parametrize(
    ("path", "entries", "tags", "variants"),
    [("/short", 200, 1, 1), ("/short", 100, 30, 1), (f"/{EMOJI}{'x' * 20_000}", 20, 5, 1), ("/varied", 4, 5, 50)],
    ids=["usual", "many tags", "long and wide", "many variants"],
)
async def test_what_is_counted_is_what_is_taken(
    server: RedisServer, prefix: str, open_store: OpenStore, path: str, entries: int, tags: int, variants: int
) -> None:
    store = open_store(server.url, prefix)
    taken = await taken_by(store, path, entries, tags, variants)
    counted = store._decoded.size + store._memos.kept.size
    assert 0.4 < taken / counted < 1.05


async def test_a_url_of_many_variants_with_many_tags_takes_a_part_of_the_room_at_most(
    server: RedisServer, prefix: str, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_memo, "MAX_MEMO_BYTES", 64 * 1024)
    store = open_store(server.url, prefix)
    await use(store, range(5), "/", tags=5)
    await use(store, [11], "/", tags=20, variants=10)
    assert len(store._memos.kept) == 6, "none was pushed out"
    memo = store._memos.get(request_of(11, "/").key)
    assert memo.varies == ((b"accept",),)
    assert memo.size() < 8 * 1024
