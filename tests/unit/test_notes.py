from __future__ import annotations

import logging
from contextvars import copy_context
from typing import Any

import pytest

from accelerator.notes import Notes, cache_for, no_store, seconds, start_noting, stop_noting, tag, vary
from accelerator.views import cached
from tests.unit.support import told

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


def heard_from(scope: dict[str, Any]) -> Notes:
    heard = Notes()
    heard.read_scope(scope)
    return heard


# --- the keys of the scope --------------------------------------------------------------------------------------------


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
