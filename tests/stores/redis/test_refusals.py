"""Redis refuses a login or a command, or is not there: log, error and Cache-Status have the words of the server."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from accelerator import ASGIAccelerator, CacheEvent, InvalidationError, RedisStore, WSGIAccelerator
from accelerator.demo.redis_server import free_port
from tests.stores.redis.support import OpenStore, mark_of
from tests.support import App, app_saying, ask
from tests.wsgi.support import ask as ask_wsgi
from tests.wsgi.support import site_saying

if TYPE_CHECKING:
    from collections.abc import Callable

    from accelerator.demo.redis_server import RedisServer

pytestmark = pytest.mark.anyio

SECRET = "s3cr3t/of its own"
RIGHTS = "+mget +get +set +getrange +del +pttl +pexpire +zadd +zscore +zcard +zrange +zrevrange +zrem"
RIGHTS += " +zremrangebyrank +eval +evalsha +info"

LOOKUP_FAILED = """accelerator; fwd=miss; detail="the store's lookup failed\""""
COMMIT_FAILED = """accelerator; fwd=uri-miss; detail="the store's commit failed\""""


def kept() -> App:
    return app_saying(("cache-control", "s-maxage=60"))


@pytest.fixture
async def store_as(server: RedisServer, prefix: str, open_store: OpenStore) -> Callable[..., RedisStore]:
    """Makes a store of a user who lacks rights, or logs in with another password."""
    await mark_of(open_store(server.url, prefix))  # begins the order of invalidations

    def make(lacks: str = "", keys: str = prefix, password: str = SECRET) -> RedisStore:
        rights = [right for right in RIGHTS.split() if right not in lacks.split()]
        with server.client() as admin:
            name = f"user-{prefix[:-1]}"
            admin.execute_command("ACL", "SETUSER", name, "reset", "on", f">{SECRET}", f"~{keys}*", *rights)
        return open_store(f"redis://{name}:{quote(password, safe='')}@127.0.0.1:{server.port}", prefix)

    return make


@pytest.mark.parametrize(
    ("user", "words"),
    [
        ({"lacks": "+info"}, "NOPERM .*'info'"),
        ({"lacks": "+mget"}, "NOPERM .*'mget'"),
        ({"keys": "another:"}, "NOPERM .* key"),
        ({"password": f"not {SECRET}"}, "WRONGPASS "),
    ],
    ids=["INFO", "MGET", "the keys", "the login"],
)
async def test_what_redis_refuses_is_told_in_its_words_with_host_port_and_user_and_never_the_password(
    user: dict[str, str],
    words: str,
    server: RedisServer,
    prefix: str,
    store_as: Callable[..., RedisStore],
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = store_as(**user)
    app = ASGIAccelerator(kept(), store=store)
    assert [(await ask(app)).get("cache-status") for _ in range(2)] == [LOOKUP_FAILED] * 2
    (record,) = caplog.records
    told = rf"Redis at 127\.0\.0\.1:{server.port}, user 'user-{prefix[:-1]}': {words}"
    assert re.fullmatch(rf"the store's lookup fails.* {told}.*", record.getMessage())
    assert SECRET not in caplog.text
    assert repr(store) == f"<RedisStore: 127.0.0.1:{server.port}, user 'user-{prefix[:-1]}', prefix '{prefix}'>"


@pytest.mark.parametrize(
    ("user", "words"),
    [
        ({"lacks": "+info"}, "NOPERM .*'info'"),
        ({"lacks": "+evalsha +eval"}, "NOPERM .*'evalsha'"),
        ({"password": f"not {SECRET}"}, "WRONGPASS "),
    ],
    ids=["INFO", "EVALSHA", "the login"],
)
async def test_an_invalidation_that_redis_refuses_raises_in_its_words(
    user: dict[str, str],
    words: str,
    server: RedisServer,
    store_as: Callable[..., RedisStore],
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = store_as(**user)
    with pytest.raises(
        InvalidationError, match=rf"Redis at 127\.0\.0\.1:{server.port}, user 'user-.*': {words}"
    ) as told:
        await store.invalidate_tag("x")
    assert re.search(words, caplog.messages[0])
    assert SECRET not in caplog.text + str(told.value)


async def test_a_commit_that_redis_refuses_is_told_apart_from_a_lookup_and_from_a_mere_miss(
    store_as: Callable[..., RedisStore], caplog: pytest.LogCaptureFixture
) -> None:
    events: list[CacheEvent] = []
    app = ASGIAccelerator(kept(), store=store_as(lacks="+evalsha +eval"), on_event=events.append)
    assert [(await ask(app)).get("cache-status") for _ in range(2)] == [COMMIT_FAILED] * 2
    assert [(event.kind, event.detail) for event in events] == [("miss", "the store's commit failed")] * 2
    lease, commit = caplog.messages
    assert re.search(r"the store's lease fails.*NOPERM .*'evalsha'", lease)
    assert re.search(r"the store's commit fails.*NOPERM .*'evalsha'", commit)


async def test_a_lookup_that_fails_is_told_to_listeners_too(store_as: Callable[..., RedisStore]) -> None:
    events: list[CacheEvent] = []
    await ask(ASGIAccelerator(kept(), store=store_as(lacks="+mget"), on_event=events.append))
    assert [(event.kind, event.detail) for event in events] == [("pass", "the store's lookup failed")]


async def test_a_mere_miss_has_no_detail(store_as: Callable[..., RedisStore]) -> None:
    status = (await ask(ASGIAccelerator(kept(), store=store_as()))).get("cache-status")
    assert status == "accelerator; fwd=uri-miss; stored"


async def test_a_redis_that_is_not_there_is_named_by_host_and_port(
    open_store: OpenStore, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    store = open_store(f"redis://cache:s3cr3t@127.0.0.1:{port}/1")
    answer = await ask(ASGIAccelerator(kept(), store=store))
    assert answer.get("cache-status") == LOOKUP_FAILED
    assert f"Redis at 127.0.0.1:{port}, database 1, user 'cache': Error" in caplog.text
    assert "s3cr3t" not in caplog.text


async def test_a_redis_that_does_not_answer_is_named_by_host_and_port(
    open_store: OpenStore, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:  # it takes connections, and says nothing
        port = listening.getsockname()[1]
        url = f"redis://127.0.0.1:{port}?socket_timeout=600&socket_connect_timeout=600"  # redis-py's own patience
        await ask(ASGIAccelerator(kept(), store=open_store(url, deadline=0.02)))
    assert f"Redis at 127.0.0.1:{port}: no answer within 0.02 s" in caplog.text


def test_under_wsgi_a_redis_that_is_not_there_is_told_as_well(caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    app = WSGIAccelerator(site_saying(ttl=60), RedisStore(f"redis://127.0.0.1:{port}", deadline=5))
    assert ask_wsgi(app).get("cache-status") == LOOKUP_FAILED
    assert f"Redis at 127.0.0.1:{port}: Error" in caplog.text
