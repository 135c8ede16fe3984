"""The password of a Redis is in no error, no log, no repr and nothing that the command line writes."""

from __future__ import annotations

import re
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import quote
from wsgiref.simple_server import demo_app

import anyio
import anyio.to_thread
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.sentinel import Sentinel
from redis.exceptions import AuthenticationError, RedisError, ResponseError

from accelerator import ASGIAccelerator, InvalidationError, RedisStore, SyncStore, WSGIAccelerator, open_store
from accelerator.__main__ import main
from accelerator.stores.loop_thread import loop_thread
from accelerator.stores.redis.address import Address, new_pool
from tests.stores.redis.stub import Stub
from tests.stores.redis.support import OpenStore, request_of
from tests.support import app_saying, ask

if TYPE_CHECKING:
    from collections.abc import Callable

ENCODE = "percent-encoded"

MISREAD = {
    "a slash": ("redis://user:s3cr3t/pw@host:6379/0", ENCODE),
    "a slash first": ("redis://user:/s3cr3t@host", ENCODE),
    "a slash after what could be a port": ("redis://user:12345/s3cr3t@host", ENCODE),
    "a slash, no user": ("redis://:s3cr3t/pw@host", ENCODE),
    "a slash, TLS": ("rediss://user:s3cr3t/pw@host", ENCODE),
    "a hash": ("redis://user:s3cr3t#pw@host", ENCODE),
    "a hash first": ("redis://user:#s3cr3t@host", ENCODE),
    "a hash after what could be a port": ("redis://user:12345#s3cr3t@host", ENCODE),
    "a question mark": ("redis://user:s3cr3t?pw@host", ENCODE),
    "a question mark after what could be a port": ("redis://user:12345?s3cr3t@host", ENCODE),
    "a question mark and an equals sign": ("redis://user:12345?s3cr3t=1@host", ENCODE),
    "an at sign and a slash": ("redis://user:s3@cr3t/s3cr3t@host", ENCODE),
    "an at sign and a question mark": ("redis://user:s3@cr3t?s3cr3t=1@host", ENCODE),
    "a bracket": ("redis://user:s3cr3t[pw@host", ENCODE),
    "what turns into a slash": ("redis://user:s3cr3t℀pw@host", ENCODE),
    "a port that is no number": ("redis://user:s3cr3t@host:port", "host and port"),
    "a port that is too large": ("redis://user:s3cr3t@host:65536", "host and port"),
    "a bracket without its end": ("redis://user:s3cr3t@[::1", "host and port"),
    "a database that is no number": ("redis://user:s3cr3t@host/cache", "number of a database"),
    "an option without a value": ("redis://user:s3cr3t@host?protocol", "options"),
    "an option with another value": ("redis://host?password=s3cr3t&db=s3cr3t", "options.*: password, db$"),
    "an option that is none": ("redis://user:s3cr3t@host?timeout_=s3cr3t", "options.*: timeout_$"),
    "an option of TLS that is none": ("rediss://user:s3cr3t@host?ssl_cert_reqs=s3cr3t", "options.*: ssl_cert_reqs$"),
    "a unix socket and a slash": ("unix://user:s3cr3t/pw@/run/redis.sock", ENCODE),
    "a unix socket and no user": ("unix://s3cr3t/pw@/run/redis.sock", ENCODE),
    "a unix socket and two slashes": ("unix://user:s3cr3t@/s3cr3t@/run/redis.sock", ENCODE),
    "a unix socket with a host": ("unix://user:s3cr3t@run/redis.sock", "unix:///"),
    "a unix socket without a path": ("unix://user:s3cr3t@", "unix:///"),
    "no scheme": ("user:s3cr3t@host:6379", "redis://"),
    "no slashes": ("redis:user:s3cr3t@host", ENCODE),
    "Sentinel, no name": ("redis+sentinel://user:s3cr3t@host:26379", "name that they have for the primary"),
    "Sentinel, no name but a slash": (
        "redis+sentinel://user:s3cr3t@host:26379/",
        "name that they have for the primary",
    ),
    "Sentinel, a database that is no number": ("redis+sentinel://u:s3cr3t@host/shop/s3cr3t", "number of a database"),
    "Sentinel, more than a database": ("redis+sentinel://u:s3cr3t@host/shop/0/s3cr3t", "number of a database"),
    "Sentinel, a slash": ("redis+sentinel://user:s3cr3t/pw@host:26379/shop", ENCODE),
    "Sentinel, a slash after what could be a port": ("redis+sentinel://user:12345/s3cr3t@host/shop", ENCODE),
    "Sentinel, a hash": ("rediss+sentinel://user:s3cr3t#pw@host/shop", ENCODE),
    "Sentinel, a question mark": ("redis+sentinel://user:s3cr3t?pw@host/shop", ENCODE),
    "Sentinel, a bracket": ("redis+sentinel://user:s3cr3t[pw@host/shop", ENCODE),
    "Sentinel, no host": ("redis+sentinel://user:s3cr3t@/shop", "host and port"),
    "Sentinel, a host that is missing": ("redis+sentinel://user:s3cr3t@host1,,host2/shop", "host and port"),
    "Sentinel, a port that is no number": ("redis+sentinel://user:s3cr3t@host:port/shop", "host and port"),
    "Sentinel, a port that is too large": ("redis+sentinel://user:s3cr3t@host:65536/shop", "host and port"),
    "Sentinel, a port that is nothing": ("redis+sentinel://user:s3cr3t@host:0/shop", "host and port"),
    "Sentinel, an option that is none": ("redis+sentinel://u:s3cr3t@host/shop?timeout_=s3cr3t", "options.*: timeout_$"),
    "Sentinel, an option beside its own login": (
        "redis+sentinel://u:s3cr3t@host/shop?sentinel_password=s3cr3t&db=s3cr3t",
        "options.*: sentinel_password, db$",
    ),
    "Sentinel, another form": ("redis-sentinel://:s3cr3t@host:26379", "redis://"),
    "Cluster and socket": ("unix+cluster://user:s3cr3t@host:6379", "redis://"),
    "Cluster with a database": ("redis+cluster://user:s3cr3t@host:6379/1", "database"),
    "Cluster with a slash": ("redis+cluster://user:s3/cr3t@host:6379", "database"),
    "Cluster with a bracket": ("redis+cluster://user:s3cr3t[pw@host:6379", ENCODE),
    "Cluster with what turns into a slash": ("redis+cluster://user:s3cr3t℀pw@host:6379", ENCODE),
    "Cluster without a host": ("redis+cluster://user:s3cr3t@", "host:port"),
    "Cluster with a port too large": ("redis+cluster://user:s3cr3t@a:6379,b:70000", "host:port"),
    "Cluster with an option that nobody knows": ("redis+cluster://user:s3cr3t@host?nonsense=s3cr3t", "options"),
    "HTTP": ("http://user:s3cr3t@host", "redis://"),
}


