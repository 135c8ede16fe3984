from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from accelerator.tags import (
    InvalidTagError,
    entry_tags,
    flattened,
    group_tag,
    is_valid_tag,
    tag_of_reference,
    tag_of_url,
    url_tag,
    valid_tag,
)

if TYPE_CHECKING:
    from collections.abc import Callable

# --- names of tags ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["a", "user:42", "User:42", "a b", " ", "naïve", "日本", "a@b", "a\u2028b", "a" * 1024, "é" * 512]
)
def test_a_tag_is_text_of_1_to_1024_bytes(name: str) -> None:
    assert valid_tag(name) == name


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "1 to 1024 bytes"),
        ("a" * 1025, "1 to 1024 bytes"),
        ("é" * 512 + "a", "1 to 1024 bytes"),
        ("@all", "library's own"),
        ("@", "library's own"),
        ("a\nb", "control characters"),
        ("a\x00", "control characters"),
        ("\x7f", "control characters"),
        ("a\x85", "control characters"),
        ("a\udcff", "UTF-8"),
    ],
)
def test_what_is_no_name_for_a_tag_is_a_value_error(name: str, reason: str) -> None:
    with pytest.raises(InvalidTagError, match=reason):
        valid_tag(name)


def test_an_invalid_tag_is_a_value_error_to_the_caller() -> None:
    assert issubclass(InvalidTagError, ValueError)


@pytest.mark.parametrize("name", [None, 42, b"user:42", ["a"]])
def test_a_tag_that_is_no_text_is_a_type_error(name: object) -> None:
    with pytest.raises(TypeError, match="a tag is a str"):
        valid_tag(name)


@given(st.text())
def test_any_text_is_a_tag_or_an_invalid_tag(name: str) -> None:
    try:
        assert valid_tag(name) is name
    except InvalidTagError:
        assert not name or name[0] == "@" or len(name.encode("utf-8", "replace")) > 1024 or not name.isprintable()


@pytest.mark.parametrize(
    ("names", "flat"),
    [
        ((), []),
        (("a", "b"), ["a", "b"]),
        ((["a", "b"],), ["a", "b"]),
        (("a", ("b", "c"), {"d": 1}), ["a", "b", "c", "d"]),
        (((name for name in "ab"),), ["a", "b"]),
        (([],), []),
    ],
)
def test_one_name_several_names_and_lists_of_names_are_alike(names: tuple[Any, ...], flat: list[str]) -> None:
    assert flattened(names) == flat


@pytest.mark.parametrize("name", [None, 42, b"ab", [42], [["a"]]])
def test_a_name_that_is_no_text_is_a_type_error(name: Any) -> None:
    with pytest.raises(TypeError, match="a tag is a str"):
        flattened(["a", name])


def test_an_entry_has_each_tag_once() -> None:
    assert entry_tags(["a", "b", "a"]) == {"a", "b"}


def _outcome(judge: Callable[[list[object]], object], names: list[object]) -> object:
    try:
        return judge(names)
    except (TypeError, InvalidTagError) as error:
        return type(error), str(error)


@given(
    st.lists(st.one_of(st.text("a@\n é\x7f", max_size=3), st.sampled_from(["b" * 1024, "b" * 1025, "\udcff", 7, b"c"])))
)
def test_the_tags_of_an_entry_are_judged_as_each_of_them_is(names: list[object]) -> None:
    """Most are judged all at once."""
    assert _outcome(entry_tags, names) == _outcome(lambda names: {valid_tag(name) for name in names}, names)


def test_an_entry_has_up_to_1000_tags_and_not_one_more() -> None:
    assert len(entry_tags(str(number) for number in range(1000))) == 1000
    with pytest.raises(InvalidTagError, match="1001 tags"):
        entry_tags(str(number) for number in range(1001))


def test_the_tags_of_an_entry_have_up_to_16_kib_and_not_one_byte_more() -> None:
    names = [f"{number:02}{'é' * 511}" for number in range(16)]  # 1024 bytes each
    assert len(entry_tags(names)) == 16
    with pytest.raises(InvalidTagError, match="17 tags"):
        entry_tags([*names, "a"])


