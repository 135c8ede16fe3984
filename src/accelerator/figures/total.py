"""The sum of the figures of several processes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from accelerator.figures.counts import MAX_LATEST, MAX_REASONS, OTHER, SHOWN, SLOTS, newest_first

if TYPE_CHECKING:
    from collections.abc import Sequence

    from accelerator.figures.histogram import HistogramFigures
    from accelerator.figures.snapshot import Figures, StoreFigures

_OF_ALL: Final = ("entries", "bytes", "max_bytes")
"""What each process says of a shared store as a whole."""

_OF_NEAR: Final = ("leases", "lapsed", "emptied", "applied", "waited", "waiting", "silent")
"""What near stores count."""


def total(figures: Sequence[Figures], *, ended: Sequence[Figures] = ()) -> Figures:
    """Return the sum of figures.

    Args:
        figures: those of processes that are alive, one at least. Where only one of them can be right, the one that was
            read last is.
        ended: those of processes that have ended: what they counted still counts, but not where they stood.
    """
    every = [*figures, *ended]
    return {
        "since": min([one["since"] for one in every]),
        "until": max([one["until"] for one in every]),
        "workers": sum([one["workers"] for one in figures]),
        "complete": all(one["complete"] for one in figures),
        "requests": _bounded(_sum([one["requests"] for one in every])),
        "refreshes": _few(_sum([one["refreshes"] for one in every])),
        "collapsed": sum([one["collapsed"] for one in every]),
        "bytes_served": sum([one["bytes_served"] for one in every]),
        "seconds_saved": sum([one["seconds_saved"] for one in every]),
        "ages": _histogram([one["ages"] for one in every]),
        "fills": _histogram([one["fills"] for one in every]),
        "filling": sum([one["filling"] for one in figures]),
        "invalidations": _sum([one["invalidations"] for one in every]),
        "invalidating": _histogram([one["invalidating"] for one in every]),
        "invalidations_failed": sum([one["invalidations_failed"] for one in every]),
        "store": _store([one["store"] for one in figures], [one["store"] for one in ended]),
        "urls": _most([(url, number) for one in figures for url, number in one["urls"]]),
        "tags": _most([(tag, number) for one in figures for tag, number in one["tags"]]),
        "unstored": [
            (*names, number)
            for names, number in _most([((why, url), times) for one in figures for why, url, times in one["unstored"]])
        ],
        "latest": newest_first([line for one in every for line in reversed(one["latest"])])[:MAX_LATEST],
        "traffic": _traffic([slot for one in every for slot in one["traffic"]]),
    }


def _sum(counted: Sequence[Any]) -> Any:
    """Return the sum of numbers, or of what dicts have under each name."""
    if not isinstance(counted[0], dict):
        return sum(counted)
    names = {name: None for one in counted for name in one}
    return {name: _sum([one[name] for one in counted if name in one]) for name in names}


def _bounded(requests: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    return {outcome: _few(reasons) for outcome, reasons in [*requests.items()][:MAX_REASONS]}


def _few(reasons: dict[str, int]) -> dict[str, int]:
    """Return reasons with their numbers, the rarest ones as one if they are too many."""
    if len(reasons) <= MAX_REASONS + 1:
        return reasons
    told = Counter({reason: number for reason, number in reasons.items() if reason != OTHER})
    few = dict(told.most_common(MAX_REASONS))
    return {**few, OTHER: sum(reasons.values()) - sum(few.values())}


def _histogram(some: Sequence[HistogramFigures]) -> HistogramFigures:
    counts = [sum(column) for column in zip(*[one["counts"] for one in some], strict=True)]
    return {"bounds": some[0]["bounds"], "counts": counts, "sum": sum([one["sum"] for one in some])}


def _store(alive: Sequence[StoreFigures], ended: Sequence[StoreFigures]) -> StoreFigures:
    """Return where a store stands: each process's own, or one that they share."""
    last = alive[-1]
    found: dict[str, Any] = {name: value for one in alive for name, value in one.items()}  # some leave it to others
    for name in _OF_ALL:
        if name in found and not last.get("shared"):
            found[name] = sum([one.get(name, 0) for one in alive])
    for name in ("evictions", "errors", "fanout"):
        if counted := [one[name] for one in (*alive, *ended) if name in one]:  # type: ignore[literal-required]
            found[name] = _sum(counted)
    if found.get("near"):
        nears = [one["near"] for one in (*alive, *ended) if one.get("near")]
        found["near"] = {
            **found["near"],
            **{name: sum([near.get(name) or 0 for near in nears]) for name in _OF_NEAR},
        }
    if "breaker_open" in found:
        found["breaker_open"] = any(one.get("breaker_open", False) for one in alive)
    return found  # type: ignore[return-value]  # its names are those of `StoreFigures`


def _most(counted: Sequence[tuple[Any, int]]) -> list[tuple[Any, int]]:
    numbers: Counter[Any] = Counter()
    for name, number in counted:
        numbers[name] += number
    return numbers.most_common(SHOWN)


def _traffic(slots: Sequence[tuple[float, int, int]]) -> list[tuple[float, int, int]]:
    from_store: Counter[float] = Counter()
    others: Counter[float] = Counter()
    for slot, answered, forwarded in slots:
        from_store[slot] += answered
        others[slot] += forwarded
    return [(slot, from_store[slot], others[slot]) for slot in sorted(from_store)][-SLOTS:]
