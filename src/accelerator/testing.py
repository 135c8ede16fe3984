"""What tests of stores and of applications with a cache need: a contract, a clean store, a clock wound by hand.

Only the contract and the fixture need pytest. There is no plugin that pytest would load by itself: it would import this
package into every test run of the environment, before coverage starts to measure, whether it is used or not. One line
in a `conftest.py` says the same:

    from accelerator.testing import clean_store
    from shop.cache import store

    cache = clean_store(store)  # each test begins and ends with an empty store
"""

from __future__ import annotations

import functools
import itertools
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

import anyio
from anyio.lowlevel import checkpoint

from accelerator.entry import Entry, Request
from accelerator.stores.sync import SyncStore
from accelerator.tagging import ALL

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator
    from types import ModuleType

    from accelerator.entry import Mark
    from accelerator.stores import Lookup, Store

__all__ = ["ManualClock", "StoreContract", "clean_store", "make_entry", "make_request"]

PATIENCE: Final = 10.0
"""Seconds in which an invalidation whose caller was cancelled has to be done."""


class ManualClock:
    """A clock that stands still until it is told: pass it as the option `clock`.

    Args:
        now: where it starts, in seconds since the epoch.
    """

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Return the time in seconds since the epoch."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass, or go back by a negative number of seconds."""
        self.now += seconds


def make_request(
    url: str = "https://example.org/", headers: Iterable[tuple[str, str]] = (), *, partition: str = "", **scope: Any
) -> Request:
    """Return the GET request of an absolute URL.

    Args:
        url: the URL.
        headers: its fields, names in lower case; Host comes from the URL unless it is among them.
        partition: the partition it belongs to.
        scope: what the ASGI scope has besides, or instead.
    """
    parts = urlsplit(url)
    lines = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    if all(name != b"host" for name, _ in lines):
        lines.insert(0, (b"host", parts.netloc.encode("ascii")))
    return Request(
        {
            "type": "http",
            "method": "GET",
            "scheme": parts.scheme,
            "path": unquote(parts.path),
            "raw_path": parts.path.encode("ascii"),
            "query_string": parts.query.encode("ascii"),
            "headers": lines,
            **scope,
        },
        partition,
    )


def make_entry(request: Request, mark: Mark, tags: Iterable[str] = (), **more: Any) -> Entry:
    """Return the entry of a response to a request, received now and fresh for an hour.

    Args:
        request: the request.
        mark: the mark of the lookup that came before.
        tags: what it was made from; the library's own tags are added.
        more: other attributes of `Entry` than these. `selected_by` follows from `vary`.
    """
    attributes: dict[str, Any] = {
        "vary": (),
        "status": 200,
        "headers": ((b"content-type", b"text/plain"),),
        "added": (),
        "body": b"hello",
        "received": time.time(),
        "initial_age": 0.0,
        "lifetime": 3600.0,
        "stale_while_revalidate": 0.0,
        "stale_if_error": 0.0,
        "never_stale": False,
        "for_cookies": True,
        "for_credentials": False,
        "for_codings": True,
        "etag": None,
        "validator": None,
        "last_modified": None,
        **more,
    }
    return Entry(
        key=request.key,
        selected_by=request.selects(attributes["vary"]),
        tags=frozenset(tags) | {request.url_tag, ALL},
        mark=mark,
        **attributes,
    )


def clean_store(store: Store) -> Any:
    """Return a pytest fixture that empties a store before and after each test, and gives it to those that name it.

    Assign it to a name in a `conftest.py`: it then serves each test below, asked for or not. Tests may be sync or
    async.

    Args:
        store: the store that the application uses.
    """

    @_pytest().fixture(autouse=True)  # type: ignore[untyped-decorator]  # imported late
    def clean() -> Iterator[Store]:
        SyncStore(store).clear()
        yield store
        SyncStore(store).clear()

    return clean


