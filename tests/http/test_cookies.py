"""Cookies are found by every grammar that applications read them by, in linear time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelerator.http.cookies import called, is_one, names_of, naming


@pytest.mark.parametrize(
    ("cookies", "pairs"),
    [
        (b"", []),
        (b";;;", []),
        (b"a=1; b=2", []),
        (b"lang=de", [b"lang=de"]),
        (b"a=1; lang=de ; b=2;lang=en", [b"lang=de", b"lang=en"]),
        (b"theme=x; lang=de", [b"theme=x", b"lang=de"]),
        (b"lang=theme; theme=lang", [b"lang=theme", b"theme=lang"]),
        (b"a=1 lang=de;b", [b"a=1 lang=de"]),
        (b"\xa0lang=de", [b"\xa0lang=de"]),
        (b"langlanglang", [b"langlanglang"]),
    ],
)
def test_the_pairs_in_which_a_name_occurs_are_found_once_and_in_their_order(cookies: bytes, pairs: list[bytes]) -> None:
    assert naming(cookies, [b"lang", b"theme"]) == pairs


@given(st.lists(st.sampled_from([b"lang", b"theme", b"=", b";", b" ", b"x"]), max_size=12).map(b"".join))
def test_no_pair_in_which_a_name_occurs_is_missed(cookies: bytes) -> None:
    named = [pair.strip(b" ") for pair in cookies.split(b";") if b"lang" in pair or b"theme" in pair]
    assert naming(cookies, [b"lang", b"theme"]) == named


@pytest.mark.parametrize(
    ("cookies", "left"),
    [
        (b"a=1; t=2; b=3", b"a=1; b=3"),
        (b"t=2", b""),
        (b"t=", b""),
        (b"t=1;t=2; u.v=3", b""),
        (b"xt=1; tx=2; t", b"xt=1; tx=2; t"),
        (b"uxv=1", b"uxv=1"),
        (b"t=a b", b"t=a b"),
        (b't="a"', b't="a"'),
        (b"t=a,b", b"t=a,b"),
        (b"t=\\", b"t=\\"),
    ],
)
def test_only_plainly_written_pairs_of_a_name_are_taken_off(cookies: bytes, left: bytes) -> None:
    assert called([b"t", b"u.v"]).sub(b"", cookies).strip(b"; ") == left


@pytest.mark.parametrize(
    ("pair", "is_single"),
    [
        (b"lang=en", True),
        (b"lang=en us", True),
        (b'prefs={"a":1, "b":2}', True),
        (b"token=abc==", True),
        (b"lang=en theme=evil", False),
        (b"lang=en,theme=evil", False),
        (b'lang="en"theme=evil', False),
        (b"lang='en'theme=evil", False),
        (b"lang=en\ttheme=evil", False),
    ],
)
def test_a_pair_in_which_another_grammar_reads_two_is_seen(pair: bytes, is_single: bool) -> None:
    assert is_one(pair) is is_single


@pytest.mark.parametrize(
    ("field", "names"),
    [
        (b"a=1; b=2;c=3", ["a", "b", "c"]),
        (b"a=1; a=2", ["a"]),
        (b" a = 1", ["(no name)"]),
        (b"secret; a=1", ["(no name)", "a"]),
        (b"c2VjcmV0==; =secret; secret=; ", ["(no name)"]),
        (b"secret sid=1; \xe9=1", ["(no name)"]),
    ],
)
def test_a_cookie_is_shown_by_its_name_and_what_may_be_a_value_is_not(field: bytes, names: list[str]) -> None:
    assert names_of(field.split(b";")) == names
