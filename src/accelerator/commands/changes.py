"""What has happened between two readings of the figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypedDict, TypeVar, cast

from accelerator.figures.counts import FROM_STORE, SHOWN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from accelerator.figures.snapshot import Figures

Counted = TypeVar("Counted", bound="tuple[Any, ...]")

_COUNTERS: Final = (
    "requests",
    "refreshes",
    "collapsed",
    "bytes_served",
    "seconds_saved",
    "invalidations",
    "invalidations_failed",
)
_STATES: Final = ("workers", "complete", "filling", "store")


class Reading(NamedTuple):
    """Figures, and when they were read.

    Attributes:
        figures: the figures.
        at: seconds of a clock that is never set back.
    """

    figures: Figures
    at: float


class Change(TypedDict):
    """What has happened between two readings, and where things stood at the second one.

    Attributes:
        time: the time of the second reading, in seconds since the epoch.
        seconds: the seconds between them.
        hit_ratio: the part of the requests that were answered from the store, 0 to 1; None if there were none.
        requests: how many came, by outcome and reason; and so on for all that `Figures` count.
        urls: the hottest URLs with their numbers of the last ten to twenty minutes, and how many of these have come in
            between: None where that is not known.
        tags: the hottest tags, likewise.
        unstored: what was not stored most often: reason, URL and the two numbers.
        workers, complete, filling, store: see `Figures`.
    """

    time: float
    seconds: float
    hit_ratio: float | None
    requests: dict[str, dict[str, int]]
    refreshes: dict[str, int]
    collapsed: int
    bytes_served: int
    seconds_saved: float
    invalidations: dict[str, dict[str, int]]
    invalidations_failed: int
    urls: list[tuple[str, int, int | None]]
    tags: list[tuple[str, int, int | None]]
    unstored: list[tuple[str, str, int, int | None]]
    workers: int
    complete: bool
    filling: int
    store: dict[str, Any]


def change(before: Reading | None, now: Reading) -> Change:
    """Return what has happened since a reading, or since counting began.

    A number that is smaller than before counts as unchanged: a process has gone, and its figures with it. If all began
    to count only after the reading before, all of it has happened since.
    """
    figures = now.figures
    earlier: Mapping[str, Any] | None = None
    if before is not None:
        earlier = {} if figures["since"] > before.figures["until"] else before.figures
    counted = {name: _grown((earlier or {}).get(name), _of(figures, name)) for name in _COUNTERS}
    found = {
        "time": figures["until"],
        "seconds": figures["until"] - figures["since"] if before is None else now.at - before.at,
        "hit_ratio": hit_ratio(counted["requests"]),
        **counted,
        **{name: _of(figures, name) for name in _STATES},
        "urls": _most(None if earlier is None else earlier.get("urls", ()), figures["urls"]),
        "tags": _most(None if earlier is None else earlier.get("tags", ()), figures["tags"]),
        "unstored": _most(None if earlier is None else earlier.get("unstored", ()), figures["unstored"]),
    }
    return cast("Change", found)


def hit_ratio(requests: dict[str, dict[str, int]]) -> float | None:
    """Return the part of requests that were answered from the store, None if there were none."""
    every = number_of(requests)
    return number_of({name: requests[name] for name in requests if name in FROM_STORE}) / every if every else None


def number_of(requests: dict[str, dict[str, int]]) -> int:
    """Return the number of requests."""
    return sum([sum(reasons.values()) for reasons in requests.values()])


def _of(figures: Figures, name: str) -> Any:
    return figures[name]  # type: ignore[literal-required]  # the names are those of `Figures`


def _grown(before: Any, now: Any) -> Any:
    """Return by how much numbers have grown, or what dicts have of them under each name."""
    if isinstance(now, dict):
        return {name: _grown((before or {}).get(name), one) for name, one in now.items()}
    return max(now - (before or 0), 0)


def _most(before: Sequence[Counted] | None, now: Sequence[Counted]) -> list[Any]:
    """Return what came most often, with how often it came since: None where it was not known, or forgotten since."""
    known = {tuple(names): number for *names, number in before or ()}
    unknown = 0 if before is not None and len(before) < SHOWN else None
    found = []
    for *names, number in now:
        earlier = known.get(tuple(names), unknown)
        grown = None if earlier is None or earlier > number else number - earlier
        found.append((*names, number, grown))
    return found
