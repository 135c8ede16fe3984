"""Numbers in words, each in a few characters."""

from __future__ import annotations

from math import log2
from typing import Final

_SIZES: Final = ("KiB", "MiB", "GiB", "TiB", "PiB")
_TIMES: Final = ((86400.0, "d", 3600.0, "h"), (3600.0, "h", 60.0, "min"), (60.0, "min", 1.0, "s"))


def rate(number: float, seconds: float) -> str:
    """Return how often something came in a second, 0 where no time has passed."""
    each = number / seconds if seconds > 0 else 0.0
    return f"{each:,.1f}" if each < 1000 else f"{each:,.0f}"


def share(number: float, of: float) -> str:
    """Return a part as percent, `-` of nothing."""
    return f"{100 * number / of:.1f} %" if of else "-"


def size(number: float) -> str:
    """Return a number of bytes."""
    if number < 1024:
        return f"{number:.0f} B"
    power = min(int(log2(number)) // 10, len(_SIZES))
    return f"{number / 1024**power:,.1f} {_SIZES[power - 1]}"


def duration(seconds: float) -> str:
    """Return a time by its largest unit, and by the next smaller one where it is not 0."""
    if seconds < 1:
        return f"{_digits(1000 * seconds)} ms"
    if seconds < 60:
        return f"{_digits(seconds)} s"
    unit, name, smaller, its_name = next(step for step in _TIMES if step[0] <= seconds)
    rest = int(seconds % unit / smaller)
    return f"{seconds // unit:,.0f} {name}" + (f" {rest} {its_name}" if rest else "")


def _digits(number: float) -> str:
    return f"{number:.3g}" if number < 99.5 else f"{number:.0f}"
