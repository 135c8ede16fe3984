from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelerator.http.credentials import CREDENTIALS as FIELDS_THAT_SAY_WHO
from accelerator.http.request import Request, RequestRules
from accelerator.http.request_fields import CLIENT_ADDRESS_FIELDS, PARTIAL_PAGE_FIELDS, TARGET_FIELDS
from tests.samples import Line, request
from tests.support import http_scope

# --- whose business a request is --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_get_and_head_are_the_business_of_the_cache(method: str) -> None:
    made = request(method=method)
    assert not made.is_bypass
    assert made.wants_content is (method == "GET")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY", "get"])
def test_another_method_passes_by(method: str) -> None:
    assert request(method=method).is_bypass


@pytest.mark.parametrize(
    "line",
    [
        ("content-length", "5"),
        ("content-length", "00"),
        ("content-length", "0, 0"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("if-match", '"a"'),
        ("if-unmodified-since", "Sun, 06 Nov 1994 08:49:37 GMT"),
    ],
)
def test_a_body_an_upgrade_and_a_precondition_of_the_origin_pass_by(line: Line) -> None:
    assert request(line).is_bypass


@pytest.mark.parametrize(
    "line", [("content-length", "0"), ("content-length", "0 "), ("if-none-match", "*"), ("range", "bytes=0-1")]
)
def test_what_the_cache_can_answer_itself_does_not_pass_by(line: Line) -> None:
    assert not request(line).is_bypass


@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "QUERY"]),
    lines=st.lists(
        st.sampled_from(
            [
                *(("content-length", "5"), ("content-length", "0"), ("upgrade", "h2c"), ("if-match", "*")),
                *(("x-http-method-override", "PUT"), ("transfer-encoding", "chunked"), ("cookie", "a=b"), ("x-a", "1")),
            ]
        )
    ),
)
def test_a_request_passes_by_for_what_is_named_and_for_nothing_else(method: str, lines: list[Line]) -> None:
    made = request(*lines, method=method)
    assert bool(made.bypassed_by) == made.is_bypass
    assert set(made.bypassed_by) <= {method, *(name for name, _ in lines)} - {"GET", "HEAD", "cookie", "x-a"}


def test_what_is_part_of_the_key_is_named() -> None:
    rules = RequestRules(vary_cookies=("lang",))
    lines = [("x-forwarded-proto", "https"), ("accept", "*/*"), ("a_b", "1"), ("cookie", "a=1; lang=de")]
    made = Request(http_scope(headers=lines), rules=rules)
    assert made.keyed_by == ["x-forwarded-proto", "a_b", "cookie lang"]
    assert request().keyed_by == []


def test_a_range_is_seen() -> None:
    assert request(("range", "bytes=0-1")).has_range
    assert not request().has_range


@pytest.mark.parametrize(
    ("lines", "audience"),
    [
        ([], ()),
        ([("cookie", "a=1")], ("Cookie",)),
        ([("authorization", "Basic x")], ("Authorization",)),
        ([("authorization", "Basic x"), ("cookie", "a=1")], ("Cookie", "Authorization")),
    ],
)
def test_the_audience_is_the_kinds_of_credentials(lines: list[Line], audience: tuple[str, ...]) -> None:
    assert request(*lines).audience == audience


@pytest.mark.parametrize("name", FIELDS_THAT_SAY_WHO)
def test_each_credential_makes_the_answer_somebodys_own(name: str) -> None:
    assert request((name.lower(), "ada")).audience == (name,)
    assert request((name.upper().replace("-", "_"), "ada")).audience == (name,)


@pytest.mark.parametrize(
    ("lines", "scope", "audience", "credential"),
    [
        ([("x-api-key", "a"), ("cookie", "a=1")], {}, ("Cookie", "X-API-Key"), "X-API-Key"),
        ([("x-api-key", "a"), ("authorization", "Basic x")], {}, ("Authorization",), "Authorization"),
        ([], {"user": "ada"}, ("a user",), "a user"),
        ([("cookie", "a=1")], {"user": "ada"}, ("Cookie", "a user"), "a user"),
        ([("x-api-key", "a")], {"user": "ada"}, ("a user",), "a user"),
        ([("authorization", "Basic x")], {"user": "ada"}, ("Authorization",), "Authorization"),
        ([("cookie", "a=1")], {}, ("Cookie",), ""),
        ([("accept", "a")], {}, (), ""),
    ],
)
def test_what_says_who_asks_is_said_by_one_name_beside_cookie(
    lines: list[Line], scope: dict[str, Any], audience: tuple[str, ...], credential: str
) -> None:
    made = request(*lines, **scope)
    assert (made.audience, made.credential) == (audience, credential)


