"""Under WSGI, too, a content may be the question: it is read once, and shown whole to the application."""

from __future__ import annotations

import io
import threading
from typing import TYPE_CHECKING, Any

import flask
import pytest

from accelerator import MemoryStore, cached, no_store
from accelerator.engine.question import MAX_QUESTION_BYTES
from accelerator.testing import ManualClock
from accelerator.wsgi import WSGIAccelerator
from tests.wsgi.support import TEXT, Environ, Exchange, Site, ask, environ_of, site_saying

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse

    from accelerator.rules.entry import Entry

POSTS: dict[str, Any] = {"cacheable_posts": ("/search",)}


def echo() -> Site:
    """An application that answers with the number of its call and what it was asked."""

    def handle(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        environ["accelerator.cache_for"] = 60
        call = site.calls
        content = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start_response("200 OK", TEXT)
        return [b"%d:%b" % (call, content)]

    site = Site(handle)
    return site


@pytest.mark.parametrize("method", ["QUERY", "POST"])
def test_a_question_is_answered_from_the_store_by_its_content(method: str) -> None:
    app = WSGIAccelerator(echo(), **POSTS)
    bodies = [ask(app, "/search", method=method, body=content).body for content in (b"a", b"b", b"a", b"", b"")]
    assert bodies == [b"1:a", b"2:b", b"1:a", b"3:", b"3:"]


def test_what_stands_around_the_cache_finds_the_stream_of_the_server() -> None:
    environ = environ_of("/search", method="POST", body=b"a")
    stream = environ["wsgi.input"]
    Exchange(WSGIAccelerator(echo(), **POSTS), environ).finish()
    assert environ["wsgi.input"] is stream


def test_a_content_that_asks_nothing_is_left_to_the_application() -> None:
    environ = environ_of("/page", method="POST", body=b"a")
    site = echo()
    assert Exchange(WSGIAccelerator(site, **POSTS), environ).finish().body == b"1:a"
    assert site.environ["wsgi.input"] is environ["wsgi.input"]


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param({"CONTENT_LENGTH": str(MAX_QUESTION_BYTES + 1)}, id="beyond the bound"),
        pytest.param({"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked"}, id="no declared length"),
        pytest.param({"CONTENT_LENGTH": "-1"}, id="no length"),
    ],
)
def test_a_content_that_cannot_be_read_beforehand_is_left_to_the_application(keys: dict[str, str]) -> None:
    site = site_saying(ttl=60)
    app = WSGIAccelerator(site, **POSTS)
    stream = io.BytesIO(b"a" * (MAX_QUESTION_BYTES + 1))
    for _ in range(2):
        ask(app, "/search", method="POST", wsgi__input=stream, **keys)
        assert site.environ["wsgi.input"] is stream
    assert (site.calls, stream.tell()) == (2, 0)


def asked_over_http_2(method: str, content: bytes) -> Any:
    """The keys of a request whose content has an end and no declared length."""
    return {"method": method, "wsgi__input": io.BytesIO(content), "wsgi__input_terminated": True}


