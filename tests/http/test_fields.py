from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelerator.http import fields
from tests.http.support import ANY_BYTES

LINES = ((b"Vary", b" Accept "), (b"x-other", b"1"), (b"VARY", b"\tCookie"))


# --- lines ------------------------------------------------------------------------------------------------------------


def test_lines_are_found_whatever_the_case_of_their_name_and_lose_the_blanks_around() -> None:
    assert fields.lines(LINES, b"vary") == [b"Accept", b"Cookie"]


def test_lines_of_one_name_are_one_value() -> None:
    assert fields.combined(LINES, b"vary") == b"Accept, Cookie"


def test_a_line_that_is_absent_is_not_an_empty_one() -> None:
    assert fields.combined(LINES, b"etag") is None
    assert fields.combined([(b"etag", b"")], b"etag") == b""


@pytest.mark.parametrize(
    ("value", "members"),
    [
        (b"", []),
        (b" , ,", []),
        (b"a", ["a"]),
        (b" a ,b,, c", ["a", "b", "c"]),
        (b'a="x, y", b', ['a="x, y"', "b"]),
        (rb'a="x\", y", b', [r'a="x\", y"', "b"]),
        (b'a="x, b', ['a="x', "b"]),
        (b'a=""x", b', ['a=""x"', "b"]),
        (rb'a="x\", b="y, c', [r'a="x\", b="y', "c"]),
        (b'a="x\\", b, c\\', ['a="x\\"', "b", "c\\"]),
        (b"\xe9", ["é"]),
    ],
)
def test_a_comma_parts_members_unless_it_is_quoted(value: bytes, members: list[str]) -> None:
    assert list(fields.members(value)) == members


@pytest.mark.parametrize(
    "value", [b'"' + b'\\"' * 500_000, b'"\\' * 333_333, b'"' * 999_999], ids=["one", "half", "odd"]
)
def test_quotes_that_nothing_closes_are_not_each_read_to_the_end(value: bytes) -> None:
    """A million of them would take hours."""
    assert list(fields.members(value + b",a")) == [value.decode(), "a"]


# --- seconds ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("60", 60),
        ("0060", 60),
        ("2147483647", 2**31 - 1),
        ("2147483648", 2**31),
        ("2147483649", 2**31),
        ("9999999999", 2**31),
    ],
)
def test_delta_seconds_are_capped_at_2_to_the_31(text: str, seconds: int) -> None:
    assert fields.delta_seconds(text) == seconds


def test_delta_seconds_may_be_longer_than_python_reads() -> None:
    assert fields.delta_seconds("9" * 5000) == 2**31
    assert fields.delta_seconds("0" * 5000) == 0
    assert fields.delta_seconds("0" * 5000 + "7") == 7


@pytest.mark.parametrize("text", [None, "", "-1", "+1", "1.5", "1 ", "1e3", "0x1", "٣", "²", "sixty"])
def test_delta_seconds_are_digits_and_nothing_else(text: str | None) -> None:
    assert fields.delta_seconds(text) is None


# --- Cache-Control ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "is_token"),
    [("vary", True), ("X-A_b.1", True), ("*", True), ("", False), ("a b", False), ("a:", False), ("é", False)],
)
def test_the_name_of_a_field_is_a_token(name: str, is_token: bool) -> None:
    assert fields.is_token(name) is is_token


# --- entity tags ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "tags"),
    [
        (b'"a"', [b'"a"']),
        (b'W/"a"', [b'W/"a"']),
        (b'""', [b'""']),
        (b'"a", W/"b" ,"c"', [b'"a"', b'W/"b"', b'"c"']),
        (b'  "a"  ', [b'"a"']),
        (b'"a,b", "c"', [b'"a,b"', b'"c"']),
        (b'"\xe9!#~"', [b'"\xe9!#~"']),
        (b'"a",', [b'"a"']),
        (b"", []),
        (b"*", []),
        (b"a", []),
        (b'w/"a"', []),
        (b'"a b"', []),
        (b'"a\x7f"', []),
        (b'"a" "b"', []),
        (b'"a', []),
        (b'"a", b, "c"', [b'"a"']),
    ],
)
def test_entity_tags_are_read_up_to_the_first_that_is_malformed(value: bytes, tags: list[bytes]) -> None:
    assert fields.entity_tags(value) == tags


@pytest.mark.parametrize("value", [b'"a",,"b"', b', "a", "b"', b'"a", , "b",'])
def test_empty_members_of_a_list_of_entity_tags_are_ignored(value: bytes) -> None:
    assert fields.entity_tags(value) == [b'"a"', b'"b"']


@given(ANY_BYTES | st.text('W/"ab, \\', max_size=40).map(str.encode))
def test_any_bytes_are_a_list_of_entity_tags(value: bytes) -> None:
    for tag in fields.entity_tags(value):
        assert tag in value
        assert fields.entity_tags(tag) == [tag]


@pytest.mark.parametrize(
    ("tag", "strong"),
    [
        (b'"a"', True),
        (b'""', True),
        (b'W/"a"', False),
        (b"a", False),
        (b'"a', False),
        (b'"a", "b"', False),
        (b'"a b"', False),
        (b"", False),
        (None, False),
    ],
)
def test_only_a_well_formed_entity_tag_without_w_is_strong(tag: bytes | None, strong: bool) -> None:
    assert fields.is_strong(tag) is strong


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (b'"1"', b'"1"', True),
        (b'W/"1"', b'W/"1"', True),
        (b'W/"1"', b'"1"', True),
        (b'"1"', b'W/"1"', True),
        (b'W/"1"', b'W/"2"', False),
        (b'"1"', b'"2"', False),
        (b'"a"', b'"A"', False),
    ],
)
def test_weak_comparison_does_not_look_at_w(one: bytes, other: bytes, equal: bool) -> None:
    assert fields.weakly_equal(one, other) is equal


# --- Vary -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (b"", ()),
        (b" , ,", ()),
        (b"Accept", (b"accept",)),
        (b"Cookie,ACCEPT , cookie", (b"accept", b"cookie")),
        (b"*", (b"*",)),
        (b"Accept, *", (b"*", b"accept")),
    ],
)
def test_vary_lists_each_field_once_whatever_its_case_and_order(value: bytes, names: tuple[bytes, ...]) -> None:
    assert fields.field_names(value) == names


@given(ANY_BYTES)
def test_any_bytes_are_a_vary(value: bytes) -> None:
    names = fields.field_names(value)
    assert names == fields.field_names(b", ".join(names))
