from __future__ import annotations

import asyncio
import time
from dataclasses import FrozenInstanceError, fields
from typing import Any, cast

import pytest

from accelerator import CREDENTIALS, UNSTORED_FIELDS
from accelerator.events import CacheEvent
from accelerator.options import _CHECKS, OptionArguments, Options, checked

DEFAULTS = {
    "default_ttl": None,
    "stale_while_revalidate": 0,
    "stale_if_error": 0,
    "max_body_bytes": 8 * 1024 * 1024,
    "ignore_query": (),
    "ignore_cookies": (),
    "keep_query": None,
    "keep_cookies": None,
    "cookies": "strict",
    "vary": (),
    "vary_cookies": ("django_language", "messages", "_LOCALE_", "I18N_LANGUAGE"),
    "renewed_cookies": (),
    "credentials": CREDENTIALS,
    "partition": None,
    "unstored_fields": UNSTORED_FIELDS,
    "tag_headers": ("cache-tag", "surrogate-key", "xkey"),
    "send_tags": (),
    "cacheable_errors": False,
    "coalesce": True,
    "cache_status": "accelerator",
    "on_event": None,
    "debug": False,
    "enabled": True,
    "clock": time.time,
}


def options(**arguments: Any) -> Options:
    return checked(cast("OptionArguments", arguments))


@pytest.mark.parametrize("name", DEFAULTS)
def test_an_option_has_its_documented_default(name: str) -> None:
    assert getattr(options(), name) == DEFAULTS[name]


def test_the_keyword_arguments_are_the_options() -> None:
    assert set(OptionArguments.__annotations__) == {field.name for field in fields(Options)}


def test_options_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        options().enabled = False  # type: ignore[misc]


def test_options_are_keyword_only() -> None:
    with pytest.raises(TypeError):
        Options(60)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("default_ttl", 60),
        ("default_ttl", 0.5),
        ("stale_while_revalidate", 0),
        ("stale_while_revalidate", 30.5),
        ("stale_if_error", 600),
        ("max_body_bytes", 1),
        ("ignore_query", ("utm_*", "fbclid")),
        ("ignore_cookies", ("_ga*",)),
        ("keep_query", ("page", "q")),
        ("keep_query", ()),
        ("keep_cookies", ("sessionid",)),
        ("keep_cookies", None),
        ("cookies", "vary"),
        ("vary", ("X-Tenant",)),
        ("vary_cookies", ()),
        ("renewed_cookies", ("csrftoken",)),
        ("credentials", (*CREDENTIALS, "X-My-Key")),
        ("unstored_fields", ("x-my-*",)),
        ("partition", lambda scope: scope["path"]),
        ("tag_headers", ()),
        ("tag_headers", ("edge-cache-tag",)),
        ("send_tags", ("Surrogate-Key", "Cache-Tag")),
        ("cacheable_errors", True),
        ("coalesce", False),
        ("cache_status", None),
        ("cache_status", "Example-Cache.1/a:b"),
        ("on_event", print),
        ("debug", True),
        ("debug", "0pen-Sesame-now!"),
        ("enabled", False),
        ("clock", time.monotonic),
    ],
)
def test_an_option_takes_what_makes_sense(name: str, value: object) -> None:
    assert getattr(options(**{name: value}), name) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("default_ttl", "60"),
        ("default_ttl", True),
        ("stale_while_revalidate", None),
        ("stale_while_revalidate", "30"),
        ("stale_if_error", False),
        ("max_body_bytes", 1.5),
        ("max_body_bytes", True),
        ("max_body_bytes", None),
        ("ignore_query", "utm_*"),
        ("ignore_query", ["utm_*"]),
        ("ignore_query", (b"utm_*",)),
        ("ignore_cookies", "_ga*"),
        ("ignore_cookies", None),
        ("keep_query", "page"),
        ("keep_query", ["page"]),
        ("keep_cookies", (b"sessionid",)),
        ("vary", "X-Tenant"),
        ("vary", None),
        ("vary_cookies", ["lang"]),
        ("renewed_cookies", "csrftoken"),
        ("credentials", None),
        ("credentials", [*CREDENTIALS]),
        ("unstored_fields", "x-my-*"),
        ("partition", "tenant"),
        ("tag_headers", "cache-tag"),
        ("tag_headers", ["cache-tag"]),
        ("tag_headers", (b"cache-tag",)),
        ("send_tags", "Surrogate-Key"),
        ("send_tags", True),
        ("tag_headers", None),
        ("cacheable_errors", 1),
        ("coalesce", None),
        ("cache_status", 5),
        ("cache_status", b"accelerator"),
        ("on_event", "log"),
        ("on_event", asyncio.sleep),
        ("debug", None),
        ("debug", 1),
        ("debug", b"token"),
        ("enabled", "yes"),
        ("clock", None),
        ("clock", 0),
    ],
)
def test_a_wrong_type_is_a_type_error_at_once_that_names_the_option(name: str, value: object) -> None:
    with pytest.raises(TypeError, match=name):
        options(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("default_ttl", -1),
        ("default_ttl", float("nan")),
        ("default_ttl", float("inf")),
        ("stale_while_revalidate", -1),
        ("stale_while_revalidate", float("inf")),
        ("stale_if_error", -0.5),
        ("max_body_bytes", -1),
        ("cookies", "shared"),
        ("cookies", None),
        ("cookies", True),
        ("vary", ("X Tenant",)),
        ("vary", ("*, a",)),
        ("credentials", ("",)),
        *(("credentials", (*CREDENTIALS, name)) for name in ("Cookie", "cookie", "COOKIE", "Authorization")),
        ("tag_headers", ("cache tag",)),
        ("send_tags", ("cache tag",)),
        ("tag_headers", ("",)),
        ("tag_headers", ("étiquette",)),
        ("cache_status", ""),
        ("cache_status", "my cache"),
        ("cache_status", "1st"),
        ("cache_status", 'a"b'),
        ("cache_status", "a;b"),
        ("cache_status", "café"),
    ],
)
def test_a_value_that_makes_no_sense_is_a_value_error_at_once_that_names_the_option(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=name):
        options(**{name: value})