def echo_to_the_end() -> Site:
    """An application that reads its content to the end."""

    def handle(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        environ["accelerator.cache_for"] = 60
        call = site.calls
        stream = environ["wsgi.input"]
        content = b"".join(iter(lambda: stream.read(50_000), b""))
        start_response("200 OK", TEXT)
        return [b"%d:%b" % (call, content)]

    site = Site(handle)
    return site


@pytest.mark.parametrize("method", ["QUERY", "POST"])
def test_a_content_of_undeclared_length_that_has_an_end_is_a_question(method: str) -> None:
    app = WSGIAccelerator(echo_to_the_end(), **POSTS)
    bodies = [ask(app, "/search", **asked_over_http_2(method, content)).body for content in (b"one", b"two", b"one")]
    assert bodies == [b"1:one", b"2:two", b"1:one"]


def test_a_content_of_undeclared_length_beyond_the_bound_passes_by_whole() -> None:
    app = WSGIAccelerator(echo_to_the_end(), **POSTS)
    content = b"a" * MAX_QUESTION_BYTES + b"and the rest" * 10_000
    for call in (1, 2):
        assert ask(app, "/search", **asked_over_http_2("POST", content)).body == b"%d:%b" % (call, content)


def test_the_answer_to_a_get_with_a_content_is_given_to_nobody_else() -> None:
    app = WSGIAccelerator(echo_to_the_end())
    reply = ask(app, **asked_over_http_2("GET", b"evil"))
    assert (reply.body, reply.get("cache-status")) == (
        b"1:evil",
        'accelerator; fwd=uri-miss; detail="a request with content"',
    )
    assert [ask(app, **asked_over_http_2("GET", b"")).body for _ in range(2)] == [b"2:"] * 2


def test_a_content_that_ends_early_is_shown_as_far_as_it_came_and_asks_nothing() -> None:
    app = WSGIAccelerator(echo(), **POSTS)
    bodies = [ask(app, "/search", method="POST", body=b"ab", CONTENT_LENGTH="5").body for _ in range(2)]
    assert bodies == [b"1:ab", b"2:ab"]


class TellingStore(MemoryStore):
    """A store that tells when an entry has come."""

    def __init__(self) -> None:
        super().__init__()
        self.has_stored = threading.Event()

    async def commit(self, entry: Entry) -> bool:
        stored = await super().commit(entry)
        self.has_stored.set()
        return stored


def test_a_refresh_asks_the_same_question() -> None:
    clock = ManualClock()
    site = echo()
    store = TellingStore()
    app = WSGIAccelerator(site, store, clock=clock, stale_while_revalidate=60, **POSTS)
    ask(app, "/search", method="POST", body=b"abc")
    store.has_stored.clear()
    clock.advance(61)
    assert ask(app, "/search", method="POST", body=b"abc").body == b"1:abc"
    assert store.has_stored.wait(30)
    assert (site.environ["REQUEST_METHOD"], site.environ["CONTENT_LENGTH"]) == ("POST", "3")
    assert ask(app, "/search", method="POST", body=b"abc").body == b"2:abc"


def test_a_view_of_flask_that_says_so_is_asked_once() -> None:
    site = flask.Flask(__name__)
    searches: list[str] = []

    @site.post("/search")
    @cached(60, methods=["POST"])
    def search() -> list[str]:
        text = flask.request.get_json()["text"]
        searches.append(text)
        if text == "secret":
            no_store()
        return [text]

    app = WSGIAccelerator(site)
    for text in ("a", "a", "a", "secret", "secret"):
        body = b'{"text": "%b"}' % text.encode()
        assert text.encode() in ask(app, "/search", method="POST", body=body, CONTENT_TYPE="application/json").body
    assert searches == ["a", "a", "secret", "secret"]


# --- the request's target ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["RAW_URI", "REQUEST_URI"])
@pytest.mark.parametrize(
    "target", ["http://evil.example/f", "//evil.example/f", "/f#x?p=EVIL", "/f?p=EVIL", "/f?"], ids=str
)
def test_what_the_application_is_shown_of_the_target_is_in_the_key(target: str, key: str) -> None:
    def handle(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        environ["accelerator.cache_for"] = 60
        start_response("200 OK", TEXT)
        return [environ[key].encode()]

    app = WSGIAccelerator(handle)
    for shown in (target, "/f", target):
        reply = ask(app, "/f", **{"RAW_URI": "/f", key: shown})
        assert reply.body == shown.encode()
    assert reply.is_hit


def test_a_target_cannot_pretend_to_be_another_one_with_fields() -> None:
    site = site_saying(ttl=60)
    app = WSGIAccelerator(site)
    ask(app, "/f", REQUEST_URI="http://e/f", headers=[("X-Forwarded-Host", "a")])
    ask(app, "/f", REQUEST_URI="http://e/fx-forwarded-host:1:a")
    ask(app, "/f", REQUEST_URI="http://e/f", RAW_URI="x-forwarded-host:1:a")
    assert site.calls == 3
