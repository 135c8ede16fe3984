"""What all connections to a Redis server go by, on event loops and in threads: who the server is, and its failures."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MaxConnectionsError, ReadOnlyError, RedisError, ResponseError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

clock: Final = partial(time.clock_gettime, getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
"""Returns the seconds since some moment, of which none is left out while the machine sleeps, where it can be had."""

BREAK_SECONDS: Final = 1.0
"""Seconds for which a server that failed is not called, before one call tries again."""

IDENTITY_SECONDS: Final = 1.0
"""Seconds for which a connection is taken to lead to the same server in the same role, before it is asked again."""

ASK_IDENTITY: Final = (b"INFO", b"server", b"replication")
"""The command whose answer has the identity of a server."""

FAILURES: Final = (RedisError, OSError, TimeoutError)
"""What a call raises if the server is unreachable or slow, or answers with an error."""


class Values(dict[bytes, "bytes | None"]):
    """The values that were read at once, by key. A value that could not be read raises where it is looked at.

    Args:
        identity: that of the server that had them.

    Attributes:
        made: results computed from these values, by key, for all who share them.
        failures: why some could not be read, by key.
    """

    __slots__ = ("_identity", "failures", "made")

    def __init__(self, identity: bytes) -> None:
        super().__init__()
        self._identity = identity
        self.made: dict[bytes, Any] = {}
        self.failures: dict[bytes, Exception] = {}

    def __missing__(self, key: bytes) -> None:
        """Raise why a value could not be read, a `KeyError` if nobody has tried."""
        raise self.failures.get(key) or KeyError(key)

    def identity_of(self, key: bytes) -> bytes:  # noqa: ARG002 - one server had them all
        """Return the identity of the server that had the value of a key."""
        return self._identity

    def fail(self, keys: Iterable[bytes], error: Exception) -> None:
        """Note why keys could not be read."""
        self.failures |= dict.fromkeys(keys, error)


class ServerLeftAloneError(RedisConnectionError):
    """The server failed within the last `BREAK_SECONDS`, so the call is not made."""


class TooFewReplicasError(ResponseError):
    """Not as many replicas as asked for have said in time that they have a write."""


class Identity(NamedTuple):
    """Who is at the other end of a connection.

    Attributes:
        name: the id of the server's run, and that of its replication history.
        since: the value of `clock` before it was asked for.
    """

    name: bytes
    since: float


class Breaker:
    """Leaves a server alone that failed a moment ago, whichever thread or event loop has noticed it.

    Attributes:
        failed_at: the value of `clock` when a connection failed last.
    """

    def __init__(self) -> None:
        self.failed_at = 0.0
        self._left_alone_until = 0.0
        self._met = b""

    @property
    def is_open(self) -> bool:
        """Whether no call has succeeded since the last one failed."""
        return self._left_alone_until > 0.0

    def refuse(self) -> None:
        """Raise if the server is left alone now.

        Raises:
            ServerLeftAloneError: it is.
        """
        if self._left_alone_until and clock() < self._left_alone_until:
            raise ServerLeftAloneError("the server failed a moment ago, and is left alone for a second")

    def enter(self, *, anyway: bool) -> None:
        """Begin a call. After a failure one tries, and the others do not try at the same time.

        Args:
            anyway: call the server even if it failed a moment ago.

        Raises:
            ServerLeftAloneError: it is left alone.
        """
        if self._left_alone_until:
            if not anyway:
                self.refuse()
            self._left_alone_until = clock() + BREAK_SECONDS

    def fail(self, error: Exception) -> None:
        """Note that a call failed."""
        if _shows_life(error):
            self._left_alone_until = 0.0
        else:
            self.failed_at = clock()
            self._left_alone_until = self.failed_at + BREAK_SECONDS

    def lose(self) -> None:
        """Note that a connection was lost: others from before may be dead without showing it."""
        self.failed_at = clock()

    def meet(self, identity: Identity) -> None:
        """Note who the server is. If that is another one than before, other connections may lead to the former one."""
        if self._met not in {b"", identity.name}:
            self.lose()
        self._met = identity.name

    def succeed(self) -> None:
        """Note that a call succeeded."""
        self._left_alone_until = 0.0

    def trusts(self, identity: Identity) -> bool:
        """Tell whether an identity was asked for after the last failure, and not too long ago."""
        return identity.since > self.failed_at and identity.since + IDENTITY_SECONDS >= clock()


def _shows_life(error: Exception) -> bool:
    """Tell whether the server still works: it answered with an error, or the pool had no connection left."""
    return isinstance(error, ResponseError | MaxConnectionsError) and not isinstance(error, ReadOnlyError)


def words_of(error: BaseException) -> str:
    """Return what a server has said, with its code, which redis-py removes."""
    words, code = str(error), getattr(error, "status_code", None)
    return f"{code} {words}" if code and not words.startswith(code) else words


def mget(keys: Iterable[bytes]) -> Sequence[bytes]:
    """Return the command that reads the values of keys."""
    return (b"MGET", *keys)


def identity_in(answer: bytes) -> bytes:
    """Return the identity in the answer to `ASK_IDENTITY`: the id of the server's run, and of its replication history.

    If it has changed, the server was restarted or promoted, and may have lost invalidations.

    Raises:
        RedisConnectionError: it is a replica, which may lag behind its primary.
    """
    facts = _facts_in(answer)
    if facts.get(b"role") != b"master":
        raise RedisConnectionError("the server is no primary")
    return facts[b"run_id"] + b":" + facts[b"master_replid"]


def check_mode(answer: bytes) -> None:
    """Look whether a server stands for itself, by the same answer: of a cluster's node the rest would be missing.

    Raises:
        RedisConnectionError: it does not. The message says which URL is right.
    """
    facts = _facts_in(answer)
    mode = facts.get(b"redis_mode") or facts.get(b"server_mode")  # as Valkey says it
    if mode == b"cluster":
        raise RedisConnectionError("it is a node of a cluster, whose URL begins with redis+cluster://")
    if mode == b"sentinel":
        raise RedisConnectionError("it is a Sentinel: redis+sentinel://host:port/NAME is the server that it calls NAME")


def _facts_in(answer: bytes) -> dict[bytes, bytes]:
    return dict(line.split(b":", 1) for line in answer.splitlines() if b":" in line)
