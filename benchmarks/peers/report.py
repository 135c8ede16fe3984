"""What a run found, as tables for a reader."""

from __future__ import annotations

import re
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Final

from benchmarks.peers import intervals
from benchmarks.peers.catalogue import ROOT, Case, cases
from benchmarks.peers.run import MISSED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from benchmarks.peers.results import Measure, Results

PAGE: Final = ROOT / "docs" / "benchmarks.md"
README: Final = ROOT / "README.md"
NOTHING: Final = ""
UNITS: Final = {1024: "1 KB", 10_240: "10 KB", 1_048_576: "1 MB"}


def write_tables(results: Results) -> None:
    """Write the tables into the documentation and the README.

    Raises:
        ValueError: a page has no place for them.
    """
    _put(PAGE, "\n".join(lines(results)))
    _put(README, "\n".join(summary(results)))


def lines(results: Results) -> Iterator[str]:
    """Return the lines of the page's section."""
    yield f"A {results.scale} run, Python {results.python}, {results.processor}."
    yield f"In the slice that kept it busiest, the client was at work for {results.busy:.0%} of the time."
    for title, chosen in _groups(results):
        yield from ("", f"### {title}", "")
        yield from _main(results, chosen)
    if behind := list(_behind(results)):
        yield from ("", "### Where a peer takes less", "", *behind)
    yield from ("", "### By the size of a page", "", "Hits a second.", "")
    yield from _by(results, "hit", "hit", lambda at: UNITS.get(at, f"{at:,} bytes"))
    yield from ("", "### By the number of entries", "", "What a hit takes, in process, µs of CPU time:", "")
    yield from _by(results, "lookup", "entries", "{:,}".format)
    yield from ("", "What it takes to take all of them back, µs:", "")
    yield from _by(results, "take back", "entries", "{:,}".format)
    yield from ("", "Bytes of memory that an entry takes beyond its page of 100:", "")
    yield from _by(results, "memory", "entries", "{:,}".format)
    if results.cases("workers"):
        yield from (
            "",
            "### By the number of workers",
            "",
            "Hits a second; workers and client share all processors.",
            "",
        )
        yield from _by(results, "workers", "workers", str)
    if results.left_out:
        yield from ("", "### Left out", "")
        yield from (f"* {name}: {_short(why)}" for name, why in results.left_out.items())
    yield from ("", "### Versions", "")
    yield from (f"* {name}: {_versions(each)}" for name, each in results.requirements.items())


def summary(results: Results) -> Iterator[str]:
    """Return the lines of the README's table: what each peer takes for what this cache does, in memory."""
    yield "| beside accelerator | a hit | a miss | taking back 10,000 pages | 20 at once | after the change |"
    yield "|---|--:|--:|--:|--:|---|"
    for case in _measured(
        results, lambda case: case.has_cache and not case.is_shared and not case.proxy and case.name != case.ours
    ):
        yield _row(
            f"{case.name} ({case.framework})",
            _times(results, case, "hit cpu", MISSED),
            _overhead_times(results, case),
            _times(results, case, "take back", 10_000),
            _calls(_number(results, case, "calls")),
            _after(results, case),
        )
    most = max((_number(results, case, "calls") for case in _ours(results)), default=NOTHING)
    yield _row("**accelerator**", "**1**", "**1**", "**1**", f"**{_calls(most)}**", "**the new page**")


def _calls(number: str) -> str:
    return f"{number} call" if number == "1" else f"{number} calls"


def _groups(results: Results) -> Iterator[tuple[str, list[Case]]]:
    kinds: dict[str, Callable[[Case], bool]] = {
        "Kept in memory": lambda case: case.has_cache and not case.is_shared and not case.proxy,
        "Kept in Redis": lambda case: case.is_shared,
        "Proxies": lambda case: bool(case.proxy) or case.name == "accelerator, starlette",
        "Without a cache": lambda case: not case.has_cache,
    }
    for title, belongs in kinds.items():
        if chosen := _measured(results, belongs):
            yield title, chosen


def _measured(results: Results, belongs: Callable[[Case], bool]) -> list[Case]:
    """Return the cases that were measured and belong there, those of a framework together and this cache's first."""
    known, found = cases(), set(results.cases("hit"))
    order = list(dict.fromkeys(case.framework for case in known.values()))
    chosen = [case for name, case in known.items() if name in found and belongs(case)]
    return sorted(chosen, key=lambda case: (order.index(case.framework), case.name != case.ours))


def _ours(results: Results) -> list[Case]:
    return _measured(results, lambda case: case.name == case.ours)


