"""The address of a Redis server: connections from a URL, and a text without the passwords for logs and errors."""

from __future__ import annotations

import re
from contextlib import suppress
from copy import copy
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from accelerator.stores.redis.sentinel import (
    SENTINEL_PORT,
    PrimaryPool,
    host_and_port,
    places_of,
    sentinels,
    sentinels_like,
)
from accelerator.stores.redis.server import words_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from urllib.parse import SplitResult

_Error = TypeVar("_Error", bound=Exception)
ENCODE: Final = (
    "a user or password in it has to be percent-encoded: urllib.parse.quote(password, safe='') turns / into %2F,"
    " # into %23, ? into %3F and @ into %40"
)
UNREADABLE: Final = f"host and port of the Redis URL cannot be read; {ENCODE}"
_ARGUMENTS: Final = re.compile(r",? with args beginning with:.*", re.DOTALL)
"""The part of an error message in which a server repeats an unknown command: HELLO and AUTH have the password in it."""

_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

_OF_SENTINELS: Final = {"redis+sentinel": "redis", "rediss+sentinel": "rediss"}
"""The schemes of URLs that name Sentinels, each with that of the server that these name."""

_OWN_LOGIN: Final = {"sentinel_username": "username", "sentinel_password": "password"}
"""The options of a URL for the login at the Sentinels, by their names in redis-py."""

_SENTINEL: Final = re.compile(r"(\[[^\[\]]+\]|[^\[\]:\s]+)(?::([0-9]{1,5}))?")
_SERVICE: Final = re.compile(r"/([^/]+)(?:/([0-9]*))?")


def new_pool(url: str) -> ConnectionPool:
    """Return a pool of connections to the server that a URL names, or that the Sentinels in it do.

    Raises:
        ValueError: redis-py does not accept the URL, or would not read it as it is meant. The message does not quote
            the URL, and no other exception is chained to it.
    """
    if mistake := _mistake_in(url):
        raise ValueError(mistake)
    parts = urlsplit(url)
    with suppress(TypeError, ValueError, RedisError):  # their messages may quote secrets
        return _new_primary_pool(parts) if parts.scheme in _OF_SENTINELS else _new_pool(url)
    raise ValueError(not_taken(parts, "of the Redis URL"))


def not_taken(parts: SplitResult, what_for: str) -> str:
    """Return in words that redis-py does not take the options in a URL, by their names alone."""
    names = ", ".join(parse_qs(parts.query, keep_blank_values=True))
    return f"redis-py does not take these options {what_for}, or not so: {names}"


def _new_pool(url: str) -> ConnectionPool:
    pool = ConnectionPool.from_url(url)
    pool.connection_kwargs.update(ours())
    pool.connection_class(**pool.connection_kwargs)  # it raises on unknown options, and does not connect yet
    return pool


def ours() -> dict[str, Any]:
    """Return the options that are the same for all connections.

    `Link` decides when to try again, and how long to wait: redis-py's own time-out is a task for each command. Whoever
    reads knows what is text.
    """
    return {"retry": Retry(NoBackoff(), 0), "socket_timeout": None, "decode_responses": False}


def _new_primary_pool(parts: SplitResult) -> PrimaryPool:
    login, at, _ = parts.netloc.rpartition("@")
    service, database = _named_in(parts)
    options = [option.partition("=")[::2] for option in parts.query.split("&") if option]
    query = "&".join(f"{name}={value}" for name, value in options if name not in _OWN_LOGIN)
    server = _new_pool(f"{_OF_SENTINELS[parts.scheme]}://{login}{at}primary/{database}?{query}")
    settings = {name: value for name, value in server.connection_kwargs.items() if name not in {"host", "port"}}
    own = {_OWN_LOGIN[name]: unquote(value) for name, value in options if name in _OWN_LOGIN} | ours()
    tls: dict[str, Any] = {}
    if parts.scheme == "rediss+sentinel":
        tls = {"ssl": True}
        own |= tls | {name: value for name, value in settings.items() if name.startswith("ssl_")}
    manager = sentinels(_sentinels_in(parts), own)
    return PrimaryPool(service, manager, max_connections=server.max_connections, **tls, **settings)


def pool_like(pool: ConnectionPool) -> ConnectionPool:
    """Return a pool of connections as those of a client's, for another event loop; of a Sentinel's, to the primary."""
    options = pool.connection_kwargs | ours()
    if isinstance(pool, SentinelConnectionPool):
        del options["connection_pool"]  # which a connection asks for the address
        manager = sentinels_like(pool.sentinel_manager, ours())
        return PrimaryPool(pool.service_name, manager, connection_class=pool.connection_class, **options)
    return ConnectionPool(pool.connection_class, **options)


def needs_sentinel(url: str) -> bool:
    """Tell whether a URL names Sentinels, which have to be asked for the server."""
    return url.partition(":")[0].lower() in _OF_SENTINELS


