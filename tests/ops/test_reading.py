"""What operators read: figures, entries, and the story of a URL."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import Client

from accelerator import ASGIAccelerator, Lookup, Store, WSGIAccelerator
from accelerator.ops import OpsApp
from accelerator.ops.entries import MAX_LOOKS
from accelerator.stores.redis.server import ServerLeftAloneError
from tests.ops.support import FACTS, URL, Operators, order, said
from tests.support import app_saying, ask

pytestmark = pytest.mark.anyio

STRANGE = "https://example.org/<script>\u202e\udcff"


async def test_the_figures_are_those_of_all_workers() -> None:
    operators = Operators()
    operators.accelerator.told = {"workers": 4, "urls": [[URL, 3]]}
    answer = await operators.get("/figures")
    assert (answer.status, said(answer)) == (200, {"workers": 4, "urls": [[URL, 3]]})


async def test_entries_have_age_the_time_left_and_hits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1020.0)
    operators = Operators()
    operators.store.pages = [(FACTS,)]
    operators.accelerator.told["urls"] = [[URL, 120]]
    told = said(await operators.get("/entries"))
    assert (told["cursor"], told["examined"]) == (None, 17)
    (entry,) = told["entries"]
    as_json = {**FACTS._asdict(), "vary": [], "selected_by": [], "tags": ["a"]}
    assert entry == {**as_json, "age": 25.0, "ttl": 575.0, "hits": 120}


@pytest.mark.parametrize(
    ("facts", "ttl"),
    [
        (FACTS._replace(is_fresh=False), 0.0),
        (FACTS._replace(is_usable=False), 0.0),
        (FACTS._replace(lifetime=10.0), -15.0),
        (FACTS._replace(lifetime=10.0, is_fresh=False), -15.0),
        (FACTS._replace(received=2000.0), 595.0),
    ],
    ids=["softly taken back", "taken back", "stale", "both", "the clock was set back"],
)
async def test_what_is_not_fresh_has_no_time_left(facts: Any, ttl: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1020.0)
    operators = Operators()
    operators.store.pages = [(facts,)]
    (entry,) = said(await operators.get("/entries"))["entries"]
    assert (entry["ttl"], entry["hits"]) == (ttl, None)


async def test_text_of_strangers_comes_as_ascii() -> None:
    operators = Operators()
    operators.store.pages = [(FACTS._replace(url=STRANGE, tags=(STRANGE,)),)]
    answer = await operators.get("/entries")
    assert answer.body.isascii()
    assert said(answer)["entries"][0]["url"] == STRANGE


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ("", {}),
        ("?url=&tag=&cursor=&limit=", {}),
        ("?tag=user%3A42", {"tag": "user:42"}),
        ("?url=https%3A%2F%2Fexample.org%2Fp%3Fx%3D1", {"url": "https://example.org/p?x=1"}),
        ("?limit=1000&cursor=0", {"limit": 1000, "cursor": "0"}),
        (f"?url={URL}&tag=a", {"url": URL, "tag": "a"}),
        ("?limit=007", {"limit": 7}),
    ],
)
async def test_the_store_is_asked_what_the_parameters_say(query: str, asked: dict[str, Any]) -> None:
    operators = Operators()
    assert (await operators.get(f"/entries{query}")).status == 200
    assert operators.store.asked == [{"url": None, "tag": None, "cursor": None, "limit": 100, **asked}]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/entries?limit=0", "limit is a number from 1 to 1000, not '0'"),
        ("/entries?limit=1001", "limit is a number from 1 to 1000, not '1001'"),
        ("/entries?limit=-1", "limit is a number from 1 to 1000, not '-1'"),
        ("/entries?limit=%D9%A3", "limit is a number from 1 to 1000, not '٣'"),
        (f"/entries?limit={'9' * 5000}", f"limit is a number from 1 to 1000, not '{'9' * 79}"),
        ("/entries?tag=%40all", "tag: names that begin with @ are the library's own: '@all'"),
        ("/entries?tag=%00", "tag: a tag has no control characters: '\\x00'"),
        ("/entries?url=nowhere", "url is not an absolute http or https URL such as https://example.org/p: 'nowhere'"),
        ("/entries?tag=a&tag=b", "a parameter stands twice: say each once"),
        ("/entries?tags=a", "the parameters are cursor, limit, tag, url, not 'tags'"),
        ("/story", "name the URL whose story it is: story?url=https%3A%2F%2Fexample.org%2Fp"),
        ("/story?url=/p", "url is not an absolute http or https URL such as https://example.org/p: '/p'"),
        (f"/story?url={URL}&limit=1", "the parameters are url, not 'limit'"),
    ],
)
async def test_a_parameter_that_makes_no_sense_is_said_in_a_sentence(path: str, words: str) -> None:
    operators = Operators()
    answer = await operators.get(path)
    assert (answer.status, said(answer), operators.store.asked) == (400, {"error": words}, [])


async def test_a_cursor_that_is_none_is_said_in_a_sentence() -> None:
    answer = await Operators().get("/entries?cursor=x")
    words = "this cursor is none of this store: leave it out to begin anew"
    assert (answer.status, said(answer)) == (400, {"error": words})


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (OSError("the server is gone"), "the server is gone"),
        (ValueError("it makes no sense"), "it makes no sense"),
        (ServerLeftAloneError("it failed a moment ago"), "it failed a moment ago"),
        (OSError("two\nlines \x1b[31m\u202e\udcff"), "two?lines ?[31m??"),
        (OSError("x" * 1000), "x" * 500),
        (OSError(), "it does not say why"),
    ],
    ids=["OSError", "ValueError", "of Redis", "hostile", "long", "silent"],
)
async def test_a_store_that_fails_is_told_from_a_mistake_and_says_what_is_the_matter(
    fault: Exception, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    operators = Operators()
    operators.store.fails = fault
    for path in ("/entries", f"/story?url={URL}"):
        answer = await operators.get(path)
        told = f"the store did not answer, ask again later: {words}"
        assert (answer.status, said(answer)) == (503, {"error": told})
    assert caplog.messages == [f"an operator's question failed: {type(fault).__name__}: {words}"] * 2


@pytest.mark.parametrize("path", ["/figures", "/entries", f"/story?url={URL}"])
async def test_figures_that_cannot_be_had_are_no_crash(path: str) -> None:
    operators = Operators()
    operators.accelerator.fails = OSError("gone")
    assert (await operators.get(path)).status == 503


async def test_a_story_has_the_variants_the_latest_requests_and_why_it_was_not_stored() -> None:
    operators = Operators()
    german, french = FACTS._replace(selected_by=("de",)), FACTS._replace(selected_by=("fr",))
    operators.store.pages = [(german,), (), (french,)]
    here: Any = {"time": 1.0, "outcome": "hit", "url": URL, "number": 1}
    same: Any = {**here, "url": "http://EXAMPLE.org/%70"}
    elsewhere: Any = {**here, "url": "https://example.org/q"}
    cut: Any = {**here, "url": "https://["}
    operators.accelerator.told = {
        "urls": [[URL, 7]],
        "latest": [here, elsewhere, same, cut],
        "unstored": [["no explicit time", URL, 3], ["private", "https://example.org/q", 2]],
    }
    told = said(await operators.get(f"/story?url={URL}"))
    assert (told["url"], told["cursor"]) == (URL, None)
    assert [(entry["selected_by"], entry["hits"]) for entry in told["entries"]] == [(["de"], 7), (["fr"], 7)]
    assert (told["latest"], told["unstored"]) == ([here, same], [["no explicit time", 3]])
    assert [asked["cursor"] for asked in operators.store.asked] == [None, "1", "2"]


async def test_the_story_of_a_long_url_has_what_the_figures_have_cut() -> None:
    operators = Operators()
    long = URL + "x" * 300
    line = {"url": long[:256], "outcome": "miss"}
    operators.accelerator.told = {"urls": [[long[:256], 5]], "latest": [line], "unstored": []}
    operators.store.pages = [(FACTS._replace(url=long),)]
    told = said(await operators.get(f"/story?url={long}"))
    assert (told["latest"], told["entries"][0]["hits"]) == ([line], 5)


async def test_a_store_is_not_asked_for_ever_for_one_story() -> None:
    operators = Operators()
    operators.store.pages = [()] * 1000
    told = said(await operators.get(f"/story?url={URL}"))
    assert (told["entries"], told["cursor"]) == ([], str(MAX_LOOKS))
    assert len(operators.store.asked) == MAX_LOOKS


class PlainStore(Store):
    """A store of somebody's own, which lists nothing."""

    async def lookup(self, request: Any) -> Lookup:
        return Lookup(None, 0, invalidated=False, vary=None)

    async def commit(self, entry: Any) -> bool:
        return False

    async def invalidate(self, tags: Any, *, soft: bool) -> None:
        """Nothing is stored."""


