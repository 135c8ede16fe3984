"""The keys in Redis that do not depend on a URL: see `scripts.py` for the layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from accelerator.stores.redis.verdict import PARTITION
from accelerator.tags import ALL

if TYPE_CHECKING:
    from collections.abc import Iterable


class Keys:
    """The keys of a partition.

    Args:
        prefix: the prefix of all keys.

    Attributes:
        meta: its order of positions.
        log: the tags that were invalidated last.
        near: the near stores, which is also the channel of their messages.
    """

    def __init__(self, prefix: bytes) -> None:
        self._prefix = prefix
        self._partition = prefix + b"{%d}:" % PARTITION
        self.meta = self._partition + b"meta"
        self.log = self._partition + b"log"
        self.near = self._partition + b"near1"

    def records(self, tags: Iterable[str]) -> tuple[bytes, ...]:
        """Return the keys of the records of tags."""
        return tuple(b"%st:%s" % (self._partition, tag) for tag in named(tags))

    def lease(self, name: bytes) -> bytes:
        """Return the key of the lease of a name."""
        return b"%sl:{%s}" % (self._prefix, name.hex().encode())


def named(tags: Iterable[str]) -> list[bytes]:
    """Return the tags that have records, sorted as bytes. `@all` has none: its positions are in the meta."""
    return sorted(tag.encode() for tag in tags if tag != ALL)
