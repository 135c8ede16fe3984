"""What does not count is not in the environ of the application either."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from accelerator.testing import ManualClock
from accelerator.wsgi import WSGIAccelerator
from tests.wsgi.support import TEXT, Environ, Exchange, Site, ask, environ_of, site_saying

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse

    from accelerator import CacheEvent

TRACKED: dict[str, Any] = {"ignore_query": ("utm_*", "größe"), "ignore_cookies": ("_ga*",)}


def test_tracking_parameters_and_analytics_cookies_do_not_spoil_the_hit_ratio() -> None:
    site = site_saying(("Cache-Control", "max-age=60"))
    app = WSGIAccelerator(site, **TRACKED)
    urls = ["/p?a=1&utm_id=2", "/p?a=1", "/p?utm_id=3&a=1"]
    assert [ask(app, url, headers=[("Cookie", "_ga=1")]).body for url in urls] == [b"answer 1"] * 3
    assert "HTTP_COOKIE" not in site.environ


@pytest.mark.parametrize("scheme_and_host", ["", "https://example.org"], ids=["origin form", "absolute form"])
@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("a=1&utm_id=2", "a=1"),
        ("utm_id=2", ""),
        ("a=%7E&utm_id=2&b=caf\xe9", "a=%7E&b=caf\xe9"),
        ("a=1&gr%C3%B6%C3%9Fe=2&" + "größe=3".encode().decode("latin-1"), "a=1"),
        ("b=2&a=1", "b=2&a=1"),
    ],
    ids=["some", "all", "stray bytes", "UTF-8", "none"],
)
def test_the_environ_tells_the_query_without_what_does_not_count(scheme_and_host: str, query: str, left: str) -> None:
    site = site_saying(ttl=5)
    target = f"{scheme_and_host}/a%2fb?{query}"
    environ = {"QUERY_STRING": query, "RAW_URI": target, "REQUEST_URI": target}
    ask(WSGIAccelerator(site, **TRACKED), **environ)
    assert site.environ["QUERY_STRING"] == left
    assert site.environ["RAW_URI"] == site.environ["REQUEST_URI"] == f"{scheme_and_host}/a%2fb" + (left and f"?{left}")


def test_a_server_that_does_not_tell_the_target_is_not_made_to() -> None:
    site = site_saying(ttl=5)
    environ = environ_of("/p?utm_id=1")
    del environ["RAW_URI"]
    Exchange(WSGIAccelerator(site, **TRACKED), environ).finish()
    assert site.environ["QUERY_STRING"] == ""
    assert not {"RAW_URI", "REQUEST_URI"} & set(site.environ)


def test_a_query_that_is_no_latin_1_is_shown_as_it_came_where_all_of_it_counts() -> None:
    site = site_saying(ttl=5)
    ask(WSGIAccelerator(site, **TRACKED), QUERY_STRING="q=Ω", RAW_URI="/?q=Ω")
    assert (site.environ["QUERY_STRING"], site.environ["RAW_URI"]) == ("q=Ω", "/?q=Ω")


def test_the_server_finds_its_environ_as_it_was() -> None:
    environ = environ_of("/p?a=1&utm_id=2", headers=[("Cookie", "_ga=1; b=2"), ("Accept-Encoding", "br,gzip")])
    before = dict(environ)
    site = site_saying(ttl=5)
    Exchange(WSGIAccelerator(site, **TRACKED), environ).finish()
    assert environ == before
    assert (site.environ["HTTP_COOKIE"], site.environ["HTTP_ACCEPT_ENCODING"]) == ("b=2", "gzip, br")


def test_a_second_call_for_one_request_shows_the_same() -> None:
    """A 304 that names another validator is not believed: the application is asked again."""
    seen: list[Environ] = []

    def handle(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        seen.append(dict(environ))
        is_asked = "HTTP_IF_NONE_MATCH" in environ
        etag = ("ETag", '"v2"' if len(seen) > 1 else '"v1"')
        start_response("304 Not Modified" if is_asked else "200 OK", [*TEXT, ("Cache-Control", "s-maxage=5"), etag])
        return [] if is_asked else [b"page"]

    clock = ManualClock()
    app = WSGIAccelerator(Site(handle), clock=clock, **TRACKED)
    ask(app, "/p?a=1&utm_id=1")
    clock.advance(10)
    ask(app, "/p?a=1&utm_id=2")
    assert ["HTTP_IF_NONE_MATCH" in environ for environ in seen] == [False, True, False]
    assert [(environ["QUERY_STRING"], environ["RAW_URI"]) for environ in seen] == [("a=1", "/p?a=1")] * 3


def test_what_passes_by_is_shown_as_it_came_and_takes_back_what_counts() -> None:
    site = site_saying(ttl=5)
    app = WSGIAccelerator(site, **TRACKED)
    ask(app, "/p?a=1")
    ask(app, "/p?a=1&utm_id=2", method="POST", headers=[("Cookie", "_ga=1")])
    shown = [site.environ[key] for key in ("QUERY_STRING", "RAW_URI", "HTTP_COOKIE")]
    assert shown == ["a=1&utm_id=2", "/p?a=1&utm_id=2", "_ga=1"]
    assert ask(app, "/p?a=1").body == b"answer 3"


def test_the_accelerator_takes_a_url_back_as_the_cache_sees_it() -> None:
    events: list[CacheEvent] = []
    app = WSGIAccelerator(site_saying(ttl=5), on_event=events.append, **TRACKED)
    ask(app, "/p?a=1")
    app.invalidate_url("https://example.org/p?utm_id=2&a=1")
    assert events[-1].url == "https://example.org/p?a=1"
    assert ask(app, "/p?a=1").body == b"answer 2"
