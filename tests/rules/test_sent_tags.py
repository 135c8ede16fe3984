"""Keys for caches downstream: the same for what is sent and what is taken back, and never one for several."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelerator.options import Options
from accelerator.rules.candidate import Candidate
from accelerator.rules.sent_tags import MAX_KEY_BYTES, MAX_LINE_BYTES, MORE, key_of, lines_of_response, tag_lines
from accelerator.tags import ALL, group_tag, is_valid_tag, tag_of_url
from tests.samples import Line, notes, request, response

NAMES = ("Surrogate-Key", "Cache-Tag")


@pytest.mark.parametrize("tag", ["user:42", "a/b?c=d&e", "A", "[x]*", '"quoted"', "@url:example.org/p?x=1"])
def test_a_plain_tag_is_its_own_key(tag: str) -> None:
    assert key_of(tag) == tag


@pytest.mark.parametrize(
    ("tag", "key"),
    [
        ("two words", "two%20words"),
        ("a,b", "a%2Cb"),
        ("100%", "100%25"),
        ("100%25", "100%2525"),
        ("naïve", "na%C3%AFve"),
        ("\u2028", "%E2%80%A8"),
        (" ", "%20"),
    ],
)
def test_what_a_cache_would_take_for_several_keys_or_none_is_encoded(tag: str, key: str) -> None:
    assert key_of(tag) == key


@settings(derandomize=True, database=None)
@given(st.text(min_size=1, max_size=300).filter(is_valid_tag))
def test_each_key_is_visible_ascii_without_commas_short_and_can_be_read_back(tag: str) -> None:
    key = key_of(tag)
    assert all(0x21 <= ord(character) <= 0x7E for character in key)
    assert "," not in key
    assert 1 <= len(key) <= MAX_KEY_BYTES
    assert key.startswith("@sha256:") or unquote(key) == tag


def test_a_long_tag_has_a_digest_of_its_own() -> None:
    long = "x" * MAX_KEY_BYTES
    assert key_of(long) == long
    assert key_of(long + "x") != key_of(long + "y")
    assert len(key_of(long + "x")) == len("@sha256:") + 64


def test_each_field_has_all_keys_in_its_own_way() -> None:
    tags = {"b", "a c", tag_of_url("https://example.org/p"), group_tag("example.org", "g"), ALL}
    assert tag_lines(tags, NAMES) == (
        (b"surrogate-key", b"@group:example.org/g @url:example.org/p a%20c b"),
        (b"cache-tag", b"@group:example.org/g,@url:example.org/p,a%20c,b"),
    )


def test_a_response_that_may_get_more_tags_says_so() -> None:
    assert tag_lines({"a"}, ("xkey",), is_whole=False) == ((b"xkey", b"a @more"),)


def test_a_line_that_would_be_too_long_says_only_that_there_are_more() -> None:
    tags = [f"{number:07}" for number in range(MAX_LINE_BYTES // 8)]
    ((_, line),) = tag_lines(tags, ("xkey",))
    assert MAX_LINE_BYTES - 8 < len(line) <= MAX_LINE_BYTES
    assert tag_lines([*tags, "x"], ("xkey",)) == ((b"xkey", MORE.encode()),)


def candidate(*headers: Line, tags: tuple[object, ...] = ()) -> Candidate:
    said = notes(60)
    said.tags.extend(tags)  # type: ignore[arg-type]  # an application may say anything
    return Candidate(request(url="/p"), response(*headers), said, Options(send_tags=("xkey",)))


def test_the_tags_of_a_response_are_those_of_calls_fields_groups_its_url_and_older_ones() -> None:
    made = candidate(("cache-tag", "b"), ("cache-groups", '"g"'), tags=("a",))
    ((_, line),) = lines_of_response(made, frozenset({"older"}), is_whole=True)
    assert line == b"@group:example.org/g @url:example.org/p a b g older"


@pytest.mark.parametrize("tag", ["", "@own", "a\nb", 7])
def test_where_a_tag_is_none_the_response_is_taken_back_with_each_purge(tag: object) -> None:
    ((_, line),) = lines_of_response(candidate(tags=("a", tag)), is_whole=True)
    assert line == b"@url:example.org/p @more"
