"""Every rule of HTTP caching, on LMDBStore."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import pytest

from accelerator import ASGIAccelerator, LMDBStore
from accelerator.stores.lmdb import opened
from tests.conformance.cases import each_subject
from tests.conformance.runner import play_all

if TYPE_CHECKING:
    from pathlib import Path

    from accelerator.testing import ManualClock
    from tests.conformance.case import Case


@pytest.fixture
def anyio_backend() -> str:
    """One is enough: the store never suspends."""
    return "asyncio"


@pytest.mark.anyio
@each_subject
async def test_the_rules_hold(cases: list[Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opened, "TRUST_SECONDS", 0.0)  # no other process has files of before, to be waited for
    with ExitStack() as stores:

        def cache(app: Any, clock: ManualClock, case: Case) -> Any:
            store = stores.enter_context(closing(LMDBStore(tmp_path / case.id, max_bytes=1_000_000)))
            return ASGIAccelerator(app, store=store, clock=clock, **case.options)

        await play_all(cases, cache)
