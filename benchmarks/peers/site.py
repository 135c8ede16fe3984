"""The page that every peer serves, and what its process is told of it.

`/page/10240/50/7` is page 7: 10,240 bytes, for which the view waits 50 milliseconds.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ROOM: Final = 8 << 30
"""Bytes that a cache may hold where it counts them: no peer evicts."""

MANY: Final = 10_000_000
"""Entries that a cache may hold where it counts those."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """What a process serves.

    Attributes:
        framework: the module in `frameworks`.
        cache: the module in `caches`.
        ttl: the seconds for which a page is fresh.
        redis: the URL of the server that pages are kept in; empty for those kept in memory.
        calls: the file that grows by a byte with each call of the view, whatever process makes it.
    """

    framework: str
    cache: str
    ttl: int
    redis: str
    calls: Path

    def told(self) -> dict[str, str]:
        """Return it as variables of an environment."""
        return {f"PEER_{name.upper()}": str(value) for name, value in vars(self).items()}

    @classmethod
    def from_environment(cls, variables: Mapping[str, str] = os.environ) -> Site:
        """Read what `told` returned."""
        return cls(
            framework=variables["PEER_FRAMEWORK"],
            cache=variables["PEER_CACHE"],
            ttl=int(variables["PEER_TTL"]),
            redis=variables["PEER_REDIS"],
            calls=Path(variables["PEER_CALLS"]),
        )


class Pages:
    """What the view shows.

    Attributes:
        edition: what each page begins with; a new one is a change of all data.
        was_read: set when a page is made.
    """

    def __init__(self, calls: Path) -> None:
        self.edition = "first"
        self.was_read = threading.Event()
        self._calls = os.open(calls, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def show(self, size: int, number: int) -> str:
        """Return a page of so many bytes."""
        os.write(self._calls, b".")
        text = f"{self.edition} edition of page {number} ".ljust(size, "x")
        self.was_read.set()
        return text


@dataclass(frozen=True)
class Served:
    """A site behind its cache.

    Attributes:
        app: what a server runs.
        is_asgi: whether that is an ASGI application; else it speaks WSGI.
        take_back: takes back the pages of these paths, by what the cache has for it, and may have to be awaited.
        how: what `take_back` goes by.
    """

    app: Any
    is_asgi: bool
    take_back: Callable[[Sequence[str]], Any] = lambda _: None
    how: str = ""


def as_it_is(view: Any) -> Any:
    """Return the view: the decorator of those who have none."""
    return view


def path(size: int, milliseconds: int, number: int) -> str:
    """Return the path of a page."""
    return f"/page/{size}/{milliseconds}/{number}"


def serve(site: Site, pages: Pages) -> Served:
    """Return the site behind its cache."""
    served: Served = import_module(f"benchmarks.peers.caches.{site.cache}").serve(site, pages)
    return served


def app() -> Any:
    """Return the application that the environment tells of; servers call this."""
    site = Site.from_environment()
    return serve(site, Pages(site.calls)).app