async def test_a_store_that_cannot_list_says_so() -> None:
    app = OpsApp(ASGIAccelerator(app_saying(), store=PlainStore()), authorize=lambda request: True)
    answer = await ask(app, "/entries")
    words = "a PlainStore cannot list its entries: let it derive from ListsEntries"
    assert (answer.status, said(answer)) == (501, {"error": words})


async def test_what_clients_counted_is_what_operators_read() -> None:
    site = ASGIAccelerator(app_saying(("cache-control", "s-maxage=60"), ("cache-tag", "a")))
    app = OpsApp(site, authorize=lambda request: True)
    for path in ("/p", "/p", "/p", "/q"):
        await ask(site, path)
    await order(app, {"tags": ["a"], "urls": [URL], "soft": True})
    told = said(await ask(app, "/figures"))
    assert told["requests"] == {"miss": {"stored": 2}, "hit": {"": 2}}
    assert (told["urls"], told["tags"]) == ([[URL, 2]], [["a", 2]])
    assert told["invalidations"]["tag"]["soft"] == told["invalidations"]["url"]["soft"] == 1
    told = said(await ask(app, f"/story?url={URL}"))
    assert {line["url"] for line in told["latest"]} == {URL}
    counted = Counter({"hit": 0, "miss": 0})
    for line in told["latest"]:  # hits within a second are one line
        counted[line["outcome"]] += line["number"]
    assert counted == {"hit": 2, "miss": 1}
    assert [(entry["tags"], entry["is_fresh"], entry["hits"]) for entry in told["entries"]] == [(["a"], False, 2)]


async def test_the_figures_of_a_wsgi_site_are_read_in_a_thread() -> None:
    site = WSGIAccelerator(Flask(__name__))
    Client(site).get("/p")
    told = said(await ask(OpsApp(site, authorize=lambda request: True), "/figures"))
    assert told["requests"] == {"miss": {"no explicit time": 1}}


async def test_head_reads_as_get_does() -> None:
    assert (await Operators().get("/figures", method="HEAD")).status == 200
