"""In front of real sites: each URL gives the same status, header lines and bytes with the gateway and the cache."""

from __future__ import annotations

import os
import re
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.gateway.wire import Reply, Running, ask, bare_gateway, gateway, nginx
from tests.wsgi.servers import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MAY_DIFFER = {
    b"date": "it is the time of the answer; a hit has that of its making",
    b"expires": "sites count it from the time of the answer",
    b"connection": "it is of one connection (RFC 9110 7.6.1)",
    b"keep-alive": "it is of one connection (RFC 9110 7.6.1)",
    b"transfer-encoding": "it is of one connection (RFC 9112 6.1)",
    b"cache-status": "the cache says what it did (RFC 9211)",
    b"age": "a hit says how old it is (RFC 9111 5.1)",
}
MAY_BE_ADDED = {
    b"etag": "a stored response without one gets a weak one of its content",
    b"cache-control": "a response kept by a word that browsers do not know tells them to ask",
}
MAY_GO = {
    204: {b"content-length": "it has no content (RFC 9110 8.6)"},
    304: {b"content-length": "it has no content (RFC 9110 8.6)"},
}
RANDOM = {  # what no two answers of the origin have in common
    re.compile(rb'(csrf[a-z]*(?:=|" value="))[0-9A-Za-z]{32,64}'): rb"\1...",
    re.compile(rb"(expires=)[^;]*GMT"): rb"\1...",
    re.compile(rb"(boundary=|--)\d{20}"): rb"\1...",
}

GZIP = "Accept-Encoding: gzip"


@contextmanager
def django_site(home: Path) -> Iterator[int]:
    database = str(home / "site.sqlite3")
    with Server("gunicorn gthread", "tests.gateway.site.wsgi:application", SITE_DATABASE=database) as server:
        yield server.address[1]


@contextmanager
def static_site(home: Path) -> Iterator[int]:
    root = home / "root"
    for name, content in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (1_000_000_000, 1_000_000_000))
    with nginx(root, home) as server:
        yield server.port


FILES = {
    "index.html": b"<!doctype html><title>index</title>",
    "style.css": b"p { color: red }\n" * 500,
    "picture.png": bytes(range(256)) * 1000,
    "empty": b"",
    "one": b"1",
    "sub/index.html": b"<!doctype html><title>sub</title>",
    "a b.html": b"a blank",
    "\u00e9.html": b"a letter",
    "private/mine.html": b"mine",
    "silent/page.html": b"silent",
}

ORIGINS = {"django": django_site, "nginx": static_site}


class Site(NamedTuple):
    """An origin, the gateway to it, and that with the cache."""

    origin: int
    bare: Running
    cached: Running


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Site]]:
    """Return a site by its name; it runs from the first test that asks for it."""
    started: dict[str, Site] = {}
    with ExitStack() as stack:

        def start(name: str) -> Site:
            if name not in started:
                home = tmp_path_factory.mktemp(name)
                port = stack.enter_context(ORIGINS[name](home))
                origin = f"http://127.0.0.1:{port}"
                started[name] = Site(
                    port,
                    stack.enter_context(bare_gateway(origin, home / "bare.log")),
                    stack.enter_context(gateway(origin, home / "cached.log")),
                )
            return started[name]

        yield start


class Case(NamedTuple):
    """A request, and whether its response is stored."""

    site: str
    target: str
    lines: tuple[str, ...] = ()
    method: str = "GET"
    is_stored: bool = True

    def ask(self, port: int) -> Reply:
        return ask(port, self.target, *self.lines, method=self.method)


