from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelerator.http.canonical import _canonical
from accelerator.http.ignored import Ignored
from tests.support import http_scope


@pytest.fixture(autouse=True)
def _no_form_in_mind() -> None:
    # each test sees what the code makes, not what an earlier one had it make
    _canonical.cache_clear()


# --- query parameters that do not count -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("globs", "query", "left"),
    [
        pytest.param(["utm_*"], b"", b"", id="no query"),
        pytest.param([], b"utm_source=x", b"utm_source=x", id="no glob"),
        pytest.param(["utm_*"], b"utm_source=x", b"", id="nothing else"),
        pytest.param(["utm_*"], b"b=2&utm_source=x&a=1", b"b=2&a=1", id="in the middle, the order stays"),
        pytest.param(["utm_*"], b"utm_source=x&a=1&utm_id=y", b"a=1", id="around"),
        pytest.param(["utm_*", "fbclid"], b"a=1&fbclid=z&utm_id=y", b"a=1", id="several globs"),
        pytest.param(["fbclid"], b"fbclid&a=1", b"a=1", id="without a value"),
        pytest.param(["fbclid"], b"fbclid=&a=1", b"a=1", id="with an empty value"),
        pytest.param(["fbclid"], b"fbclids=1&xfbclid=2", b"fbclids=1&xfbclid=2", id="the whole name counts"),
        pytest.param(["utm_*"], b"UTM_source=x", b"UTM_source=x", id="another case is another name"),
        pytest.param(["utm_*"], b"utm%5Fsource=x&a=%7E", b"a=%7E", id="escapes in the name are decoded, no others"),
        pytest.param(["my key"], b"my+key=1&my%20key=2&my key=3&my%2Bkey=4", b"my%2Bkey=4", id="+ is a blank"),
        pytest.param(["größe"], "gr%C3%B6%C3%9Fe=1&größe=2&b=3".encode(), b"b=3", id="UTF-8"),
        pytest.param(["a"], b"b=1&a=2&b=1", b"b=1&b=1", id="repetitions stay"),
        pytest.param(["a"], b"a=1&a=2", b"", id="each repetition goes"),
        pytest.param(["utm_*"], b"a=1;utm_id=2", b"a=1;utm_id=2", id="only & parts"),
        pytest.param(["utm_*"], b"&&a=1&=2&%zz&%&\xff&&", b"&&a=1&=2&%zz&%&\xff&&", id="malformed pieces stay"),
        pytest.param(["?id", "[a-c]x"], b"gid=1&id=2&bx=3&dx=4", b"id=2&dx=4", id="? and ranges"),
        pytest.param(["*"], b"a=1&&b\n=2", b"", id="everything"),
    ],
)
def test_parameters_that_do_not_count_go_and_the_rest_stays_to_the_byte(
    globs: list[str], query: bytes, left: bytes
) -> None:
    assert Ignored(globs, ()).query(query) == left


@pytest.mark.parametrize(
    ("url", "left"),
    [
        ("https://example.org/p?utm_id=1", "https://example.org/p"),
        ("https://example.org/p?x=1&utm_id=1#part?utm_id=2", "https://example.org/p?x=1#part?utm_id=2"),
        ("https://example.org/utm_id=1", "https://example.org/utm_id=1"),
        ("/p?a=\udcff&utm_id=1", "/p?a=\udcff"),
        ("?utm_id=1?x", ""),
    ],
    ids=["the query goes with its last parameter", "the fragment stays", "the path stays", "stray bytes", "two marks"],
)
def test_a_url_loses_its_parameters_that_do_not_count(url: str, left: str) -> None:
    assert Ignored(["utm_*"], ()).url(url) == left


def test_a_url_stays_as_it_is_where_everything_counts() -> None:
    assert Ignored((), ()).url("/p?#") == "/p?#"


@given(st.binary(max_size=40), st.sampled_from([[], ["a*"], ["*"], ["%*", "b"]]))
def test_what_is_left_of_a_query_is_some_of_its_pieces_in_order(query: bytes, globs: list[str]) -> None:
    ignored = Ignored(globs, ())
    left = ignored.query(query)
    pieces = iter(query.split(b"&"))
    assert not left or all(piece in pieces for piece in left.split(b"&"))
    assert ignored.query(left) == left


def seen(*headers: tuple[str | bytes, str | bytes], cookies: tuple[str, ...] = ("_ga*",)) -> list[tuple[bytes, bytes]]:
    """The header lines that are left of a request, but Host."""
    return list(Ignored((), cookies).scope(http_scope(headers=headers))["headers"])[1:]


