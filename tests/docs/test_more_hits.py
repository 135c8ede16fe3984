"""docs/more-hits.md: what it says does not count makes no difference, and what does makes one."""

from __future__ import annotations

from typing import Any

import pytest

from accelerator import ASGIAccelerator, MemoryStore
from tests.docs.support import blocks_of, run
from tests.support import app_saying, ask

IGNORING, TENANTS = blocks_of("more-hits.md")

pytestmark = pytest.mark.anyio


def page(block: str) -> Any:
    notes: dict[str, Any] = {
        "ASGIAccelerator": ASGIAccelerator,
        "site": app_saying(("cache-control", "s-maxage=60")),
        "store": MemoryStore(),
    }
    run(block, notes)
    return notes["app"]


async def is_kept(app: Any, url: str, **fields: str) -> bool:
    answer = await ask(app, url, headers=[(name.replace("_", "-"), value) for name, value in fields.items()])
    return "; hit" in str(answer.get("cache-status"))


async def test_links_of_campaigns_and_cookies_of_analytics_lead_to_the_same_page() -> None:
    app = page(IGNORING)
    assert not await is_kept(app, "/users?page=1&utm_source=mail&fbclid=1", cookie="_ga=1")
    assert await is_kept(app, "/users?utm_source=web&page=1", cookie="_ga_X=2; _fbp=3")
    assert not await is_kept(app, "/users?page=2")


async def test_each_tenant_has_pages_of_its_own_and_a_preview_has_none() -> None:
    app = page(TENANTS)
    asked = [("a", False), ("b", False), ("a", True), ("b", True)]
    assert [await is_kept(app, "/", x_tenant=tenant) for tenant, _ in asked] == [kept for _, kept in asked]
    assert not await is_kept(app, "/", x_tenant="a", x_preview="1")
