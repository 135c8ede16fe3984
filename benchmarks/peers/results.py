"""What a run found, as it is kept in JSON."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import MinLen
from pydantic import BaseModel, ConfigDict

Measure = Literal[
    "hit",
    "hit cpu",
    "miss",
    "miss cpu",
    "calls",
    "slowest",
    "after a change",
    "take back",
    "lookup",
    "memory",
    "workers",
    "workers cpu",
]
"""What the values of a series are:

* hit, miss, workers: answers a second; at bytes of a page, and at numbers of workers
* hit cpu, miss cpu, workers cpu: microseconds of the server's CPU time for an answer
* calls, slowest: calls of the view and milliseconds until 99 % were answered; at requests that came at once
* after a change: 1 if what was taken back while it was being made was served again
* take back, lookup: microseconds; at numbers of entries
* memory: bytes for an entry beyond its page; at numbers of entries
"""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Series(_Strict):
    """Values of one measure of one case, a value for each round."""

    case: str
    measure: Measure
    at: int
    values: Annotated[list[float], MinLen(1)]


class Results(_Strict):
    """A run.

    Attributes:
        scale: how much was measured: quick or full.
        python: the version.
        processor: what the machine says of its processor, and how many there are.
        requirements: what each environment was installed from.
        busy: the part of a slice in which the client was at work, the largest one.
        left_out: what could not be measured, and why.
        series: what was.
    """

    scale: str
    python: str
    processor: str
    requirements: dict[str, list[str]]
    busy: float
    left_out: dict[str, str]
    series: list[Series]

    def values(self, case: str, measure: Measure, at: int) -> list[float]:
        """Return the values of a series; none if it was not measured."""
        found = (each.values for each in self.series if (each.case, each.measure, each.at) == (case, measure, at))
        return next(found, [])

    def at(self, measure: Measure) -> list[int]:
        """Return where something was measured, rising."""
        return sorted({each.at for each in self.series if each.measure == measure})

    def cases(self, measure: Measure) -> list[str]:
        """Return the names of the cases that something was measured of."""
        return list(dict.fromkeys(each.case for each in self.series if each.measure == measure))
