"""The address of a Redis server: connections from a URL, and a text without the password for logs and errors."""

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

if TYPE_CHECKING:
    from urllib.parse import SplitResult

_Error = TypeVar("_Error", bound=Exception)
_ENCODE: Final = (
    "a user or password in it has to be percent-encoded: urllib.parse.quote(password, safe='') turns / into %2F,"
    " # into %23, ? into %3F and @ into %40"
)
_ARGUMENTS: Final = re.compile(r",? with args beginning with:.*", re.DOTALL)
"""The part of an error message in which a server repeats an unknown command: HELLO and AUTH have the password in it."""


def new_pool(url: str) -> ConnectionPool:
    """Return a pool of connections to the server that a URL names.

    Raises:
        ValueError: redis-py does not accept the URL, or would not read it as it is meant. The message does not quote
            the URL, and no other exception is chained to it.
    """
    if mistake := _mistake_in(url):
        raise ValueError(mistake)
    with suppress(TypeError, ValueError, RedisError):  # their messages may quote secrets
        # `Link` decides when to try again, and how long to wait: redis-py's own time-out is a task for each command
        pool = ConnectionPool.from_url(url, retry=Retry(NoBackoff(), 0), socket_timeout=None)
        pool.connection_kwargs["decode_responses"] = False  # whoever reads knows what is text
        pool.connection_class(**pool.connection_kwargs)  # it raises on unknown options, and does not connect yet
        return pool
    names = ", ".join(parse_qs(urlsplit(url).query, keep_blank_values=True))
    raise ValueError(f"redis-py does not take these options of the Redis URL, or not so: {names}")


def pool_like(pool: ConnectionPool) -> ConnectionPool:
    """Return a pool of connections as those of a client's, for another event loop."""
    options = pool.connection_kwargs | {
        "retry": Retry(NoBackoff(), 0),
        "socket_timeout": None,
        "decode_responses": False,
    }
    return ConnectionPool(pool.connection_class, **options)


def _mistake_in(url: str) -> str | None:
    """Return what is wrong with a URL, None if nothing is.

    An unencoded / or # in a password makes redis-py take the part before it for the host.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # reading it checks it
    except ValueError:
        return f"host and port of the Redis URL cannot be read; {_ENCODE}"
    if parts.scheme not in {"redis", "rediss", "unix"}:
        return "a Redis URL begins with redis://, rediss:// or unix://"
    if parts.fragment or (parts.netloc and "@" in parts.path + parts.query):
        return f"the Redis URL has a # in it, or an @ after its host; {_ENCODE}"
    if not all("=" in option for option in parts.query.split("&") if option):
        return f"what follows the ? in a Redis URL is options such as ?protocol=3; {_ENCODE}"
    return _mistake_in_socket(parts) if parts.scheme == "unix" else _mistake_in_database(parts)


def _mistake_in_socket(parts: SplitResult) -> str | None:
    if parts.path and (not parts.netloc or parts.netloc.endswith("@")):
        return None
    return f"a unix:// URL has no host but the path of a socket: unix:///run/redis.sock; {_ENCODE}"


def _mistake_in_database(parts: SplitResult) -> str | None:
    database = unquote(parts.path).strip("/")
    if not database or database.isdecimal():
        return None
    return f"what follows the host in a Redis URL is the number of a database, such as /0; {_ENCODE}"


class Address:
    """The address of a server as a text without secrets.

    Args:
        pool: the connections to it.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        settings: dict[str, Any] = pool.connection_kwargs
        self._password = str(settings.get("password") or "")
        parts = [_place(pool, settings)]
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
        words = str(error) or f"no answer within {deadline:g} s"
        code = getattr(error, "status_code", None)  # redis-py removes it from the text
        if code and not words.startswith(code):
            words = f"{code} {words}"
        words = _ARGUMENTS.sub("", words)
        if self._password:
            words = words.replace(self._password, "***")
        return f"Redis at {self}: {words}"


def _place(pool: ConnectionPool, settings: dict[str, Any]) -> str:
    if isinstance(pool, SentinelConnectionPool):
        return f"the primary that Sentinel calls {pool.service_name!r}"
    if "path" in settings:
        return str(settings["path"])
    host = settings.get("host") or "localhost"
    return f"{f'[{host}]' if ':' in host else host}:{settings.get('port') or 6379}"