def pieces(text: str) -> list[str]:
    """What of the passwords above is in a text."""
    return [piece for piece in ("s3cr3t", "s3@cr3t", "12345", "pw@") if piece in text]


@pytest.mark.parametrize(("url", "says"), MISREAD.values(), ids=MISREAD)
def test_a_url_that_is_not_read_as_it_is_meant_is_refused_without_its_password(url: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as refused:
        RedisStore(url)
    chain = (refused.value, refused.value.__cause__, refused.value.__context__)
    assert chain[1:] == (None, None), "nobody's report of errors shows what is chained to it"
    assert not pieces(repr(refused.value))
    lines = traceback.format_exception(refused.value)
    assert not [line for line in lines if pieces(line) and "RedisStore(url)" not in line]


@pytest.mark.parametrize("command", ["purge", "gateway"])
@pytest.mark.parametrize(
    "form", ["a slash", "an option with another value", "a unix socket with a host", "Sentinel, no name"]
)
def test_the_command_line_says_what_is_wrong_with_a_url_without_its_password(command: str, form: str) -> None:
    url, says = MISREAD[form]
    result = CliRunner().invoke(main, [command, "--store", url, "x" if command == "purge" else "http://127.0.0.1:9"])
    assert result.exit_code == 1
    assert re.search(says.removesuffix("$"), result.output)
    assert not pieces(result.output)


TAKERS: dict[str, Callable[[str], object]] = {
    "open_store": open_store,
    "SyncStore": SyncStore,
    "ASGIAccelerator": lambda url: ASGIAccelerator(app_saying(), store=url),
    "WSGIAccelerator": lambda url: WSGIAccelerator(demo_app, store=url),
}


@pytest.mark.parametrize("take", TAKERS.values(), ids=TAKERS)
@pytest.mark.parametrize("url", [url for url, _ in MISREAD.values()], ids=MISREAD)
def test_wherever_a_url_is_taken_a_mistake_in_it_is_named_without_its_password(
    url: str, take: Callable[[str], object]
) -> None:
    with pytest.raises(ValueError, match="a URL that is right: ") as refused:
        take(url)
    assert (refused.value.__cause__, refused.value.__context__) == (None, None)
    assert not pieces(str(refused.value))


@pytest.mark.parametrize("password", ["s3cr3t", "s3cr3t/pw", "s3cr3t#?@:[]%/pw", "s3cr3t pw", "s3cr3t€\U0001f600"])
def test_a_percent_encoded_password_is_read_as_it_is_meant_and_not_shown(password: str) -> None:
    encoded = quote(password, safe="")
    for url in (f"redis://cache:{encoded}@host:6380/3", f"unix://cache:{encoded}@/run/redis.sock?db=3"):
        store = RedisStore(url, "shop:")
        assert store._address._password == password
        place = "host:6380" if url.startswith("redis") else "/run/redis.sock"
        assert repr(store) == f"<RedisStore: {place}, database 3, user 'cache', prefix 'shop:'>"


@given(st.text(), st.sampled_from([("redis://u:", "@host/2", "host:6379"), ("unix://u:", "@/run/x?db=2", "/run/x")]))
def test_whatever_the_password_a_url_leads_where_it_is_meant_to_or_is_refused(
    password: str, form: tuple[str, str, str]
) -> None:
    before, after, place = form
    with suppress(ValueError):
        assert str(RedisStore(before + password + after)._address).startswith(f"{place}, database 2, ")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://", "localhost:6379"),
        ("redis://[::1]:7000", "[::1]:7000"),
        ("redis://:s3cr3t@host", "host:6379"),
        ("redis://s3cr3t@host", "host:6379, a user without a password"),
        ("redis://host/00?protocol=3", "host:6379"),
        ("redis://host?password=s3cr3t&username=u&db=2", "host:6379, database 2, user 'u'"),
        ("unix:///run/a@b.sock", "/run/a@b.sock"),
        ("redis+sentinel://h2,h1:7000/shop", "the primary that Sentinel at h1:7000, h2:26379 calls 'shop'"),
        (
            "rediss+sentinel://cache:s3cr3t@[::1]/a%2Fb/2?sentinel_username=who&sentinel_password=s3cr3t",
            "the primary that Sentinel at [::1]:26379 calls 'a/b', database 2, user 'cache'",
        ),
    ],
)
def test_a_store_shows_where_it_leads_and_no_password(url: str, words: str) -> None:
    assert repr(RedisStore(url)) == f"<RedisStore: {words}, prefix 'accelerator:'>"


