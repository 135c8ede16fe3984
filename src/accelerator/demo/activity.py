"""The live list: the last things that the cache did, told to every browser that listens."""

from __future__ import annotations

import json
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

import anyio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from accelerator import CacheEvent

REMEMBERED: Final = 100
LONGEST_PATH: Final = 80


class Activity:
    """What the cache did, from its `on_event`."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=REMEMBERED)
        self._count = 0
        self._is_closed = False
        self._news = anyio.Event()
        self._kept: dict[str, frozenset[str]] = {}  # the pages that are in the cache, and their tags

    def see(self, event: CacheEvent) -> None:
        """Take note of an event. The accelerator calls this on the event loop, so it must not wait for anything."""
        line = line_of(event)
        if not line["path"].startswith(("/static/", "/events")):  # the list is about pages
            self.add(line)

    def add(self, line: dict[str, Any]) -> None:
        """Show one more line, and with an invalidation the pages that it took back."""
        tags = frozenset(line["tags"])
        took_back = self._taken_back(tags) if line["kind"] == "invalidate" else []
        if line["ttl"] is not None:
            self._kept[line["path"]] = tags
        self._lines.append(json.dumps({**line, "took_back": took_back}))
        self._count += 1
        self._tell()

    def _taken_back(self, taken: frozenset[str]) -> list[str]:
        """Say which pages an invalidation took back. The cache itself never looks: it moves one number per tag."""
        paths = sorted(path for path, tags in self._kept.items() if not tags.isdisjoint(taken))
        for path in paths:
            del self._kept[path]
        return paths

    def close(self) -> None:
        """End every stream: the server stops."""
        self._is_closed = True
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = anyio.Event()

    async def stream(self) -> AsyncIterator[str]:
        """Yield what is remembered, then what happens, as Server-Sent Events."""
        yield "retry: 1000\n\n"
        told = 0
        while not self._is_closed:
            news, missed = self._news, min(self._count - told, len(self._lines))
            told = self._count
            for line in list(self._lines)[len(self._lines) - missed :]:
                yield f"data: {line}\n\n"
            await news.wait()


def line_of(event: CacheEvent) -> dict[str, Any]:
    """Return what the list shows of an event."""
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
    """Return the path of an absolute URL, which a stranger may have made up, or what fits of it."""
    return "/" + "/".join(url.partition("?")[0].split("/")[3:])[:LONGEST_PATH] if url else ""
