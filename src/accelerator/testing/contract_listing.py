"""The test suite that a store which lists its entries has to pass."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final

from accelerator.stores.listing import ABSENT, HIDDEN, EntryFacts
from accelerator.testing.contract_words import LOOKALIKES, TAGS, fill, requests_of
from accelerator.testing.fixtures import imported_pytest
from accelerator.testing.samples import make_request

if TYPE_CHECKING:
    from collections.abc import Iterable

    from accelerator.stores.listing import Listed

MOST_CALLS: Final = 20_000
"""Number of calls within which a listing of a few entries ends, whatever else there is on a server."""

BUNDLE: Final = 64
"""Number of entries by which a call may list more than it was asked for."""

URL: Final = "https://example.org/a?b"
HIDE: Final = "to-be-hidden-0815"
CREDENTIALS: Final = ("cookie", "authorization", "x-api-key", "x-forwarded-user", "x-unknown-to-all")
WRONG: Final[tuple[tuple[dict[str, Any], type[Exception]], ...]] = (
    ({"url": "/p"}, ValueError),
    ({"url": "ftp://example.org/"}, ValueError),
    ({"url": b"https://example.org/"}, TypeError),
    ({"tag": ""}, ValueError),
    ({"tag": "@all"}, ValueError),
    ({"tag": "a\nb"}, ValueError),
    ({"tag": ["a"]}, TypeError),
    ({"limit": 0}, ValueError),
    ({"limit": 1001}, ValueError),
    ({"limit": True}, TypeError),
    ({"limit": "5"}, TypeError),
    ({"cursor": 5}, TypeError),
    ({"cursor": ""}, ValueError),
    ({"cursor": "x"}, ValueError),
    ({"cursor": "-1"}, ValueError),
    ({"cursor": "\u0661"}, ValueError),
    ({"cursor": "1.2.3"}, ValueError),
    ({"cursor": "9" * 20}, ValueError),
    ({"cursor": "9" * 5000}, ValueError),
)
FORGED: Final = ("7", "7.99", "99.7", "0@", "7@", "7@nowhere", "0@\x00", str(2**64 - 1), f"{2**64 - 1}@")


async def calls(store: Any, **asked: Any) -> list[Listed]:
    """Return what the calls of a whole listing have returned."""
    listed = [await store.list_entries(**asked)]
    while (cursor := listed[-1].cursor) is not None:
        assert len(listed) < MOST_CALLS, "the listing has no end"
        listed.append(await store.list_entries(cursor=cursor, **asked))
    return listed


async def entries(store: Any, **asked: Any) -> set[EntryFacts]:
    """Return what is listed."""
    return {facts for listed in await calls(store, **asked) for facts in listed.entries}


async def sizes(store: Any, **asked: Any) -> set[int]:
    """Return the bytes of the bodies of what is listed, by which tests tell entries from each other."""
    return sizes_of(await calls(store, **asked))


def sizes_of(listed: Iterable[Listed]) -> set[int]:
    """Return the same of some calls."""
    return {facts.size for one in listed for facts in one.entries}


class ListingContract:
    """The tests that a store has to pass which lists its entries. Derive from it as from `StoreContract`.

    The fixture `store` returns a new, empty store, which keeps the few entries that a test makes. The tests use only
    the methods of `Store` and `ListsEntries`.
    """

    pytestmark: Any = ()

    def __init_subclass__(cls, **more: Any) -> None:
        """Mark the tests as async. This imports pytest, which only subclasses need."""
        super().__init_subclass__(**more)
        ListingContract.pytestmark = imported_pytest().mark.anyio

    # --- what is told of an entry -------------------------------------------------------------------------------------

    async def test_an_entry_is_listed_as_it_was_stored(self, store: Any) -> None:
        """All facts are those of the entry, whichever way it is asked for."""
        given: dict[str, Any] = {
            "status": 404,
            "initial_age": 1.5,
            "lifetime": 60.25,
            "stale_while_revalidate": 7.0,
            "stale_if_error": 8.0,
            "made_in": 0.25,
            "route": "/a/{id}",
        }
        request = make_request(URL, [("accept-language", "de")])
        more = {"vary": (b"accept", b"accept-language"), "body": b"x" * 100_000, "etag": b'W/"a"', "validator": b'"b"'}
        entry = await fill(store, request, "user:42", "a", "\u00fcber", **given, **more)
        facts = EntryFacts(
            **given,
            url=URL,
            method="GET",
            vary=("accept", "accept-language"),
            selected_by=(ABSENT, "de"),
            tags=("a", "user:42", "\u00fcber"),
            size=100_000,
            received=entry.received,
            is_usable=True,
            is_fresh=True,
            etag='W/"a"',
            partition=False,
        )
        for asked in ({}, {"url": URL}, {"tag": "user:42"}, {"url": URL, "tag": "a"}):
            assert await entries(store, **asked) == {facts}, asked

    async def test_an_entry_with_many_lines_and_tags_is_listed(self, store: Any) -> None:
        """However long what is told of it is, and what is not told."""
        names = tuple(f"{number:010}" for number in range(1000))
        await fill(store, make_request(URL), *names, headers=tuple((b"x-%d" % n, b"y" * 200) for n in range(1000)))
        (facts,) = await entries(store, tag=names[-1])
        assert (facts.tags, facts.size) == (names, len(b"hello"))

    async def test_a_question_in_the_content_is_told_from_a_page(self, store: Any) -> None:
        """Its key has a digest of the content."""
        await fill(store, make_request(URL, method="QUERY").with_content(b"?"))
        await fill(store, make_request(URL), body=b"")
        methods = {facts.size: facts.method for facts in await entries(store, url=URL)}
        assert methods == {0: "GET", len(b"hello"): "QUERY or POST"}

    async def test_no_credential_is_told(self, store: Any) -> None:
        """Neither values of fields that may have one, nor partitions, nor other parts of the key."""
        for size, name in enumerate(CREDENTIALS):
            request = make_request(URL, [(name, HIDE)])
            await fill(store, request, vary=(name.encode(),), for_credentials=True, body=b"x" * size)
        await fill(store, make_request(URL, [("x_token", HIDE)]), body=b"x" * 10)
        await fill(store, make_request(URL, root_path=f"/{HIDE}"), body=b"x" * 11)
        await fill(store, make_request(URL, partition=HIDE), body=b"x" * 12)
        listed = await entries(store, url=URL)
        values = {facts.size: facts.selected_by for facts in listed}
        assert values == dict.fromkeys(range(len(CREDENTIALS)), (HIDDEN,)) | {10: (), 11: (), 12: ()}
        assert {facts.size for facts in listed if facts.partition} == {12}
        assert HIDE not in repr(await calls(store, url=URL)) + repr(await calls(store))

    async def test_what_strangers_send_is_told_as_plain_text(self, store: Any) -> None:
        """What is no text, or cannot be printed, is escaped, long values are cut, and the URL still names the entry."""
        fields = [("user-agent", "\x1b[31m\xff\u00a0"), ("accept-language", "\n" * 5000)]
        path = b"/\xff\x00\n<script>\x1b[31m\xe2\x80\xae"
        request = make_request("https://example.org/", fields, raw_path=path, path="/\udcff\u202e")
        await fill(store, request, vary=(b"accept-language", b"user-agent"), etag=b'"\xfc\x1b"')
        (facts,) = await entries(store)
        assert facts.url == "https://example.org/%FF%00%0A<script>%1B[31m%E2%80%AE"
        assert (facts.etag or "").isprintable()
        assert all(value.isprintable() and len(value) <= 256 for value in facts.selected_by)
        assert await entries(store, url=facts.url) == {facts}
        await store.invalidate_url(facts.url)
        assert not any(facts.is_usable for facts in await entries(store))

    # --- which are listed ---------------------------------------------------------------------------------------------

    async def test_an_empty_store_lists_nothing(self, store: Any) -> None:
        """Whatever is asked for."""
        for asked in ({}, {"url": URL}, {"tag": "x"}, {"url": URL, "tag": "x"}):
            assert await entries(store, **asked) == set()

    async def test_with_a_url_all_is_listed_that_taking_it_back_concerns(self, store: Any) -> None:
        """Of whatever scheme, partition, mount point or spelling it is, with all variants; and nothing else."""
        requests = [make_request(URL, [("accept", value)]) for value in "abc"]
        requests += [make_request(url, headers, **more) for url, headers, more in LOOKALIKES]
        for size, request in enumerate(requests):
            vary = (b"accept",) if request.get(b"accept") else ()
            await fill(store, request, vary=vary, body=b"x" * size)
        tag = make_request(URL).url_tag
        same = {size for size, request in enumerate(requests) if request.url_tag == tag}
        assert 10 < len(same) < len(requests)
        for url in (URL, "http://example.org/a?b", "https://EXAMPLE.org:443/%61?b"):
            assert await sizes(store, url=url) == same, url
        await store.invalidate_url(URL)
        assert {facts.size for facts in await entries(store) if not facts.is_usable} <= same
        assert {facts.size for facts in await entries(store) if facts.is_usable} == {*range(len(requests))} - same

    async def test_with_a_tag_all_is_listed_that_taking_it_back_concerns(self, store: Any) -> None:
        """Names are compared as they are, and a URL besides lists what has both."""
        for size, (request, tag) in enumerate(zip(requests_of(), TAGS, strict=False)):
            await fill(store, request, tag, "all of them", body=b"x" * size)
        for size, (request, tag) in enumerate(zip(requests_of(), TAGS, strict=False)):
            assert await sizes(store, tag=tag) == {size}, tag
            assert await sizes(store, tag=tag, url=request.url) == {size}, tag
            assert await sizes(store, tag=tag, url="https://example.org/p/77") == set(), tag
            assert await sizes(store, tag="none of them", url=request.url) == set(), tag
        assert await sizes(store, tag="all of them") == await sizes(store) == {*range(len(TAGS))}
        assert await sizes(store, tag="none of them") == set()

    async def test_what_was_taken_back_is_not_listed_as_usable(self, store: Any) -> None:
        """It is listed as unusable, or not at all; what was taken back softly as stale; what was made anew as fresh."""
        request = make_request(URL)
        await fill(store, make_request("https://example.org/other"), "y", body=b"other")

        async def states() -> set[tuple[bool, bool]]:
            asked: tuple[dict[str, str], ...] = ({"url": URL}, {"tag": "x"}, {"url": URL, "tag": "x"})
            one, *others = [{(facts.is_usable, facts.is_fresh) for facts in await entries(store, **a)} for a in asked]
            assert all(other == one for other in others)
            everything = {(facts.is_usable, facts.is_fresh) for facts in await entries(store) if facts.url == URL}
            assert everything == one
            return one

        for soft in (True, False, None):
            await fill(store, request, "x")
            assert await states() == {(True, True)}
            await (store.clear() if soft is None else store.invalidate_tag("x", soft=soft))
            assert await states() in ([{(True, False)}] if soft else [{(False, False)}, set()])
        assert not any(facts.is_usable for facts in await entries(store))

    # --- one call after the other -------------------------------------------------------------------------------------

    async def test_a_call_lists_no_more_than_it_is_asked_for_and_a_bundle(self, store: Any) -> None:
        """All calls together list each entry."""
        for size, request in enumerate(itertools.islice(requests_of(), 150)):
            await fill(store, request, "x", body=b"x" * size)
        for asked in ({}, {"tag": "x"}):
            for limit in (1, 7, 149):
                listed = await calls(store, limit=limit, **asked)
                assert sizes_of(listed) == {*range(150)}
                assert all(len(one.entries) <= min(limit + BUNDLE, one.examined) for one in listed)
        assert len(await calls(store, limit=1)) > 1

    async def test_what_is_there_all_the_while_is_listed(self, store: Any) -> None:
        """Between two calls others come, are replaced, and are taken back, and variants of the same URL."""
        stay = list(itertools.islice(requests_of("stay"), 60))
        others = list(itertools.islice(requests_of("others"), 60))
        for size, request in enumerate(stay):
            await fill(store, others[size], "others", body=b"x" * 1000)
            await fill(store, request, "x", body=b"x" * size)
        for asked in ({}, {"tag": "x"}):
            found, cursor, number = set[int](), None, 0
            while number == 0 or cursor is not None:
                assert number < MOST_CALLS, "the listing has no end"
                listed = await store.list_entries(limit=5, cursor=cursor, **asked)
                found, cursor, number = found | sizes_of([listed]), listed.cursor, number + 1
                if number % 3:
                    await fill(store, others[number % 60], "others", body=b"x" * 1000)
                    request = make_request(stay[number % 60].url, [("accept", str(number))])
                    await fill(store, request, "others", vary=(b"accept",), body=b"x" * 1000)
                else:
                    await store.invalidate_tag("others")
            assert found - {1000} == {*range(60)}, asked

    async def test_a_call_that_makes_no_sense_is_an_error(self, store: Any) -> None:
        """What it says is wrong has one line."""
        await fill(store, make_request(URL), "x")
        for asked, error in WRONG:
            with imported_pytest().raises(error) as raised:
                await store.list_entries(**asked)
            assert str(raised.value).isprintable(), asked

    async def test_a_forged_cursor_does_no_harm(self, store: Any) -> None:
        """It lists some entries or none, or is an error. What is listed after it is as before."""
        await fill(store, make_request(URL), "x", body=b"")
        for cursor in FORGED:
            try:
                listed = await store.list_entries(cursor=cursor)
            except ValueError:
                continue
            assert sizes_of([listed]) <= {0}
        assert await sizes(store) == {0}

    async def test_to_list_changes_nothing(self, store: Any) -> None:
        """Lookups find what they found before."""
        await fill(store, make_request(URL), "x", body=b"1")
        before = await store.lookup(make_request(URL))
        for asked in ({}, {"url": URL}, {"tag": "x"}):
            assert await sizes(store, **asked) == {1}
        assert await store.lookup(make_request(URL)) == before

    async def test_a_store_that_says_so_never_suspends(self, store: Any) -> None:
        """If `suspends` is False, a call ends without an event loop."""
        if not store.suspends:
            with imported_pytest().raises(StopIteration):
                store.list_entries(tag="x").send(None)
