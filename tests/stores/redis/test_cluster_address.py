"""Where a cluster is: by a URL that names some of its nodes, or like a client that was given. No secret is shown."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from redis.asyncio import RedisCluster as Client
from redis.asyncio.connection import SSLConnection
from redis.exceptions import RedisError

from accelerator import InvalidationError, RedisStore
from accelerator.stores.redis import cluster_address
from accelerator.stores.redis.cluster_address import ClusterAddress, names_a_cluster, pool_to
from tests.stores.redis.support import OpenStore, fill, request_of, state

if TYPE_CHECKING:
    from benchmarks.deployments.cluster import RedisCluster

SECRET = "s3cr3t/of its own"


@pytest.mark.parametrize(("deadline", "seconds"), [(0.1, 0.1), (5.0, 0.2)])
def test_a_node_has_not_long_to_say_who_has_the_keys_but_a_connection_all_the_time_of_its_call(
    deadline: float, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else one that is stopped would take the time in which the others could say it."""
    monkeypatch.setattr(cluster_address, "NODE_SECONDS", 0.2)
    node = ClusterAddress("redis+cluster://host", deadline).client().startup_nodes[0]
    asked, used = node.connection_kwargs, pool_to(node).connection_kwargs
    assert (asked["socket_timeout"], asked["socket_connect_timeout"]) == (seconds, seconds)
    assert (used["socket_timeout"], used["socket_connect_timeout"]) == (None, None)


@pytest.mark.parametrize("url", ["redis+cluster://host", "rediss+cluster://host", "REDIS+CLUSTER://host"])
def test_a_url_names_a_cluster_by_its_scheme(url: str) -> None:
    assert names_a_cluster(url)
    assert RedisStore(url).links.is_cluster


