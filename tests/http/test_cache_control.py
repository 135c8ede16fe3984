from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from accelerator.http import fields
from accelerator.http.cache_control import CacheControl
from tests.http.support import ANY_BYTES

UNQUOTED = [b"no-store", b"private", b"NO-STORE", b"no-store=1", b" no-store ; x"]
DIRECTIVES = [*UNQUOTED, b'private="x-name"', b'private="a, b"']

FIELD_BYTES = ANY_BYTES | st.text('nomax-agesprivt=",;\\ 0159?@:%()*', max_size=60).map(str.encode)
"""Anything, and what looks like a field."""


# --- Cache-Control ----------------------------------------------------------------------------------------------------


def test_an_absent_cache_control_says_nothing() -> None:
    control = CacheControl.parse(None)
    assert "no-store" not in control
    assert control.seconds("max-age") is None


def test_directives_are_known_whatever_their_case() -> None:
    control = CacheControl.parse(b"Public, MAX-AGE=60")
    assert "public" in control
    assert control.seconds("max-age") == 60
    assert control.has_any("private", "public")
    assert not control.has_any("private", "no-store")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"max-age=60", 60),
        (b'max-age="60"', 60),
        (rb'max-age="6\0"', 60),
        (b"max-age= 60", 0),
        (b"max-age =60", 0),
        (b"max-age=60, public", 60),
        (b"max-age=99999999999999", 2**31),
    ],
)
def test_a_time_is_read_as_token_and_as_quoted_string(value: bytes, seconds: int) -> None:
    assert CacheControl.parse(value).seconds("max-age") == seconds


@pytest.mark.parametrize(
    "argument", [b"", b"=", b"=-1", b"=1.5", b"=x", b'="60', b'="', b"=60;", b"=60 no-store", b'=6"0"', b"=\xb2"]
)
def test_a_malformed_time_counts_as_0(argument: bytes) -> None:
    assert CacheControl.parse(b"max-age" + argument).seconds("max-age") == 0


@pytest.mark.parametrize("value", [b"max-age=60, max-age=5", b"max-age=5, max-age=60"])
def test_of_several_times_the_smallest_counts(value: bytes) -> None:
    assert CacheControl.parse(value).seconds("max-age") == 5


def test_a_time_beside_a_malformed_one_counts_as_0() -> None:
    assert CacheControl.parse(b"max-age=60, max-age").seconds("max-age") == 0


def test_a_directive_inside_quotes_is_text() -> None:
    control = CacheControl.parse(b'x="a, no-store", max-age=60')
    assert "no-store" not in control
    assert control.seconds("max-age") == 60


def test_a_cache_control_of_8_kib_is_read_and_a_longer_one_forbids_storing() -> None:
    assert "no-store" not in CacheControl.parse(b"max-age=60".ljust(8192, b","))
    assert "no-store" in CacheControl.parse(b"max-age=60".ljust(8193, b","))


@pytest.mark.parametrize("value", [b"public;x", b"public x", b'public"x"', b"public/", b"public:"])
def test_what_is_malformed_allows_nothing(value: bytes) -> None:
    assert "public" not in CacheControl.parse(value)


@pytest.mark.parametrize("value", [b"s-maxage;x=60", b"s-maxage x=60", b"s-maxage\x00=60"])
def test_a_time_with_a_malformed_name_is_no_time(value: bytes) -> None:
    assert not CacheControl.parse(value).seconds("s-maxage")


@given(ANY_BYTES | FIELD_BYTES)
def test_any_bytes_are_a_cache_control(value: bytes) -> None:
    seconds = CacheControl.parse(value).seconds("max-age")
    assert seconds is None or 0 <= seconds <= fields.MAX_SECONDS


@given(FIELD_BYTES, st.sampled_from(UNQUOTED))
@example(b'x="', b"no-store")
@example(b'x="\\', b"no-store")
def test_garbage_before_a_directive_does_not_hide_that_it_forbids(garbage: bytes, directive: bytes) -> None:
    assert CacheControl.parse(garbage + b", " + directive).has_any("no-store", "private")


@given(FIELD_BYTES, st.sampled_from(DIRECTIVES))
@example(b'x="', b"private")
def test_garbage_after_a_directive_does_not_hide_that_it_forbids(garbage: bytes, directive: bytes) -> None:
    assert CacheControl.parse(directive + b", " + garbage).has_any("no-store", "private")


@given(FIELD_BYTES.filter(lambda garbage: b'"' not in garbage), FIELD_BYTES, st.sampled_from(DIRECTIVES))
def test_garbage_on_both_sides_hides_nothing_unless_it_opens_a_quote(
    before: bytes, after: bytes, directive: bytes
) -> None:
    control = CacheControl.parse(before + b"," + directive + b"," + after)
    assert control.has_any("no-store", "private")


@pytest.mark.parametrize(
    ("directive", "forbids"),
    [
        ("no-store", "no-store"),
        ("private", "private"),
        ("no-cache", "no-cache"),
        ("proxy-revalidate", "proxy-revalidate"),
        ("must-revalidate", "proxy-revalidate"),
    ],
)
def test_what_is_malformed_still_forbids_and_does_not_share_with_others(directive: str, forbids: str) -> None:
    control = CacheControl.parse(f"{directive};x".encode())
    assert forbids in control
    assert "must-revalidate" not in control


# --- targeted fields --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"max-age=60", 60),
        (b"max-age=60;note=1", 60),
        (b"max-age=5, max-age=60", 60),
        (b"max-age=-60", 0),
        (b"public", None),
    ],
)
def test_a_targeted_field_is_a_dictionary(value: bytes, seconds: int | None) -> None:
    control = CacheControl.targeted(value)
    assert control is not None
    assert control.seconds("max-age") == seconds


def test_a_targeted_directive_with_the_value_false_is_absent() -> None:
    control = CacheControl.targeted(b"no-store=?0, private=?1")
    assert control is not None
    assert "no-store" not in control
    assert "private" in control


@pytest.mark.parametrize(
    "value", [None, b"", b"  ", b"max-age=", b"Max-Age=60", b"max-age=60,", b"max-age 60", b"\xff"]
)
def test_a_targeted_field_that_is_absent_empty_or_malformed_is_ignored(value: bytes | None) -> None:
    assert CacheControl.targeted(value) is None


@given(ANY_BYTES | FIELD_BYTES)
@example(b"max-age=@999999999999999")
@example(b'max-age=%"%ff"')
@example(b"max-age=:a:")
def test_any_bytes_are_a_targeted_field_or_none(value: bytes) -> None:
    control = CacheControl.targeted(value)
    assert control is None or 0 <= (control.seconds("max-age") or 0) <= fields.MAX_SECONDS
