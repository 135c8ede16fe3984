from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelerator.http.cache_control import CacheControl
from accelerator.http.fields import MAX_SECONDS
from accelerator.rules import (
    freshness,
    reuse,
)
from accelerator.rules.reuse import Decision, Purpose
from tests.rules.support import (
    COOKIE,
    CREDENTIALS,
    DATED,
    FINITE,
    GET,
    HEAD,
    RANGE,
    STRONG,
    WEAK,
    cache_control,
)
from tests.samples import NOW, Line, entry, request

if TYPE_CHECKING:
    from accelerator.http.request import Request
    from accelerator.rules.entry import Entry


def decide(made: Request, age: float, *, invalidated: bool = False, **fields: Any) -> Decision:
    return reuse.decide(made, entry(**fields), invalidated, NOW + age)


# --- reuse: RFC 9111 §4 -----------------------------------------------------------------------------------------------


def test_a_get_without_an_entry_fills() -> None:
    assert reuse.decide(GET, None, False, NOW) is Decision.FILL


@pytest.mark.parametrize("made", [HEAD, RANGE], ids=["HEAD", "Range"])
def test_a_head_or_a_range_without_an_entry_passes_and_fills_nothing(made: Request) -> None:
    assert reuse.decide(made, None, False, NOW) is Decision.PASS


@pytest.mark.parametrize("made", [GET, HEAD, RANGE], ids=["GET", "HEAD", "Range"])
def test_what_is_fresh_is_a_hit(made: Request) -> None:
    assert decide(made, 0) is Decision.HIT
    assert decide(made, 59.9) is Decision.HIT


def test_it_is_stale_as_soon_as_its_age_is_its_lifetime() -> None:
    assert decide(GET, 60) is Decision.FILL


def test_what_is_never_fresh_is_no_hit_in_its_first_moment() -> None:
    assert decide(GET, 0, lifetime=0.0) is Decision.FILL
    assert decide(GET, 0, lifetime=0.0, **STRONG) is Decision.VALIDATE


def test_the_age_on_arrival_counts() -> None:
    assert decide(GET, 29, initial_age=30.0) is Decision.HIT
    assert decide(GET, 30, initial_age=30.0) is Decision.FILL


def test_a_soft_invalidation_makes_stale_at_any_age() -> None:
    assert decide(GET, 0, invalidated=True) is Decision.FILL
    assert decide(GET, 0, invalidated=True, stale_if_error=600.0) is Decision.FILL


@pytest.mark.parametrize("made", [GET, HEAD, RANGE], ids=["GET", "HEAD", "Range"])
def test_what_is_stale_is_served_for_as_long_as_it_may_be_while_it_is_made_anew(made: Request) -> None:
    assert decide(made, 60, stale_while_revalidate=30.0) is Decision.STALE
    assert decide(made, 89.9, stale_while_revalidate=30.0) is Decision.STALE


def test_stale_while_revalidate_ends() -> None:
    assert decide(GET, 90, stale_while_revalidate=30.0) is Decision.FILL
    assert decide(GET, 90, stale_while_revalidate=30.0, **STRONG) is Decision.VALIDATE
    assert decide(HEAD, 90, stale_while_revalidate=30.0) is Decision.PASS


def test_what_was_invalidated_softly_is_served_while_it_is_made_anew_where_that_is_allowed() -> None:
    assert decide(GET, 0, invalidated=True, stale_while_revalidate=30.0) is Decision.STALE
    assert decide(GET, 59, invalidated=True, stale_while_revalidate=0.5) is Decision.STALE


@pytest.mark.parametrize("validators", [STRONG, WEAK, DATED], ids=["strong", "weak", "dated"])
def test_what_is_stale_and_has_a_validator_is_validated(validators: dict[str, Any]) -> None:
    assert decide(GET, 60, **validators) is Decision.VALIDATE