# --- the tag of a URL -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("example.org", "/p", "x=1"), "@url:example.org/p?x=1"),
        (("Example.ORG", "/", ""), "@url:example.org/"),
        (("example.org", "", ""), "@url:example.org/"),
        (("example.org:80", "/", ""), "@url:example.org/"),
        (("example.org:443", "/", ""), "@url:example.org/"),
        (("example.org:", "/", ""), "@url:example.org/"),
        (("example.org:8080", "/", ""), "@url:example.org:8080/"),
        (("example.org:08080", "/", ""), "@url:example.org:8080/"),
        (("example.org:0443", "/", ""), "@url:example.org/"),
        (("example.org.", "/", ""), "@url:example.org/"),
        (("example.org.:8080", "/", ""), "@url:example.org:8080/"),
        (("example.org:port", "/", ""), "@url:example.org:port/"),
        (("[::1]", "/", ""), "@url:[::1]/"),
        (("[2001:DB8::80]", "/", ""), "@url:[2001:db8::80]/"),
        (("[::1]:443", "/", ""), "@url:[::1]/"),
        (("example.org", "/%7euser/%2D", ""), "@url:example.org/~user/-"),
        (("example.org", "/%c3%a9", ""), "@url:example.org/%C3%A9"),
        (("example.org", "/é", "é"), "@url:example.org/%C3%A9?%C3%A9"),
        (("example.org", "/\udcff", ""), "@url:example.org/%FF"),
        (("example.org", "/a%2fb", ""), "@url:example.org/a%2Fb"),
        (("example.org", '/a b"<>', "a b|`{}^\\"), "@url:example.org/a%20b%22%3C%3E?a%20b%7C%60%7B%7D%5E%5C"),
        (("example.org", "/a!$&'()*+,;=:@", "/?"), "@url:example.org/a!$&'()*+,;=:@?/?"),
        (("example.org", "/a/./b/../c", ""), "@url:example.org/a/c"),
        (("example.org", "/a/b/..", ""), "@url:example.org/a/"),
        (("example.org", "/a/.", ""), "@url:example.org/a/"),
        (("example.org", "/../../a", ""), "@url:example.org/a"),
        (("example.org", "/..", ""), "@url:example.org/"),
        (("example.org", "/%2E%2e/a", ""), "@url:example.org/a"),
        (("example.org", "/a//../b", ""), "@url:example.org/a/b"),
        (("example.org", "//a", ""), "@url:example.org//a"),
        (("example.org", "/A", "B=%3d"), "@url:example.org/A?B=%3D"),
        (("example.org", "/100%", ""), "@url:example.org/100%"),
    ],
)
def test_a_url_is_normalised_by_rfc_3986(parts: tuple[str, str, str], expected: str) -> None:
    assert url_tag(*parts) == expected


def test_an_escape_in_a_host_is_decoded_before_its_case_is_lowered() -> None:
    assert url_tag("%45xample.org", "/", "") == url_tag("example.org", "/", "")


def test_a_url_too_long_for_a_tag_is_named_by_its_digest() -> None:
    path = "/" + "a" * (1024 - len("@url:example.org/"))
    longest = url_tag("example.org", path, "")
    assert (longest, len(longest)) == (f"@url:example.org{path}", 1024)
    digest = url_tag("example.org", path + "a", "")
    assert digest.startswith("@url:sha256:")
    assert len(digest) == len("@url:sha256:") + 64
    assert digest == url_tag("EXAMPLE.org:443", path + "%61", "")
    assert digest != url_tag("example.org", path + "b", "")


SEGMENT = st.text("abcXYZ019-._~!$&'()*+,;=:@é %", max_size=6).map(lambda text: quote(text, safe="!$&'()*+,;=:@"))
PATH = st.lists(SEGMENT | st.sampled_from([".", ".."]), max_size=6).map(lambda segments: "/" + "/".join(segments))


def equivalents(data: st.DataObject, path: str) -> str:
    """Write a path in another way that RFC 3986 §6.2.2 takes for the same."""
    written = ""
    position = 0
    while position < len(path):
        if path[position] == "%":
            escape = path[position : position + 3]
            written += data.draw(st.sampled_from([escape.lower(), escape.upper()]))
            position += 3
        else:
            letter = path[position]
            choices = [letter, f"%{ord(letter):02x}", f"%{ord(letter):02X}"] if letter.isalnum() else [letter]
            choices += ["/./", "/x/../"] if letter == "/" else []
            written += data.draw(st.sampled_from(choices))
            position += 1
    return written