# --- cookies that do not count ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "left"),
    [
        pytest.param(b"a=1; b=2", b"a=1; b=2", id="nothing to take"),
        pytest.param(b"a=1; _ga=x; b=2", b"a=1; b=2", id="in the middle"),
        pytest.param(b"_ga=x; a=1; _gat=y", b"a=1", id="around"),
        pytest.param(b"a=1;_ga_1=x;b=2", b"a=1;b=2", id="without blanks"),
        pytest.param(b"a=1 ; \t_ga\t = x;  b = 2", b"a=1 ;  b = 2", id="blanks around the name"),
        pytest.param(b"b=_ga; a=_ga=1", b"b=_ga; a=_ga=1", id="in a value"),
        pytest.param(b"_GA=1", b"_GA=1", id="another case is another name"),
        pytest.param(b"_ga; ;; =x", b"_ga; ;; =x", id="malformed pieces stay"),
        pytest.param(b"a=1; _ga=x;", b"a=1;", id="what ends with a semicolon does so still"),
        pytest.param(b"", b"", id="an empty field stays"),
        pytest.param(b"\x0b_ga=1; a=1", b"\x0b_ga=1; a=1", id="no blank: part of the name"),
        pytest.param(b"_ga=1; \x0ba=1", b"\x0ba=1", id="no blank: it stays"),
    ],
)
def test_cookies_that_do_not_count_go_and_the_rest_stays_to_the_byte(value: bytes, left: bytes) -> None:
    assert seen(("cookie", value)) == [(b"cookie", left)]


@pytest.mark.parametrize("value", ["_ga=1", "_ga=1;", " _ga=1; _gid=2 "])
def test_a_cookie_field_that_gets_empty_goes_away(value: str) -> None:
    assert seen(("accept", "_ga=1"), ("Cookie", value), cookies=("_g*",)) == [(b"accept", b"_ga=1")]


def test_each_line_of_cookies_is_looked_at() -> None:
    assert seen(("cookie", "_ga=1"), ("COOKIE", "b=2; _ga=3")) == [(b"COOKIE", b"b=2")]


def test_the_name_of_a_cookie_ends_at_the_first_equals_sign() -> None:
    assert seen(("cookie", "_gid=a=b; a=_gid=1"), cookies=("_gid",)) == [(b"cookie", b"a=_gid=1")]


def test_cookies_of_bytes_that_are_no_utf_8_have_names_too() -> None:
    assert seen(("cookie", b"\xff1=x; a=1"), cookies=("?1",)) == [(b"cookie", b"a=1")]


def test_a_request_stays_the_very_same_where_everything_counts() -> None:
    scope = http_scope("/?a=1", headers=[("cookie", "b=2")])
    assert Ignored((), ()).scope(scope) is scope


def test_the_scope_of_the_server_is_not_touched() -> None:
    scope = http_scope("/?utm_id=1&a=1", headers=[("cookie", "_ga=2")])
    before = {**scope, "headers": [*scope["headers"]]}
    without_ignored = Ignored(["utm_*"], ["_ga"]).scope(scope)
    assert scope == before
    assert (without_ignored["query_string"], without_ignored["headers"]) == (b"a=1", [(b"host", b"example.org")])


def test_a_scope_without_a_query_is_one_with_an_empty_query() -> None:
    scope = http_scope("/")
    del scope["query_string"]
    assert Ignored(["a"], []).scope(scope)["query_string"] == b""


# --- what is kept, and nothing else -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("globs", "query", "left"),
    [
        pytest.param(["page", "q"], b"page=2&utm_id=x&q=a", b"page=2&q=a", id="the order stays"),
        pytest.param(["q"], b"q=a&q=b&r=q", b"q=a&q=b", id="repetitions stay"),
        pytest.param(["filter*"], b"filter%5Ba%5D=1&filters&Filter=2", b"filter%5Ba%5D=1&filters", id="globs"),
        pytest.param(["q"], b"&&q=1&&x&=2&%q", b"q=1", id="blanks and malformed pieces go"),
        pytest.param([], b"a=1&b", b"", id="nothing counts"),
        pytest.param(["*"], b"a=1&&b=%zz", b"a=1&b=%zz", id="each that has a name counts"),
    ],
)
def test_only_parameters_that_are_kept_are_left(globs: list[str], query: bytes, left: bytes) -> None:
    ignored = Ignored(keep_query=globs)
    assert ignored.query(query) == left
    assert ignored.url(f"/p?{query.decode()}#part") == (f"/p?{left.decode()}#part" if left else "/p#part")


@pytest.mark.parametrize(
    ("globs", "value", "left"),
    [
        pytest.param(["sessionid", "lang"], b"_ga=1; sessionid=a; x=2;lang=de", b"sessionid=a;lang=de", id="some"),
        pytest.param(["s*"], b"sessionid=a; SESSION=b; s=c", b"sessionid=a; s=c", id="globs"),
        pytest.param(["a"], b"a=1; b; ;; =x", b"a=1", id="malformed pieces go"),
        pytest.param(["a"], b"b=1; c=2", None, id="none of them"),
        pytest.param([], b"a=1", None, id="nothing counts"),
        pytest.param(["a"], b"a=1;  a=2", b"a=1;  a=2", id="nothing to take"),
    ],
)
def test_only_cookies_that_are_kept_are_left(globs: list[str], value: bytes, left: bytes | None) -> None:
    scope = Ignored(keep_cookies=globs).scope(http_scope("/?a=1", headers=[("accept", "b=1"), ("Cookie", value)]))
    kept = [(b"accept", b"b=1")] + ([] if left is None else [(b"Cookie", left)])
    assert (scope["headers"][1:], scope["query_string"]) == (kept, b"a=1")


def test_parameters_that_are_kept_say_nothing_of_cookies() -> None:
    scope = Ignored(keep_query=["q"]).scope(http_scope("/?q=1&r=2", headers=[("cookie", "a=1; b")]))
    assert (scope["headers"][1:], scope["query_string"]) == ([(b"cookie", b"a=1; b")], b"q=1")