def _pytest() -> ModuleType:
    try:
        import pytest  # not a dependency of the package
    except ImportError as error:
        raise ImportError("this part of accelerator.testing needs pytest: pip install pytest") from error
    return pytest


# --- the contract -----------------------------------------------------------------------------------------------------


class StoreContract:
    """The tests that every store has to pass. Derive from it, and say where a new, empty store comes from:

        import pytest
        from accelerator.testing import StoreContract

        class TestMyStore(StoreContract):
            @pytest.fixture
            def store(self):
                return MyStore()

    The tests are async and run by anyio's plugin, on each backend that the fixture `anyio_backend` names. A store that
    keeps to asyncio overrides that fixture in its class, so that it returns `"asyncio"`. Write
    `pytest.register_assert_rewrite("accelerator.testing")` in a `conftest.py` to see the values where one fails.

    What a store may do as it likes: what a mark is; when it forgets entries nobody asked it to forget, as long as the
    few that a test makes are there. Nothing here looks into a store.
    """  # noqa: D415 - the sentence ends with the example

    pytestmark: Any = ()

    def __init_subclass__(cls, **more: Any) -> None:
        """Mark the tests as async ones, now that there is somebody to run them."""
        super().__init_subclass__(**more)
        StoreContract.pytestmark = _pytest().mark.anyio

    # --- what is found ------------------------------------------------------------------------------------------------

    async def test_an_unknown_url_is_a_miss(self, store: Store) -> None:
        """Where nothing was stored, nothing is found, and nothing is known of how its responses vary."""
        found = await store.lookup(make_request())
        assert (found.entry, found.invalidated, found.vary) == (None, False, None)

    async def test_an_entry_comes_back_as_it_was_committed(self, store: Store) -> None:
        """Each attribute comes back equal, except for the mark, which is the store's own affair."""
        for request, more in zip(_requests(), _ENTRIES, strict=False):
            entry = await _fill(store, request, **more)
            assert _unmarked((await store.lookup(request)).entry) == _unmarked(entry), more

    async def test_what_is_found_is_fresh_until_it_is_taken_back(self, store: Store) -> None:
        """An entry that no invalidation met is not invalidated, however often one asks."""
        request = make_request()
        await _fill(store, request, "x")
        for _ in range(3):
            assert await _state(store, request) == "fresh"

    async def test_the_whole_key_is_compared(self, store: Store) -> None:
        """No entry answers a request that differs in any part, not even where the parts put together look the same."""
        requests = [make_request(url, headers, **more) for url, headers, more in _LOOKALIKES]
        for request in requests:
            assert (await store.lookup(request)).entry is None, request.key
            await _fill(store, request, body=repr(request.key).encode())
        for request in requests:
            assert _body(await store.lookup(request)) == repr(request.key).encode()

    async def test_simultaneous_lookups_get_their_own_answers(self, store: Store) -> None:
        """Lookups that wait at the same moment do not mix, and those that are cancelled disturb no other."""
        requests = list(itertools.islice(_requests(), 40))
        for request in requests:
            await _fill(store, request, body=request.url.encode())
        right: list[str] = []

        async def look_up(request: Request) -> None:
            found = await store.lookup(request)
            assert _body(found) == request.url.encode()
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
        """Each is found by exactly the values that chose it: absent is not empty, and commas part no two fields."""
        values = [None, "", "a", "b", "a,b", "b,a"]
        requests = [
            make_request(headers=[(name, value) for name, value in zip(_VARY, pair, strict=True) if value is not None])
            for pair in itertools.product(values, values)
        ]
        vary = tuple(name.encode() for name in _VARY)
        for request in requests:
            assert (await store.lookup(request)).entry is None, request.selects(vary)
            await _fill(store, request, vary=vary, body=repr(request.selects(vary)).encode())
        for request in requests:
            assert _body(await store.lookup(request)) == repr(request.selects(vary)).encode()

    async def test_what_a_url_varies_on_is_told_where_the_variant_is_missing(self, store: Store) -> None:
        """`vary` is known without an entry that fits."""
        await _fill(store, make_request(headers=[("accept", "a")]), vary=(b"accept",))
        found = await store.lookup(make_request(headers=[("accept", "b")]))
        assert (found.entry, found.vary) == (None, (b"accept",))

    async def test_the_newest_variant_that_fits_is_found(self, store: Store) -> None:
        """Where responses of one URL varied on other fields before, what was stored last comes first."""
        request = make_request(headers=[("accept", "a")])
        for vary, body in (((), b"1"), ((b"accept",), b"2"), ((), b"3")):
            await _fill(store, request, vary=vary, body=body)
            found = await store.lookup(request)
            assert (_body(found), found.vary) == (body, vary)

    async def test_what_the_newest_variant_varies_on_is_told_where_an_older_one_is_found(self, store: Store) -> None:
        """What is made next is chosen by at least that."""
        await _fill(store, make_request(), body=b"older")
        await _fill(store, make_request(headers=[("accept", "a")]), vary=(b"accept",), body=b"newer")
        found = await store.lookup(make_request())
        assert (_body(found), found.vary) == (b"older", (b"accept",))

    # --- marks --------------------------------------------------------------------------------------------------------

    async def test_an_invalidation_during_a_fill_keeps_it_out(self, store: Store) -> None:
        """The mark is older than the invalidation: nobody knows whether the data was read before or after."""
        request, other = make_request(), make_request("https://example.org/other")
        await _fill(store, other, "stored")
        for tag in ("unknown", "stored"):
            mark = (await store.lookup(request)).mark
            await store.invalidate_tag(tag)
            assert await store.commit(make_entry(request, mark, [tag])) is False
            assert await _state(store, request) == "missing"

    async def test_one_tag_taken_back_during_a_fill_is_enough(self, store: Store) -> None:
        """An entry is usable only if each of its tags allows it."""
        request = make_request()
        mark = (await store.lookup(request)).mark
        await store.invalidate_tag("b")
        assert await store.commit(make_entry(request, mark, ["a", "b", "c"])) is False
        assert await _state(store, request) == "missing"

    async def test_an_invalidation_of_other_tags_during_a_fill_does_not_matter(self, store: Store) -> None:
        """An entry is stored unless a tag of its own was taken back."""
        request = make_request()
        mark = (await store.lookup(request)).mark
        await store.invalidate_tag("other")
        assert await store.commit(make_entry(request, mark, ["x"])) is True
        assert await _state(store, request) == "fresh"

    async def test_an_invalidation_before_a_fill_does_not_matter(self, store: Store) -> None:
        """A tag that nobody used yet begins its life after it was taken back; no order of the two confuses them."""
        request = make_request()
        for soft in (False, True, False):
            await store.invalidate_tag("x", soft=soft)
            await _fill(store, request, "x")
            assert await _state(store, request) == "fresh"

    async def test_an_older_mark_is_only_more_cautious(self, store: Store) -> None:
        """A fill with a mark from long ago is refused for what happened since, and for nothing else."""
        request = make_request()
        mark = (await store.lookup(request)).mark
        await store.invalidate_tag("x")
        await _fill(store, request, "x")
        await store.invalidate_tag("y")
        other = make_request("https://example.org/other")
        assert await store.commit(make_entry(other, mark, ["x"])) is False
        assert await store.commit(make_entry(other, mark, ["z"])) is True

    async def test_a_soft_invalidation_during_a_fill_leaves_nothing_fresh(self, store: Store) -> None:
        """What was made is stale already when it is stored."""
        request = make_request()
        mark = (await store.lookup(request)).mark
        await store.invalidate_tag("x", soft=True)
        await store.commit(make_entry(request, mark, ["x"]))
        assert await _state(store, request) != "fresh"

    # --- hard and soft ------------------------------------------------------------------------------------------------

    async def test_soft_never_weakens_hard_in_any_order(self, store: Store) -> None:
        """What is stored is gone after a hard invalidation, and stale after soft ones only."""
        for number, (request, order) in enumerate(zip(_requests(), _ORDERS, strict=False)):
            await _fill(store, request, f"x{number}")
            for soft in order:
                await store.invalidate_tag(f"x{number}", soft=soft)
            assert await _state(store, request) == ("stale" if all(order) else "missing"), order

    async def test_soft_never_weakens_hard_for_a_running_fill(self, store: Store) -> None:
        """What is being made is refused after a hard invalidation, and never fresh after soft ones."""
        for number, (request, order) in enumerate(zip(_requests(), _ORDERS, strict=False)):
            mark = (await store.lookup(request)).mark
            for soft in order:
                await store.invalidate_tag(f"x{number}", soft=soft)
            stored = await store.commit(make_entry(request, mark, [f"x{number}"]))
            assert await _state(store, request) == ("stale" if stored else "missing"), order
            assert all(order) or not stored, order

    async def test_a_stale_entry_is_still_found(self, store: Store) -> None:
        """After a soft invalidation the entry is there, equal, and said to be invalidated."""
        request = make_request()
        entry = await _fill(store, request, "x")
        await store.invalidate_tag("x", soft=True)
        found = await store.lookup(request)
        assert found.invalidated is True
        assert _unmarked(found.entry) == _unmarked(entry)

    async def test_what_is_made_anew_after_an_invalidation_is_fresh(self, store: Store) -> None:
        """A fill that begins after an invalidation has returned does not suffer from it."""
        request = make_request()
        for soft in (True, False, True):
            await _fill(store, request, "x")
            await store.invalidate_tag("x", soft=soft)
            await _fill(store, request, "x")
            assert await _state(store, request) == "fresh"

    # --- what an invalidation reaches ---------------------------------------------------------------------------------

    async def test_every_entry_with_the_tag_is_taken_back_and_no_other(self, store: Store) -> None:
        """However many entries name it, whatever else they name."""
        requests = list(itertools.islice(_requests(), 30))
        for number, request in enumerate(requests):
            await _fill(store, request, "even" if number % 2 == 0 else "odd", f"own:{number}")
        await store.invalidate_tag("even")
        states = [await _state(store, request) for request in requests]
        assert states == ["missing", "fresh"] * 15

    async def test_several_tags_are_taken_back_at_once(self, store: Store) -> None:
        """As arguments or as a list; an entry with any of them is met."""
        a, b, c = itertools.islice(_requests(), 3)
        for call in (("a", "b"), (["a", "b"],), ("a", ["b"]), (iter(["b", "a"]),)):
            for request, tag in ((a, "a"), (b, "b"), (c, "c")):
                await _fill(store, request, tag)
            assert await store.invalidate_tag(*call) is None  # type: ignore[func-returns-value]  # so it is promised
            assert [await _state(store, request) for request in (a, b, c)] == ["missing", "missing", "fresh"]

    async def test_no_tag_takes_nothing_back(self, store: Store) -> None:
        """An empty list is no error, and no `clear`."""
        request = make_request()
        await _fill(store, request, "x")
        await store.invalidate_tag([])
        assert await _state(store, request) == "fresh"

    async def test_tags_are_compared_to_the_letter(self, store: Store) -> None:
        """No case is folded, nothing is normalised, no character stands for others."""
        request = make_request()
        await _fill(store, request, *_TAGS)
        for tag in ("user", "user:42:", "USER:42", "user:4?", "user:*", "**", "über", " ", "x" * 1023):
            await store.invalidate_tag(tag)
            assert await _state(store, request) == "fresh", tag
        for tag in _TAGS:
            await _fill(store, request, *_TAGS)
            await store.invalidate_tag(tag)
            assert await _state(store, request) == "missing", tag

    async def test_an_entry_may_have_a_thousand_tags(self, store: Store) -> None:
        """Each of them takes it back."""
        request, tags = make_request(), [f"tag:{number}" for number in range(1000)]
        for tag in (tags[0], tags[500], tags[-1]):
            await _fill(store, request, *tags)
            assert await _state(store, request) == "fresh"
            await store.invalidate_tag(tag)
            assert await _state(store, request) == "missing"

    async def test_a_name_that_no_tag_can_have_is_refused(self, store: Store) -> None:
        """It raises, and takes nothing back, not even the names beside it."""
        pytest, request = _pytest(), make_request()
        await _fill(store, request, "x")
        for name in ("", "a\nb", "\x7f", "@x", ALL, request.url_tag, "x" * 1025, "\ud800"):
            with pytest.raises(ValueError, match="tag|names"):
                await store.invalidate_tag("x", name)
        for wrong in (42, None, b"x"):
            with pytest.raises(TypeError, match="tag"):
                await store.invalidate_tag("x", wrong)  # type: ignore[arg-type]  # that is the point
        assert await _state(store, request) == "fresh"

    # --- URLs, and everything -----------------------------------------------------------------------------------------

    async def test_invalidating_a_url_takes_back_each_variant(self, store: Store) -> None:
        """Whatever it varies on, in every partition, by either scheme; other URLs stay."""
        url, other = "https://example.org/p?x=1", make_request("https://example.org/p?x=2")
        variants = [
            make_request(url, [("accept", "a")]),
            make_request(url, [("accept", "b")]),
            make_request(url, partition="p"),
            make_request(url.replace("https", "http")),
        ]
        for soft, state in ((True, "stale"), (False, "missing")):
            for request in (*variants, other):
                await _fill(store, request, vary=(b"accept",))
            await store.invalidate_url(url, soft=soft)
            assert [await _state(store, request) for request in variants] == [state] * 4
            assert await _state(store, other) == "fresh"

    async def test_invalidating_a_url_refuses_a_running_fill_of_any_variant(self, store: Store) -> None:
        """What the response will vary on is not known while it is made."""
        request = make_request(headers=[("accept", "a")])
        mark = (await store.lookup(request)).mark
        await store.invalidate_url("https://example.org/")
        assert await store.commit(make_entry(request, mark, vary=(b"accept",))) is False
        assert await _state(store, request) == "missing"

    async def test_what_is_no_absolute_url_is_refused(self, store: Store) -> None:
        """It raises, and takes nothing back."""
        pytest, request = _pytest(), make_request()
        await _fill(store, request)
        for url in ("", "/", "example.org/", "ftp://example.org/", "https://"):
            with pytest.raises(ValueError, match="http"):
                await store.invalidate_url(url)
        with pytest.raises(TypeError, match="URL"):
            await store.invalidate_url(b"https://example.org/")  # type: ignore[arg-type]  # that is the point
        assert await _state(store, request) == "fresh"

    async def test_clearing_takes_back_everything(self, store: Store) -> None:
        """Each entry is gone, with tags and without, and what is made anew is fresh."""
        requests = list(itertools.islice(_requests(), 5))
        for number, request in enumerate(requests):
            await _fill(store, request, *["x", "y"][: number % 3])
        await store.clear()
        assert {await _state(store, request) for request in requests} == {"missing"}
        await _fill(store, requests[0], "x")
        assert await _state(store, requests[0]) == "fresh"

    async def test_clearing_refuses_running_fills(self, store: Store) -> None:
        """It is an invalidation of a tag that everything has."""
        request = make_request()
        await _fill(store, make_request("https://example.org/other"), "x")
        mark = (await store.lookup(request)).mark
        await store.clear()
        assert await store.commit(make_entry(request, mark, ["x"])) is False
        assert await _state(store, request) == "missing"

    async def test_everything_can_be_made_stale(self, store: Store) -> None:
        """A soft invalidation of everything leaves entries to be served stale, and running fills not fresh."""
        request, running = itertools.islice(_requests(), 2)
        await _fill(store, request, "x")
        mark = (await store.lookup(running)).mark
        await store.invalidate([ALL], soft=True)
        await store.commit(make_entry(running, mark, ["x"]))
        assert await _state(store, request) == "stale"
        assert await _state(store, running) != "fresh"

    # --- what replaces what -------------------------------------------------------------------------------------------

    async def test_a_smaller_mark_never_replaces_a_usable_entry(self, store: Store) -> None:
        """Of two fills that overlap, the one begun later stays, whichever ends first."""
        request = make_request()
        early = (await store.lookup(request)).mark
        await store.invalidate_tag("other")
        await _fill(store, request, "x", body=b"late")
        assert await store.commit(make_entry(request, early, ["x"], body=b"early")) is False
        assert _body(await store.lookup(request)) == b"late"

    async def test_an_equal_or_larger_mark_replaces(self, store: Store) -> None:
        """With no invalidation in between, what is stored last is found; so is a fill begun after one."""
        request = make_request()
        for body in (b"1", b"2"):
            await _fill(store, request, "x", body=body)
            assert _body(await store.lookup(request)) == body
        await store.invalidate_tag("other")
        await _fill(store, request, "x", body=b"3")
        assert _body(await store.lookup(request)) == b"3"

    async def test_a_found_entry_can_be_committed_again_with_its_own_mark(self, store: Store) -> None:
        """That is how a validation that proves nothing new freshens it; what was invalidated since stays so."""
        request = make_request()
        await _fill(store, request, "x", body=b"1")
        for soft, state, stored in ((None, "fresh", True), (True, "stale", True), (False, "missing", False)):
            entry = (await store.lookup(request)).entry
            assert entry is not None
            if soft is not None:
                await store.invalidate_tag("x", soft=soft)
            assert await store.commit(replace(entry, lifetime=entry.lifetime + 1)) is stored
            assert await _state(store, request) == state

    async def test_an_unusable_entry_gives_way_to_a_smaller_mark(self, store: Store) -> None:
        """What was taken back stands in nobody's way."""
        request = make_request()
        early = (await store.lookup(request)).mark
        await store.invalidate_tag("other")
        await _fill(store, request, "x", body=b"late")
        await store.invalidate_tag("x")
        assert await store.commit(make_entry(request, early, ["y"], body=b"early")) is True
        assert _body(await store.lookup(request)) == b"early"

    # --- together -----------------------------------------------------------------------------------------------------

    async def test_an_invalidation_runs_to_its_end_if_its_caller_is_cancelled(self, store: Store) -> None:
        """The client may be gone after the commit; the change of the data is not."""
        for number, (request, cancel) in enumerate(
            zip(_requests(), (_cancelled_before, _cancelled_within), strict=False)
        ):
            await _fill(store, request, f"x{number}")
            mark = (await store.lookup(request)).mark
            await cancel(functools.partial(store.invalidate_tag, f"x{number}"))
            with anyio.move_on_after(PATIENCE):
                while await _state(store, request) != "missing":  # noqa: ASYNC110 - no store says when it is done
                    await anyio.sleep(0.01)
            assert await _state(store, request) == "missing"
            assert await store.commit(make_entry(request, mark, [f"x{number}"])) is False

    async def test_no_interleaving_shows_data_from_before_an_invalidation_that_returned(self, store: Store) -> None:
        """Many fills and invalidations run at the same time; each reader knows what it must not see."""
        version, at_least = {"x": 0, "y": 0}, {"x": 0, "y": 0}
        requests = {tag: list(itertools.islice(_requests(tag), 3)) for tag in version}

        async def change(tag: str, pause: int) -> None:
            for _ in range(20):
                made = version[tag] = version[tag] + 1
                await store.invalidate_tag(tag)
                at_least[tag] = max(at_least[tag], made)
                await _let_others_run(pause)

        async def read(tag: str, request: Request, steps: int) -> None:
            must_see = at_least[tag]
            found = await store.lookup(request)
            if found.entry is not None:
                assert int(found.entry.body) >= must_see
            else:
                data = version[tag]
                await _let_others_run(steps)
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
        """With `suspends` False, each call can be driven by hand, without a loop."""
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
                with _pytest().raises(StopIteration):
                    call().send(None)