CASES = [
    Case("django", "/"),
    Case("django", "/?a=%20&b=caf%C3%A9&a[]=1"),
    Case("django", "/page/%C3%A9"),
    Case("django", "/page/", (GZIP,)),
    Case("django", "/page/", ("Accept-Encoding: identity",)),
    Case("django", "/page/", ("Accept-Language: fr",)),
    Case("django", "/data/?b=2&a=1&a=%2F"),
    Case("django", "/data/?gzip", (GZIP,)),
    Case("django", "/picture/"),
    Case("django", "/tagged/"),
    Case("django", "/empty/"),
    Case("django", "/nothing/"),
    Case("django", "/streamed/"),
    Case("django", "/streamed/?gzip", (GZIP,)),
    Case("django", "/attached/"),
    Case("django", "/moved/"),
    Case("django", "/elsewhere/"),
    Case("django", "/gone/"),
    Case("django", "/varied/"),
    Case("django", "/varied/", ("X-Kind: caf\xe9",)),
    Case("django", "/targeted/"),
    Case("django", "/static/admin/css/base.css"),
    Case("django", "/static/admin/css/base.css", (GZIP,)),
    Case("django", "/static/admin/img/icon-yes.svg"),
    Case("django", "/static/admin/js/none.js", is_stored=False),
    Case("django", "/missing/", is_stored=False),
    Case("django", "/page", is_stored=False),  # CommonMiddleware adds the slash
    Case("django", "/cookies/", is_stored=False),
    Case("django", "/private/", is_stored=False),
    Case("django", "/never/", is_stored=False),
    Case("django", "/silent/", is_stored=False),
    Case("django", "/broken/", is_stored=False),
    Case("django", "/unchanged/", is_stored=False),
    Case("django", "/admin/", is_stored=False),
    Case("django", "/admin/login/?next=/admin/", is_stored=False),
    Case("django", "/page/", method="POST", lines=("Content-Length: 0",), is_stored=False),
    Case("django", "/page/?head", method="HEAD", is_stored=False),
    Case("django", "/picture/?head", method="HEAD", is_stored=False),
    Case("django", "/tagged/?options", method="OPTIONS", is_stored=False),
    Case("nginx", "/"),
    Case("nginx", "/style.css"),
    Case("nginx", "/style.css", (GZIP,)),
    Case("nginx", "/picture.png"),
    Case("nginx", "/empty"),
    Case("nginx", "/one"),
    Case("nginx", "/sub"),
    Case("nginx", "/sub/"),
    Case("nginx", "/a%20b.html"),
    Case("nginx", "/%C3%A9.html"),
    Case("nginx", "/./sub/../style.css?dots"),
    Case("nginx", "/nothing"),
    Case("nginx", "/old/", is_stored=False),
    Case("nginx", "/missing", is_stored=False),
    Case("nginx", "/private/mine.html", is_stored=False),
    Case("nginx", "/silent/page.html", is_stored=False),
    Case("nginx", "/style.css?head", method="HEAD", is_stored=False),
    Case("nginx", "/style.css?post", method="POST", lines=("Content-Length: 0",), is_stored=False),
    Case("nginx", "/style.css?ranges", ("Range: bytes=0-9, 20-29, -5",), is_stored=False),
    Case("nginx", "/style.css?range", ("Range: bytes=10-19",), is_stored=False),
    Case("nginx", "/style.css?beyond", ("Range: bytes=99999-",), is_stored=False),
    Case("nginx", "/style.css?if-match", ('If-Match: "other"',), is_stored=False),
]


def said(reply: Reply, by: Reply) -> list[tuple[bytes, bytes]]:
    """The lines of a reply that have to be those of another one, or what is left of it."""
    may_go = {*MAY_DIFFER, *MAY_GO.get(by.status, {})}
    return [(name.lower(), settled(value)) for name, value in reply.lines if name.lower() not in may_go]


def settled(value: bytes) -> bytes:
    for pattern, replacement in RANDOM.items():
        value = pattern.sub(replacement, value)
    return value


def added(reply: Reply, direct: Reply) -> list[tuple[bytes, bytes]]:
    """The lines that the cache may add, if the origin has none of that name."""
    return [line for line in said(reply, reply) if line[0] in MAY_BE_ADDED and direct.get(line[0]) is None]


@pytest.mark.parametrize("case", CASES, ids=lambda case: " ".join([case.site, case.method, case.target, *case.lines]))
def test_each_url_is_the_same_through_the_gateway_and_from_the_cache(sites: Callable[[str], Site], case: Case) -> None:
    site = sites(case.site)
    direct, bare, miss, hit = [
        case.ask(port) for port in (site.origin, site.bare.port, site.cached.port, site.cached.port)
    ]
    assert said(bare, direct) == said(direct, direct)
    for reply in (bare, miss, hit):
        assert (reply.status, settled(reply.body)) == (direct.status, settled(direct.body))
    for reply in (miss, hit):
        own = added(reply, direct)
        assert [line for line in said(reply, direct) if line not in own] == said(direct, direct)
        assert len(own) == len(dict(own))
    # what is streamed goes out before its content is known
    assert [line for line in said(hit, direct) if line not in said(miss, direct)] in ([], added(hit, miss))
    assert b"; hit" not in (miss.get(b"cache-status") or b"")
    assert (b"; hit" in (hit.get(b"cache-status") or b"")) is case.is_stored