@pytest.mark.parametrize("made", [HEAD, RANGE], ids=["HEAD", "Range"])
def test_a_head_or_a_range_never_validates(made: Request) -> None:
    assert decide(made, 60, **STRONG) is Decision.PASS


@pytest.mark.parametrize("directive", ["min-fresh=1", "max-age=60", "no-cache"])
def test_a_client_that_wants_it_fresh_is_not_served_what_was_invalidated_softly(directive: str) -> None:
    asked = CacheControl.parse(directive.encode())
    assert reuse.decide(GET, entry(stale_while_revalidate=30.0), True, NOW, asked) is Decision.FILL


def test_only_a_strong_etag_is_validated_after_a_soft_invalidation() -> None:
    assert decide(GET, 0, invalidated=True, **STRONG) is Decision.VALIDATE
    assert decide(GET, 0, invalidated=True, **WEAK) is Decision.FILL
    assert decide(GET, 0, invalidated=True, **DATED) is Decision.FILL


@pytest.mark.parametrize(
    ("line", "closed"), [(COOKIE, {"for_cookies": False}), (CREDENTIALS, {"for_credentials": False})]
)
@pytest.mark.parametrize("age", [0, 60])
def test_an_entry_that_is_not_for_these_credentials_is_not_there(
    line: Line, closed: dict[str, bool], age: float
) -> None:
    of: dict[str, Any] = {"stale_while_revalidate": 30.0, **STRONG, **closed}
    assert decide(request(line), age, **of) is Decision.FILL
    assert decide(request(line, method="HEAD"), age, **of) is Decision.PASS


@given(FINITE, FINITE, FINITE, FINITE, st.booleans())
def test_only_what_is_younger_than_its_lifetime_and_not_invalidated_is_a_hit(
    passed: float, initial_age: float, lifetime: float, window: float, invalidated: bool
) -> None:
    times: dict[str, Any] = {"initial_age": initial_age, "lifetime": lifetime, "stale_while_revalidate": window}
    decision = decide(GET, passed, invalidated=invalidated, **times)
    is_fresh = freshness.age(entry(**times), NOW + passed) < lifetime and not invalidated
    assert (decision is Decision.HIT) is is_fresh


def decide_as_asked(directives: str, age: float, *more: Line, method: str = "GET", **fields: Any) -> Decision:
    made = request(cache_control(directives), *more, method=method)
    invalidated = fields.pop("invalidated", False)
    return reuse.decide(made, entry(**fields), invalidated, NOW + age, reuse.request_directives(made))


def decide_as_asked_of_nothing(directives: str, method: str = "GET") -> Decision:
    made = request(cache_control(directives), method=method)
    return reuse.decide(made, None, False, NOW, reuse.request_directives(made))


WINDOW: dict[str, Any] = {"stale_while_revalidate": 30.0}
NEVER_STALE: dict[str, Any] = {"never_stale": True}
INVALIDATED: dict[str, Any] = {"invalidated": True}


# --- what a request says itself: RFC 9111 §5.2.1 ----------------------------------------------------------------------


def test_the_directives_of_a_request_are_those_of_its_cache_control() -> None:
    asked = reuse.request_directives(request(cache_control("max-age=5"), cache_control("no-cache")))
    assert asked is not None
    assert (asked.seconds("max-age"), "no-cache" in asked, "no-store" in asked) == (5, True, False)


def test_pragma_is_no_directive_of_a_request() -> None:
    assert reuse.request_directives(request(("pragma", "no-cache"))) is None


