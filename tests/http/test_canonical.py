from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelerator.http.canonical import _MAX_FORMS, MAX_FORM_BYTES, _canonical, canonical, prefers_gzip
from accelerator.http.ignored import Ignored
from accelerator.http.request import Request
from tests.support import Lines, http_scope


@pytest.fixture(autouse=True)
def _no_form_in_mind() -> None:
    # each test sees what the code makes, not what an earlier one had it make
    _canonical.cache_clear()


# --- Accept-Encoding --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "form"),
    [
        pytest.param(b"gzip, deflate, br, zstd", b"gzip, deflate, br, zstd", id="a browser's stays as it is"),
        pytest.param(b"gzip, deflate, br", b"gzip, deflate, br", id="another browser's is another one"),
        pytest.param(b"deflate,gzip,zstd,br", b"gzip, deflate, br, zstd", id="order and blanks"),
        pytest.param(b" GZip ,\tBR", b"gzip, br", id="case"),
        pytest.param(b"gzip;q=1, br;q=1.000", b"gzip, br", id="a weight of 1 goes without saying"),
        pytest.param(b"br ; Q=0.50,gzip;q=0.8", b"gzip;q=0.8, br;q=0.5", id="by weight"),
        pytest.param(b"br;q=0.5, gzip;q=0.500", b"gzip;q=0.5, br;q=0.5", id="one weight, but not 1"),
        pytest.param(b"gzip, br;q=0", b"gzip", id="forbidden is as good as not named"),
        pytest.param(b"br;q=0., gzip, *;q=0.1", b"gzip, *;q=0.1, br;q=0", id="forbidden counts beside *"),
        pytest.param(b"*;q=0, gzip", b"gzip, *;q=0", id="nothing else, not even identity"),
        pytest.param(b"identity;q=0, gzip", b"gzip, identity;q=0", id="identity forbidden"),
        pytest.param(b"identity, gzip", b"gzip, identity", id="identity named"),
        pytest.param(b"identity;q=0.5, gzip;q=0.2", b"identity;q=0.5, gzip;q=0.2", id="identity preferred"),
        pytest.param(b"", b"identity", id="empty: no coding"),
        pytest.param(b" , ,", b"identity", id="empty members"),
        pytest.param(b"gzip, ,br", b"gzip, br", id="an empty member between others"),
        pytest.param(b"gzip;q=0", b"identity", id="nothing is left but identity"),
        pytest.param(b"*", b"*", id="anything"),
        pytest.param(b"dcz, x-New, gzip", b"gzip, dcz, x-new", id="unknown codings come last, in their order"),
        pytest.param(b"gzip;q=0.001", b"gzip;q=0.001", id="the smallest weight"),
        pytest.param(b"gzip;q=0.010", b"gzip;q=0.01", id="zeros at the end"),
    ],
)
def test_accept_encoding_is_compared_by_what_is_accepted(value: bytes, form: bytes) -> None:
    assert canonical(b"accept-encoding", value) == form


@pytest.mark.parametrize(
    "value",
    [
        b"BR, gz ip",
        b"BR;q",
        b"BR;q=2",
        b"BR;q=1.001",
        b"BR;q=0.1234",
        b"BR;q=.5",
        b"BR;q=-0",
        b"BR;q=0.5;x=1",
        b"BR;x=1",
        b"BR; q =1",
        b"BR, \xe9",
        b"BR, br;q=0.5",
        b"BR\x0b",
        b"BR\n",
        b";q=1",
        "BR;q=0.٣".encode(),
    ],
)
def test_a_malformed_or_ambiguous_accept_encoding_stays_as_it_is(value: bytes) -> None:
    assert canonical(b"accept-encoding", value) == value


CODINGS = ["gzip", "deflate", "br", "zstd", "identity", "*", "x-gzip", "dcb"]


def weights_of(value: bytes) -> dict[str, float]:
    """What a simple parser makes of a well-formed field."""
    parts = [member.strip().lower().partition(";") for member in value.decode().split(",")]
    return {name.strip(): float(weight.strip()[2:] or 1) for name, _, weight in parts if name}


def acceptable(value: bytes) -> dict[str, float]:
    """The weight of each coding, 0 if it is not accepted (RFC 9110 §12.5.3)."""
    weights = weights_of(value)
    lowest = 0.0005  # identity is acceptable unless it is excluded
    others = {"identity": weights.get("*", lowest)}
    found = {name: weights.get(name, others.get(name, weights.get("*", 0))) for name in CODINGS if name != "*"}
    accepted = [name for name, weight in found.items() if weight]
    return {accepted[0]: 1} if len(accepted) == 1 else found  # nothing is preferred to what there is no choice in