def _main(results: Results, chosen: Sequence[Case]) -> Iterator[str]:
    crowd = next(iter(results.at("calls")), 0)
    yield _row(
        *("", "hits a second", "CPU of a hit, µs", "ratio", "CPU of a miss beyond the bare site, µs", "ratio"),
        *(f"{crowd} at once: calls", "the last answered, ms", "after the change"),
    )
    yield "|---|--:|--:|--:|--:|--:|--:|--:|---|"
    for case in chosen:
        yield _row(
            f"**{case.name}**" if case.name == case.ours else f"{case.name} ({case.framework})",
            _interval(results.values(case.name, "hit", MISSED)),
            _interval(results.values(case.name, "hit cpu", MISSED)),
            _times(results, case, "hit cpu", MISSED),
            _interval(_overhead(results, case)),
            _overhead_times(results, case),
            _number(results, case, "calls"),
            _number(results, case, "slowest"),
            _after(results, case),
        )


def _by(results: Results, measure: Measure, what: str, name: Callable[[int], str]) -> Iterator[str]:
    places = results.at(measure)
    yield _row(what, *(name(at) for at in places))
    yield "|---|" + "--:|" * len(places)
    for case in _measured(results, lambda case: case.name in results.cases(measure)):
        shown = f"**{case.name}**" if case.name == case.ours else case.name
        yield _row(shown, *(_interval(results.values(case.name, measure, at)) for at in places))


def _behind(results: Results) -> Iterator[str]:
    """Name what Python peers do for less than this cache does with the same framework and the same kind of store."""
    figures: dict[str, Callable[[Case], list[float]]] = {
        "a hit": lambda case: results.values(case.name, "hit cpu", MISSED),
        "a miss": lambda case: _overhead(results, case),
    }
    for at in results.at("take back"):
        figures[f"taking back {at:,}"] = partial(_taken_back, results, at)
    known = cases()
    peers = _measured(results, lambda case: case.has_cache and not case.proxy and case.name != case.ours)
    for what, figure in figures.items():
        both = [(case.name, figure(case), figure(known[case.ours])) for case in peers]
        less = [
            f"{name} ({_digits(median(theirs))} µs, accelerator {_digits(median(ours))})"
            for name, theirs, ours in both
            if theirs and ours and median(theirs) < median(ours)
        ]
        if less:
            yield f"* {what}: {', '.join(less)}"


def _taken_back(results: Results, at: int, case: Case) -> list[float]:
    return results.values(case.name, "take back", at)


def _overhead(results: Results, case: Case) -> list[float]:
    """Return what misses take beyond the site without a cache."""
    missed, bare = (results.values(name, "miss cpu", MISSED) for name in (case.name, case.bare))
    return intervals.differences(missed, bare) if bare and case.has_cache else []


def _overhead_times(results: Results, case: Case) -> str:
    if not case.has_cache:
        return NOTHING
    theirs, ours = (_overhead(results, each) for each in (case, cases()[case.ours]))
    if not theirs or not ours or median(ours) <= 0:
        return NOTHING
    return _digits(median(theirs) / median(ours))


def _times(results: Results, case: Case, measure: Measure, at: int) -> str:
    """Return how many times that of this cache a figure is."""
    theirs, ours = (results.values(name, measure, at) for name in (case.name, case.ours))
    if not theirs or not ours:
        return NOTHING
    return _digits(intervals.ratio(theirs, ours).middle)


def _number(results: Results, case: Case, measure: Measure) -> str:
    values = [value for at in results.at(measure) for value in results.values(case.name, measure, at)]
    return f"{median(values):.0f}" if values else NOTHING


def _after(results: Results, case: Case) -> str:
    values = results.values(case.name, "after a change", 1)
    return NOTHING if not values else "the old page" if max(values) else "the new page"


def _interval(values: Sequence[float]) -> str:
    if not values:
        return NOTHING
    low, middle, high = intervals.of(values)
    return f"{_digits(middle)} ({_digits(low)} to {_digits(high)})" if low < high else _digits(middle)


def _digits(value: float) -> str:
    """Return a number with three digits that say something."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _versions(requirements: Iterable[str]) -> str:
    return ", ".join("this project" if each.startswith("--editable") else each for each in requirements)


def _short(why: str) -> str:
    """Return the last line of what was said, which names an error."""
    return why.strip().splitlines()[-1][-200:]


def _put(page: Path, text: str) -> None:
    """Put a text between the marks of a page."""
    begin, end = "<!-- peers: written by nox -s bench -->", "<!-- peers: end -->"
    whole, count = re.subn(
        f"(?s){re.escape(begin)}.*?{re.escape(end)}", lambda _: f"{begin}\n\n{text}\n\n{end}", page.read_text()
    )
    if count != 1:
        raise ValueError(f"{page} does not have the line {begin} once, and {end} after it")
    page.write_text(whole)
