"""What `top` shows: a frame of rows, as many as there is room for."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Final, NamedTuple

from accelerator.commands.changes import hit_ratio, number_of
from accelerator.commands.printing import shown
from accelerator.commands.units import duration, rate, share, size
from accelerator.figures.counts import SLOT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from accelerator.commands.changes import Change
    from accelerator.figures.snapshot import Figures

MARKS: Final = "▁▂▃▄▅▆▇█"
ASCII_MARKS: Final = "_.:-=+*#"
"""What draws the traffic, from little to much."""

ROWS: Final = 10
"""Rows of each section where the height is not limited."""

_SLOTS: Final = 36
_STYLES: Final = {"hit": "green", "stale": "yellow", "validated": "cyan", "miss": "magenta", "pass": "blue"}


class Row(NamedTuple):
    """A row of a frame.

    Attributes:
        text: its text, as terminals may show it.
        style: how it looks, as `rich` says it.
    """

    text: str
    style: str = ""


def frame(name: str, figures: Figures, change: Change, *, marks: str, height: int | None, last: str) -> list[Row]:
    """Return what is to be seen.

    Args:
        name: where the figures come from.
        figures: what was counted in all.
        change: what of it has happened of late.
        marks: what draws the traffic, see `MARKS`.
        height: the number of rows, None for any.
        last: the last row, `""` for none.
    """
    head = [*_head(name, figures, change), _traffic(figures, marks)]
    foot = [Row(shown(last), "reverse")] if last else []
    sections = [section for section in _sections(figures, change) if section[1:]]
    if height is None:
        return [*head, *[row for section in sections for row in section[: ROWS + 1]], *foot]
    head = head[: max(0, height - len(foot))]
    room = height - len(head) - len(foot)
    sections = sections[: room // 2]  # each with its heading and a row at least
    numbers = shared_out(room - len(sections), [len(section) - 1 for section in sections])
    body = [row for section, number in zip(sections, numbers, strict=True) for row in section[: number + 1]]
    return [*head, *body, *foot]


def shared_out(room: int, wanted: Sequence[int]) -> list[int]:
    """Return how much of the room each gets that wants some: as much as the others, unless it wants less."""
    given = [0] * len(wanted)
    while room > 0 and (hungry := [index for index, number in enumerate(wanted) if given[index] < number]):
        for index in hungry[:room]:
            given[index] += 1
        room -= len(hungry)
    return given


def _head(name: str, figures: Figures, change: Change) -> Iterable[Row]:
    counted, seconds, now = figures["requests"], change["seconds"], change["requests"]
    counting = duration(figures["until"] - figures["since"])
    workers = f"{figures['workers']} {'worker' if figures['workers'] == 1 else 'workers'}"
    missing = "" if figures["complete"] else ", some of whose figures cannot be read"
    yield Row(shown(f"{workers}{missing}, counting for {counting}: {name}"), "bold")
    served = size(change["bytes_served"] / seconds if seconds > 0 else 0)
    yield Row(
        f"hit ratio {_percent(change['hit_ratio'])} (in all {_percent(hit_ratio(counted))})"
        f"  {rate(number_of(now), seconds)} requests/s  {served}/s from the cache",
        "bold",
    )
    store = change["store"]
    entries = f"  entries {store['entries']:,}" if "entries" in store else ""
    taken = f", {size(store['bytes'])}" if "bytes" in store else ""
    invalidated = sum(sum(how.values()) for how in change["invalidations"].values())
    yield Row(
        f"application spared {rate(change['seconds_saved'], seconds)} s/s  filling {change['filling']:,}"
        f"  invalidations {rate(invalidated, seconds)}/s{entries}{taken}"
    )


def _percent(ratio: float | None) -> str:
    return "-" if ratio is None else share(ratio, 1)


def _traffic(figures: Figures, marks: str) -> Row:
    """Return the requests of the last minutes, a mark for each five seconds."""
    slots = {int(start // SLOT_SECONDS): max(answered + others, 0) for start, answered, others in figures["traffic"]}
    end = int(figures["until"] // SLOT_SECONDS)
    numbers = [slots.get(slot, 0) for slot in range(end - _SLOTS + 1, end + 1)]
    peak = max(*numbers, 1)
    drawn = "".join([" " if not number else marks[ceil(number / peak * len(marks)) - 1] for number in numbers])
    return Row(
        f"{_SLOTS * SLOT_SECONDS // 60} min of traffic {drawn} peak {rate(max(numbers), SLOT_SECONDS)}/s", "green"
    )


def _sections(figures: Figures, change: Change) -> Iterable[list[Row]]:
    """Yield sections: a heading, and below it what came most often first."""
    seconds, every = change["seconds"], number_of(figures["requests"])
    outcomes = sorted(
        [
            (change["requests"][outcome][reason], number, outcome, reason)
            for outcome, reasons in figures["requests"].items()
            for reason, number in reasons.items()
        ],
        reverse=True,
    )
    yield [
        Row(f"{'/s':>9} {'in all':>13} {'':>8}  outcome, reason", "reverse"),
        *[
            Row(
                f"{rate(grown, seconds):>9} {number:>13,} {share(number, every):>8}  "
                + shown(f"{outcome}, {reason}" if reason else outcome),
                _STYLES.get(outcome, ""),
            )
            for grown, number, outcome, reason in outcomes
        ],
    ]
    for heading, most in (("hot URLs", change["urls"]), ("hot tags", change["tags"])):
        yield _hottest(heading, [(name, number, grown) for name, number, grown in most], seconds)
    unstored = [(f"{reason}: {url}", number, grown) for reason, url, number, grown in change["unstored"]]
    yield _hottest("not stored", unstored, seconds)


def _hottest(heading: str, most: Iterable[tuple[str, int, int | None]], seconds: float) -> list[Row]:
    return [
        Row(f"{'/s':>9} {'in 10-20 min':>13}  {heading}", "reverse"),
        *[
            Row(f"{'-' if grown is None else rate(grown, seconds):>9} {number:>13,}  {shown(name)}")
            for name, number, grown in most
        ],
    ]
