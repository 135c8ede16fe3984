"""Whether this process was forked, by whomever."""

from __future__ import annotations

from typing import Final

from accelerator.forks import wiped_by_forks

page: Final = wiped_by_forks()
"""A page that begins with 0 in a process that was forked and has not been marked since."""


def mark() -> None:
    """Mark this process as known. A child is not."""
    page[0] = 1


mark()
