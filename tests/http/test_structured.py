"""Any text becomes a structured field of bounded length, from which it can be read again."""

from __future__ import annotations

from typing import Any

import http_sf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelerator.http.structured import MAX_LIST_BYTES, MAX_TEXT_BYTES, Member, dictionary

ENOUGH = 10_000


def written(members: dict[str, Member], max_bytes: int = ENOUGH) -> str:
    return dictionary(members, max_bytes).decode("ascii")


def read(text: str) -> dict[str, Any]:
    members: Any = http_sf.parse(text.encode(), tltype="dictionary")
    return {name: value for name, (value, _) in members.items()}


@pytest.mark.parametrize(
    ("member", "text"),
    [
        (Member("a b"), 'a="a b"'),
        (Member('say "a\\b"'), r'a="say \"a\\b\""'),
        (Member("é"), 'a=%"%c3%a9"'),
        (Member("a\r\nb"), 'a=%"a%0d%0ab"'),
        (Member("\udc80"), r'a="\\udc80"'),
        (Member(http_sf.Token("hit")), "a=hit"),
        (Member(True), "a"),
        (Member(False), "a=?0"),
        (Member(7), "a=7"),
        (Member(10**30), "a=999999999999999"),
        (Member("x", {"age": 1.9, "ttl": -0.5, "is": True, "none": None}), 'a="x";age=1;ttl=-1;is'),
        (Member(["a", "é"]), 'a=("a" %"%c3%a9")'),
        (Member([]), "a=()"),
    ],
)
def test_a_member_is_written_as_rfc_9651_has_it(member: Member, text: str) -> None:
    assert written({"a": member}) == text


@given(st.text())
def test_a_short_text_is_read_again_as_it_was(text: str) -> None:
    text = text[:40]
    assert str(read(written({"a": Member(text)}))["a"]) == text.encode(errors="backslashreplace").decode()


@pytest.mark.parametrize("letter", ["a", "é", "\U0001f600", "\x00", '"'])
def test_a_long_text_is_cut(letter: str) -> None:
    cut = str(read(written({"a": Member(letter * 5000)}))["a"])
    assert cut.endswith("...")
    assert set(cut) == {letter, "."}
    assert len(written({"a": Member(letter * 5000)})) <= 2 * MAX_TEXT_BYTES + len('a=""...')


def test_of_a_long_list_the_first_members_are_written_and_the_others_counted() -> None:
    text = written({"a": Member([f"tag:{number:04}" for number in range(1000)])})
    assert text.startswith('a=("tag:0000" "tag:0001" ')
    assert text.endswith(f");more={1000 - text.count('tag:')}")
    assert MAX_LIST_BYTES - 20 < len(text) < MAX_LIST_BYTES + 20


def test_what_makes_the_field_too_long_is_left_out_and_that_is_said() -> None:
    members = {"a": Member("1"), "b": Member("2" * 100), "c": Member("3")}
    assert written(members, 30) == 'a="1", c="3", cut'
    assert written(members, 200) == written(members)


@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,5}", fullmatch=True), st.text(max_size=900) | st.lists(st.text()), max_size=9
    ),
    st.integers(10, 2000),
)
def test_it_is_visible_ascii_no_longer_than_it_may_be(members: dict[str, Any], max_bytes: int) -> None:
    field = dictionary({name: Member(value) for name, value in members.items()}, max_bytes)
    assert len(field) <= max_bytes
    assert all(0x20 <= octet < 0x7F for octet in field)
    assert read(field.decode()).keys() <= {*members, "cut"}