@given(PATH, SEGMENT, st.data())
def test_equivalent_urls_have_one_tag(path: str, query: str, data: st.DataObject) -> None:
    host = data.draw(st.sampled_from(["example.org", "EXAMPLE.org", "example.org:80", "example.org:443"]))
    assert url_tag(host, equivalents(data, path), query) == url_tag("example.org", path, query)


@given(PATH, SEGMENT)
def test_the_tag_of_a_normalised_url_is_its_own(path: str, query: str) -> None:
    once = url_tag("example.org", path, query)
    again, _, question = once.removeprefix("@url:example.org").partition("?")
    assert url_tag("example.org", again, question) == once


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
@example("é.org", "/\x00\n", "\x7f")
def test_the_tag_of_any_url_is_printable_ascii_and_fits(host: str, path: str, query: str) -> None:
    name = url_tag(*(part.encode("utf-8", "replace").decode() for part in (host, path, query)))
    assert name.isascii()
    assert name.isprintable()
    assert len(name) <= 1024


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.org/p?x=1", "@url:example.org/p?x=1"),
        ("http://example.org/p?x=1", "@url:example.org/p?x=1"),
        ("HTTPS://Example.Org:443", "@url:example.org/"),
        ("http://example.org:/", "@url:example.org/"),
        ("http://example.org:8080/a/../b#part", "@url:example.org:8080/b"),
        ("https://name:word@example.org/", "@url:example.org/"),
        ("https://[2001:DB8::1]:8443/", "@url:[2001:db8::1]:8443/"),
        ("https://bücher.example/ü", "@url:xn--bcher-kva.example/%C3%BC"),
    ],
)
def test_a_url_is_taken_as_clients_ask_for_it(url: str, expected: str) -> None:
    assert tag_of_url(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/p",
        "//example.org/p",
        "example.org/p",
        "ftp://example.org/",
        "https://",
        "https:///p",
        "https://example.org:port/",
        "https://example.org:65536/",
        "https://[::1/",
        "https://\udcff/",
    ],
)
def test_what_is_no_absolute_http_url_is_a_value_error(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        tag_of_url(url)


@pytest.mark.parametrize("url", [None, b"https://example.org/", 42])
def test_a_url_that_is_no_text_is_a_type_error(url: Any) -> None:
    with pytest.raises(TypeError, match="a URL is a str"):
        tag_of_url(url)


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("/other", "@url:example.org/other"),
        ("other", "@url:example.org/a/other"),
        ("?y=2", "@url:example.org/a/b?y=2"),
        ("", "@url:example.org/a/b?x=1"),
        ("//example.org/c", "@url:example.org/c"),
        ("https://EXAMPLE.org:443/c", "@url:example.org/c"),
    ],
)
def test_a_reference_to_the_same_origin_names_its_target(reference: str, expected: str) -> None:
    assert tag_of_reference("https://example.org/a/b?x=1", reference) == expected


@pytest.mark.parametrize(
    "reference",
    [
        "https://example.com/",
        "http://example.org/",
        "https://example.org:8443/",
        "mailto:a@example.org",
        "https://[",
        "https://example.org:x/",
    ],
)
def test_a_reference_to_another_origin_names_nothing(reference: str) -> None:
    assert tag_of_reference("https://example.org/a", reference) is None


def test_a_reference_from_what_is_no_url_names_nothing() -> None:
    assert tag_of_reference("ws:/a", "b") is None


# --- @cached ----------------------------------------------------------------------------------------------------------


def test_a_group_is_one_only_within_its_host() -> None:
    assert group_tag("Example.org:443", "a b") == "@group:example.org/a b"
    assert group_tag("other.example", "a b") != group_tag("example.org", "a b")


def test_a_group_with_a_long_name_is_named_by_its_digest() -> None:
    tags = {group_tag("example.org", "a" * 2000 + end) for end in "bc"}
    assert len(tags) == 2
    assert all(tag.startswith("@group:sha256:") and len(tag) < 100 for tag in tags)


@pytest.mark.parametrize(("name", "is_valid"), [("a", True), ("", False), ("@a", False), ("a\n", False)])
def test_a_name_that_no_tag_can_have_can_be_asked_for(name: str, is_valid: bool) -> None:
    assert is_valid_tag(name) is is_valid
