"""Every rule of HTTP caching: one test each on asyncio, and one for each subject on trio, where a loop for each rule
takes longer than the rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from accelerator import ASGIAccelerator
from tests.conformance.cases import each_case, each_subject
from tests.conformance.runner import play, play_all

if TYPE_CHECKING:
    from accelerator.testing import ManualClock
    from tests.conformance.case import Case


def accelerated(app: Any, clock: ManualClock, case: Case) -> Any:
    """The cache under test."""
    return ASGIAccelerator(app, clock=clock, **case.options)


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@each_case
async def test_the_rule_holds(case: Case) -> None:
    await play(case, accelerated)


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["trio"])
@each_subject
async def test_the_rules_hold_on_trio(cases: list[Case]) -> None:
    await play_all(cases, accelerated)
