"""Memory that a child process does not inherit: nothing that was opened before a fork may be used after it.

A server in C, as uWSGI is, forks without a word to Python. So a page of memory tells it, which is empty in a child.
"""

from __future__ import annotations

import mmap
from typing import Final

_WIPE_ON_FORK: Final = 18
"""MADV_WIPEONFORK, see madvise(2), which the module `mmap` has no name for."""


def wiped_by_forks() -> mmap.mmap:
    """Return a page of zeros, which is one of zeros again in each child process."""
    page = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    page.madvise(_WIPE_ON_FORK)
    return page
