"""Every rule of HTTP caching, one test each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from accelerator import ASGIAccelerator
from tests.conformance.cases import each_case
from tests.conformance.runner import play

if TYPE_CHECKING:
    from accelerator.testing import ManualClock
    from tests.conformance.case import Case


def accelerated(app: Any, clock: ManualClock, case: Case) -> Any:
    """The cache under test."""
    return ASGIAccelerator(app, clock=clock, **case.options)


@pytest.mark.anyio
@each_case
async def test_the_rule_holds(case: Case) -> None:
    await play(case, accelerated)