@pytest.mark.parametrize(
    ("directives", "age", "fields", "decision"),
    [
        pytest.param("x", 59.9, {}, Decision.HIT, id="an unknown directive asks for nothing"),
        pytest.param("x", 60, {}, Decision.FILL, id="what is stale is not served"),
        pytest.param("x", 60, STRONG, Decision.VALIDATE, id="what is stale is validated"),
        pytest.param("x", 89.9, WINDOW, Decision.STALE, id="what may be served stale is"),
        pytest.param("x", 90, WINDOW, Decision.FILL, id="what may no longer be served stale is not"),
        pytest.param("x", 0, INVALIDATED, Decision.FILL, id="what was invalidated is stale"),
        pytest.param("x", 0, INVALIDATED | WINDOW, Decision.STALE, id="what was invalidated may be served stale"),
        pytest.param("x", 0, INVALIDATED | STRONG, Decision.VALIDATE, id="what was invalidated: a strong ETag"),
        pytest.param("x", 0, INVALIDATED | WEAK, Decision.FILL, id="what was invalidated: a weak ETag"),
        pytest.param("no-cache", 0, {}, Decision.FILL, id="no-cache: nothing unasked"),
        pytest.param("no-cache", 0, STRONG, Decision.VALIDATE, id="no-cache: a validation"),
        pytest.param("no-cache", 60, WINDOW, Decision.FILL, id="no-cache: nothing stale unasked"),
        pytest.param("no-store", 0, STRONG, Decision.PASS, id="no-store: nothing from the store"),
        pytest.param("no-store", 60, WINDOW, Decision.PASS, id="no-store: nothing stale from the store"),
        pytest.param("max-age=10", 10, {}, Decision.HIT, id="max-age: an age up to it"),
        pytest.param("max-age=10", 10.5, {}, Decision.FILL, id="max-age: no age beyond it"),
        pytest.param("max-age=10", 10.5, STRONG, Decision.VALIDATE, id="max-age: a validation"),
        pytest.param("max-age=0", 0, {}, Decision.HIT, id="max-age=0: what was made in this moment"),
        pytest.param("max-age=99", 60, WINDOW, Decision.FILL, id="max-age: nothing stale"),
        pytest.param("max-age=10, max-stale=99", 70, {}, Decision.FILL, id="max-age binds beside max-stale"),
        pytest.param("max-age=99, max-stale=10", 70, {}, Decision.HIT, id="max-age and max-stale together"),
        pytest.param("min-fresh=10", 50, {}, Decision.HIT, id="min-fresh: fresh for as long as that"),
        pytest.param("min-fresh=10", 50.5, {}, Decision.FILL, id="min-fresh: fresh, but not for as long"),
        pytest.param("min-fresh=10", 50.5, WINDOW, Decision.FILL, id="min-fresh: nothing that gets stale"),
        pytest.param("max-stale=0", 60, {}, Decision.HIT, id="max-stale=0: stale since this moment"),
        pytest.param("max-stale=0", 60.5, {}, Decision.FILL, id="max-stale=0: no longer"),
        pytest.param("max-stale=10", 70, {}, Decision.HIT, id="max-stale: stale up to that"),
        pytest.param("max-stale=10", 70.5, {}, Decision.FILL, id="max-stale: not staler"),
        pytest.param("max-stale=10", 70.5, WINDOW, Decision.STALE, id="max-stale: staler within a window"),
        pytest.param("max-stale", 60.0 + MAX_SECONDS, {}, Decision.HIT, id="max-stale without a time: however stale"),
        pytest.param("max-stale=10", 59.9, NEVER_STALE, Decision.HIT, id="max-stale: fresh"),
        pytest.param("max-stale=10", 60, NEVER_STALE, Decision.FILL, id="max-stale: nothing that is never stale"),
        pytest.param("max-stale=10", 0, INVALIDATED, Decision.FILL, id="max-stale: nothing that was invalidated"),
        pytest.param("only-if-cached", 0, {}, Decision.HIT, id="only-if-cached: what is fresh"),
        pytest.param("only-if-cached", 60, WINDOW, Decision.STALE, id="only-if-cached: what may be served stale"),
        pytest.param("only-if-cached", 60, STRONG, Decision.UNAVAILABLE, id="only-if-cached: no validation"),
        pytest.param("only-if-cached, no-cache", 0, {}, Decision.UNAVAILABLE, id="only-if-cached beside no-cache"),
        pytest.param("only-if-cached, no-store", 0, {}, Decision.UNAVAILABLE, id="only-if-cached beside no-store"),
        pytest.param("only-if-cached, max-stale=10", 70, {}, Decision.HIT, id="only-if-cached: what the client takes"),
    ],
)
def test_a_client_that_is_obeyed_gets_what_it_asks_for(
    directives: str, age: float, fields: dict[str, Any], decision: Decision
) -> None:
    assert decide_as_asked(directives, age, **fields) is decision


