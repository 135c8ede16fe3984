"""`python -m accelerator stats`: all figures, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from accelerator.commands.changes import hit_ratio, number_of
from accelerator.commands.printing import say, say_json, shown
from accelerator.commands.sources import takes_source
from accelerator.commands.units import duration, share, size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from accelerator.commands.sources import Source
    from accelerator.figures.histogram import HistogramFigures
    from accelerator.figures.snapshot import Figures

_MOST: Final = 10
"""How many of the hottest names are written, and of what was not stored."""


@click.command()
@takes_source
@click.option("--json", "as_json", is_flag=True, help="Write JSON, as `figures` of the operator's page says it.")
def stats(source: Source, as_json: bool) -> None:
    """Write what all workers have counted."""
    figures = source.figures()
    if as_json:
        say_json(figures)
        return
    for line in _lines(source.name, figures):
        say(shown(line))


def _lines(name: str, figures: Figures) -> Iterator[str]:
    """Yield the figures in lines for a reader. They may contain anything that clients have said."""
    requests, every = figures["requests"], number_of(figures["requests"])
    ratio = hit_ratio(requests)
    yield f"{name}, counting for {duration(figures['until'] - figures['since'])}"
    if not figures["complete"]:
        yield "The figures of some workers are missing, for they cannot be read."
    yield ""
    yield from _pairs(
        ("workers", f"{figures['workers']:,}"),
        ("requests", f"{every:,}"),
        ("hit ratio", "-" if ratio is None else share(ratio, 1)),
        ("collapsed", f"{figures['collapsed']:,}"),
        ("from the cache", size(figures["bytes_served"])),
        ("application spared", duration(figures["seconds_saved"])),
        ("age of hits", _spread(figures["ages"])),
        ("time of fills", _spread(figures["fills"])),
        ("filling now", f"{figures['filling']:,}"),
        ("time of invalidations", _spread(figures["invalidating"])),
        ("failed invalidations", f"{figures['invalidations_failed']:,}"),
    )
    yield from _table("Requests", _counted(requests), every)
    yield from _table("Refreshes in the background", sorted(figures["refreshes"].items(), key=_by_number))
    yield from _table("Invalidations", _counted(figures["invalidations"]))
    yield from _store(figures["store"])
    unstored = [(f"{reason}: {url}", number) for reason, url, number in figures["unstored"]]
    yield from _top("Not stored: `explain URL` says what to do about it", unstored)
    yield from _top("Hot URLs, of the last ten to twenty minutes", figures["urls"])
    yield from _top("Hot tags, likewise", figures["tags"])


def _pairs(*pairs: tuple[str, str]) -> Iterator[str]:
    width = max([len(label) for label, _ in pairs], default=0)
    for label, words in pairs:
        yield f"{label:{width}}  {words}"


def _table(heading: str, rows: Iterable[tuple[str, int]], of: int = 0) -> Iterator[str]:
    """Yield names with their numbers below a heading; nothing if there are none."""
    for number, (name, count) in enumerate(rows):
        if not number:
            yield ""
            yield heading
        yield f"{count:>15,}  {f'{share(count, of):>7}  ' if of else ''}{name}"


def _top(heading: str, rows: Sequence[tuple[str, int]]) -> Iterator[str]:
    """Yield the first ones of names that are many, the most often counted first."""
    yield from _table(heading, rows[:_MOST])
    if len(rows) > _MOST:
        yield f"{'':>15}  and {len(rows) - _MOST} more: --json has them"


def _counted(numbers: Mapping[str, Mapping[str, int]]) -> list[tuple[str, int]]:
    """Return what is counted by two names, such as outcome and reason, the most first."""
    rows = [
        (f"{name}, {other}" if other else name, each) for name, how in numbers.items() for other, each in how.items()
    ]
    return sorted(rows, key=_by_number)


def _by_number(row: tuple[str, int]) -> tuple[int, str]:
    return -row[1], row[0]


def _store(store: Mapping[str, Any]) -> Iterator[str]:
    """Yield where the store stands, as far as it is known."""
    yield ""
    yield "Store"
    yield from _pairs(*[(f"  {name.replace('_', ' ')}", _told(name, value)) for name, value in store.items()])


_UNITS: Final[Mapping[str, Callable[[float], str]]] = {
    **dict.fromkeys(("bytes", "max_bytes", "near bytes", "near max_bytes"), size),
    **dict.fromkeys(("near lease", "near heartbeat", "near waiting"), duration),
}
"""How numbers of a store are written that are bytes or seconds, by their names."""


def _told(name: str, value: Any) -> str:
    """Return what a store says of itself in words."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "-"}[value]
    if isinstance(value, dict):
        return (
            ", ".join([f"{key.replace('_', ' ')} {_told(f'{name} {key}', one)}" for key, one in value.items()]) or "-"
        )
    if name in _UNITS and isinstance(value, int | float):
        return _UNITS[name](value)
    return f"{value:,.6g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def _spread(histogram: HistogramFigures) -> str:
    """Return a histogram in words: the mean, and what so many values are below of."""
    counts, bounds = histogram["counts"], [*histogram["bounds"], float("inf")]
    if not (number := sum(counts)):
        return "-"
    below = [f"{part} % below {_bound(counts, bounds, number * part / 100)}" for part in (50, 95, 99)]
    return f"{duration(histogram['sum'] / number)} in the mean, {', '.join(below)}"


def _bound(counts: list[int], bounds: list[float], number: float) -> str:
    for count, bound in zip(counts, bounds, strict=False):
        number -= count
        if number <= 0 and bound != float("inf"):
            return duration(bound)
    return "any time"
