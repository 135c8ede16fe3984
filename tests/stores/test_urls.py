"""`open_store`: what URLs name which store, and what a mistake in one says."""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING, Any

import pytest

import accelerator
from accelerator import (
    ASGIAccelerator,
    LMDBStore,
    MemoryStore,
    RedisStore,
    SyncStore,
    TieredStore,
    WSGIAccelerator,
    open_store,
)
from accelerator.stores.urls import KINDS
from accelerator.testing import make_entry, make_request
from tests.support import app_saying, drive

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from accelerator import Store

SIZE = "max_bytes is a number of bytes, KiB, MiB, GiB or TiB, such as 512MiB, not "
NEAR = "near is none, or the URL of a store that never waits: memory: or lmdb:///dev/shm/site"
PATH = "lmdb: has the whole path of a directory and no host, so three slashes; a # in it is %23"
BEGIN = (
    "the URL of a store begins with memory:, lmdb:///, redis:// or rediss://, unix://, redis+sentinel:// or"
    " redis+cluster://"
)
MEMORY = "; a URL that is right: memory:?max_bytes=512MiB"
LMDB = "; a URL that is right: lmdb:///dev/shm/site?max_bytes=1GiB"
REDIS = "; a URL that is right: redis://user:password@localhost:6379/0?prefix=shop:"

MISTAKES = {
    "nothing": ("", BEGIN + LMDB),
    "no scheme": ("/srv/site", BEGIN + LMDB),
    "another scheme": ("postgres://localhost", BEGIN + ", not with postgres:" + LMDB),
    "a scheme that is misspelt": ("memroy:?max_bytes=1GiB", BEGIN + ", not with memroy:" + LMDB),
    "a user and a password": ("user:s3cr3t@host", BEGIN + LMDB),
    "memory with a host": ("memory://host", "memory: is in this process, and has neither host nor path" + MEMORY),
    "memory with a path": ("memory:site", "memory: is in this process, and has neither host nor path" + MEMORY),
    "an option that is misspelt": (
        "memory:?max_byte=1GiB",
        "MemoryStore has no option 'max_byte' in its URL, only max_bytes" + MEMORY,
    ),
    "an option of another store": (
        "lmdb:///dev/shm/site?prefix=x",
        "LMDBStore has no option 'prefix' in its URL, only max_bytes" + LMDB,
    ),
    "an option of no name": ("memory:?=1", "MemoryStore has no option '' in its URL, only max_bytes" + MEMORY),
    "an option twice": ("memory:?max_bytes=1GiB&max_bytes=1GiB", "max_bytes stands there twice" + MEMORY),
    "a size in another unit": ("memory:?max_bytes=1GB", SIZE + "'1GB'" + MEMORY),
    "a size that is no whole number": ("memory:?max_bytes=1.5GiB", SIZE + "'1.5GiB'" + MEMORY),
    "a size without a number": ("lmdb:///dev/shm/site?max_bytes=MiB", SIZE + "'MiB'" + LMDB),
    "an option without a value": ("memory:?max_bytes", SIZE + "''" + MEMORY),
    "a size that the store refuses": ("memory:?max_bytes=0", "max_bytes is positive, not 0" + MEMORY),
    "a size that is too small": (
        "lmdb:///dev/shm/site?max_bytes=1KiB",
        "max_bytes is at least 1,000,000, not 1,024" + LMDB,
    ),
    "two slashes": ("lmdb://dev/shm/site", PATH + LMDB),
    "no slash": ("lmdb:site", PATH + LMDB),
    "no directory": ("lmdb:///", PATH + LMDB),
    "a # in the path": ("lmdb:///dev/shm/a#b", PATH + LMDB),
    "a deadline that is no number": (
        "redis://localhost?deadline=soon",
        "deadline is a number of seconds, such as 0.5" + REDIS,
    ),
    "a deadline that the store refuses": (
        "redis://localhost?deadline=0",
        "deadline is a positive number of seconds, not 0.0" + REDIS,
    ),
    "a number of replicas that is none": (
        "redis://localhost?wait_replicas=-1",
        "wait_replicas is a whole number, such as 1" + REDIS,
    ),
    "Sentinels without a name": (
        "redis+sentinel://:s3cr3t@host1,host2",
        (
            "what follows the Sentinels in a Redis URL is the name that they have for the primary, and the number of a"
            " database if it is not 0, such as /mymaster/0; a user or password in it has to be percent-encoded:"
            " urllib.parse.quote(password, safe='') turns / into %2F, # into %23, ? into %3F and @ into %40"
            "; a URL that is right: redis+sentinel://user:password@host1:26379,host2:26379/mymaster/0?prefix=shop:"
        ),
    ),
    "a near store of no such kind": (
        "redis://localhost?near=memroy:",
        NEAR + REDIS,
    ),
    "a near store with a mistake": (
        "redis://localhost?near=memory:?max_bytes=1GB",
        "near cannot be read: " + SIZE + "'1GB'" + MEMORY + REDIS,
    ),
    "a near store that the store refuses": (
        "redis://localhost?near=memory:?max_bytes=0",
        "max_bytes is positive, not 0" + MEMORY,
    ),
    "a near store that waits": (
        "redis://localhost?near=redis://localhost",
        NEAR + REDIS,
    ),
    "a near store in front of none": (
        "lmdb:///dev/shm/site?near=memory:",
        "LMDBStore has no option 'near' in its URL, only max_bytes" + LMDB,
    ),
    "what redis-py does not know": (
        "redis://localhost?max_bytes=1GiB&prefix=x",
        "redis-py does not take these options of the Redis URL, or not so: max_bytes" + REDIS,
    ),
}


