"""The tests of stores for what an invalidation affects."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from accelerator.tags import ALL
from accelerator.testing.contract_words import (
    ORDERS,
    TAGS,
    fill,
    requests_of,
    state_of,
    unmarked,
)
from accelerator.testing.fixtures import imported_pytest
from accelerator.testing.samples import make_entry, make_request

if TYPE_CHECKING:
    from accelerator.stores.protocol import Store


class InvalidationContract:
    """The tests for what an invalidation affects, and what it leaves."""

    # --- marks --------------------------------------------------------------------------------------------------------

    async def test_an_invalidation_during_a_fill_keeps_it_out(self, store: Store) -> None:
        """The mark is before the invalidation, so the data may have been read before the change."""
        request, other = make_request(), make_request("https://example.org/other")
        await fill(store, other, "stored")
        for tag in ("unknown", "stored"):
            mark = (await store.lookup(request)).mark
            await store.invalidate_tag(tag)
            assert await store.commit(make_entry(request, mark, [tag])) is False
            assert await state_of(store, request) == "missing"

    async def test_one_tag_taken_back_during_a_fill_is_enough(self, store: Store) -> None:
        """An entry is refused if any one of its tags was invalidated during the fill."""
        request = make_request()
        mark = (await store.lookup(request)).mark
        await store.invalidate_tag("b")
        assert await store.commit(make_entry(request, mark, ["a", "b", "c"])) is False
        assert await state_of(store, request) == "missing"

    async def test_an_invalidation_of_other_tags_during_a_fill_does_not_matter(self, store: Store) -> None:
        """An entry is stored if only tags that it does not have were invalidated during the fill."""
        request = make_request()
        mark = (await store.lookup(request)).mark
        await store.invalidate_tag("other")
        assert await store.commit(make_entry(request, mark, ["x"])) is True
        assert await state_of(store, request) == "fresh"

    async def test_an_invalidation_before_a_fill_does_not_matter(self, store: Store) -> None:
        """A tag may be invalidated before any entry has it, hard and soft in any order, and later entries are fresh."""
        request = make_request()
        for soft in (False, True, False):
            await store.invalidate_tag("x", soft=soft)
            await fill(store, request, "x")
            assert await state_of(store, request) == "fresh"

    async def test_an_older_mark_is_only_more_cautious(self, store: Store) -> None:
        """A fill with an old mark is refused only if a tag of its entry was invalidated since."""
        request = make_request()
        mark = (await store.lookup(request)).mark
        await store.invalidate_tag("x")
        await fill(store, request, "x")
        await store.invalidate_tag("y")
        other = make_request("https://example.org/other")
        assert await store.commit(make_entry(other, mark, ["x"])) is False
        assert await store.commit(make_entry(other, mark, ["z"])) is True

    async def test_a_soft_invalidation_during_a_fill_leaves_nothing_fresh(self, store: Store) -> None:
        """The entry is refused, or is stale as soon as it is stored."""
        request = make_request()
        mark = (await store.lookup(request)).mark
        await store.invalidate_tag("x", soft=True)
        await store.commit(make_entry(request, mark, ["x"]))
        assert await state_of(store, request) != "fresh"

    # --- hard and soft ------------------------------------------------------------------------------------------------

    async def test_soft_never_weakens_hard_in_any_order(self, store: Store) -> None:
        """A stored entry is missing after any hard invalidation, and stale after soft ones only."""
        for number, (request, order) in enumerate(zip(requests_of(), ORDERS, strict=False)):
            await fill(store, request, f"x{number}")
            for soft in order:
                await store.invalidate_tag(f"x{number}", soft=soft)
            assert await state_of(store, request) == ("stale" if all(order) else "missing"), order

    async def test_soft_never_weakens_hard_for_a_running_fill(self, store: Store) -> None:
        """A running fill is refused after any hard invalidation, and its entry is not fresh after soft ones only."""
        for number, (request, order) in enumerate(zip(requests_of(), ORDERS, strict=False)):
            mark = (await store.lookup(request)).mark
            for soft in order:
                await store.invalidate_tag(f"x{number}", soft=soft)
            stored = await store.commit(make_entry(request, mark, [f"x{number}"]))
            assert await state_of(store, request) == ("stale" if stored else "missing"), order
            assert all(order) or not stored, order

    async def test_a_stale_entry_is_still_found(self, store: Store) -> None:
        """After a soft invalidation the lookup returns an equal entry, with `invalidated`."""
        request = make_request()
        entry = await fill(store, request, "x")
        await store.invalidate_tag("x", soft=True)
        found = await store.lookup(request)
        assert found.invalidated is True
        assert unmarked(found.entry) == unmarked(entry)

    async def test_what_is_made_anew_after_an_invalidation_is_fresh(self, store: Store) -> None:
        """The entry of a fill that begins after an invalidation returned is fresh."""
        request = make_request()
        for soft in (True, False, True):
            await fill(store, request, "x")
            await store.invalidate_tag("x", soft=soft)
            await fill(store, request, "x")
            assert await state_of(store, request) == "fresh"

    # --- what an invalidation reaches ---------------------------------------------------------------------------------

    async def test_every_entry_with_the_tag_is_taken_back_and_no_other(self, store: Store) -> None:
        """It makes no difference how many entries have the tag, and which other tags they have."""
        requests = list(itertools.islice(requests_of(), 30))
        for number, request in enumerate(requests):
            await fill(store, request, "even" if number % 2 == 0 else "odd", f"own:{number}")
        await store.invalidate_tag("even")
        states = [await state_of(store, request) for request in requests]
        assert states == ["missing", "fresh"] * 15

    async def test_several_tags_are_taken_back_at_once(self, store: Store) -> None:
        """They are given as arguments or as iterables. An entry with any of them is invalidated."""
        a, b, c = itertools.islice(requests_of(), 3)
        for call in (("a", "b"), (["a", "b"],), ("a", ["b"]), (iter(["b", "a"]),)):
            for request, tag in ((a, "a"), (b, "b"), (c, "c")):
                await fill(store, request, tag)
            assert await store.invalidate_tag(*call) is None  # type: ignore[func-returns-value]  # None is promised
            assert [await state_of(store, request) for request in (a, b, c)] == ["missing", "missing", "fresh"]

    async def test_no_tag_takes_nothing_back(self, store: Store) -> None:
        """An empty list invalidates nothing, and does not raise."""
        request = make_request()
        await fill(store, request, "x")
        await store.invalidate_tag([])
        assert await state_of(store, request) == "fresh"

    async def test_tags_are_compared_to_the_letter(self, store: Store) -> None:
        """Tags are compared as they are: with their case, without normalisation or wildcards."""
        request = make_request()
        await fill(store, request, *TAGS)
        for tag in ("user", "user:42:", "USER:42", "user:4?", "user:*", "**", "über", " ", "x" * 1023):
            await store.invalidate_tag(tag)
            assert await state_of(store, request) == "fresh", tag
        for tag in TAGS:
            await fill(store, request, *TAGS)
            await store.invalidate_tag(tag)
            assert await state_of(store, request) == "missing", tag

    async def test_an_entry_may_have_a_thousand_tags(self, store: Store) -> None:
        """The entry is stored, and each of its tags invalidates it."""
        request, tags = make_request(), [f"tag:{number}" for number in range(1000)]
        for tag in (tags[0], tags[500], tags[-1]):
            await fill(store, request, *tags)
            assert await state_of(store, request) == "fresh"
            await store.invalidate_tag(tag)
            assert await state_of(store, request) == "missing"

    async def test_a_name_that_no_tag_can_have_is_refused(self, store: Store) -> None:
        """The call raises and invalidates nothing, not even the valid tags beside it."""
        pytest, request = imported_pytest(), make_request()
        await fill(store, request, "x")
        for name in ("", "a\nb", "\x7f", "@x", ALL, request.url_tag, "x" * 1025, "\ud800"):
            with pytest.raises(ValueError, match="tag|names"):
                await store.invalidate_tag("x", name)
        for wrong in (42, None, b"x"):
            with pytest.raises(TypeError, match="tag"):
                await store.invalidate_tag("x", wrong)  # type: ignore[arg-type]  # a wrong type, to test it
        assert await state_of(store, request) == "fresh"

    # --- URLs, and everything -----------------------------------------------------------------------------------------

    async def test_invalidating_a_url_takes_back_each_variant(self, store: Store) -> None:
        """All variants are invalidated, in every partition and by both schemes, and other URLs are not."""
        url, other = "https://example.org/p?x=1", make_request("https://example.org/p?x=2")
        variants = [
            make_request(url, [("accept", "a")]),
            make_request(url, [("accept", "b")]),
            make_request(url, partition="p"),
            make_request(url.replace("https", "http")),
        ]
        for soft, state in ((True, "stale"), (False, "missing")):
            for request in (*variants, other):
                await fill(store, request, vary=(b"accept",))
            await store.invalidate_url(url, soft=soft)
            assert [await state_of(store, request) for request in variants] == [state] * 4
            assert await state_of(store, other) == "fresh"

    async def test_invalidating_a_url_refuses_a_running_fill_of_any_variant(self, store: Store) -> None:
        """It makes no difference which variant the response turns out to be."""
        request = make_request(headers=[("accept", "a")])
        mark = (await store.lookup(request)).mark
        await store.invalidate_url("https://example.org/")
        assert await store.commit(make_entry(request, mark, vary=(b"accept",))) is False
        assert await state_of(store, request) == "missing"

    async def test_what_is_no_absolute_url_is_refused(self, store: Store) -> None:
        """The call raises and invalidates nothing."""
        pytest, request = imported_pytest(), make_request()
        await fill(store, request)
        for url in ("", "/", "example.org/", "ftp://example.org/", "https://"):
            with pytest.raises(ValueError, match="http"):
                await store.invalidate_url(url)
        with pytest.raises(TypeError, match="URL"):
            await store.invalidate_url(b"https://example.org/")  # type: ignore[arg-type]  # a wrong type, to test it
        assert await state_of(store, request) == "fresh"

    async def test_clearing_takes_back_everything(self, store: Store) -> None:
        """Each entry is missing, with tags or without, and the entry of a later fill is fresh."""
        requests = list(itertools.islice(requests_of(), 5))
        for number, request in enumerate(requests):
            await fill(store, request, *["x", "y"][: number % 3])
        await store.clear()
        assert {await state_of(store, request) for request in requests} == {"missing"}
        await fill(store, requests[0], "x")
        assert await state_of(store, requests[0]) == "fresh"

    async def test_clearing_refuses_running_fills(self, store: Store) -> None:
        """`clear` invalidates a tag that every entry has, so running fills are refused."""
        request = make_request()
        await fill(store, make_request("https://example.org/other"), "x")
        mark = (await store.lookup(request)).mark
        await store.clear()
        assert await store.commit(make_entry(request, mark, ["x"])) is False
        assert await state_of(store, request) == "missing"

    async def test_everything_can_be_made_stale(self, store: Store) -> None:
        """After a soft invalidation of everything, entries are stale, and those of running fills are not fresh."""
        request, running = itertools.islice(requests_of(), 2)
        await fill(store, request, "x")
        mark = (await store.lookup(running)).mark
        await store.invalidate([ALL], soft=True)
        await store.commit(make_entry(running, mark, ["x"]))
        assert await state_of(store, request) == "stale"
        assert await state_of(store, running) != "fresh"