def test_a_store_with_a_client_shows_where_that_leads() -> None:
    client = Redis(host="host", password="s3cr3t", username="cache")
    assert repr(RedisStore(client)) == "<RedisStore: host:6379, user 'cache', prefix 'accelerator:'>"
    sentinel = Sentinel([("host", 26379)])  # type: ignore[no-untyped-call]  # redis-py does not annotate it
    client = sentinel.master_for("primary", password="s3cr3t")
    assert repr(RedisStore(client)) == (
        "<RedisStore: the primary that Sentinel at host:26379 calls 'primary', prefix 'accelerator:'>"
    )


def shown(error: BaseException) -> str:
    """What a report of errors shows that also has the variables of each frame."""
    return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


ECHO = b"-ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, `user`, `s3cr3t`,"


@pytest.mark.anyio
async def test_a_server_that_repeats_the_login_is_quoted_without_it(
    open_store: OpenStore, caplog: pytest.LogCaptureFixture
) -> None:
    """As servers do that do not know HELLO, or another name for AUTH."""
    async with Stub(ECHO) as stub:
        store = open_store(f"redis://user:s3cr3t@127.0.0.1:{stub.port}")
        app = ASGIAccelerator(app_saying(("cache-control", "s-maxage=60")), store=store)
        assert (await ask(app)).status == 200
        with pytest.raises(InvalidationError, match="ERR unknown command `HELLO`;") as failed:
            await app.invalidate_tag("x")
        with pytest.raises(RedisError, match=r"ERR unknown command `HELLO`$") as refused:
            await store.lookup(request_of())
    assert f"Redis at 127.0.0.1:{stub.port}, user 'user': ERR unknown command `HELLO`" in caplog.text
    assert not pieces(caplog.text + shown(failed.value) + shown(refused.value))


