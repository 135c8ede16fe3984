from __future__ import annotations

import functools
import inspect
import logging
from contextvars import copy_context
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import pytest
from fastapi import Depends, FastAPI
from hypothesis import example, given
from hypothesis import strategies as st

from accelerator.notes import Notes, cache_for, no_store, seconds, start_noting, stop_noting, tag, vary
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
from accelerator.views import cached
from tests.support import ask

if TYPE_CHECKING:
    from collections.abc import Iterator

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


# --- times ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0, -1, 60, 0.5, 1e300])
def test_a_number_of_seconds_is_any_finite_number(value: float) -> None:
    assert seconds("ttl", value) == value


@pytest.mark.parametrize("value", [True, "60", None, 1j, [60]])
def test_a_number_of_seconds_that_is_no_number_is_a_type_error(value: object) -> None:
    with pytest.raises(TypeError, match="ttl is a number of seconds"):
        seconds("ttl", value)


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), float("-inf"), 10**400], ids=["nan", "inf", "-inf", "401 digits"]
)
def test_a_number_of_seconds_that_is_not_finite_is_a_value_error(value: float) -> None:
    with pytest.raises(ValueError, match="ttl"):
        seconds("ttl", value)


# --- what is said -----------------------------------------------------------------------------------------------------


@pytest.fixture
def notes() -> Iterator[Notes]:
    """What a response's making hears, as long as the test runs."""
    heard = Notes()
    token = start_noting(heard)
    yield heard
    stop_noting(token)


def told(notes: Notes) -> tuple[float | None, float | None, float | None, bool]:
    return notes.ttl, notes.stale_while_revalidate, notes.stale_if_error, notes.public


def test_nothing_is_said_of_a_response_at_first() -> None:
    heard = Notes()
    assert told(heard) == (None, None, None, False)
    assert (heard.tags, heard.vary, heard.no_store) == ([], set(), False)


def test_cache_for_says_a_time_and_leaves_the_rest_to_the_options(notes: Notes) -> None:
    cache_for(60)
    assert told(notes) == (60, None, None, False)


def test_the_last_cache_for_wins_as_a_whole(notes: Notes) -> None:
    cache_for(60, stale_while_revalidate=30, stale_if_error=600, public=True)
    assert told(notes) == (60, 30, 600, True)
    cache_for(5)
    assert told(notes) == (5, None, None, False)


def test_tags_add_up(notes: Notes) -> None:
    tag("user:42", "posts")
    tag(["a", "b"])
    tag()
    assert notes.tags == ["user:42", "posts", "a", "b"]


def test_fields_add_up_however_they_are_said(notes: Notes) -> None:
    vary("X-Tenant", ["Accept", "x-tenant"])
    cache_for(60, vary="X-Plan")
    cache_for(60, vary=["HX-Target"])
    cache_for(60)
    cached(60, vary=("X-Shop",))(lambda: None)()
    vary()
    assert notes.vary == {b"x-tenant", b"accept", b"x-plan", b"hx-target", b"x-shop"}


@pytest.mark.parametrize("names", [(42,), ("a", b"b"), (None,), (["a", 42],)])
@pytest.mark.parametrize("say", [vary, lambda *names: cache_for(60, vary=names), lambda *names: cached(60, vary=names)])
def test_a_name_of_a_field_of_a_wrong_type_is_a_type_error_at_once_and_says_nothing(
    notes: Notes, say: Any, names: tuple[Any, ...]
) -> None:
    with pytest.raises(TypeError, match="a name of a field is a str"):
        say(*names)
    assert (notes.vary, notes.ttl) == (set(), None)


@pytest.mark.parametrize("name", ["", "X Tenant", "X-Tenant:", "a, b", "Größe"])
@pytest.mark.parametrize("say", [vary, lambda name: cache_for(60, vary=name), lambda name: cached(60, vary=name)])
def test_what_is_no_name_of_a_field_is_a_value_error_at_once_and_says_nothing(
    notes: Notes, say: Any, name: str
) -> None:
    with pytest.raises(ValueError, match="vary takes names of request fields"):
        say(name)
    assert (notes.vary, notes.ttl) == (set(), None)


def test_a_veto_is_lifted_by_nothing(notes: Notes) -> None:
    no_store()
    cache_for(60, public=True)
    assert notes.no_store


def test_outside_a_request_nothing_is_said_and_nothing_fails() -> None:
    cache_for(60)
    tag("a")
    vary("X-Tenant")
    no_store()