@pytest.mark.parametrize("line", [("authorization", "Basic x"), ("x-api-key", "a")])
def test_who_asks_within_a_partition_is_told_by_the_partition(line: Line) -> None:
    made = request(line, ("cookie", "a=1"), partition="p", user="ada")
    assert (made.audience, made.credential) == (("Cookie",), "")


def test_other_credentials_may_be_named_in_place_of_the_well_known_ones() -> None:
    reading = RequestRules(credentials=("X-My_Key",))
    scope = http_scope(headers=[("x_my-key", "a"), ("x-api-key", "b")])
    assert Request(scope, rules=reading).audience == ("X-My_Key",)


# --- fields -----------------------------------------------------------------------------------------------------------


def test_lines_of_one_field_are_joined_by_commas_and_cookies_by_semicolons() -> None:
    made = request(("accept", " a "), ("cookie", "x=1"), ("accept", "b\t"), ("cookie", " y=2 "))
    assert made.get(b"accept") == b"a, b"
    assert made.get(b"cookie") == b"x=1; y=2"


def test_the_fields_of_a_request_are_found_whatever_their_case() -> None:
    made = request(("Cookie", "x=1"), ("COOKIE", "y=2"), ("Range", "bytes=0-1"))
    assert made.get(b"cookie") == b"x=1; y=2"
    assert made.audience == ("Cookie",)
    assert made.has_range


def test_a_field_that_is_absent_is_not_an_empty_one() -> None:
    assert request().get(b"accept") is None
    assert request(("accept", "  ")).get(b"accept") == b""


# --- what selects a variant -------------------------------------------------------------------------------------------


def test_vary_tells_absent_from_empty() -> None:
    assert request().selecting_values((b"accept",)) == (None,)
    assert request(("accept", "")).selecting_values((b"accept",)) == (b"",)


@pytest.mark.parametrize(
    "lines",
    [
        [("accept-language", "en,de")],
        [("accept-language", " en , de ")],
        [("accept-language", "en"), ("accept-language", "de")],
    ],
    ids=["as is", "blanks", "lines"],
)
def test_vary_does_not_look_at_blanks_and_line_splits(lines: list[Line]) -> None:
    assert request(*lines).selecting_values((b"accept-language",)) == (b"de,en",)


@pytest.mark.parametrize("name", ["cookie", "authorization", "user-agent"])
def test_fields_that_are_no_lists_are_compared_to_the_byte(name: str) -> None:
    vary = (b"accept", name.encode())
    one = request((name, "a, b"), ("accept", "a , b")).selecting_values(vary)
    assert one == (b"a,b", b"a, b")
    assert one != request((name, "a,b"), ("accept", "a,b")).selecting_values(vary)
    assert request().selecting_values(vary) == (None, None)


def test_the_application_is_shown_the_fields_as_they_are_compared() -> None:
    lines: list[Line] = [
        ("Accept", "a , b"),
        ("x-any", " a , b "),
        ("COOKIE", "a=1"),
        ("accept", "c"),
        ("cookie", "b=2"),
    ]
    assert request(("host", "h"), *lines).lines() == [
        (b"host", b"h"),
        (b"accept", b"a,b,c"),
        (b"x-any", b"a, b"),
        (b"cookie", b"a=1; b=2"),
    ]


@pytest.mark.parametrize(
    ("sent", "selecting_values"),
    [
        ([("x_tenant", "a")], b"a"),
        ([("x-tenant", "b")], b"b"),  # what a WSGI server makes of either
        ([("x-tenant", "b"), ("x_tenant", "a")], b"a"),
        ([], None),
    ],
)
def test_vary_on_a_name_with_an_underscore_is_read_as_servers_spell_it(
    sent: list[Line], selecting_values: bytes | None
) -> None:
    assert request(*sent).selecting_values((b"x_tenant",)) == (selecting_values,)


def test_vary_on_nothing_selects_by_nothing() -> None:
    assert request(("accept", "a")).selecting_values(()) == ()


def test_vary_keeps_the_order_of_its_fields() -> None:
    assert request(("b", "2"), ("a", "1")).selecting_values((b"a", b"b")) == (b"1", b"2")


