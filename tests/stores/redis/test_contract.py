"""RedisStore passes the contracts of stores, of leases and of listing, however one connects."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
import trustme
from redis.asyncio import Redis

from accelerator import RedisStore
from accelerator.testing import LeaseContract, ListingContract
from tests.stores.one_order import OneOrderContract
from tests.stores.redis.relay import Relay

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from accelerator.demo.redis_server import RedisServer


class RedisContract(OneOrderContract, LeaseContract, ListingContract):
    @pytest.fixture
    def source(self, server: RedisServer) -> str | Redis:
        raise NotImplementedError

    @pytest.fixture
    async def store(self, source: str | Redis, prefix: str) -> AsyncIterator[RedisStore]:
        store = RedisStore(source, prefix, deadline=5)
        yield store
        await store.aclose()
        if isinstance(source, Redis):
            await source.aclose()


class TestUnixSocket(RedisContract):
    @pytest.fixture(params=["", "?protocol=2", "?protocol=3"], ids=["default", "RESP2", "RESP3"])
    def source(self, server: RedisServer, request: pytest.FixtureRequest) -> str:
        return f"{server.url}{request.param}"


class TestTcp(RedisContract):
    @pytest.fixture(params=["?protocol=2", "?protocol=3"], ids=["RESP2", "RESP3"])
    def source(self, server: RedisServer, request: pytest.FixtureRequest) -> str:
        return f"{server.tcp_url}{request.param}"


class TestAnotherDatabase(RedisContract):
    @pytest.fixture
    def source(self, server: RedisServer) -> str:
        return f"{server.tcp_url}/3"


class TestAclUser(RedisContract):
    """A user with no more rights than docs/redis.md lists."""

    @pytest.fixture(params=[2, 3], ids=["RESP2", "RESP3"])
    def source(self, server: RedisServer, prefix: str, request: pytest.FixtureRequest) -> str:
        rights = "+mget +get +set +getrange +del +pttl +pexpire +zadd +zscore +zcard +zrange +zrevrange +zrem"
        rights += " +zremrangebyrank +hget +hmget +hgetall +hset +hincrby +hdel +publish +subscribe"
        rights += f" +eval +evalsha +info +scan &{prefix}*"
        name = f"user-{prefix[:-1]}"
        with server.client() as admin:
            admin.execute_command("ACL", "SETUSER", name, "on", ">a b:c@d", f"~{prefix}*", *rights.split())
        return f"redis://{name}:{quote('a b:c@d')}@127.0.0.1:{server.port}?protocol={request.param}"


class TestTls(RedisContract):
    @pytest.fixture
    async def source(self, server: RedisServer, tmp_path: Path) -> AsyncIterator[str]:
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        async with Relay(server.socket, context) as relay:
            yield f"rediss://127.0.0.1:{relay.port}?ssl_ca_certs={tmp_path / 'ca.pem'}"


class TestClientGiven(RedisContract):
    """Whatever it is set to do with texts and health."""

    @pytest.fixture(params=[2, 3], ids=["RESP2", "RESP3"])
    def source(self, server: RedisServer, request: pytest.FixtureRequest) -> Redis:
        return Redis.from_url(
            server.url, protocol=request.param, decode_responses=True, encoding="latin-1", health_check_interval=1
        )