@st.composite
def weighted(draw: st.DrawFn, names: list[str]) -> bytes:
    """A well-formed list of some of the names with weights, in any order, case and spacing."""
    members = []
    for name in draw(st.lists(st.sampled_from(names), unique_by=str.lower, max_size=6)):
        blanks = st.sampled_from(["", " ", "\t "])
        weight = draw(st.sampled_from(["", ";q=0", ";q=0.0", ";Q=0.5", " ; q=0.50", ";q=0.25", ";q=1", "; q=1.000"]))
        cased = draw(st.sampled_from([name, name.upper(), name.title()]))
        members.append(draw(blanks) + cased + weight + draw(blanks))
    return ",".join(members).encode()


@given(weighted(CODINGS))
def test_the_form_of_accept_encoding_accepts_and_prefers_what_the_client_does(value: bytes) -> None:
    assert acceptable(canonical(b"accept-encoding", value)) == acceptable(value)


@given(weighted(CODINGS), st.randoms(use_true_random=False))
def test_the_order_in_which_equal_codings_are_named_makes_no_variant(value: bytes, random: Any) -> None:
    known = [member for member in value.split(b",") if b"x-gzip" not in member.lower() and b"dcb" not in member.lower()]
    shuffled = random.sample(known, len(known))
    assert canonical(b"accept-encoding", b",".join(shuffled)) == canonical(b"accept-encoding", b",".join(known))


# --- Accept-Language --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "form"),
    [
        pytest.param(b"en-GB,en;q=0.9,de;q=0.8", b"en-GB,en;q=0.9,de;q=0.8", id="a browser's stays as it is"),
        pytest.param(b" en ,   de", b"de,en", id="blanks"),
        pytest.param(b"eN, De", b"de,en", id="case"),
        pytest.param(b"EN-gb, ZH-hANS-cn", b"en-GB,zh-Hans-CN", id="the usual case of regions and scripts"),
        pytest.param(
            b"en-CA-X-CA, az-latn-x-LATN, sgn-be-fr, X-DE", b"az-Latn-x-latn,en-CA-x-ca,sgn-BE-FR,x-de", id="x"
        ),
        pytest.param(b"zh-CMN, sl-ROZAJ, QAAA", b"qaaa,sl-rozaj,zh-cmn", id="the usual case of all others"),
        pytest.param(b"es-419, de-1996", b"de-1996,es-419", id="digits"),
        pytest.param(b"de;q=0.5, en;q=1.0, fr;q=0.80", b"en,fr;q=0.8,de;q=0.5", id="by weight"),
        pytest.param(b"en, de", b"de,en", id="the order of equals means nothing"),
        pytest.param(b"*;q=0.1, de", b"de,*;q=0.1", id="any other"),
        pytest.param(b"de, en;q=0", b"de,en;q=0", id="what is not wanted is still said"),
        pytest.param(b"", b"", id="empty"),
        pytest.param(b",", b"", id="empty members"),
    ],
)
def test_accept_language_is_compared_by_tags_and_weights(value: bytes, form: bytes) -> None:
    assert canonical(b"accept-language", value) == form


@pytest.mark.parametrize(
    "value",
    [b"EN us", b"EN_us", b"EN;q=x", b"EN;level=1", b"EN, en", b"EN, *-", b"EN, abcdefghi", b"EN,1a", b"EN, d\xe9"],
)
def test_a_malformed_or_ambiguous_accept_language_stays_as_it_is(value: bytes) -> None:
    assert canonical(b"accept-language", value) == value


@given(weighted(["en", "en-GB", "de", "zh-Hans-CN", "x-en-gb", "*"]))
def test_the_form_of_accept_language_weighs_as_the_client_does(value: bytes) -> None:
    before, after = weights_of(value), weights_of(canonical(b"accept-language", value))
    assert after == before
    assert [*after.values()] == sorted(after.values(), reverse=True)


# --- any field --------------------------------------------------------------------------------------------------------


def test_blanks_around_the_commas_of_accept_do_not_count() -> None:
    assert canonical(b"accept", b"text/html , */*;q=0.8") == b"text/html,*/*;q=0.8"


@pytest.mark.parametrize("name", [b"user-agent", b"cookie", b"authorization", b"if-modified-since", b"referer"])
def test_a_field_that_is_no_list_stays_as_it_is(name: bytes) -> None:
    assert canonical(name, b"A , b,c") == b"A , b,c"


def test_any_other_field_has_one_blank_after_each_comma() -> None:
    assert canonical(b"x-any", b"A , b,c") == b"A, b, c"
    assert canonical(b"x-any", b"A  b") == b"A  b"
    assert canonical(b"x-any", b"A\x0b ,b\t,\x0cc") == b"A\x0b, b, \x0cc"