def test_conditions_are_answered_as_by_the_origin(sites: Callable[[str], Site]) -> None:
    for name, target in (("django", "/tagged/?if"), ("nginx", "/one?if")):
        site = sites(name)
        whole = ask(site.origin, target)
        etag, modified = (whole.get(field) or b"" for field in (b"etag", b"last-modified"))
        for lines in (
            [f"If-None-Match: {etag.decode()}"],
            [f'If-None-Match: "other", W/{etag.decode()}'],
            ['If-None-Match: "other"'],
            [f"If-Modified-Since: {modified.decode()}"],
            ["If-Modified-Since: Sun, 09 Sep 2001 01:46:39 GMT"],
        ):
            direct, *others = [
                ask(port, target, *lines) for port in (site.origin, site.bare.port, site.cached.port, site.cached.port)
            ]
            for reply in others:
                assert (reply.status, reply.body, reply.get(b"etag")) == (direct.status, direct.body, etag), lines
            assert said(others[0], direct) == said(direct, direct)
            # a 304 may say more than it has to (RFC 9110 15.4.5)
            assert all(set(said(direct, direct)) <= set(said(reply, direct)) for reply in others[1:])


@pytest.mark.parametrize("lines", [("Range: bytes=10-19",), ("Range: bytes=-5",), ("Range: bytes=99999-",)])
def test_a_part_of_what_is_stored_is_that_part_or_the_whole(
    sites: Callable[[str], Site], lines: tuple[str, ...]
) -> None:
    site = sites("nginx")
    target = "/style.css?part"
    whole, part = ask(site.origin, target), ask(site.origin, target, *lines)
    stored = ask(site.cached.port, target)
    reply = ask(site.cached.port, target, *lines)
    assert (stored.status, stored.body) == (200, whole.body)
    answers = [(each.status, each.body, each.get(b"content-range")) for each in (whole, part)]
    assert reply.status in {200, part.status}
    if reply.status == 416:
        assert reply.get(b"content-range") == part.get(b"content-range")
    else:
        assert (reply.status, reply.body, reply.get(b"content-range")) in answers


def test_head_of_what_is_stored_is_that_of_the_origin(sites: Callable[[str], Site]) -> None:
    for name, target in (("django", "/picture/?then-head"), ("nginx", "/style.css?then-head")):
        site = sites(name)
        direct = ask(site.origin, target, method="HEAD")
        ask(site.cached.port, target)
        reply = ask(site.cached.port, target, method="HEAD")
        assert b"; hit" in (reply.get(b"cache-status") or b"")
        assert (reply.status, reply.body) == (direct.status, b"")
        assert [line for line in said(reply, direct) if line not in added(reply, direct)] == said(direct, direct)


def test_links_are_made_of_what_the_server_knows_whatever_a_client_says(sites: Callable[[str], Site]) -> None:
    site = sites("django")
    evil = [
        *("X-Forwarded-Host: evil.example", "X_Forwarded_Host: evil.example", "X-Forwarded-For: 203.0.113.9"),
        *("Forwarded: host=evil.example", "X-Forwarded-Port: 666", "X-Forwarded-Prefix: /evil"),
    ]
    direct = ask(site.origin, "/links/", *evil)
    first, then = ask(site.cached.port, "/links/", *evil), ask(site.cached.port, "/links/", *evil)
    assert direct.body == b"http://evil.example/"
    assert (first.body, then.body, ask(site.cached.port, "/links/").body) == (b"http://x/",) * 3
    assert b"; hit" in (then.get(b"cache-status") or b"")


def test_a_proxy_in_front_that_is_trusted_says_who_asks_and_how(sites: Callable[[str], Site]) -> None:
    port = sites("django").cached.port
    target = "/links/?proxied"
    secure = ["X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: https"]
    asked = [ask(port, target, *lines) for lines in (secure, [], secure)]
    assert [reply.body for reply in asked] == [b"https://x/", b"http://x/", b"https://x/"]
    assert [reply.get(b"x-client") for reply in asked] == [b"203.0.113.9", b"127.0.0.1", b"203.0.113.9"]
