"""Answers to compare."""

from __future__ import annotations

from benchmarks.sites.compare import Comparison
from benchmarks.sites.differences import Case
from benchmarks.sites.wire import Reply

CASE = Case("a site", "middleware", "plain")
HIT = ("cache-status", "accelerator; hit; ttl=60")
MISS = ("cache-status", 'accelerator; fwd=uri-miss; detail="private"')


def reply(body: bytes = b"", *lines: tuple[str, str], status: int = 200) -> Reply:
    return Reply(status, lines, body)


def differences(direct: Reply, given: Reply, whole: Reply | None = None, kind: str = "plain") -> list[str]:
    """What differs and may not; the answer of the cache comes from the store unless it says otherwise."""
    if given.get("cache-status") is None:
        given = given._replace(lines=(*given.lines, HIT))
    return Comparison().differences(CASE._replace(kind=kind), direct, given, whole or direct)
