"""What was read before is not decoded again; whether it may be used is asked of the server each time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from accelerator.stores.binary import unpack
from accelerator.stores.redis import store as redis_store
from tests.stores.redis.support import OpenStore, entry_key, fill, record_key, request_of, state

if TYPE_CHECKING:
    from accelerator import RedisStore
    from accelerator.demo.redis_server import RedisServer
    from accelerator.rules.entry import Entry


@pytest.fixture
def store(server: RedisServer, prefix: str, open_store: OpenStore) -> RedisStore:
    return open_store(server.url, prefix)


@pytest.fixture
def unpacked(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The bodies of the entries that were decoded."""
    bodies: list[bytes] = []

    def note(value: bytes) -> Entry | None:
        entry = unpack(value)
        bodies.append(entry.body if entry is not None else b"")
        return entry

    monkeypatch.setattr(redis_store, "unpack", note)
    return bodies


@pytest.mark.anyio
async def test_what_did_not_change_is_decoded_once(store: RedisStore, unpacked: list[bytes]) -> None:
    await fill(store, "x", body=b"one")
    assert [await state(store) for _ in range(3)] == ["fresh"] * 3
    assert unpacked == [b"one"]


@pytest.mark.anyio
async def test_what_another_process_changed_is_decoded_anew(
    store: RedisStore, server: RedisServer, prefix: str, open_store: OpenStore, unpacked: list[bytes]
) -> None:
    await fill(store, "x", body=b"one")
    assert await state(store) == "fresh"
    await fill(open_store(server.url, prefix), "x", body=b"two")
    found = await store.lookup(request_of())
    assert found.entry is not None
    assert found.entry.body == b"two"
    assert unpacked[0] == b"one"
    assert unpacked[-1] == b"two"


@pytest.mark.anyio
@pytest.mark.parametrize("loss", ["record", "meta", "entry", "hard", "all"])
async def test_what_is_decoded_is_missing_all_the_same_when_it_may_not_be_used(
    store: RedisStore, server: RedisServer, prefix: str, open_store: OpenStore, loss: str
) -> None:
    """It was seen as fresh just now; what is lost or taken back is so by somebody else."""
    other = open_store(server.url, prefix)
    await fill(store, "x")
    assert [await state(store) for _ in range(2)] == ["fresh"] * 2
    if loss == "hard":
        await other.invalidate_tag("x")
    elif loss == "all":
        await other.clear()
    else:
        keys = {
            "record": record_key(store, "x"),
            "meta": store.keys.partitions[0].meta,
            "entry": entry_key(store, request_of()),
        }
        with server.client() as admin:
            assert admin.delete(keys[loss]) == 1
    assert [await state(store) for _ in range(2)] == ["missing"] * 2


@pytest.mark.anyio
async def test_a_record_of_another_order_is_not_taken_for_the_one_before(
    store: RedisStore, server: RedisServer, unpacked: list[bytes]
) -> None:
    """The same positions, the same entry, another incarnation of the order."""
    await fill(store, "x")
    assert await state(store) == "fresh"
    with server.client() as admin:
        value = admin.get(store.keys.partitions[0].meta)
        for key in admin.keys(f"{store._prefix.decode()}*"):
            if admin.type(key) == b"string" and admin.get(key).startswith(value[:16]):
                admin.set(key, b"0123456789abcdef" + admin.get(key)[16:])
    assert await state(store) == "missing"
    assert len(unpacked) == 1


@pytest.mark.anyio
async def test_what_is_decoded_turns_stale_by_a_soft_invalidation_and_missing_by_a_hard_one(
    store: RedisStore, unpacked: list[bytes]
) -> None:
    await fill(store, "x")
    states = [await state(store)]
    for tag, soft in (("other", False), ("x", True), ("x", False)):
        await store.invalidate_tag(tag, soft=soft)
        states += [await state(store), await state(store)]
    assert states == ["fresh", "fresh", "fresh", "stale", "stale", "missing", "missing"]
    assert len(unpacked) == 1