# --- the key ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        {"scheme": "http"},
        {"headers": [("host", "example.com")]},
        {"raw_path": b"/a%2Fp"},
        {"path": "/A/p"},
        {"query_string": b"x=2"},
        {"query_string": b""},
        {"root_path": "/a"},
        {"headers": [("origin", "https://example.com")]},
    ],
    ids=lambda other: next(iter(other)),
)
def test_another_scheme_host_path_query_mount_or_a_cors_request_is_another_key(other: dict[str, Any]) -> None:
    assert Request(http_scope("/a/p?x=1", **other)).key != Request(http_scope("/a/p?x=1")).key


def test_another_partition_is_another_key() -> None:
    assert request(partition="a").key != request(partition="b").key
    assert request(partition="a").partition == "a"
    assert request().partition == ""


def test_method_and_other_fields_are_not_in_the_key() -> None:
    plain = request()
    other = request(("accept", "a"), ("cookie", "b=1"), method="HEAD", client=("192.0.2.9", 1), http_version="2")
    assert plain.key == other.key


def test_each_origin_has_a_key_of_its_own() -> None:
    assert request(("origin", "https://a.example")).key != request(("origin", "https://b.example")).key


@pytest.mark.parametrize("name", [*TARGET_FIELDS, *PARTIAL_PAGE_FIELDS])
def test_each_field_that_tells_responses_apart_does_so_by_its_value(name: bytes) -> None:
    plain, one, other = request(), request((name, "host=a")), request((name, "host=b"))
    spelled = request((name.upper().replace(b"-", b"_"), "host=a"))
    keys = {made.key for made in (plain, one, other)}
    assert len(keys) == 3
    assert spelled.key != plain.key
    assert one.key[:-1] == other.key[:-1] == plain.key[:-1], "it is an addition to what the URL says"


@pytest.mark.parametrize("name", [*CLIENT_ADDRESS_FIELDS])
def test_the_address_of_a_client_is_in_no_key(name: bytes) -> None:
    assert request((name, "192.0.2.1")).key == request().key


def test_fields_tell_apart_whatever_their_order_and_each_by_its_own_name() -> None:
    one, other = ("x-forwarded-host", "a"), ("hx-target", "b")
    assert request(one, other).key == request(other, one).key
    assert request(one, other).key != request(("x-forwarded-host", "b"), ("hx-target", "a")).key
    assert request(("x-host", "a1:x-scheme:1:b")).key != request(("x-host", "a"), ("x-scheme", "b")).key


def test_of_forwarded_the_addresses_tell_nothing_apart() -> None:
    one, other = (request(("forwarded", f"for=192.0.2.{last};host=a.example")) for last in (1, 2))
    assert one.key == other.key != request(("forwarded", "for=192.0.2.1;host=b.example")).key


def test_the_target_that_a_wsgi_server_tells_is_in_the_key() -> None:
    targets: list[dict[str, Any]] = [
        {"wsgi.environ": {}, "wsgi.target": target} for target in (b"http://a.example/", b"http://b.example/")
    ]
    one, other = (request(**target) for target in targets)
    assert one.key != other.key


def read(cookies: str, **reading: Any) -> Request:
    return Request(http_scope(headers=[("cookie", cookies)]), rules=RequestRules(**reading))


# --- cookies that tell responses apart --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "are_the_same"),
    [
        ("lang=de", "lang=en", False),
        ("lang=de", "a=1", False),
        ("lang=de", "a=1;lang=de ; b=2", True),
        ("a=1", "b=2", True),
        ("lang=de", "Lang=en", False),
        ("lang", "lang=", False),
        # parsers differ in what they take off a name, in what parts two cookies, and in which of two counts
        ("a=1", "\xa0lang=de", False),
        ("a=1", "a=1 lang=de", False),
        ("a=1", "a=1,lang=de", False),
        ("lang=en; lang=de", "lang=de; lang=en", False),
    ],
)
def test_cookies_that_are_named_tell_responses_apart_and_no_others(one: str, other: str, are_the_same: bool) -> None:
    assert (read(one, vary_cookies=("lang",)).key == read(other, vary_cookies=("lang",)).key) is are_the_same