@pytest.mark.parametrize(
    ("directives", "method", "decision"),
    [
        ("no-cache", "GET", Decision.FILL),
        ("no-cache", "HEAD", Decision.PASS),
        ("no-store", "GET", Decision.PASS),
        ("only-if-cached", "GET", Decision.UNAVAILABLE),
        ("only-if-cached", "HEAD", Decision.UNAVAILABLE),
    ],
)
def test_a_client_that_is_obeyed_is_answered_where_nothing_is_stored(
    directives: str, method: str, decision: Decision
) -> None:
    assert decide_as_asked_of_nothing(directives, method) is decision


@pytest.mark.parametrize(
    ("line", "closed"), [(COOKIE, {"for_cookies": False}), (CREDENTIALS, {"for_credentials": False})]
)
def test_no_directive_opens_an_entry_that_is_not_for_these_credentials(line: Line, closed: dict[str, bool]) -> None:
    of: dict[str, Any] = {**WINDOW, **STRONG, **closed}
    assert decide_as_asked("max-stale", 0, line, **of) is Decision.FILL
    assert decide_as_asked("max-stale", 60, line, method="HEAD", **of) is Decision.PASS
    assert decide_as_asked("only-if-cached", 0, line, **of) is Decision.UNAVAILABLE


@pytest.mark.parametrize(
    ("directives", "takes"),
    [
        ("x", True),
        ("max-age=1", True),
        ("max-age=0", False),
        ("no-cache", False),
        ("min-fresh=1", False),
        ("only-if-cached", True),
        ("max-stale", True),
    ],
)
def test_a_client_takes_what_has_just_been_made_unless_it_wants_what_is_newer_or_lasts(
    directives: str, takes: bool
) -> None:
    assert reuse.accepts_collapsed(reuse.request_directives(request(cache_control(directives)))) is takes


def test_a_client_that_says_nothing_takes_what_has_just_been_made() -> None:
    assert reuse.accepts_collapsed(None)


def hidden_after(stored: Entry, seconds: float, purpose: Purpose = Purpose.ANSWER) -> bool:
    """Whether an error is hidden so long after the entry was received."""
    return reuse.may_hide_error(stored, NOW + seconds, purpose)


# --- stale serving: RFC 9111 §4.2.4, RFC 5861 -------------------------------------------------------------------------


def test_an_error_is_hidden_for_as_long_as_stale_if_error_says() -> None:
    made = entry(stale_if_error=600.0)
    assert [hidden_after(made, seconds) for seconds in (0, 659, 660)] == [True, True, False]
    assert not hidden_after(entry(), 0)
    assert not hidden_after(entry(stale_while_revalidate=600.0), 60)


def test_after_a_failed_refresh_an_error_is_hidden_for_as_long_as_either_window_says() -> None:
    for windows in ({"stale_while_revalidate": 600.0}, {"stale_if_error": 600.0, "stale_while_revalidate": 30.0}):
        made = entry(**windows)
        assert [hidden_after(made, seconds, Purpose.OVERDUE_REFRESH) for seconds in (659, 660)] == [True, False]


def test_in_a_refresh_that_nobody_waits_for_no_error_is_hidden() -> None:
    made = entry(stale_if_error=600.0, stale_while_revalidate=600.0)
    assert not hidden_after(made, 0, Purpose.BACKGROUND_REFRESH)


def test_what_counts_as_an_error_is_what_rfc_5861_lists() -> None:
    assert {500, 502, 503, 504} == reuse.ERRORS
