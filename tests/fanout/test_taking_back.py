"""What is taken back in a store is gone from the caches downstream a moment later: each kind, by its own calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from accelerator import ASGIAccelerator, LMDBStore, MemoryStore, SyncStore, WSGIAccelerator, cache_for, tag
from accelerator.fanout import FanOut, Varnish
from tests.fanout.edges import VarnishEdge
from tests.support import Receive, Scope, Send, ask, chunk, start
from tests.wsgi.support import ask as ask_wsgi

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from wsgiref.types import StartResponse, WSGIEnvironment

    from tests.fanout.edges import Edge

pytestmark = pytest.mark.anyio

FIELDS = ("Surrogate-Key", "Cache-Tag", "xkey")

NAMES = {
    "/plain": "user:42",
    "/blank": "two words",
    "/comma": "a,b",
    "/percent": "100%",
    "/encoded": "a%2Cb",
    "/beyond-ascii": "naïve ☃",
    "/long": "x" * 1000,
    "/longer": "x" * 1001,
    "/line-separator": "a\u2028b",
}


async def site(scope: Scope, receive: Receive, send: Send) -> None:
    """Pages that are each made of one thing, and one that comes in parts."""
    cache_for(60)
    if name := NAMES.get(scope["path"]):
        tag(name)
    await send(start())
    if scope["path"] == "/parts":
        await send(chunk(b"pa", more=True))
        tag("late")
    await send(chunk(b"page"))


@pytest.fixture
def store(fan_out: FanOut) -> MemoryStore:
    store = MemoryStore()
    fan_out.follow(store)
    return store


@pytest.fixture
def app(store: MemoryStore) -> ASGIAccelerator:
    return ASGIAccelerator(site, store=store, send_tags=FIELDS)


async def fetch(app: ASGIAccelerator, edge: Edge, *targets: str) -> None:
    """Let a cache downstream get pages."""
    for target in targets:
        answer = await ask(app, target)
        field = "cache-tag" if edge.separator == "," else "xkey"
        edge.keep(target, answer.get(field) or "")


@pytest.mark.parametrize("page", NAMES)
async def test_a_tag_takes_back_its_page_and_no_other_whatever_its_name(
    page: str, app: ASGIAccelerator, edge: Edge
) -> None:
    await fetch(app, edge, *NAMES)
    await app.invalidate_tag(NAMES[page])
    edge.wait_until(lambda: page not in edge.fresh)
    assert edge.fresh.keys() == NAMES.keys() - {page}
    assert page not in edge.stale


async def test_what_comes_as_a_hit_is_taken_back_as_well(app: ASGIAccelerator, edge: Edge) -> None:
    await ask(app, "/plain")
    await fetch(app, edge, "/plain", "/blank")
    await app.invalidate_tag("user:42")
    edge.wait_until(lambda: edge.fresh.keys() == {"/blank"})


async def test_a_url_takes_back_its_page_by_the_key_of_the_url(app: ASGIAccelerator, edge: Edge) -> None:
    await fetch(app, edge, "/p?x=1,2", "/p?x=1", "/p")
    await app.invalidate_url("http://EXAMPLE.org:80/p?x=1,2")
    edge.wait_until(lambda: edge.fresh.keys() == {"/p?x=1", "/p"})


async def test_a_post_takes_back_what_it_has_changed(app: ASGIAccelerator, edge: Edge) -> None:
    await fetch(app, edge, "/p", "/q")
    await ask(app, "/p", method="POST")
    edge.wait_until(lambda: edge.fresh.keys() == {"/q"})


async def test_clearing_the_store_purges_everything(app: ASGIAccelerator, edge: Edge) -> None:
    await fetch(app, edge, *NAMES)
    await app.clear()
    edge.wait_until(lambda: not edge.fresh)
    assert edge.calls == [((), False)]


async def test_what_is_invalidated_softly_is_stale_there_too_where_the_cache_knows_that(
    app: ASGIAccelerator, edge: Edge, kind: str
) -> None:
    await fetch(app, edge, "/plain", "/blank")
    await app.invalidate_tag("user:42", soft=True)
    edge.wait_until(lambda: edge.fresh.keys() == {"/blank"})
    assert edge.stale.keys() == (set() if kind == "cloudflare" else {"/plain"})
    await app.invalidate_tag("user:42")
    edge.wait_until(lambda: not edge.stale)


async def test_a_page_that_came_in_parts_goes_with_each_purge(app: ASGIAccelerator, edge: Edge) -> None:
    await fetch(app, edge, "/parts", "/plain")
    await app.invalidate_tag("late")
    edge.wait_until(lambda: edge.fresh.keys() == {"/plain"})


@pytest.mark.parametrize("kind", ["varnish"], indirect=True)
def test_invalidations_by_plain_calls_and_under_wsgi_are_passed_on(store: MemoryStore, edge: Edge) -> None:
    def page(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        cache_for(60)
        tag("a")
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"page"]

    app = WSGIAccelerator(page, store=store, send_tags=("xkey",))
    for invalidate in (app.invalidate_tag, SyncStore(store).invalidate_tag):
        lines = dict(ask_wsgi(app).headers)
        edge.keep("/", {name.lower(): value for name, value in lines.items()}["xkey"])
        invalidate("a")
        edge.wait_until(lambda: not edge.fresh)


@pytest.mark.parametrize("kind", ["varnish"], indirect=True)
async def test_the_end_of_a_store_waits_for_the_caches(fan_out: FanOut, edge: Edge, tmp_path: Path) -> None:
    for store in (MemoryStore(), LMDBStore(tmp_path / "store", 4_000_000)):
        await store.aclose()  # nobody follows
        fan_out.follow(store)
        await store.invalidate_tag("a", "b")
        await store.aclose()
        assert edge.keys() == ["a", "b"]
        edge.calls.clear()
        if isinstance(store, LMDBStore):
            store.close()


@pytest.mark.parametrize("kind", ["varnish"], indirect=True)
async def test_the_figures_of_a_store_have_those_of_the_caches(store: MemoryStore, fan_out: FanOut, edge: Edge) -> None:
    edge.held.clear()
    await store.invalidate_tag("a", "b")
    edge.wait_until(lambda: edge.attempts == 1)
    await store.invalidate_tag("a", "c")
    assert store.store_figures()["fanout"]["Varnish"] == {"sent": 0, "failed": 0, "waiting": 4}
    edge.held.set()
    await fan_out.aclose()
    assert store.store_figures()["fanout"]["Varnish"] == {"sent": 4, "failed": 0, "waiting": 0}
    assert "fanout" not in MemoryStore().store_figures()


def test_several_caches_are_each_told() -> None:
    with VarnishEdge() as one, VarnishEdge() as other:
        fan_out = FanOut(Varnish(one.url, name="one"), Varnish(other.url, name="other"), again_after=None)
        store: Any = MemoryStore()
        fan_out.follow(store)
        SyncStore(store).invalidate_tag("a")
        fan_out.close()
        assert one.keys() == other.keys() == ["a"]
        assert fan_out.figures().keys() == {"one", "other"}