# --- what the contract is written in ----------------------------------------------------------------------------------


def _requests(name: str = "p") -> Iterator[Request]:
    """Yield requests of different URLs."""
    return (make_request(f"https://example.org/{name}/{number}") for number in itertools.count())


async def _fill(store: Store, request: Request, *tags: str, **more: Any) -> Entry:
    """Store a response that was begun just now."""
    entry = make_entry(request, (await store.lookup(request)).mark, tags, **more)
    assert await store.commit(entry) is True
    return entry


async def _state(store: Store, request: Request) -> str:
    """Tell what a request meets: `fresh`, `stale` or `missing`."""
    found = await store.lookup(request)
    assert found.entry is not None or found.invalidated is False
    return "missing" if found.entry is None else "stale" if found.invalidated else "fresh"


def _body(found: Lookup) -> bytes | None:
    return found.entry.body if found.entry is not None else None


def _unmarked(entry: Entry | None) -> Entry | None:
    return replace(entry, mark=None) if entry is not None else None


async def _let_others_run(steps: int) -> None:
    for _ in range(steps):
        await checkpoint()


async def _cancelled_before(call: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Call in a scope that is cancelled already, so that whatever heeds it does so at once."""
    with anyio.CancelScope() as scope:
        scope.cancel()
        await call()


async def _cancelled_within(call: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Cancel a call when it first waits for something."""
    async with anyio.create_task_group() as group:
        group.start_soon(call)
        await checkpoint()
        group.cancel_scope.cancel()


_VARY: Final = ("x-a", "x-b")
_ORDERS: Final = [order for length in (1, 2, 3) for order in itertools.product((True, False), repeat=length)]
_TAGS: Final = ("user:42", "User:42", "u\u0308ber", "a b", "a,b", "*", "[x]*?", "\U0001f600", "x" * 1024)

_ENTRIES: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"body": b"", "headers": (), "status": 404},
    {"body": bytes(range(256)) * 4096},
    {"headers": ((b"X-A", b"1"), (b"x-b", b" \xff\x00 "), (b"X-A", b"2"), (b"", b""))},
    {"vary": (b"accept", b"accept-language")},
    {"initial_age": 12.5, "lifetime": 0.0, "stale_while_revalidate": 7200.25, "stale_if_error": 2.0**31},
    {"for_cookies": False, "for_credentials": True},
    {
        "etag": b'W/"a"',
        "added": ((b"etag", b'W/"a"'), (b"cache-control", b"no-cache")),
        "validator": None,
        "last_modified": b"Thu, 01 Jan 1970 00:00:00 GMT",
    },
    {"etag": b'"\xfc"', "validator": b'"\xfc"'},
)

_LOOKALIKES: Final[tuple[tuple[str, list[tuple[str, str]], dict[str, Any]], ...]] = (
    ("https://example.org/a?b", [], {}),
    ("http://example.org/a?b", [], {}),
    ("https://example.or/ga?b", [], {}),
    ("https://example.org:443/a?b", [], {}),
    ("https://example.org/A?b", [], {}),
    ("https://example.org/a/?b", [], {}),
    ("https://example.org/%61?b", [], {}),
    ("https://example.org/a%3Fb", [], {}),
    ("https://example.org/a", [], {}),
    ("https://example.org/a?b&", [], {}),
    ("https://example.org/a?B", [], {}),
    ("https://example.org?b", [("host", "example.org/a")], {}),
    ("https://example.org/a?b", [], {"path": "/b"}),
    ("https://example.org/a?b", [], {"root_path": "/a"}),
    ("https://example.org/a?b", [], {"partition": "/a"}),
    ("https://example.org/a?b", [], {"root_path": "/a", "partition": "/a"}),
    ("https://example.org/a?b", [], {"partition": "p\u00fc"}),
    ("https://example.org/a?b", [("origin", "https://example.org")], {}),
)