@pytest.mark.parametrize("url", ["redis://cluster", "rediss://host/0?x=redis+cluster://", "redis+cluster"])
def test_others_do_not(url: str) -> None:
    assert names_a_cluster(url) is (url == "redis+cluster")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis+cluster://host", "the cluster of host:6379"),
        ("redis+cluster://host:7000/0", "the cluster of host:7000"),
        ("redis+cluster://a:7000,b,c:7002/", "the cluster of a:7000, b:6379, c:7002"),
        ("redis+cluster://a,a:6379", "the cluster of a:6379"),
        ("redis+cluster://[::1]:7000,[::2]", "the cluster of [::1]:7000, [::2]:6379"),
        ("redis+cluster://u:s3cr3t@a,b", "the cluster of a:6379, b:6379, user 'u'"),
        ("redis+cluster://s3cr3t@a", "the cluster of a:6379, a user without a password"),
        ("rediss+cluster://:s3%2Fcr3t@a?ssl_cert_reqs=none", "the cluster of a:6379"),
    ],
)
def test_a_store_shows_its_nodes_and_no_password(url: str, words: str) -> None:
    assert repr(RedisStore(url)) == f"<RedisStore: {words}, prefix 'accelerator:'>"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("redis+cluster://", "names nodes as host:port"),
        ("redis+cluster:///0", "names nodes as host:port"),
        ("redis+cluster://a,,b", "names nodes as host:port"),
        ("redis+cluster://a,", "names nodes as host:port"),
        ("redis+cluster://a:x", "names nodes as host:port"),
        ("redis+cluster://a,b:99999", "names nodes as host:port"),
        ("redis+cluster://a/1", "no database but 0"),
        ("redis+cluster://a/x", "no database but 0"),
        ("redis+cluster://a?nonsense=s3cr3t", "options.*: nonsense$"),
        ("redis+cluster://u:s3cr3t@a?max_connections=s3cr3t", "options.*: max_connections$"),
        ("redis+cluster://a?nonsense", "options"),
        ("redis+cluster://a#s3cr3t", "percent-encoded"),
    ],
)
def test_a_url_that_makes_no_sense_is_refused_without_what_may_be_secret(url: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as refused:
        RedisStore(url)
    assert "s3cr3t" not in str(refused.value)
    assert (refused.value.__cause__, refused.value.__context__) == (None, None)


def test_what_redis_py_takes_for_a_server_and_not_for_a_cluster_is_refused() -> None:
    with pytest.raises(ValueError, match=r"for a cluster, or not so: retry_on_timeout$") as refused:
        RedisStore("redis+cluster://u:s3cr3t@a?retry_on_timeout=s3cr3t")
    assert "s3cr3t" not in str(refused.value)
    assert (refused.value.__cause__, refused.value.__context__) == (None, None)


@pytest.mark.parametrize("prefix", ["{a}", "a{", "}:", "shop:{0}:"])
def test_a_prefix_with_braces_is_refused(prefix: str) -> None:
    """They would put all keys into one slot, or those of a partition into several."""
    with pytest.raises(ValueError, match="so prefix has none, unlike "):
        RedisStore("redis+cluster://host", prefix)
    assert RedisStore("redis://host", prefix)


@pytest.mark.parametrize("deadline", [0.1, 7.0])
def test_nodes_have_as_long_as_the_store_to_connect_and_answer(deadline: float) -> None:
    client = ClusterAddress("redis+cluster://a,b?socket_timeout=100", deadline).client()
    options = client.startup_nodes[0].connection_kwargs
    assert options["socket_connect_timeout"] == deadline
    assert pool_to(client.startup_nodes[0]).connection_kwargs["socket_timeout"] is None, "the link has a deadline"


def test_a_url_with_tls_leads_to_all_nodes_with_tls() -> None:
    client = ClusterAddress("rediss+cluster://a,b?ssl_cert_reqs=none", 1).client()
    assert {node.host for node in client.startup_nodes} == {"a", "b"}
    assert {pool_to(node).connection_class for node in client.startup_nodes} == {SSLConnection}


def test_a_store_like_a_client_has_its_nodes_and_settings() -> None:
    given = Client(host="a", port=7000, username="cache", password=SECRET, ssl=True, ssl_cert_reqs="none", protocol=2)
    store = RedisStore(given)
    assert repr(store) == "<RedisStore: the cluster of a:7000, user 'cache', prefix 'accelerator:'>"
    (node,) = ClusterAddress(given, 1).client().startup_nodes
    pool = pool_to(node)
    assert pool.connection_class is SSLConnection
    wanted = {"host": "a", "port": 7000, "username": "cache", "password": SECRET, "protocol": 2}
    assert pool.connection_kwargs.items() >= wanted.items()
    assert pool.connection_kwargs["ssl_cert_reqs"] in {"none", ssl.CERT_NONE}


def test_texts_of_a_client_that_decodes_are_left_as_bytes() -> None:
    given = Client(host="a", decode_responses=True)
    (node,) = ClusterAddress(given, 1).client().startup_nodes
    assert not pool_to(node).connection_kwargs.get("decode_responses")


class TestLogin:
    pytestmark = pytest.mark.anyio

    @pytest.fixture
    def name(self, cluster: RedisCluster, prefix: str) -> Any:
        """A user with no more rights than docs/redis.md lists for a cluster."""
        rights = "+mget +get +set +getrange +del +pttl +pexpire +zadd +zscore +zcard +zrange +zrevrange +zrem"
        rights += " +zremrangebyrank +hget +hmget +hgetall +hset +hincrby +hdel +publish +subscribe"
        rights += f" +eval +evalsha +info +cluster|slots +asking &{prefix}*"
        name = f"user-{prefix[:-1]}"
        for node in cluster.nodes:
            node.ask("ACL", "SETUSER", name, "on", f">{SECRET}", f"~{prefix}*", *rights.split())
        return name

    async def test_a_user_of_few_rights_logs_in_at_all_nodes(
        self, cluster: RedisCluster, name: str, prefix: str, open_store: OpenStore
    ) -> None:
        url = f"redis+cluster://{name}:{quote(SECRET, safe='')}@127.0.0.1:{cluster.nodes[0].port}"
        store = open_store(url, prefix, deadline=30)
        await fill(store, *"abcdefgh")
        assert await state(store) == "fresh"
        await store.clear()
        assert await state(store) == "missing"

    async def test_a_wrong_password_is_in_no_error(
        self, cluster: RedisCluster, name: str, prefix: str, open_store: OpenStore, caplog: pytest.LogCaptureFixture
    ) -> None:
        wrong = f"not {SECRET}"
        url = f"redis+cluster://{name}:{quote(wrong, safe='')}@127.0.0.1:{cluster.nodes[0].port}"
        store = open_store(url, prefix, deadline=30)
        with pytest.raises(RedisError, match=r"WRONGPASS|invalid username-password pair") as refused:
            await store.lookup(request_of())
        with pytest.raises(InvalidationError) as failed:
            await store.invalidate_tag("x")
        assert f"user '{name}'" in str(refused.value)
        assert "s3cr3t" not in f"{refused.value} {failed.value} {caplog.text}"
