"""How to search: for how long, and through what."""

from __future__ import annotations

import os
from itertools import product
from typing import TYPE_CHECKING, Any, TypeAlias

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Iterable

_COMMON = settings(
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
# the same examples in each run, so that what is red was made so by a change; `deep` is there to look for new ones
_FIXED = settings(_COMMON, derandomize=True, database=None)
_PROFILES = {
    "default": settings(_FIXED, max_examples=200),
    "ci": settings(_FIXED, max_examples=500),
    "deep": settings(_COMMON, max_examples=100_000),
    "aimed": settings(_FIXED, max_examples=500, phases=[Phase.generate], report_multiple_bugs=False),
}


def profile(*, steps: int) -> settings:
    """Return how a machine is run: HYPOTHESIS_PROFILE is `default`, `ci` or `deep`, or `aimed` at a known fault."""
    chosen = _PROFILES[os.environ.get("HYPOTHESIS_PROFILE", "default")]
    return settings(chosen, stateful_step_count=steps)


Step: TypeAlias = "tuple[str, tuple[Any, ...]]"


def step(do: str, *arguments: Iterable[Any]) -> st.SearchStrategy[Step]:
    """Draw a call of a machine's method with its arguments, all at once, so that a step costs little."""
    return st.sampled_from([(do, drawn) for drawn in product(*arguments)])


def one_of(steps: list[st.SearchStrategy[Step]]) -> st.SearchStrategy[Step]:
    """Draw one of the steps. What is listed twice comes twice as often, which rules of a machine can't do."""
    return st.sampled_from(steps).flatmap(lambda step: step)