@pytest.mark.parametrize("name", [b"accept", b"x-any"])
def test_blanks_inside_quotes_mean_something(name: bytes) -> None:
    assert canonical(name, b'"a , b",c') == b'"a , b",c'


NEGOTIATED = [b"accept", b"accept-encoding", b"accept-language"]


@pytest.mark.parametrize("name", NEGOTIATED)
def test_a_long_value_stays_as_it_is_and_is_not_kept_in_mind(name: bytes) -> None:
    before = _canonical.cache_info().currsize
    value = b", ".join(b"a%d" % number for number in range(MAX_FORM_BYTES))
    assert canonical(name, value) == value
    assert _canonical.cache_info().currsize == before
    assert canonical(name, b"b ,".ljust(MAX_FORM_BYTES) + b",c") == b"b ,".ljust(MAX_FORM_BYTES) + b",c"
    assert canonical(name, b"b, ".ljust(MAX_FORM_BYTES - 1) + b"c") != b"b, ".ljust(MAX_FORM_BYTES - 1) + b"c"


def test_forms_that_are_kept_in_mind_are_bounded() -> None:
    for number in range(_MAX_FORMS + 10):
        canonical(b"accept-encoding", b"x%d" % number)
    assert _canonical.cache_info().currsize <= _MAX_FORMS


ANY_LIST = st.lists(
    st.binary(max_size=8) | st.sampled_from([b"gzip", b"br;q=0", b"EN-gb", b"*;q=0.5", b"identity", b'"']), max_size=5
).map(b",".join)


@pytest.mark.parametrize("name", NEGOTIATED)
@given(value=ANY_LIST)
def test_any_bytes_have_a_form_and_its_form_is_itself(name: bytes, value: bytes) -> None:
    form = canonical(name, value)
    assert canonical(name, form) == form


@pytest.mark.parametrize(
    ("value", "would_rather"),
    [
        (None, False),
        (b"", False),
        (b"gzip", True),
        (b"GZip, deflate, br", True),
        (b"x-gzip", True),
        (b"*", False),
        (b"gzip;q=0.5", True),
        (b"gzip;q=0, *", False),
        (b"gzip;q=0.5, identity", False),
        (b"identity", False),
        (b"br", False),
        (b"foo", False),
        (b"gzip, gzip", False),
        (b"gzip" + b"," * MAX_FORM_BYTES, False),
        (b"gzip;q=0.001", True),
        (b"gzip;q=0.5, identity;q=0.5", True),
        (b"gzip" + b"," * (MAX_FORM_BYTES - 4), True),
        (b"gzip" + b"," * (MAX_FORM_BYTES - 3), False),
    ],
)
def test_who_would_rather_have_a_coding_says_gzip(value: bytes | None, would_rather: bool) -> None:
    assert prefers_gzip(value) is would_rather


NAMES = st.sampled_from(["accept", "Accept-Encoding", "accept-language", "cookie", "Cookie", "x-any", "user-agent"])
VALUES = st.one_of(
    st.text(string.printable, max_size=12).map(str.encode),
    st.binary(max_size=8),
    weighted(["gzip", "br", "en", "de-AT"]),
    st.sampled_from([b"_ga=1", b"a=1; _ga=2", b"_ga=3; a=1", b"a=1"]),
)
QUERIES = st.lists(st.sampled_from(["a=1", "utm_id=1", "utm_id=2", "b", "", "utm%5Fid=3"]), max_size=4).map("&".join)


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, Lines]:
    """The URL and header lines of a request, some of which do not count."""
    return "/p?" + draw(QUERIES), draw(st.lists(st.tuples(NAMES, VALUES), max_size=4))


# --- the request as the application sees it ---------------------------------------------------------------------------


@given(requests())
def test_all_that_the_application_sees_is_in_the_key_or_selects_the_variant(request: tuple[str, Lines]) -> None:
    url, headers = request
    made = Request(Ignored(["utm_*"], ["_ga*"]).scope(http_scope(url, headers=headers)))
    lines = dict(made.lines())
    assert len(lines) == len(made.lines())
    assert [*lines.values()] == [*made.selecting_values(tuple(lines))]
    assert made.query == made.key[4]
    assert b"utm" not in made.query


@given(requests())
def test_what_the_application_sees_is_seen_as_it_is_the_second_time(request: tuple[str, Lines]) -> None:
    url, headers = request
    ignored = Ignored(["utm_*"], ["_ga*"])
    made = Request(ignored.scope(http_scope(url, headers=headers)))
    again = Request(ignored.scope({**http_scope(url), "query_string": made.query, "headers": made.lines()}))
    assert (again.key, again.lines(), again.audience) == (made.key, made.lines(), made.audience)