@pytest.mark.parametrize(
    "arguments",
    [
        {"ttl": "60"},
        {"ttl": None},
        {"ttl": True},
        {"ttl": 60, "stale_while_revalidate": "30"},
        {"ttl": 60, "stale_if_error": True},
        {"ttl": 60, "public": 1},
        {"ttl": 60, "public": None},
    ],
)
@pytest.mark.parametrize("say", [cache_for, cached])
def test_a_wrong_type_is_a_type_error_at_once(say: Any, arguments: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        say(**arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        {"ttl": float("nan")},
        {"ttl": 60, "stale_while_revalidate": float("inf")},
        {"ttl": 60, "stale_if_error": float("-inf")},
    ],
)
@pytest.mark.parametrize("say", [cache_for, cached])
def test_a_time_without_end_is_a_value_error_at_once(say: Any, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="finite"):
        say(**arguments)


def test_a_cache_for_that_fails_says_nothing(notes: Notes) -> None:
    with pytest.raises(TypeError):
        cache_for(60, stale_if_error="x")  # type: ignore[arg-type]
    assert told(notes) == (None, None, None, False)


@pytest.mark.parametrize("names", [(42,), ("a", b"b"), (None,), (["a", 42],)])
def test_a_tag_of_a_wrong_type_is_a_type_error_at_once_and_says_nothing(notes: Notes, names: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError, match="a tag is a str"):
        tag(*names)
    assert notes.tags == []


def test_a_tag_that_is_no_valid_name_is_kept_to_be_judged_with_the_entry(notes: Notes) -> None:
    tag("")
    assert notes.tags == [""]


# --- the keys of the scope --------------------------------------------------------------------------------------------


def heard_from(scope: dict[str, Any]) -> Notes:
    heard = Notes()
    heard.read_scope(scope)
    return heard


def test_a_scope_without_the_keys_says_nothing() -> None:
    heard = heard_from({"type": "http"})
    assert (told(heard), heard.tags, heard.no_store) == ((None, None, None, False), [], False)


def test_the_scope_keys_say_what_the_functions_say() -> None:
    heard = heard_from({"accelerator.cache_for": 5, "accelerator.tags": ["foo", "bar"]})
    assert (heard.ttl, heard.tags, heard.no_store) == (5, ["foo", "bar"], False)


def test_one_tag_may_stand_without_a_list() -> None:
    assert heard_from({"accelerator.tags": "foo"}).tags == ["foo"]


def test_the_function_comes_before_the_scope_key() -> None:
    heard = Notes()
    heard.ttl = 60
    heard.read_scope({"accelerator.cache_for": 5})
    assert heard.ttl == 60


def test_a_list_that_is_added_to_and_a_list_that_replaces_it_add_up() -> None:
    heard = Notes()
    heard.tags.append("a")
    heard.read_scope({"accelerator.tags": heard.tags})
    assert heard.tags == ["a"]
    for _ in range(2):
        heard.read_scope({"accelerator.tags": ["a", "b"]})
    assert heard.tags == ["a", "b"]


@pytest.mark.parametrize(
    "scope",
    [
        {"accelerator.cache_for": "5"},
        {"accelerator.cache_for": True},
        {"accelerator.cache_for": float("nan")},
        {"accelerator.cache_for": 10**400},
        {"accelerator.tags": 42},
        {"accelerator.tags": None},
        {"accelerator.tags": ["a", 42]},
        {"accelerator.tags": [["a"]]},
    ],
    ids=["text", "bool", "nan", "401 digits", "a number", "None", "a number among text", "a list in a list"],
)
def test_nonsense_in_the_scope_keeps_the_response_out_of_the_store_and_is_logged(
    scope: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "accelerator"):
        assert heard_from(scope).no_store
    assert [record.message[:10] for record in caplog.records] == ["not stored"]


# --- @cached ----------------------------------------------------------------------------------------------------------


def test_cached_says_its_times_and_its_tags_before_a_sync_view(notes: Notes) -> None:
    @cached(60, tags=["user:{user_id}", "posts"], stale_while_revalidate=30, stale_if_error=600, public=True)
    def view(user_id: int) -> str:
        return f"{user_id} {notes.tags}"

    assert view(42) == "42 ['user:42', 'posts']"
    assert told(notes) == (60, 30, 600, True)


@pytest.mark.anyio
async def test_cached_says_its_times_and_its_tags_before_an_async_view() -> None:
    @cached(60, tags=["user:{user_id}"])
    async def view(user_id: int) -> str:
        return f"{user_id} {heard.tags}"

    heard = Notes()
    token = start_noting(heard)
    assert await view(user_id=42) == "42 ['user:42']"
    stop_noting(token)
    assert told(heard) == (60, None, None, False)
    assert inspect.iscoroutinefunction(view)


def test_what_a_view_says_itself_wins_over_cached(notes: Notes) -> None:
    @cached(60, public=True)
    def view() -> None:
        cache_for(5)

    view()
    assert told(notes) == (5, None, None, False)


def test_cached_without_templates_does_not_look_at_the_arguments(notes: Notes) -> None:
    @cached(60)
    def view(*parts: int) -> int:
        return sum(parts)

    assert view(1, 2) == 3
    assert notes.tags == []


