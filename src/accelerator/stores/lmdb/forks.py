"""Whether this process was forked, by whomever: nothing that was opened before a fork may be used after it.

A server in C, as uWSGI is, forks without a word to Python. So a page of memory tells it, which is empty in a child.
"""

from __future__ import annotations

import mmap
from typing import Final

_WIPE_ON_FORK: Final = 18
"""MADV_WIPEONFORK, see madvise(2), which the module `mmap` has no name for."""

page: Final = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
"""A page that begins with 0 in a process that was forked and has not been marked since."""

page.madvise(_WIPE_ON_FORK)


def mark() -> None:
    """Mark this process as known. A child is not."""
    page[0] = 1


mark()