@pytest.mark.parametrize(
    "written", ["csrftoken=a session=b", 'csrftoken="a"session=b', "csrftoken=a,b=c", "csrftoken = a"]
)
def test_a_cookie_that_is_set_anew_and_may_be_read_as_two_chooses(written: str) -> None:
    made = read(f"a=1; {written}", renewed_cookies=("csrftoken",))
    assert made.selecting_values((b"cookie",)) == (f"a=1; {written}".encode(),)


@pytest.mark.parametrize(
    ("cookies", "selecting_values"),
    [
        ("csrftoken=a", None),
        ("csrftoken=a; sessionid=b", b"sessionid=b"),
        ("sessionid=b; csrftoken=a ;lang=c", b"sessionid=b;lang=c"),
        ("sessionid=b;csrftoken=a", b"sessionid=b"),
        ("csrftoken=a; csrftoken=b", None),
        ("sessionid=csrftoken", b"sessionid=csrftoken"),
        ("", None),
    ],
)
def test_cookies_that_are_set_anew_choose_no_stored_response(cookies: str, selecting_values: bytes | None) -> None:
    made = read(cookies, renewed_cookies=("csrftoken",))
    assert made.selecting_values((b"cookie",)) == (selecting_values,)
    assert made.get(b"cookie") == cookies.encode(), "the application sees them"


def test_without_cookies_there_is_nothing_to_choose_by() -> None:
    assert Request(http_scope(), rules=RequestRules(renewed_cookies=("csrftoken",))).selecting_values((b"cookie",)) == (
        None,
    )


# --- what may change something: RFC 9110 §9.2.1 -----------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE", "QUERY"])
def test_a_safe_method_changes_nothing(method: str) -> None:
    assert not request(method=method).is_unsafe


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "MKCOL", "UNHEARD-OF"])
def test_any_other_method_may_change_something(method: str) -> None:
    assert request(method=method).is_unsafe


@pytest.mark.parametrize("name", ["x-http-method-override", "x_http_method", "x-method-override"])
@pytest.mark.parametrize(
    ("meant", "is_unsafe"),
    [
        *(("DELETE", True), ("delete", True), ("GET, DELETE", True), ("GET ,\tput", True)),
        *(("GET", False), ("head", False), ("", False), (",", False), ("unheard-of", False)),
    ],
)
def test_a_get_that_means_another_method_passes_by_and_may_change_what_that_may(
    name: str, meant: str, is_unsafe: bool
) -> None:
    made = request((name, meant))
    assert made.is_bypass
    assert made.is_unsafe is is_unsafe


@pytest.mark.parametrize("missing", [{"raw_path": None}, {"raw_path": b""}])
def test_a_server_without_raw_path_is_served_by_the_path(missing: dict[str, Any]) -> None:
    scope = http_scope("/")
    scope.update(missing, path="/é x")
    assert Request(scope).key[2] == b"/%C3%A9%20x"


@pytest.mark.parametrize(
    ("server", "host"),
    [(("example.org", 8000), b"example.org:8000"), (("/run/web.sock", None), b"/run/web.sock"), (None, b"")],
)
def test_a_request_without_host_is_for_the_server(server: tuple[str, int | None] | None, host: bytes) -> None:
    scope = http_scope("/", server=server)
    scope["headers"] = []
    assert Request(scope).key[1] == host


def test_what_a_scope_may_leave_out_has_a_default() -> None:
    scope = {"type": "http", "method": "GET", "path": "/p", "headers": []}
    assert Request(scope).key == ("http", b"", b"/p", "/p", b"", "", "", b"")


def test_a_url_is_given_as_it_was_asked_for() -> None:
    assert request(url="/a%2Fb?x=%20").url == "https://example.org/a%2Fb?x=%20"
    assert request(url="/").url == "https://example.org/"


def test_the_url_tag_of_a_request_does_not_know_scheme_and_partition() -> None:
    made = request(("host", "Example.ORG:80"), url="/%7Ea/../b?x=1", scheme="http", partition="p")
    assert made.url_tag == "@url:example.org/b?x=1"


@given(st.binary(max_size=20), st.binary(max_size=20), st.binary(max_size=20))
def test_any_bytes_of_a_request_have_a_key_a_url_and_a_tag(host: bytes, path: bytes, query: bytes) -> None:
    made = request((b"host", host), raw_path=b"/" + path, query_string=query)
    assert made.key[1:3] == (host.strip(b" \t"), b"/" + path)
    assert made.url.startswith("https://")
    assert made.url_tag.isascii()