@pytest.mark.parametrize(("url", "says"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_and_a_url_that_is_right_is_shown(url: str, says: str) -> None:
    with pytest.raises(ValueError, match="a URL that is right") as refused:
        open_store(url)
    assert str(refused.value) == says


@pytest.mark.parametrize(
    ("url", "says", "right"),
    [
        (
            "rediss://host/cache",
            "the number of a database",
            "rediss://user:password@redis.example.org:6379/0?prefix=shop:",
        ),
        ("unix://host", "a unix:// URL has no host but the path of a socket", "unix:///run/redis.sock?prefix=shop:"),
    ],
)
def test_what_is_shown_has_the_scheme_that_was_said(url: str, says: str, right: str) -> None:
    with pytest.raises(ValueError, match=says) as refused:
        open_store(url)
    assert str(refused.value).endswith(f"; a URL that is right: {right}")


@pytest.mark.parametrize(
    ("size", "bytes_"),
    [
        ("300000", 300_000),
        ("300000B", 300_000),
        ("512KiB", 512 * 1024),
        ("3MiB", 3 * 1024**2),
        ("3mib", 3 * 1024**2),
        ("2GiB", 2 * 1024**3),
        ("1TiB", 1024**4),
    ],
)
def test_sizes_are_bytes_or_have_a_unit(size: str, bytes_: int) -> None:
    assert f"of {bytes_:,} bytes" in repr(open_store(f"memory:?max_bytes={size}"))


@pytest.mark.parametrize("url", ["memory:", "memory://", "MEMORY:", "memory:?"])
def test_what_is_not_said_is_as_the_store_has_it(url: str) -> None:
    store = open_store(url)
    assert isinstance(store, MemoryStore)
    assert repr(store) == repr(MemoryStore())


@pytest.mark.parametrize("before", ["lmdb://", "lmdb:", "LMDB://"])
def test_a_path_names_a_directory(before: str, tmp_path: Path) -> None:
    store = open_store(f"{before}{tmp_path}/a%20%23?max_bytes=3MiB")
    assert isinstance(store, LMDBStore)
    assert repr(store) == f"<LMDBStore: {tmp_path}/a #>"
    assert store._file.present()._env.info()["map_size"] == 3 * 1024**2
    store.close()


@pytest.mark.parametrize(
    ("url", "words", "deadline"),
    [
        ("redis://localhost", "localhost:6379, prefix 'accelerator:'", 0.1),
        ("rediss://u:p@host/2?prefix=a%26b:&deadline=2", "host:6379, database 2, user 'u', prefix 'a&b:'", 2),
        ("redis://localhost?db=3&prefix=shop:&protocol=3", "localhost:6379, database 3, prefix 'shop:'", 0.1),
        ("unix:///run/redis.sock?deadline=.5&db=2", "/run/redis.sock, database 2, prefix 'accelerator:'", 0.5),
    ],
)
def test_a_redis_takes_the_options_of_the_store_and_those_of_its_client(url: str, words: str, deadline: float) -> None:
    store = open_store(url)
    assert isinstance(store, RedisStore)
    assert (repr(store), store._deadline) == (f"<RedisStore: {words}>", deadline)


def test_a_primary_that_sentinels_name_takes_the_same_options() -> None:
    store = open_store(
        "redis+sentinel://u:p@host1,host2:7000/shop/2?prefix=a%26b:&deadline=2&wait_replicas=1&near=memory:&protocol=3"
    )
    assert isinstance(store, TieredStore)
    named = "the primary that Sentinel at host1:26379, host2:7000 calls 'shop', database 2, user 'u'"
    assert repr(store._far) == f"<RedisStore: {named}, prefix 'a&b:'>"
    assert store._far.links._new_pool().connection_kwargs["protocol"] == 3
    assert (store._far._deadline, store._far._orders._wait_replicas) == (2, 1)


def test_options_of_the_client_reach_it() -> None:
    store = open_store("redis://localhost?prefix=shop:&client_name=shop&deadline=1")
    assert isinstance(store, RedisStore)
    assert store.links._new_pool().connection_kwargs["client_name"] == "shop"


@pytest.mark.parametrize("scheme", KINDS)
def test_the_options_of_a_url_are_the_arguments_of_the_store(scheme: str) -> None:
    kind = KINDS[scheme]
    arguments = [*inspect.signature(getattr(accelerator, kind.store)).parameters]
    in_front = ["near"] if kind.store == "RedisStore" else []
    assert [*kind.options] == arguments[0 if kind.store == "MemoryStore" else 1 :] + in_front


def test_a_url_names_what_stands_in_front_of_a_server_and_its_size(tmp_path: Path) -> None:
    store = open_store("redis://localhost?near=memory:?max_bytes=3MiB&prefix=shop:&protocol=3")
    assert isinstance(store, TieredStore)
    assert (
        repr(store)
        == f"<TieredStore: {MemoryStore(3 * 1024**2)!r} in front of <RedisStore: localhost:6379, prefix 'shop:'>>"
    )
    store = open_store(f"redis://localhost?near=lmdb://{tmp_path}/near")
    assert isinstance(store, TieredStore)
    assert isinstance(store._near, LMDBStore)


@pytest.mark.parametrize("make", [ASGIAccelerator, WSGIAccelerator])
@pytest.mark.parametrize(
    ("query", "kind"), [("", TieredStore), ("?near=none", RedisStore), ("?near=memory:?max_bytes=3MiB", TieredStore)]
)
def test_a_middleware_has_a_near_store_of_its_own_unless_the_url_says_what_to_have(
    make: Callable[..., Any], query: str, kind: type
) -> None:
    store = make(None, store=f"redis://localhost{query}").store
    assert type(store) is kind
    assert ("of 3,145,728 bytes" in repr(store)) is ("3MiB" in query)


def test_a_script_has_no_near_store() -> None:
    assert type(open_store("redis://localhost")) is RedisStore


@pytest.mark.parametrize("scheme", KINDS)
def test_the_url_that_is_shown_is_right(scheme: str, tmp_path: Path) -> None:
    store = open_store(KINDS[scheme].example.replace("/dev/shm", str(tmp_path)))  # noqa: S108 - it is replaced
    assert type(store).__name__ == KINDS[scheme].store


@pytest.mark.parametrize("url", [None, 42, b"memory:"])
def test_what_is_no_text_is_no_url(url: Any) -> None:
    with pytest.raises(TypeError, match="the URL of a store is a str, not "):
        open_store(url)


@pytest.mark.parametrize(("url", "extra"), [("lmdb:///dev/shm/site", "lmdb"), ("redis://localhost", "redis")])
def test_a_missing_extra_says_how_to_install_it(url: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, f"accelerator.stores.{extra}", None)
    with pytest.raises(ImportError, match=rf'Store needs an extra: pip install "asgi-accelerator\[{extra}\]"$'):
        open_store(url)


def test_a_directory_that_the_store_refuses_is_its_own_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="the path of an LMDBStore is a directory"):
        open_store(f"lmdb://{tmp_path}/file")


# --- wherever a store is ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [ASGIAccelerator, WSGIAccelerator])
def test_a_middleware_takes_a_url(make: Callable[..., Any]) -> None:
    store: Store = make(app_saying(), store="memory:?max_bytes=3MiB").store
    assert repr(store) == repr(MemoryStore(3 * 1024**2))


@pytest.mark.parametrize("make", [ASGIAccelerator, WSGIAccelerator])
def test_a_middleware_says_what_is_wrong_with_one(make: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="the URL of a store begins with "):
        make(app_saying(), store="/srv/site")


CALLS: Mapping[str, Callable[[SyncStore], None]] = {
    "a tag": lambda store: store.invalidate_tag("x"),
    "a URL": lambda store: store.invalidate_url("https://example.org/"),
    "everything": lambda store: store.clear(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_script_takes_back_by_a_url_what_the_workers_have(call: Callable[[SyncStore], None], tmp_path: Path) -> None:
    url = f"lmdb://{tmp_path}/store?max_bytes=3MiB"
    workers = open_store(url)
    request = make_request()
    assert drive(workers.commit(make_entry(request, drive(workers.lookup(request)).mark, ["x"])))
    call(SyncStore(url))
    assert drive(workers.lookup(request)).entry is None


def test_a_script_is_told_that_nobody_has_the_memory_that_it_names() -> None:
    with pytest.raises(ValueError, match="memory: is a store in the memory of one process, which no other can reach"):
        SyncStore("memory:")
