"""Of several accelerators around an application the outermost caches; that it has another store is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from accelerator import ASGIAccelerator, MemoryStore
from tests.support import app_saying, ask

if TYPE_CHECKING:
    from accelerator import Store

pytestmark = pytest.mark.anyio


def around(store: Store) -> ASGIAccelerator:
    return ASGIAccelerator(app_saying(("cache-control", "s-maxage=60")), store=store)


async def test_an_accelerator_that_steps_aside_warns_once_if_the_other_one_has_another_store(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = MemoryStore()
    nested = ASGIAccelerator(around(store))
    for path in ("/", "/other"):
        assert (await ask(nested, path)).get("cache-status") == "accelerator; fwd=uri-miss; stored"
    assert (len(store), len(caplog.records)) == (0, 1)
    assert "from another store" in caplog.text


async def test_an_accelerator_that_steps_aside_for_one_with_the_same_store_says_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = MemoryStore()
    await ask(ASGIAccelerator(around(store), store=store))
    assert (len(store), caplog.records) == (1, [])