@pytest.mark.parametrize(
    "token",
    ["", " ", "A-SECRET-OF-15.", *(f"A-LONG-SECRET-WORD{end}" for end in (" word", " ", "\n", "\xe9", "\x7f"))],
)
def test_a_token_that_may_be_guessed_or_that_no_field_can_carry_is_refused_and_not_repeated(token: str) -> None:
    with pytest.raises(ValueError, match="debug is a bool, or a token of at least 16 visible ASCII") as caught:
        options(debug=token)
    assert "SECRET" not in str(caught.value)
    assert "SECRET" not in repr(options(debug="A-SECRET-OF-16.."))


def test_cookie_is_no_credential_and_the_error_says_what_to_do() -> None:
    """Both have rules of their own, which a name in `credentials` would not change."""
    with pytest.raises(ValueError, match="leave out cookie, Authorization; the option cookies"):
        options(credentials=("cookie", "X-My-Key", "Authorization"))


@pytest.mark.parametrize("what", ["query", "cookies"])
@pytest.mark.parametrize("kept", [("a",), ()])
def test_what_is_kept_and_what_is_ignored_are_not_said_of_the_same_thing(what: str, kept: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=f"keep_{what} .* ignore_{what} .* give one of them"):
        options(**{f"keep_{what}": kept, f"ignore_{what}": ("b",)})


def test_what_is_kept_of_one_thing_may_stand_beside_what_is_ignored_of_another() -> None:
    made = options(keep_query=("q",), ignore_cookies=("_ga*",))
    assert (made.keep_query, made.ignore_cookies) == (("q",), ("_ga*",))


def test_an_unknown_option_is_a_type_error_that_lists_the_known_ones() -> None:
    with pytest.raises(TypeError, match=r"no such option: time, ttl; there are cache_status, .*store"):
        options(ttl=60, time=5)


def test_an_event_says_nothing_but_its_kind_unless_it_is_told() -> None:
    event = CacheEvent("hit")
    assert (event.method, event.url, event.detail, event.tags) == ("", "", "", frozenset())
    assert (event.age, event.ttl, event.collapsed) == (None, None, False)


def test_an_event_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        CacheEvent("hit").age = 1.0  # type: ignore[misc]


def test_a_cookie_that_is_to_tell_apart_has_to_be_kept() -> None:
    with pytest.raises(ValueError, match="keep_cookies leaves out 'theme', so vary_cookies cannot tell by it"):
        options(vary_cookies=("session", "theme"), keep_cookies=("sess*",))


@pytest.mark.parametrize("kept", [None, ("theme",), ("th*",)])
def test_a_cookie_that_is_kept_may_tell_apart_and_the_default_may_name_what_is_not(
    kept: tuple[str, ...] | None,
) -> None:
    assert options(vary_cookies=("theme", "django_language"), keep_cookies=kept).keep_cookies == kept


def test_each_option_has_a_check_and_a_type() -> None:
    names = {field.name for field in fields(Options)}
    assert _CHECKS.keys() == names
    assert OptionArguments.__annotations__.keys() == names


def test_each_option_given_its_default_is_accepted() -> None:
    for field in fields(Options):
        _CHECKS[field.name](field.name, field.default)
