"""Follows links, breadth first and bounded."""

from __future__ import annotations

from collections import deque
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from benchmarks.sites.links import links
from benchmarks.sites.wire import Ask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from benchmarks.sites.wire import Reply


def crawl(ask: Callable[[Ask], Reply], start: Sequence[str], left_out: Sequence[str], limit: int) -> list[str]:
    """Return the targets that one visitor finds, in the order of finding.

    Args:
        ask: sends a request as that visitor.
        start: where to begin.
        left_out: globs of targets that are not asked for.
        limit: how many are followed at most.
    """
    waiting, seen = deque(start), set(start)
    found: list[str] = []
    while waiting and len(found) < limit:
        target = waiting.popleft()
        if matches(target, left_out):
            continue
        found.append(target)
        for link in links(target, ask(Ask("plain", target))):
            if link not in seen:
                seen.add(link)
                waiting.append(link)
    return found


def matches(target: str, globs: Iterable[str]) -> bool:
    """Tell whether a target is one of those that the globs name."""
    return any(fnmatchcase(target, glob) for glob in globs)
