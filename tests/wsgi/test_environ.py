"""The application sees the environ that the server gave, and the cache keys by what the client asked for."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

from accelerator import WSGIAccelerator
from accelerator.testing import ManualClock
from accelerator.wsgi.environ import MAX_FIELD_NAMES, _field_names
from tests.wsgi.support import TEXT, Environ, Site, ask, environ_of, site_saying

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse

    from accelerator import CacheEvent


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_the_application_gets_the_very_environ_with_the_servers_own_keys(method: str) -> None:
    environs: list[Environ] = []

    def handle(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        environs.append(environ)
        environ["seen.by.outer"] = "what the application leaves there"
        start_response("200 OK", [])
        return []

    environ = environ_of("/x", method=method, REMOTE_USER="ada", SSL_CLIENT_S_DN="CN=ada", wsgi__file_wrapper=object())
    before = dict(environ)
    WSGIAccelerator(Site(handle))(environ, lambda *_: lambda _: None)
    assert environs == [environ]
    assert environs[0] is environ
    assert {key: environ[key] for key in before} == before
    assert environ["seen.by.outer"] == "what the application leaves there"


def test_what_the_cache_puts_into_the_environ_is_gone_afterwards() -> None:
    def handle(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        seen.update(environ)
        environ["accelerator.cache_for"] = 5
        start_response("200 OK", TEXT)
        return [b"page"]

    seen: Environ = {}
    environ = environ_of("/", headers=[("If-None-Match", '"a"')])
    before = dict(environ)
    app = WSGIAccelerator(handle)
    body = app(environ, lambda *_: lambda _: None)
    assert seen["accelerator"] is app
    assert seen["accelerator.tags"] == []
    list(body)
    body.close()  # type: ignore[attr-defined]  # it is the cache's own
    assert environ == before


def test_conditions_that_the_cache_answers_are_not_shown_to_the_application() -> None:
    site = site_saying(ttl=5)
    fields = [("If-None-Match", '"a"'), ("If-Modified-Since", "yesterday"), ("Accept", "text/html")]
    ask(WSGIAccelerator(site), headers=fields)
    assert {key for key in site.environ if key.startswith("HTTP_")} == {"HTTP_HOST", "HTTP_ACCEPT"}


def test_a_condition_that_only_the_application_can_judge_stays() -> None:
    site = site_saying(ttl=5)
    ask(WSGIAccelerator(site), headers=[("If-Match", '"a"'), ("If-None-Match", '"b"')])
    assert (site.environ["HTTP_IF_MATCH"], site.environ["HTTP_IF_NONE_MATCH"]) == ('"a"', '"b"')


def test_the_cache_asks_with_conditions_of_its_own_whether_a_page_still_holds() -> None:
    def handle(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        is_same = environ.get("HTTP_IF_NONE_MATCH") == '"v1"'
        start_response("304 Not Modified" if is_same else "200 OK", [("ETag", '"v1"'), ("Cache-Control", "s-maxage=5")])
        return [] if is_same else [b"page"]

    clock, site = ManualClock(), Site(handle)
    app = WSGIAccelerator(site, clock=clock)
    ask(app)
    clock.advance(6)
    again = ask(app)
    assert (again.status, again.body, again.get("cache-status")) == (
        "200 OK",
        b"page",
        "accelerator; fwd=stale; fwd-status=304; stored",
    )
    assert site.environ["HTTP_IF_NONE_MATCH"] == '"v1"'


def test_a_second_call_for_one_request_finds_the_environ_as_the_first_one_did() -> None:
    """The first says 304 of something else than what is stored, so it is asked without conditions."""
    paths: list[tuple[str, str, str | None]] = []

    def handle(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        condition = environ.get("HTTP_IF_NONE_MATCH")
        paths.append((environ["SCRIPT_NAME"], environ["PATH_INFO"], condition))
        environ["SCRIPT_NAME"], environ["PATH_INFO"] = "/mount", "/rest"  # as dispatchers do
        etag = '"v2"' if condition else '"v1"'
        start_response("304 Not Modified" if condition else "200 OK", [("ETag", etag), ("Cache-Control", "s-maxage=5")])
        return [] if condition else [b"page"]

    clock = ManualClock()
    app = WSGIAccelerator(handle, clock=clock)
    ask(app, "/mount/rest")
    clock.advance(6)
    assert ask(app, "/mount/rest").body == b"page"
    assert paths == [
        ("", "/mount/rest", None),
        ("", "/mount/rest", '"v1"'),
        ("", "/mount/rest", None),
    ]


def test_an_application_inside_two_accelerators_sees_the_outer_one() -> None:
    site = site_saying(ttl=5)
    inner = WSGIAccelerator(site)
    outer = WSGIAccelerator(inner)
    ask(outer)
    assert ask(outer).is_hit
    assert site.environ["accelerator"] is outer
    assert len(inner.store) == 0  # type: ignore[arg-type]  # it is a MemoryStore


def test_a_handler_can_take_back_through_the_environ() -> None:
    def handle(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "POST":
            environ["accelerator"].invalidate_tag("posts")
        environ["accelerator.cache_for"] = 60
        environ["accelerator.tags"].append("posts")
        start_response("200 OK", [])
        return [b"answer %d" % site.calls]

    site = Site(handle)
    app = WSGIAccelerator(site)
    ask(app, "/list")
    ask(app, "/new", method="POST", body=b"text")
    assert ask(app, "/list").body == b"answer 3"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("writes", [False, True], ids=["iterable", "write"])
def test_an_unsafe_method_takes_back_its_url_before_the_first_byte(method: str, writes: bool) -> None:
    def handle(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        environ["accelerator.cache_for"] = 60
        write = start_response("200 OK", [])
        if writes:
            write(b"answer %d" % site.calls)
            return []
        return [b"answer %d" % site.calls]

    seen: list[bytes] = []

    def server_write(_: bytes) -> None:
        seen.append(ask(app, "/x").body)

    site = Site(handle)
    app = WSGIAccelerator(site)
    ask(app, "/x")
    body = app(environ_of("/x", method=method), lambda *_: server_write)
    seen += [ask(app, "/x").body for _ in body]
    body.close()  # type: ignore[attr-defined]  # it is the cache's own
    assert seen == [b"answer 3"]


def test_what_is_passed_by_reads_its_body_untouched() -> None:
    class Input(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            reads.append(size)
            return super().read(size)

    def handle(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        assert environ["wsgi.input"] is stream
        start_response("200 OK", [])
        return [environ["wsgi.input"].read(3), environ["wsgi.input"].readline(), *environ["wsgi.input"].readlines()]

    reads: list[int | None] = []
    stream = Input(b"one two\nthree\nfour\n")
    reply = ask(WSGIAccelerator(handle), method="POST", wsgi__input=stream, headers=[("Transfer-Encoding", "chunked")])
    assert reply.chunks == [b"one", b" two\n", b"three\n", b"four\n"]
    assert reads == [3]


@pytest.mark.parametrize(
    "fields",
    [{"CONTENT_LENGTH": "4"}, {"HTTP_TRANSFER_ENCODING": "chunked"}, {"HTTP_UPGRADE": "websocket"}],
    ids=["content-length", "chunked", "upgrade"],
)
def test_a_get_with_content_or_another_protocol_is_passed_by(fields: Environ) -> None:
    site = site_saying(ttl=5)
    app = WSGIAccelerator(site)
    ask(app)
    assert (ask(app, **fields).body, ask(app, **fields).body) == (b"answer 2", b"answer 3")


@pytest.mark.parametrize("length", ["", "0"], ids=["an empty length, as of wsgiref", "a length of 0"])
def test_a_get_without_content_is_not_passed_by(length: str) -> None:
    site = site_saying(ttl=5)
    app = WSGIAccelerator(site)
    fields = {"CONTENT_LENGTH": length, "CONTENT_TYPE": "text/plain", "HTTP_CONTENT_LENGTH": "7"}
    ask(app, **fields)
    assert ask(app, **fields).is_hit
    assert site.environ["CONTENT_LENGTH"] == length


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/p", "/q"),
        ("/p?x=1", "/p?x=2"),
        ("/p?q=caf\xe9", "/p?q=caf\xea"),
        ("/%FF", "/%FE"),
        ("/a%2Fb", "/a/b"),
        ("/p?", "/p?x"),
    ],
)
def test_different_urls_have_different_entries(one: str, other: str) -> None:
    site = site_saying(ttl=5)
    app = WSGIAccelerator(site)
    assert [ask(app, url).body for url in (one, other, one, other)] == [b"answer 1", b"answer 2"] * 2


def test_where_the_server_does_not_tell_the_target_the_path_is_quoted() -> None:
    events: list[CacheEvent] = []
    app = WSGIAccelerator(site_saying(ttl=5), on_event=events.append)
    path = "/a b:c@~/é%".encode().decode("latin-1") + "\xff"
    ask(app, RAW_URI="", SCRIPT_NAME="/mount", PATH_INFO=path)
    assert events[0].url == "https://example.org/mount/a%20b:c@~/%C3%A9%25%FF"


@pytest.mark.parametrize("key", ["REQUEST_URI", "RAW_URI"])
@pytest.mark.parametrize(
    "target",
    ["/a%2fb?x=1", "http://example.org/a%2fb?x=1", "http://[no/a%2fb?x=1"],
    ids=["origin form", "absolute form", "nonsense"],
)
def test_the_target_is_kept_as_the_server_tells_it(key: str, target: str) -> None:
    events: list[CacheEvent] = []
    app = WSGIAccelerator(site_saying(ttl=5), on_event=events.append)
    ask(app, **{"RAW_URI": "", "PATH_INFO": "/a/b", "QUERY_STRING": "x=1", key: target})
    assert events[0].url == "https://example.org/a%2fb?x=1"


def test_the_scope_that_a_partition_reads_says_what_the_environ_says() -> None:
    scopes: list[dict[str, Any]] = []

    def partition(scope: Any) -> str:
        scopes.append(dict(scope))
        return str(scope["wsgi.environ"]["REMOTE_USER"])

    site = site_saying(ttl=5)
    app = WSGIAccelerator(site, partition=partition)
    url = "/caf%C3%A9/x?q=1"
    fields = {"SCRIPT_NAME": "/caf\xc3\xa9", "PATH_INFO": "/x", "CONTENT_TYPE": "text/plain"}
    bodies = [ask(app, url, REMOTE_USER=user, **fields).body for user in ("ada", "bob", "ada")]
    assert bodies == [b"answer 1", b"answer 2", b"answer 1"]
    scope = scopes[0]
    assert scope.pop("wsgi.environ")["REMOTE_USER"] == "ada"
    assert scope == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "https",
        "path": "/café/x",
        "raw_path": b"/caf%C3%A9/x",
        "query_string": b"q=1",
        "root_path": "/caf\xc3\xa9",
        "headers": [(b"host", b"example.org"), (b"content-type", b"text/plain")],
        "server": ("127.0.0.1", 8000),
        "client": ("192.0.2.1", 4711),
    }


def test_a_server_on_a_unix_socket_has_no_port_and_no_client() -> None:
    scopes: list[Any] = []

    def partition(scope: Any) -> None:
        scopes.append((scope["server"], scope["client"]))

    for port in ("", "\xb2"):  # a proxy's word for it may be anything
        ask(WSGIAccelerator(site_saying(), partition=partition), SERVER_PORT=port, REMOTE_ADDR="")
    assert scopes == [(("127.0.0.1", None), None)] * 2


def test_text_that_is_no_latin_1_hurts_nobody() -> None:
    site = site_saying(ttl=5)
    app = WSGIAccelerator(site)
    fields = {"HTTP_X_NAME": "Ωmega", "QUERY_STRING": "q=Ω", "PATH_INFO": "/Ω", "RAW_URI": "/Ω"}
    assert [ask(app, **fields).code, ask(app, **fields).is_hit] == [200, True]
    assert site.environ["HTTP_X_NAME"] == "Ωmega"


def test_the_names_of_fields_that_are_kept_in_mind_are_bounded() -> None:
    app = WSGIAccelerator(site_saying())
    for number in range(MAX_FIELD_NAMES + 10):
        ask(app, **{f"HTTP_X_{number}": "1"})
    assert len(_field_names) <= MAX_FIELD_NAMES
