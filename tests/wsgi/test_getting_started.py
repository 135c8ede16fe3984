"""What wsgi-accelerator promised in 2013, on Python 3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from accelerator import MemoryStore
from accelerator.testing import ManualClock
from accelerator.wsgi import WSGIAccelerator
from tests.wsgi.support import Environ, Site, ask, site_saying

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse


def test_its_getting_started_example_works_as_written() -> None:
    calls: list[str] = []

    def hello(environ: Any, start_response: Any) -> Any:
        calls.append(environ["PATH_INFO"])
        environ["accelerator.cache_for"] = 5
        environ["accelerator.tags"] = ["foo", "bar"]
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"Hello world!"]

    app = WSGIAccelerator(hello)
    assert [ask(app).body for _ in range(3)] == [b"Hello world!"] * 3
    assert len(calls) == 1
    app.invalidate_tag(["foo"])
    assert ask(app).body == b"Hello world!"
    assert len(calls) == 2


def test_what_is_not_asked_to_be_cached_is_not() -> None:
    site = site_saying()
    app = WSGIAccelerator(site)
    assert [ask(app).body, ask(app).body] == [b"answer 1", b"answer 2"]


def test_a_response_is_cached_for_as_long_as_it_said() -> None:
    clock, site = ManualClock(), site_saying(ttl=5)
    app = WSGIAccelerator(site, clock=clock)
    first = ask(app)
    clock.advance(4.9)
    second = ask(app)
    clock.advance(0.2)
    third = ask(app)
    assert [first.body, second.body, third.body] == [b"answer 1", b"answer 1", b"answer 2"]
    assert [first.is_hit, second.is_hit, third.is_hit] == [False, True, False]


def test_the_store_may_be_given_by_position() -> None:
    store = MemoryStore()
    app = WSGIAccelerator(site_saying(ttl=5), store)
    ask(app)
    assert (len(store), app.store) == (1, store)


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(TypeError, match="no such option: ttl"):
        WSGIAccelerator(site_saying(), ttl=5)  # type: ignore[call-arg]  # that is the point


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"])
def test_only_get_is_cached(method: str) -> None:
    site = site_saying(ttl=5)
    app = WSGIAccelerator(site)
    assert [ask(app, method=method).body, ask(app, method=method).body] == [b"answer 1", b"answer 2"]


def test_head_is_answered_from_what_get_stored() -> None:
    site = site_saying(ttl=5)
    app = WSGIAccelerator(site)
    ask(app)
    head = ask(app, method="HEAD")
    assert (head.code, head.body, head.is_hit, site.calls) == (200, b"", True, 1)


def test_head_alone_stores_nothing() -> None:
    site = site_saying(ttl=5)
    app = WSGIAccelerator(site)
    ask(app, method="HEAD")
    ask(app, method="HEAD")
    assert site.calls == 2


@pytest.mark.parametrize(
    ("status", "is_cached"),
    [("200 OK", True), ("203 Non-Authoritative", True), ("250 Custom", True), ("400 No", False), ("500 No", False)],
)
def test_of_the_statuses_those_of_success_are_cached(status: str, is_cached: bool) -> None:
    site = site_saying(status=status, ttl=5)
    app = WSGIAccelerator(site)
    first, second = ask(app), ask(app)
    assert (first.status, second.code, second.is_hit) == (status, int(status[:3]), is_cached)


def test_errors_are_cached_where_that_is_asked_for() -> None:
    app = WSGIAccelerator(site_saying(("Cache-Control", "max-age=9"), status="500 No"), cacheable_errors=True)
    ask(app)
    assert ask(app).is_hit


def test_a_response_with_set_cookie_is_not_cached_and_keeps_its_cookie() -> None:
    app = WSGIAccelerator(site_saying(("Set-Cookie", "a=b"), ttl=5))
    first, second = ask(app), ask(app)
    assert [first.get("set-cookie"), second.get("set-cookie")] == ["a=b", "a=b"]
    assert [first.body, second.body] == [b"answer 1", b"answer 2"]


def test_a_client_that_has_the_page_gets_a_304() -> None:
    site = site_saying(ttl=5)
    app = WSGIAccelerator(site)
    etag = ask(app).get("etag")
    assert etag is not None
    again = ask(app, headers=[("If-None-Match", etag)])
    other = ask(app, headers=[("If-None-Match", '"other"')])
    assert (again.status, again.body, again.get("etag")) == ("304 Not Modified", b"", etag)
    assert (other.code, other.body, site.calls) == (200, b"answer 1", 1)


def test_one_tag_takes_back_its_entry() -> None:
    app = WSGIAccelerator(site_saying(ttl=5, tags=["a"]))
    ask(app)
    app.invalidate_tag("a")
    assert ask(app).body == b"answer 2"


def test_several_tags_take_back_theirs_and_leave_the_others() -> None:
    def handle(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        environ["accelerator.cache_for"] = 5
        environ["accelerator.tags"].append(environ["PATH_INFO"][1:])
        start_response("200 OK", [])
        return [b"answer %d" % site.calls]

    site = Site(handle)
    app = WSGIAccelerator(site)
    urls = ("/a", "/b", "/c")
    assert [ask(app, url).body for url in urls] == [b"answer 1", b"answer 2", b"answer 3"]
    app.invalidate_tag("a", ["b"])
    assert [ask(app, url).body for url in urls] == [b"answer 4", b"answer 5", b"answer 3"]


def test_a_url_is_taken_back_with_all_its_variants() -> None:
    site = site_saying(("Vary", "Accept-Language"), ttl=5)
    app = WSGIAccelerator(site)
    german, english = [("Accept-Language", "de")], [("Accept-Language", "en")]
    ask(app, "/p?x=1", headers=german)
    ask(app, "/p?x=1", headers=english)
    ask(app, "/p?x=2")
    app.invalidate_url("http://example.org/p?x=1")
    assert [ask(app, "/p?x=1", headers=german).is_hit, ask(app, "/p?x=1", headers=english).is_hit] == [False, False]
    assert ask(app, "/p?x=2").is_hit


def test_clear_takes_back_everything() -> None:
    app = WSGIAccelerator(site_saying(ttl=5))
    ask(app)
    app.clear()
    assert not ask(app).is_hit


def test_a_soft_invalidation_leaves_what_may_be_served_stale() -> None:
    site = site_saying(("Cache-Control", "s-maxage=60, stale-if-error=60"), tags=["a"])
    app = WSGIAccelerator(site)
    ask(app)
    app.invalidate_tag("a", soft=True)
    site.handle = site_saying(status="503 Gone").handle
    assert ask(app).body == b"answer 1"


def test_a_name_that_no_tag_can_have_is_refused() -> None:
    with pytest.raises(ValueError, match="begin with @"):
        WSGIAccelerator(site_saying()).invalidate_tag("@all")


def test_invalidations_are_reported_as_the_requests_are() -> None:
    events: list[tuple[str, str]] = []
    app = WSGIAccelerator(site_saying(ttl=5), on_event=lambda event: events.append((event.kind, event.detail)))
    ask(app)
    ask(app)
    app.invalidate_tag("a", soft=True)
    app.invalidate_url("https://example.org/")
    app.clear()
    assert events == [
        ("miss", "stored"),
        ("hit", ""),
        ("invalidate", "soft"),
        ("invalidate", "hard"),
        ("invalidate", "clear"),
    ]
