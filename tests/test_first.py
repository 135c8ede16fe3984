from __future__ import annotations

import pytest

from accelerator import ASGIAccelerator, MemoryStore, cache_for, tag
from tests.support import App, Lines, Scope, app_saying, ask

pytestmark = pytest.mark.anyio


async def test_a_second_request_is_answered_from_the_store() -> None:
    app = app_saying(("cache-control", "s-maxage=60"))
    cached = ASGIAccelerator(app)
    first, second = await ask(cached), await ask(cached)
    assert (first.body, second.body, app.calls) == (b"answer 1", b"answer 1", 1)


async def test_invalidating_a_tag_takes_back_what_was_made_from_it() -> None:
    async def handle(scope: Scope) -> tuple[int, Lines, bytes]:
        cache_for(60)
        tag("user:42")
        return 200, [], b"answer %d" % app.calls

    app = App(handle)
    store = MemoryStore()
    cached = ASGIAccelerator(app, store=store)
    await ask(cached)
    await store.invalidate_tag("user:42")
    assert (await ask(cached)).body == b"answer 2"