def _sentinels_in(parts: SplitResult) -> Iterator[tuple[str, int]]:
    """Yield host and port of each Sentinel.

    Raises:
        ValueError: one of them cannot be read.
    """
    for place in parts.netloc.rpartition("@")[2].split(","):
        found = _SENTINEL.fullmatch(place)
        port = int(found[2] or SENTINEL_PORT) if found else 0
        if found is None or not 0 < port < 65536:
            raise ValueError("no host and port")
        yield found[1].strip("[]"), port


def _named_in(parts: SplitResult) -> tuple[str, str]:
    """Return the name of the primary, and the number of the database.

    Raises:
        ValueError: there is no name, or more than these two.
    """
    found = _SERVICE.fullmatch(parts.path)
    if found is None:
        raise ValueError("no name")
    return unquote(found[1]), found[2] or "0"


def _mistake_in(url: str) -> str | None:
    """Return what is wrong with a URL, None if nothing is.

    An unencoded / or # in a password makes redis-py take the part before it for the host.
    """
    try:
        parts = urlsplit(url)
        _ = [*_sentinels_in(parts)] if parts.scheme in _OF_SENTINELS else parts.port  # reading it checks it
    except ValueError:
        return UNREADABLE
    if parts.scheme not in {"redis", "rediss", "unix", *_OF_SENTINELS}:
        return "a Redis URL begins with redis:// or rediss://, redis+sentinel:// or redis+cluster://, or unix://"
    if parts.fragment or (parts.netloc and "@" in parts.path + parts.query):
        return f"the Redis URL has a # in it, or an @ after its host; {ENCODE}"
    if not all("=" in option for option in parts.query.split("&") if option):
        return f"what follows the ? in a Redis URL is options such as ?protocol=3; {ENCODE}"
    if parts.scheme in _OF_SENTINELS:
        return _mistake_in_name(parts)
    return _mistake_in_socket(parts) if parts.scheme == "unix" else _mistake_in_database(parts)


def _mistake_in_name(parts: SplitResult) -> str | None:
    with suppress(ValueError):
        _named_in(parts)
        return None
    return (
        "what follows the Sentinels in a Redis URL is the name that they have for the primary, and the number of a"
        f" database if it is not 0, such as /mymaster/0; {ENCODE}"
    )


def _mistake_in_socket(parts: SplitResult) -> str | None:
    if parts.path and (not parts.netloc or parts.netloc.endswith("@")):
        return None
    return f"a unix:// URL has no host but the path of a socket: unix:///run/redis.sock; {ENCODE}"


def _mistake_in_database(parts: SplitResult) -> str | None:
    database = unquote(parts.path).strip("/")
    if not database or database.isdecimal():
        return None
    return f"what follows the host in a Redis URL is the number of a database, such as /0; {ENCODE}"


class Address:
    """The address of a server as a text without secrets.

    Args:
        pool: the connections to it.
        place: where it is, if the connections do not say so.
    """

    def __init__(self, pool: ConnectionPool, place: str | None = None) -> None:
        settings: dict[str, Any] = pool.connection_kwargs
        self._password = str(settings.get("password") or "")
        self._secrets = [self._password]
        if isinstance(pool, SentinelConnectionPool):
            self._secrets.append(str(pool.sentinel_manager.sentinel_kwargs.get("password") or ""))
        parts = [place or _place(pool, settings)]
        if database := int(settings.get("db") or 0):
            parts.append(f"database {database}")
        if username := settings.get("username"):  # without a password, it may be the password in the wrong place
            parts.append(f"user {username!r}" if self._password else "a user without a password")
        self._text = ", ".join(parts)

    def __str__(self) -> str:
        return self._text

    def without_secrets(self, error: _Error, deadline: float) -> _Error:
        """Return an error of the same type whose message names the server and quotes the error without secrets.

        Nothing is chained to it.

        Args:
            error: what a call raised. Its message, and the variables in the frames of its traceback, may be secret.
            deadline: the seconds that the call had.
        """
        told = copy(error)
        told.args = (self._words_for(error, deadline),)
        if isinstance(told, OSError) and told.errno is not None:  # then its text is made of `strerror`, not of `args`
            told.strerror = told.args[0]
        return told

    def _words_for(self, error: Exception, deadline: float) -> str:
        words = words_of(error) or f"no answer within {deadline:g} s"
        words = _ARGUMENTS.sub("", words)
        for secret in filter(None, self._secrets):
            words = words.replace(secret, "***")
        words = _UNPRINTABLE.sub("?", words)  # a log has one line for it, whatever the server says
        return f"Redis at {self}: {words}"


def _place(pool: ConnectionPool, settings: dict[str, Any]) -> str:
    if isinstance(pool, SentinelConnectionPool):
        places = ", ".join(sorted(places_of(pool.sentinel_manager)))
        return f"the primary that Sentinel at {places} calls {pool.service_name!r}"
    if "path" in settings:
        return str(settings["path"])
    return host_and_port(settings.get("host") or "localhost", settings.get("port") or 6379)