class User:
    def __init__(self, name: str) -> None:
        self.name = name
        self.groups = ["g1", "g2"]


def test_templates_are_filled_from_bound_arguments_defaults_attributes_and_items(notes: Notes) -> None:
    @cached(60, tags=["{user.name}", "{user.groups[1]}", "page:{page:03}", "{page!r}", "{{}}", "{more[x]}", "{rest}"])
    def view(user: User, *rest: int, page: int = 7, **more: str) -> None:
        """Nothing to show."""

    view(User("ada"), x="y")
    assert notes.tags == ["ada", "g2", "page:007", "7", "{}", "y", "()"]


def test_a_single_template_may_stand_without_a_list(notes: Notes) -> None:
    @cached(60, tags="posts")
    def view() -> None:
        """Nothing to show."""

    view()
    assert notes.tags == ["posts"]


def test_templates_given_by_a_generator_serve_every_call(notes: Notes) -> None:
    @cached(60, tags=(name for name in ["a", "b"]))
    def view() -> None:
        """Nothing to show."""

    view()
    view()
    assert notes.tags == ["a", "b", "a", "b"]


@pytest.mark.parametrize(
    "template", ["user:{other}", "{}", "{0}", "{", "}", "{user_id", "{other.name}", "{other[0]}", "{user_id:{other}}"]
)
def test_a_template_that_names_no_argument_or_is_malformed_is_a_value_error_at_once(template: str) -> None:
    def view(user_id: int) -> None:
        raise AssertionError(user_id)

    with pytest.raises(ValueError, match=r"."):
        cached(60, tags=[template])(view)


def test_a_template_that_is_no_text_is_a_type_error_at_once() -> None:
    with pytest.raises(TypeError, match="a tag is a str"):
        cached(60, tags=[42])  # type: ignore[list-item]


def test_a_view_called_with_wrong_arguments_raises_what_it_would_raise_itself(notes: Notes) -> None:
    @cached(60, tags=["user:{user_id}"])
    def view(user_id: int) -> None:
        raise AssertionError(user_id)

    with pytest.raises(TypeError, match="user_id"):
        view()  # type: ignore[call-arg]
    assert notes.tags == []


def test_cached_keeps_name_docstring_and_signature() -> None:
    def view(user_id: int, page: int = 1) -> str:
        """Show a page."""
        return f"{user_id} {page}"

    wrapped = cached(60)(view)
    assert (wrapped.__name__, wrapped.__doc__) == ("view", "Show a page.")
    assert inspect.signature(wrapped) == inspect.signature(view, eval_str=True)


def test_cached_leaves_annotations_that_only_type_checkers_know_as_they_are() -> None:
    def view(user: NotThere) -> None:  # type: ignore[name-defined]  # noqa: F821 - that is the point
        """Show a page."""

    assert inspect.signature(cached(60)(view)).parameters["user"].annotation == "NotThere"


def test_cached_awaits_an_object_whose_call_is_async() -> None:
    class View:
        async def __call__(self, user_id: int) -> int:
            return user_id

    wrapped = cached(60)(View())
    assert inspect.iscoroutinefunction(wrapped)


def test_cached_wraps_partials_of_async_views_as_async_views() -> None:
    async def view(user_id: int) -> None:
        raise AssertionError(user_id)

    assert inspect.iscoroutinefunction(cached(60, tags=["{user_id}"])(functools.partial(view, user_id=1)))


def reader() -> str:
    return "ada"


Reader = Annotated[str, Depends(reader)]
"""Known to this module alone: FastAPI has to resolve the text of the annotation here."""


@pytest.mark.anyio
async def test_fastapi_sees_the_signature_behind_cached() -> None:
    api = FastAPI()

    @api.get("/sync/{user_id}")
    @cached(60, tags=["user:{user_id}"])
    def sync_view(user_id: int, name: Reader, page: int = 1) -> dict[str, object]:
        return {"user": user_id, "name": name, "page": page}

    @api.get("/async/{user_id}")
    @cached(60, tags=["user:{user_id}"])
    async def async_view(user_id: int, name: Reader, page: int = 1) -> dict[str, object]:
        return {"user": user_id, "name": name, "page": page}

    for path in ("/sync/42?page=3", "/async/42?page=3"):
        answer = await ask(api, path)
        assert (answer.status, answer.body) == (200, b'{"user":42,"name":"ada","page":3}')
    assert (await ask(api, "/sync/nobody")).status == 422


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


def test_what_ends_in_another_context_leaves_the_listener_there_alone() -> None:
    dropped, here = Notes(), Notes()
    token = copy_context().run(start_noting, dropped)
    own = start_noting(here)
    try:
        stop_noting(token)
        tag("a")
    finally:
        stop_noting(own)
    assert (dropped.tags, here.tags) == ([], ["a"])
