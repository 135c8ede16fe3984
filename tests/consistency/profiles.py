"""How long to search: HYPOTHESIS_PROFILE is `default`, `ci`, `deep`, or `aimed` for the mutations."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

_COMMON = settings(
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
# the same examples in each run, so that what is red was made so by a change; `deep` is there to look for new ones
_FIXED = settings(_COMMON, derandomize=True, database=None)
_PROFILES = {
    "default": settings(_FIXED, max_examples=300),
    "ci": settings(_FIXED, max_examples=3_000),
    "deep": settings(_COMMON, max_examples=100_000),
    "aimed": settings(_FIXED, max_examples=500, phases=[Phase.generate], report_multiple_bugs=False),
}


def profile(*, steps: int, weight: float = 1) -> settings:
    """Return the settings of a machine that takes `steps` an example, with `weight` times the examples of others."""
    chosen = _PROFILES[os.environ.get("HYPOTHESIS_PROFILE", "default")]
    return settings(chosen, stateful_step_count=steps, max_examples=int(chosen.max_examples * weight))