@pytest.mark.parametrize("command", [["purge", "x"], ["top", "--count", "1"], ["stats"], ["ls"]], ids=lambda c: c[0])
def test_commands_quote_a_server_that_repeats_the_login_without_it(command: list[str]) -> None:
    async def run() -> str:
        async with Stub(ECHO) as stub:
            arguments = [*command, "--store", f"redis://user:s3cr3t@127.0.0.1:{stub.port}"]
            result = await anyio.to_thread.run_sync(CliRunner().invoke, main, arguments)
            await anyio.to_thread.run_sync(loop_thread.stop)
        assert result.exit_code == 1
        return result.output

    output = anyio.run(run)
    assert "ERR unknown command `HELLO`" in output
    assert not pieces(output)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ResponseError("ERR what is p/s3cr3t, and p/s3cr3t?"), "ERR what is ***, and ***?"),
        (
            ResponseError("ERR unknown command 'AUTH', with args beginning with: 'cache' 'p/s3"),
            "ERR unknown command 'AUTH'",
        ),
        (AuthenticationError("invalid pair", status_code="WRONGPASS"), "WRONGPASS invalid pair"),
        (ResponseError("WRONGPASS invalid pair"), "WRONGPASS invalid pair"),
        (ResponseError("ERR \x1b[2Jone\r\nWARNING two\u2028"), "ERR ?[2Jone??WARNING two?"),
        (TimeoutError(), "no answer within 0.1 s"),
    ],
)
def test_an_error_of_the_same_kind_has_the_words_of_the_server_without_the_password(
    error: Exception, words: str
) -> None:
    address = Address(ConnectionPool.from_url("redis://cache:p%2Fs3cr3t@host/1"))
    told = address.without_secrets(error, 0.1)
    assert type(told) is type(error)
    assert str(told) == f"Redis at host:6379, database 1, user 'cache': {words}"
    assert told.__traceback__ is None


def test_an_error_is_told_without_the_password_of_the_sentinels() -> None:
    pool = new_pool("redis+sentinel://:s3cr3t@host/shop?sentinel_password=of%2Bsentinels%2Cs3")
    told = Address(pool).without_secrets(ResponseError("ERR what is of+sentinels,s3, and s3cr3t?"), 0.1)
    assert str(told).endswith(" calls 'shop': ERR what is ***, and ***?")


def test_an_error_of_the_system_keeps_its_number() -> None:
    told = Address(ConnectionPool.from_url("redis://host")).without_secrets(ConnectionResetError(104, "gone"), 0.1)
    assert str(told) == "[Errno 104] Redis at host:6379: [Errno 104] gone"
