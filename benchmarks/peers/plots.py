"""What a run found, as plots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.peers import intervals
from benchmarks.peers.catalogue import cases
from benchmarks.peers.run import MISSED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.peers.results import Measure, Results

OURS: Final = "#1565c0"
PEER: Final = "#9e9e9e"
BARE: Final = "#d7ccc8"
COLOURS: Final = {
    "starlette-caches": "#8d6e63", "hishel": "#c0392b", "fastapi-cache2": "#e67e22", "cashews": "#2e7d32",
    "fastapi-cachex": "#8e44ad", "Litestar": "#00838f", "Flask-Caching": "#ad1457", "Django": "#827717",
}  # fmt: skip
ALIKE: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "peers",
    "font.size": 9,
    "font.family": "sans-serif",
}
"""The same run gives the same file, whose letters are text."""


def draw(results: Results, folder: Path, kind: str = "svg") -> None:
    """Draw all plots into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(ALIKE):
        for name, figure in (("hits", _bars(results)), ("entries", _curves(results))):
            dated = {"metadata": {"Date": None}} if kind == "svg" else {"dpi": 110}
            figure.savefig(folder / f"{name}.{kind}", **dated)


def _bars(results: Results) -> Figure:
    """Draw the CPU time of hits, and of misses beside the site without a cache, in memory."""
    figure = Figure(figsize=(9, 5.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    _bar(left, results, "hit cpu", "a hit of 10 KB")
    _bar(right, results, "miss cpu", "a miss of 10 KB, and the site itself")
    return figure


def _bar(axes: Any, results: Results, measure: Measure, title: str) -> None:
    known = cases()
    found = {
        name: intervals.of(values)
        for name in results.cases(measure)
        if not known[name].is_shared and known[name].framework != "bare"
        if (known[name].has_cache or known[name].environment == "accelerator")
        if (values := results.values(name, measure, MISSED))
    }
    names = sorted(found, key=lambda name: found[name].middle, reverse=True)
    middles = [found[name].middle for name in names]
    around = [
        [found[name].middle - found[name].low for name in names],
        [found[name].high - found[name].middle for name in names],
    ]
    shown = [name if known[name].has_cache else f"{known[name].framework}, no cache" for name in names]
    colours = [
        OURS if known[name].name == known[name].ours else PEER if known[name].has_cache else BARE for name in names
    ]
    axes.barh(shown, middles, color=colours, xerr=around, error_kw={"ecolor": "#424242", "elinewidth": 0.8})
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_xlabel("µs of the server's CPU time, 95 % interval")
    axes.spines[["top", "right"]].set_visible(False)


def _curves(results: Results) -> Figure:
    """Draw lookups and taking back by the number of entries, in memory."""
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    _curve(left, results, "lookup", "a hit, in process")
    _curve(right, results, "take back", "taking all of them back")
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False)
    return figure


def _curve(axes: Any, results: Results, measure: Measure, title: str) -> None:
    known = cases()
    for name in results.cases(measure):
        case = known[name]
        if case.is_shared or (case.name == case.ours and case.framework not in ("starlette", "flask")):
            continue
        places = [at for at in results.at(measure) if results.values(name, measure, at)]
        middles: Sequence[float] = [intervals.of(results.values(name, measure, at)).middle for at in places]
        is_ours = case.name == case.ours
        style = {"color": OURS, "linewidth": 2.2} if is_ours else {"color": COLOURS[name], "linewidth": 1.2}
        axes.plot(places, middles, marker="o", markersize=3, label=name, **style)
        if is_ours and case.framework == "flask":
            axes.lines[-1].set_linestyle("--")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_xlabel("entries")
    axes.set_ylabel("µs")
    axes.spines[["top", "right"]].set_visible(False)
