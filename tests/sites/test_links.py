"""The links of a page, and who follows them."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

from benchmarks.sites.crawl import crawl
from benchmarks.sites.links import links
from tests.sites.support import reply

if TYPE_CHECKING:
    from benchmarks.sites.wire import Ask, Reply

HTML = ("content-type", "text/html; charset=utf-8")


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ('<a href="b">', ["/a/b"]),
        ('<a href="../b?c=d&amp;e#f">', ["/b?c=d&e"]),
        ('<a href="?page=2">', ["/a/?page=2"]),
        ('<a href="http://site.example">', ["/"]),
        ('<a href="//site.example/b"><a href="https://site.example/c">', ["/b", "/c"]),
        ('<a href="http://elsewhere.example/"><a href="mailto:ann@site.example"><a href="data:,x">', []),
        ('<a href="http://[/">', []),
        ('<a href="b"><a href=" b "><a>', ["/a/b"]),
        ('<img src="i.png" srcset="i.png 1x, /j.png 2x,">', ["/a/i.png", "/j.png"]),
        ('<base href="/c/"><script src="s.js"></script><link href="s.css">', ["/c/s.js", "/c/s.css"]),
        ('<a href="/\u00e9 b?c=%C3%A9+\u00e9">', ["/%C3%A9%20b?c=%C3%A9+%C3%A9"]),
        ('<form action="/sign-out">', []),
    ],
)
def test_links_lead_to_the_same_site(page: str, found: list[str]) -> None:
    assert links("/a/", reply(page.encode(), HTML)) == found


def test_compressed_pages_have_links_and_other_types_have_none() -> None:
    page = b'<a href="/b">'
    assert links("/", reply(gzip.compress(page), HTML, ("content-encoding", "gzip"))) == ["/b"]
    assert links("/", reply(page, ("content-type", "text/plain"))) == []


def test_a_redirect_leads_on() -> None:
    assert links("/a/", reply(b"", ("location", "/b"), status=302)) == ["/b"]


def test_a_crawl_is_breadth_first_and_bounded_and_leaves_out_what_it_is_told_to() -> None:
    asked = []

    def ask(ask: Ask) -> Reply:
        asked.append(ask.target)
        return reply(f'<a href="{ask.target}l/"><a href="{ask.target}r/"><a href="/"><a href="/out/">'.encode(), HTML)

    assert crawl(ask, ["/"], ["/out*"], 5) == ["/", "/l/", "/r/", "/l/l/", "/l/r/"]
    assert asked == ["/", "/l/", "/r/", "/l/l/", "/l/r/"]
