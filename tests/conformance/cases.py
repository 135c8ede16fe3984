"""All cases, with the names under which they run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance import (
    age,
    authorization,
    cache_status,
    conditions,
    directives,
    fields,
    freshness,
    groups,
    heuristics,
    invalidation,
    methods,
    ranges,
    request_directives,
    stale,
    storing,
    targeted,
    validation,
    vary,
)

if TYPE_CHECKING:
    from tests.conformance.case import Case

SUBJECTS = {
    "age": age.CASES,
    "authorization": authorization.CASES,
    "cache-status": cache_status.CASES,
    "conditions": conditions.CASES,
    "directives": directives.CASES,
    "fields": fields.CASES,
    "freshness": freshness.CASES,
    "groups": groups.CASES,
    "heuristics": heuristics.CASES,
    "invalidation": invalidation.CASES,
    "methods": methods.CASES,
    "ranges": ranges.CASES,
    "request-directives": request_directives.CASES,
    "stale": stale.CASES,
    "storing": storing.CASES,
    "targeted": targeted.CASES,
    "validation": validation.CASES,
    "vary": vary.CASES,
}
CASES: list[tuple[str, Case]] = [
    (f"{subject}-{case.id}", case) for subject, cases in SUBJECTS.items() for case in cases
]

each_case = pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES])
each_subject = pytest.mark.parametrize("cases", SUBJECTS.values(), ids=SUBJECTS)
