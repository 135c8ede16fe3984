"""A run that was measured by nobody."""

from __future__ import annotations

from typing import Any

from benchmarks.peers.results import Results, Series

OURS, PEER = "accelerator, starlette", "starlette-caches"
BARE, THEIR_BARE = "starlette of accelerator", "starlette of starlette-caches"


def results(*more: Series, **changed: Any) -> Results:
    """A run of this cache and one peer, both in memory, with round numbers."""
    figures: dict[str, dict[Any, list[float]]] = {
        BARE: {("hit", 10_240): [2000], ("hit cpu", 10_240): [50], ("miss cpu", 10_240): [100]},
        THEIR_BARE: {("hit", 10_240): [2000], ("hit cpu", 10_240): [50], ("miss cpu", 10_240): [110]},
        OURS: {
            ("hit", 10_240): [5000, 5000, 5000],
            ("hit cpu", 10_240): [20, 20, 20],
            ("miss cpu", 10_240): [140],
            ("calls", 20): [1],
            ("slowest", 20): [105],
            ("after a change", 1): [0],
            ("take back", 10_000): [2],
        },
        PEER: {
            ("hit", 10_240): [500, 600, 700],
            ("hit cpu", 10_240): [100, 60, 80],
            ("miss cpu", 10_240): [230],
            ("calls", 20): [20],
            ("slowest", 20): [180],
            ("after a change", 1): [1],
            ("take back", 10_000): [3000],
        },
    }
    series = [
        Series(case=case, measure=measure, at=at, values=values)
        for case, each in figures.items()
        for (measure, at), values in each.items()
    ]
    told: dict[str, Any] = {
        "scale": "quick", "python": "3.11.7", "processor": "2 of Abacus", "busy": 0.5, "left_out": {},
        "requirements": {"starlette-caches": ["starlette-caches==0.4.1"]}, "series": [*series, *more],
    }  # fmt: skip
    return Results(**told | changed)
