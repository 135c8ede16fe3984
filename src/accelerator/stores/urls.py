"""Stores by URL: which schemes there are, and what may be said behind the `?` of each."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar
from urllib.parse import parse_qsl, unquote

from accelerator.stores.extras import EXTRAS, store_class
from accelerator.stores.memory import MemoryStore
from accelerator.stores.protocol import Store, checked_store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")
_SIZE: Final = re.compile(r"([0-9]{1,18})(B|KiB|MiB|GiB|TiB)?", re.IGNORECASE)
_DIRECTORY: Final = re.compile(r"lmdb:(?://)?(/[^/#][^#]*)", re.IGNORECASE)
_BYTES: Final = {"": 1, "b": 1, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}


def _size(text: str) -> int:
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError(f"is a number of bytes, KiB, MiB, GiB or TiB, such as 512MiB, not {text!r}")
    return int(found[1]) * _BYTES[(found[2] or "").lower()]


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError("is a number of seconds, such as 0.5") from None


def _number(text: str) -> int:
    if re.fullmatch("[0-9]{1,9}", text) is None:
        raise ValueError("is a whole number, such as 1")
    return int(text)


def _in_memory(address: str) -> tuple[()]:
    if address.lower() not in {"memory:", "memory://"}:
        raise ValueError("memory: is in this process, and has neither host nor path")
    return ()


def _in_a_directory(address: str) -> tuple[str]:
    found = _DIRECTORY.fullmatch(address)
    if found is None:
        raise ValueError("lmdb: has the whole path of a directory and no host, so three slashes; a # in it is %23")
    return (unquote(found[1]),)


def _on_a_server(address: str) -> tuple[str]:
    return (address,)


def _near(text: str) -> StoreURL | None:
    if text == "none":
        return None
    if text.partition(":")[0].lower() not in {"memory", "lmdb"}:
        raise ValueError("is none, or the URL of a store that never waits: memory: or lmdb:///dev/shm/site")
    try:
        return StoreURL(text)
    except ValueError as error:
        raise ValueError(f"cannot be read: {error}") from None


class _Kind(NamedTuple):
    """What URLs of a scheme name.

    Attributes:
        store: the class of the store.
        locate: reads its first arguments from what stands before the `?`.
        options: its other arguments, which may stand behind the `?`, and how each is read; `near` is what stands in
            front of it.
        example: a URL that is right.
        has_client: what else stands behind the `?` is for the client of a server.
    """

    store: str
    locate: Callable[[str], tuple[str, ...]]
    options: Mapping[str, Callable[[str], Any]]
    example: str
    has_client: bool = False


_REDIS: Final = _Kind(
    "RedisStore",
    _on_a_server,
    {"prefix": str, "deadline": _seconds, "wait_replicas": _number, "near": _near},
    "redis://user:password@localhost:6379/0?prefix=shop:",
    has_client=True,
)
KINDS: Final = {
    "memory": _Kind("MemoryStore", _in_memory, {"max_bytes": _size}, "memory:?max_bytes=512MiB"),
    "lmdb": _Kind("LMDBStore", _in_a_directory, {"max_bytes": _size}, "lmdb:///dev/shm/site?max_bytes=1GiB"),
    "redis": _REDIS,
    "rediss": _REDIS._replace(example="rediss://user:password@redis.example.org:6379/0?prefix=shop:"),
    "unix": _REDIS._replace(example="unix:///run/redis.sock?prefix=shop:"),
    "redis+sentinel": _REDIS._replace(
        example="redis+sentinel://user:password@host1:26379,host2:26379/mymaster/0?prefix=shop:"
    ),
    "rediss+sentinel": _REDIS._replace(
        example="rediss+sentinel://user:password@host1:26379,host2:26379/mymaster/0?prefix=shop:"
    ),
    "redis+cluster": _REDIS._replace(example="redis+cluster://user:password@host1:6379,host2:6379?prefix=shop:"),
    "rediss+cluster": _REDIS._replace(example="rediss+cluster://user:password@host1:6379,host2:6379?prefix=shop:"),
}
"""The stores by the schemes of their URLs."""


class StoreURL:
    """A URL of a store that has been read.

    Args:
        url: the URL.

    Raises:
        TypeError: it is no `str`.
        ValueError: there is no such scheme or option, or a value cannot be read. The message shows a URL that is right,
            and never a password.

    Attributes:
        store: the name of the class of the store.
        arguments: its first arguments.
        options: those that go by name.
    """

    def __init__(self, url: str) -> None:
        if not isinstance(url, str):
            raise TypeError(f"the URL of a store is a str, not {type(url).__name__}")
        self._kind = _kind_of(url)
        self.store = self._kind.store
        self.options: dict[str, Any] = {}
        self.arguments = self._explained(lambda: self._read(url))

    def open(self, **unless_told: Any) -> Store:
        """Make the store.

        Args:
            unless_told: options for where the URL says nothing, if the store has them.

        Raises:
            ImportError: it needs an extra that is not installed.
            ValueError: it refuses what the URL says. The message shows a URL that is right.
            OSError, RuntimeError: see `LMDBStore`.
        """
        make: Callable[..., Store] = store_class(self.store) if self.store in EXTRAS else MemoryStore
        options = {name: value for name, value in unless_told.items() if name in self._kind.options} | self.options
        near = options.pop("near", None)
        opened = self._explained(lambda: make(*self.arguments, **options))
        return opened if near is None else store_class("TieredStore")(near.open(), opened)

    def _read(self, url: str) -> tuple[str, ...]:
        """Take the options, and return what the rest says."""
        address, _, query = url.partition("?")
        rest = [piece for piece in query.split("&") if piece and not self._takes(piece)]
        return self._kind.locate(f"{address}?{'&'.join(rest)}" if rest else address)

    def _takes(self, piece: str) -> bool:
        """Take an option, unless it is for the client of the server."""
        ((name, text),) = parse_qsl(piece, keep_blank_values=True)
        read = self._kind.options.get(name)
        if read is None and self._kind.has_client:
            return False
        if read is None:
            known = ", ".join(self._kind.options)
            raise ValueError(f"{self.store} has no option {name!r} in its URL, only {known}")
        if name in self.options:
            raise ValueError(f"{name} stands there twice")
        try:
            self.options[name] = read(text)
        except ValueError as error:
            raise ValueError(f"{name} {error}") from None
        return True

    def _explained(self, work: Callable[[], T]) -> T:
        """Do some work. What it says of a mistake gets an example, and nothing is chained to it."""
        try:
            return work()
        except ValueError as error:
            mistake = str(error)
        raise ValueError(f"{mistake}; a URL that is right: {self._kind.example}")


def _kind_of(url: str) -> _Kind:
    scheme, colon, rest = url.partition(":")
    kind = KINDS.get(scheme.lower()) if colon else None
    if kind is None:
        # what has no // may be a user and a password
        said = f", not with {scheme}:" if rest.startswith(("//", "?")) else ""
        raise ValueError(
            "the URL of a store begins with memory:, lmdb:///, redis:// or rediss://, unix://, redis+sentinel:// or"
            " redis+cluster://"
            f"{said}; a URL that is right: {KINDS['lmdb'].example}"
        )
    return kind


def open_store(url: str) -> Store:
    """Make the store that a URL names.

    Args:
        url: `memory:?max_bytes=512MiB`, `lmdb:///dev/shm/site?max_bytes=1GiB`, or `redis://localhost:6379/0`, also as
            `rediss://`, `unix://`, `redis+sentinel://host1,host2,host3/mymaster/0` and `redis+cluster://host1,host2`,
            these two by TLS as `rediss+`. Behind the `?` stand the arguments of the store by name, sizes in bytes, KiB,
            MiB, GiB or TiB; for a Redis those of redis-py as well, and `near=` with the URL of the store in front of
            it, which makes a `TieredStore`.

    Raises:
        TypeError: it is no `str`.
        ValueError: it names no store, or the store refuses what it says. The message shows a URL that is right, and
            never a password.
        ImportError: the store needs an extra that is not installed. The message says how to install it.
        OSError, RuntimeError: see `LMDBStore`.
    """
    return StoreURL(url).open()


def store_of(store: Store | str | None) -> Store:
    """Return a store as it is, the one that a URL names, or a new `MemoryStore` for None.

    In front of a server there is a near store of this process, unless the URL says `near=`: a hit in it costs no I/O.

    Raises:
        TypeError: it is neither a store nor a URL.
        ImportError, OSError, RuntimeError, ValueError: see `open_store`.
    """
    if store is None:
        return MemoryStore()
    if not isinstance(store, str):
        return checked_store(store)
    return StoreURL(store).open(near=StoreURL("memory:"))


def shared(url: str) -> StoreURL:
    """Read the URL of a store that other processes have, too.

    Raises:
        TypeError, ValueError: see `StoreURL`; or it names a new store, which nobody else has.
    """
    named = StoreURL(url)
    if named.store == "MemoryStore":
        raise ValueError(
            "memory: is a store in the memory of one process, which no other can reach; name the one that the workers"
            f" share, such as {KINDS['lmdb'].example}, or give the MemoryStore itself"
        )
    return named
