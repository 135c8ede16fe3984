"""What the cache says it did (RFC 9211)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

from http_sf import parse

if TYPE_CHECKING:
    from benchmarks.sites.wire import Reply


class CacheStatus(NamedTuple):
    """What the cache says of one answer.

    Attributes:
        is_hit: it came from the store.
        is_stored: it came from there, or went there.
        why_not: why it did not, and was not stored either, as far as it says.
    """

    is_hit: bool
    is_stored: bool
    why_not: str


def cache_status(reply: Reply) -> CacheStatus:
    """Return what the cache says of an answer.

    Raises:
        ValueError: it says nothing, or what is no list of structured fields.
    """
    line = ", ".join(reply.all("cache-status")).encode()
    members = cast("list[tuple[object, dict[str, Any]]]", parse(line, tltype="list"))
    if not members:
        raise ValueError("it did not come through the cache, which says so in each answer")
    said = members[-1][1]
    is_hit = said.get("hit", False)
    return CacheStatus(is_hit, is_hit or said.get("stored", False), str(said.get("detail") or said.get("fwd") or ""))
