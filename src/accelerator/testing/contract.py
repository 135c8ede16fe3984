"""The test suite that every store has to pass."""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING, Any, Final

import anyio
from anyio.lowlevel import checkpoint

from accelerator.testing.contract_finding import FindingContract
from accelerator.testing.contract_invalidation import InvalidationContract
from accelerator.testing.contract_words import (
    cancelled_before,
    cancelled_within,
    fill,
    let_others_run,
    requests_of,
    state_of,
)
from accelerator.testing.fixtures import imported_pytest
from accelerator.testing.samples import make_entry, make_request

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from accelerator.http.request import Request
    from accelerator.stores.protocol import Store


PATIENCE: Final = 10.0
"""Seconds within which an invalidation has to be done if its caller was cancelled."""


class StoreContract(FindingContract, InvalidationContract):
    """The tests that every store has to pass. Derive from it, with a fixture that returns a new, empty store:

        import pytest
        from accelerator.testing import StoreContract

        class TestMyStore(StoreContract):
            @pytest.fixture
            def store(self):
                return MyStore()

    The tests are async and run by anyio's plugin, on each backend that the fixture `anyio_backend` names. If a store
    needs asyncio, override that fixture in the class so that it returns `"asyncio"`. To see the values where a test
    fails, write `pytest.register_assert_rewrite("accelerator.testing")` in a `conftest.py`.

    A store is free to choose what a mark is, and when it drops entries that nobody asked it to drop, as long as it
    keeps the few that a test makes. The tests use only the methods of `Store`.
    """  # noqa: D415 - the example ends the sentence

    pytestmark: Any = ()

    def __init_subclass__(cls, **more: Any) -> None:
        """Mark the tests as async. This imports pytest, which only subclasses need."""
        super().__init_subclass__(**more)
        StoreContract.pytestmark = imported_pytest().mark.anyio

    async def test_an_invalidation_runs_to_its_end_if_its_caller_is_cancelled(self, store: Store) -> None:
        """The data was changed before the invalidation, so it has to be done even if the client has left."""
        for number, (request, cancel) in enumerate(
            zip(requests_of(), (cancelled_before, cancelled_within), strict=False)
        ):
            await fill(store, request, f"x{number}")
            mark = (await store.lookup(request)).mark
            await cancel(functools.partial(store.invalidate_tag, f"x{number}"))
            with anyio.move_on_after(PATIENCE):
                while await state_of(store, request) != "missing":  # noqa: ASYNC110 - no store tells when it is done
                    await anyio.sleep(0.01)
            assert await state_of(store, request) == "missing"
            assert await store.commit(make_entry(request, mark, [f"x{number}"])) is False

    async def test_no_interleaving_shows_data_from_before_an_invalidation_that_returned(self, store: Store) -> None:
        """Many fills and invalidations run at the same time. No lookup finds older data than it may."""
        version, at_least = {"x": 0, "y": 0}, {"x": 0, "y": 0}
        requests = {tag: list(itertools.islice(requests_of(tag), 3)) for tag in version}

        async def change(tag: str, pause: int) -> None:
            for _ in range(20):
                made = version[tag] = version[tag] + 1
                await store.invalidate_tag(tag)
                at_least[tag] = max(at_least[tag], made)
                await let_others_run(pause)

        async def read(tag: str, request: Request, steps: int) -> None:
            must_see = at_least[tag]
            found = await store.lookup(request)
            if found.entry is not None:
                assert int(found.entry.body) >= must_see
            else:
                data = version[tag]
                await let_others_run(steps)
                await store.commit(make_entry(request, found.mark, [tag], body=b"%d" % data))

        async def keep_reading(tag: str, steps: int) -> None:
            for request in requests[tag] * 30:
                await read(tag, request, steps)
                await checkpoint()

        async with anyio.create_task_group() as group:
            for tag, steps in itertools.product(version, (1, 2, 5)):
                group.start_soon(keep_reading, tag, steps)
                group.start_soon(change, tag, 5 * steps)

    async def test_a_store_that_says_so_never_suspends(self, store: Store) -> None:
        """If `suspends` is False, each method ends without an event loop."""
        request = make_request()
        entry = make_entry(request, (await store.lookup(request)).mark, ["x"])
        if not store.suspends:
            calls: list[Callable[[], Coroutine[Any, Any, object]]] = [
                functools.partial(store.lookup, request),
                functools.partial(store.commit, entry),
                functools.partial(store.invalidate_tag, "x"),
                functools.partial(store.invalidate_tag, "x", soft=True),
                functools.partial(store.invalidate_url, "https://example.org/"),
                functools.partial(store.clear),
            ]
            for call in calls:
                with imported_pytest().raises(StopIteration):
                    call().send(None)
