"""Every rule of HTTP caching, on LMDBStore."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import pytest

from accelerator import ASGIAccelerator, LMDBStore
from tests.conformance.cases import each_subject
from tests.conformance.runner import play_all

if TYPE_CHECKING:
    from pathlib import Path

    from accelerator.testing import ManualClock
    from tests.conformance.case import Case


@pytest.mark.anyio
@each_subject
async def test_the_rules_hold(cases: list[Case], tmp_path: Path) -> None:
    with ExitStack() as stores:

        def cache(app: Any, clock: ManualClock, case: Case) -> Any:
            store = stores.enter_context(closing(LMDBStore(tmp_path / case.id, max_bytes=1_000_000)))
            return ASGIAccelerator(app, store=store, clock=clock, **case.options)

        await play_all(cases, cache)
