"""What a process writes for the others: its figures, and whose figures it has added to its own.

Others may write there, too, in another version or out of malice. So what is read is checked whole before it is used:
each name has a value of its kind, each number is one that can be counted, and nothing is of boundless size.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from accelerator.figures.counts import MAX_LATEST, MAX_REASONS, MAX_TEXT, SHOWN, SLOTS
from accelerator.figures.histogram import BUCKETS, Histogram

if TYPE_CHECKING:
    from collections.abc import Callable

    from accelerator.figures.snapshot import Figures

MAX_ADOPTED: Final = 1000
"""Number of names of those that have ended in one note."""

MAX_NAMES: Final = 2 * MAX_REASONS
"""Number of names in a dict of counts."""

_MAX_SHOWN: Final = 10 * MAX_TEXT
"""Characters of a text: escapes take more than what they stand for."""

_LARGEST: Final = 2**63

Check: TypeAlias = "Callable[[Any], Any]"
"""Returns a value if it is of its kind, and raises `ValueError` otherwise."""


class Said(NamedTuple):
    """What a note says.

    Attributes:
        figures: the figures.
        adopted: the names of processes that have ended whose figures are in these.
    """

    figures: Figures
    adopted: tuple[str, ...]


def said_by(text: str) -> Said | None:
    """Return what a note says, None if it cannot be read."""
    try:
        said = json.loads(text, parse_constant=_refuse)
        return Said(figures_in(said["figures"]), tuple(_list(_text, MAX_ADOPTED)(said["adopted"])))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def figures_in(value: Any) -> Figures:
    """Return the figures that JSON says. Names that an older version does not know are filled in.

    Raises:
        ValueError: they are no figures.
    """
    if not isinstance(value, dict) or "requests" not in value:
        _refuse(value)
    figures: Figures = _FIGURES(value)
    return figures


def note_of(said: Said) -> str:
    """Return the note that says this."""
    return json.dumps({"figures": said.figures, "adopted": said.adopted}, allow_nan=False)


# --- kinds of values --------------------------------------------------------------------------------------------------


def _refuse(value: Any) -> Any:
    raise ValueError(value)


def _number(value: Any) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and 0 <= value < _LARGEST else _refuse(value)


def _count(value: Any) -> Any:
    return _number(value) if isinstance(value, int) else _refuse(value)


def _flag(value: Any) -> Any:
    return value if isinstance(value, bool) else _refuse(value)


def _text(value: Any) -> Any:
    return value if isinstance(value, str) and len(value) <= _MAX_SHOWN else _refuse(value)


def _or_none(check: Check) -> Check:
    return lambda value: None if value is None else check(value)


def _any_of(*checks: Check) -> Check:
    def find(value: Any) -> Any:
        for check in checks[:-1]:
            try:
                return check(value)
            except ValueError:
                continue
        return checks[-1](value)

    return find


def _list(check: Check, length: int) -> Check:
    def each(value: Any) -> Any:
        return [check(part) for part in value] if isinstance(value, list) and len(value) <= length else _refuse(value)

    return each


def _row(*checks: Check) -> Check:
    def each(value: Any) -> Any:
        if not isinstance(value, list) or len(value) != len(checks):
            _refuse(value)
        return tuple(check(part) for check, part in zip(checks, value, strict=True))

    return each


def _dict(check: Check) -> Check:
    def each(value: Any) -> Any:
        if not isinstance(value, dict) or len(value) > MAX_NAMES:
            _refuse(value)
        return {_text(name): check(part) for name, part in value.items()}

    return each


def _record(checks: dict[str, Check], missing: dict[str, Any] | None = None) -> Check:
    """Check each name. One that is missing has its value in `missing`, or else is left out if that is None."""

    def each(value: Any) -> Any:
        if not isinstance(value, dict):
            _refuse(value)
        found = {name: check(value[name]) for name, check in checks.items() if name in value}
        return found if missing is None else {**{name: missing[name] for name in checks}, **found}

    return each


def _exactly(check: Check, length: int) -> Check:
    return _row(*(check,) * length)


def _histogram(value: Any) -> Any:
    checks = {"bounds": _exactly(_number, BUCKETS), "counts": _exactly(_count, BUCKETS + 1), "sum": _number}
    found = {name: check(value[name]) for name, check in checks.items()}
    return {**found, "bounds": [*found["bounds"]], "counts": [*found["counts"]]}


_COUNTS: Final = _dict(_count)
_LINE: Final = _record(
    {
        "time": _number,
        "outcome": _text,
        "reason": _text,
        "method": _text,
        "url": _text,
        "age": _or_none(_number),
        "number": _count,
    },
    dict.fromkeys(("outcome", "reason", "method", "url"), "") | {"time": 0, "age": None, "number": 0},
)
_STORE: Final = _record(
    {
        "kind": _text,
        "shared": _flag,
        "entries": _count,
        "bytes": _count,
        "max_bytes": _count,
        "evictions": _count,
        "errors": _COUNTS,
        "breaker_open": _flag,
        "near": _dict(_or_none(_any_of(_number, _text))),
        "fanout": _dict(_COUNTS),
    }
)
_CHECKS: Final[dict[str, Check]] = {
    "since": _number,
    "until": _number,
    "workers": _count,
    "complete": _flag,
    "requests": _dict(_COUNTS),
    "refreshes": _COUNTS,
    "collapsed": _count,
    "bytes_served": _count,
    "seconds_saved": _number,
    "ages": _histogram,
    "fills": _histogram,
    "filling": _count,
    "invalidations": _dict(_COUNTS),
    "invalidating": _histogram,
    "invalidations_failed": _count,
    "store": _STORE,
    "urls": _list(_row(_text, _count), SHOWN),
    "tags": _list(_row(_text, _count), SHOWN),
    "unstored": _list(_row(_text, _text, _count), SHOWN),
    "latest": _list(_LINE, MAX_LATEST),
    "traffic": _list(_row(_number, _count, _count), SLOTS),
}
_MISSING: Final[dict[str, Any]] = {
    **dict.fromkeys(_CHECKS, 0),
    **{name: {} for name in ("requests", "refreshes", "invalidations", "store")},
    **{name: Histogram(1.0).as_dict() for name in ("ages", "fills", "invalidating")},
    **{name: [] for name in ("urls", "tags", "unstored", "latest", "traffic")},
    "complete": True,
}
"""What stands for names that an older version did not write."""

_FIGURES: Final = _record(_CHECKS, _MISSING)
