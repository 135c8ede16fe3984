"""The tests of stores for what a lookup finds, and which entry replaces which."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
from anyio.lowlevel import checkpoint

from accelerator.http.request import Request
from accelerator.stores.protocol import KnowsReadyEntries, LooksUpInThreads
from accelerator.testing.contract_words import (
    ENTRIES,
    LOOKALIKES,
    VARY,
    body_of,
    fill,
    requests_of,
    state_of,
    unmarked,
)
from accelerator.testing.samples import make_entry, make_request

if TYPE_CHECKING:
    from accelerator.stores.protocol import Store


class FindingContract:
    """The tests for what is found of what was stored."""

    # --- what is found ------------------------------------------------------------------------------------------------

    async def test_an_unknown_url_is_a_miss(self, store: Store) -> None:
        """If nothing was stored, no entry is found, and no selecting header fields are known."""
        found = await store.lookup(make_request())
        assert (found.entry, found.invalidated, found.vary) == (None, False, None)

    async def test_an_entry_comes_back_as_it_was_committed(self, store: Store) -> None:
        """Each attribute of the entry found is equal to the stored one. Only the mark may have any form."""
        for request, more in zip(requests_of(), ENTRIES, strict=False):
            entry = await fill(store, request, **more)
            assert unmarked((await store.lookup(request)).entry) == unmarked(entry), more

    async def test_what_is_found_is_fresh_until_it_is_taken_back(self, store: Store) -> None:
        """An entry that no invalidation concerns is fresh at every lookup."""
        request = make_request()
        await fill(store, request, "x")
        for _ in range(3):
            assert await state_of(store, request) == "fresh"

    async def test_what_is_ready_is_what_a_lookup_finds_fresh(self, store: Store) -> None:
        """A store that names ready entries names none that a lookup would not find, and find fresh."""
        plain, varied = make_request(), make_request("https://example.org/v", [("x-a", "1")])
        await fill(store, plain, "x")
        await fill(store, varied, "x", vary=(b"x-a",))
        for step in ("stored", "soft", "refilled", "hard", "refilled", "cleared"):
            match step:
                case "soft" | "hard":
                    await store.invalidate_tag("x", soft=step == "soft")
                case "refilled":
                    await fill(store, plain, "x")
                case "cleared":
                    await store.clear()
            for request in (plain, varied) * 2:
                ready = (
                    store.ready_entry(request.key, request, Request.selecting_values)
                    if isinstance(store, KnowsReadyEntries)
                    else None
                )
                found = await store.lookup(request)
                if ready is not None:
                    assert (found.entry, found.invalidated) == (ready.entry, False), step

    async def test_what_a_thread_finds_by_itself_is_what_a_lookup_finds(self, store: Store) -> None:
        """A store in which threads look up by themselves finds the same in both ways, or asks for the other one."""
        plain, varied = make_request(), make_request("https://example.org/v", [("x-a", "1")])
        for step in ("nothing", "stored", "soft", "refilled", "hard", "refilled", "cleared"):
            match step:
                case "stored" | "refilled":
                    await fill(store, plain, "x")
                    await fill(store, varied, "x", vary=(b"x-a",))
                case "soft" | "hard":
                    await store.invalidate_tag("x", soft=step == "soft")
                case "cleared":
                    await store.clear()
            for request in (plain, varied) * 2:
                here = (
                    await anyio.to_thread.run_sync(store.lookup_here, request)
                    if isinstance(store, LooksUpInThreads)
                    else None
                )
                found = await store.lookup(request)
                assert here is None or here == found, step

    async def test_the_whole_key_is_compared(self, store: Store) -> None:
        """No entry answers a request whose key differs in any part, even if the parts put together are equal."""
        requests = [make_request(url, headers, **more) for url, headers, more in LOOKALIKES]
        for request in requests:
            assert (await store.lookup(request)).entry is None, request.key
            await fill(store, request, body=repr(request.key).encode())
        for request in requests:
            assert body_of(await store.lookup(request)) == repr(request.key).encode()

    async def test_simultaneous_lookups_get_their_own_answers(self, store: Store) -> None:
        """Lookups at the same time find their own entries, and a cancelled one does not affect the others."""
        requests = list(itertools.islice(requests_of(), 40))
        for request in requests:
            await fill(store, request, body=request.url.encode())
        right: list[str] = []

        async def look_up(request: Request) -> None:
            found = await store.lookup(request)
            assert body_of(found) == request.url.encode()
            right.append(request.url)

        async with anyio.create_task_group() as patient, anyio.create_task_group() as hasty:
            for number, request in enumerate(requests):
                (hasty if number % 2 else patient).start_soon(look_up, request)
            await checkpoint()
            hasty.cancel_scope.cancel()
        assert {request.url for request in requests[::2]} <= set(right)
        for request in requests:
            await look_up(request)

    # --- variants -----------------------------------------------------------------------------------------------------

    async def test_variants_live_side_by_side(self, store: Store) -> None:
        """Each variant is found by exactly its selecting values: absent is not empty, a comma is part of a value."""
        values = [None, "", "a", "b", "a,b", "b,a"]
        requests = [
            make_request(headers=[(name, value) for name, value in zip(VARY, pair, strict=True) if value is not None])
            for pair in itertools.product(values, values)
        ]
        vary = tuple(name.encode() for name in VARY)
        for request in requests:
            assert (await store.lookup(request)).entry is None, request.selecting_values(vary)
            await fill(store, request, vary=vary, body=repr(request.selecting_values(vary)).encode())
        for request in requests:
            assert body_of(await store.lookup(request)) == repr(request.selecting_values(vary)).encode()

    async def test_what_a_url_varies_on_is_told_where_the_variant_is_missing(self, store: Store) -> None:
        """The lookup returns the selecting header fields even if no variant matches."""
        await fill(store, make_request(headers=[("accept", "a")]), vary=(b"accept",))
        found = await store.lookup(make_request(headers=[("accept", "b")]))
        assert (found.entry, found.vary) == (None, (b"accept",))

    async def test_the_newest_variant_that_fits_is_found(self, store: Store) -> None:
        """If several stored responses with different selecting header fields match, the one stored last is found."""
        request = make_request(headers=[("accept", "a")])
        for vary, body in (((), b"1"), ((b"accept",), b"2"), ((), b"3")):
            await fill(store, request, vary=vary, body=body)
            found = await store.lookup(request)
            assert (body_of(found), found.vary) == (body, vary)

    async def test_what_the_newest_variant_varies_on_is_told_where_an_older_one_is_found(self, store: Store) -> None:
        """The lookup returns the selecting header fields of the newest response, which the next one has at least."""
        await fill(store, make_request(), body=b"older")
        await fill(store, make_request(headers=[("accept", "a")]), vary=(b"accept",), body=b"newer")
        found = await store.lookup(make_request())
        assert (body_of(found), found.vary) == (b"older", (b"accept",))

    # --- what replaces what -------------------------------------------------------------------------------------------

    async def test_a_smaller_mark_never_replaces_a_usable_entry(self, store: Store) -> None:
        """Of two fills that overlap, the one that began after its data had changed stays, whichever ends first."""
        request = make_request()
        early = (await store.lookup(request)).mark
        await store.invalidate_tag("x", soft=True)
        await fill(store, request, "x", body=b"late")
        assert await store.commit(make_entry(request, early, ["x"], body=b"early")) is False
        assert body_of(await store.lookup(request)) == b"late"

    async def test_an_equal_or_larger_mark_replaces(self, store: Store) -> None:
        """The entry stored last is found if no invalidation came between the fills, or if its fill began after one."""
        request = make_request()
        for body in (b"1", b"2"):
            await fill(store, request, "x", body=body)
            assert body_of(await store.lookup(request)) == body
        await store.invalidate_tag("other")
        await fill(store, request, "x", body=b"3")
        assert body_of(await store.lookup(request)) == b"3"

    async def test_a_found_entry_can_be_committed_again_with_its_own_mark(self, store: Store) -> None:
        """A validation that proves nothing new freshens an entry so. Invalidations since its mark still hold."""
        request = make_request()
        await fill(store, request, "x", body=b"1")
        for soft, state, stored in ((None, "fresh", True), (True, "stale", True), (False, "missing", False)):
            entry = (await store.lookup(request)).entry
            assert entry is not None
            if soft is not None:
                await store.invalidate_tag("x", soft=soft)
            assert await store.commit(replace(entry, lifetime=entry.lifetime + 1)) is stored
            assert await state_of(store, request) == state

    async def test_an_unusable_entry_gives_way_to_a_smaller_mark(self, store: Store) -> None:
        """An invalidated entry is replaced by any that is usable."""
        request = make_request()
        early = (await store.lookup(request)).mark
        await store.invalidate_tag("other")
        await fill(store, request, "x", body=b"late")
        await store.invalidate_tag("x")
        assert await store.commit(make_entry(request, early, ["y"], body=b"early")) is True
        assert body_of(await store.lookup(request)) == b"early"
