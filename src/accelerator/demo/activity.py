"""The live list of what the cache did last, sent to every browser that shows it."""

from __future__ import annotations

import json
import time
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import anyio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from accelerator import CacheEvent

REMEMBERED: Final = 100
"""Number of lines that are kept for new listeners."""

LONGEST_PATH: Final = 80
"""Number of characters of a path that the list shows."""


class Activity:
    """Collects what the cache did, from its option `on_event`, and sends it to browsers.

    Args:
        worker: the number of this worker, None if there is only one.

    Attributes:
        worker: the same.
    """

    def __init__(self, worker: int | None = None) -> None:
        self.worker = worker
        self._lines: deque[str] = deque(maxlen=REMEMBERED)
        self._count = 0
        self._is_closed = False
        self._news = anyio.Event()
        self._kept: dict[str, frozenset[str]] = {}  # the tags of each page that is in the cache

    def see(self, event: CacheEvent) -> None:
        """Take an event of the cache. The accelerator calls this on the event loop, so it must not block."""
        line = {**line_of(event), "worker": self.worker}
        if not line["path"].startswith(("/static/", "/events")):  # the list shows pages only
            self.add(line)

    def add(self, line: dict[str, Any]) -> None:
        """Add a line to the list. The line of an invalidation names the pages that it invalidated."""
        tags = frozenset(line["tags"])
        took_back = self._taken_back(tags) if line["kind"] == "invalidate" else []
        if line["ttl"] is not None:
            self._kept[line["path"]] = tags
        self._lines.append(json.dumps({**line, "took_back": took_back}))
        self._count += 1
        self._tell()

    def _taken_back(self, taken: frozenset[str]) -> list[str]:
        """Return the pages that these tags invalidate. The cache itself never searches: it sets one number per tag."""
        paths = sorted(path for path, tags in self._kept.items() if not tags.isdisjoint(taken))
        for path in paths:
            del self._kept[path]
        return paths

    @asynccontextmanager
    async def shared(self) -> AsyncIterator[None]:
        """Share the list with other workers while the context lasts: here there are none."""
        yield

    def close(self) -> None:
        """End every stream, because the server stops."""
        self._is_closed = True
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = anyio.Event()

    async def stream(self) -> AsyncIterator[str]:
        """Yield the lines that are kept, then each new one, as server-sent events."""
        yield "retry: 1000\n\n"
        told = 0
        while not self._is_closed:
            news, missed = self._news, min(self._count - told, len(self._lines))
            told = self._count
            for line in list(self._lines)[len(self._lines) - missed :]:
                yield f"data: {line}\n\n"
            await news.wait()


def line_of(event: CacheEvent) -> dict[str, Any]:
    """Return the line of the list for an event."""
    return {
        "at": time.time(),
        "kind": event.kind,
        "method": event.method,
        "path": _path(event.url),
        "detail": event.detail,
        "tags": sorted(event.tags),
        "age": event.age,
        "ttl": event.ttl,
        "collapsed": event.collapsed,
    }


def _path(url: str) -> str:
    """Return the path of an absolute URL, up to `LONGEST_PATH` characters, because clients may invent it."""
    return "/" + "/".join(url.partition("?")[0].split("/")[3:])[:LONGEST_PATH] if url else ""
