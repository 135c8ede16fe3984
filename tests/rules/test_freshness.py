from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelerator.rules import (
    freshness,
)
from accelerator.rules.plan import Plan
from tests.rules.support import (
    EXPIRES,
    FINITE,
    NOTHING_SAID,
    cache_control,
    changed,
    initial_age,
    plan,
    refused,
    stored,
    targeted,
)
from tests.samples import NOW, Line, entry, imf, notes

if TYPE_CHECKING:
    from accelerator.notes import Notes


# --- age: RFC 9111 §4.2.3 ---------------------------------------------------------------------------------------------


def test_age_is_the_age_on_arrival_and_the_time_since() -> None:
    assert freshness.age(entry(initial_age=10.0), NOW + 5) == 15


def test_a_clock_that_was_set_back_makes_nothing_younger() -> None:
    assert freshness.age(entry(initial_age=10.0), NOW - 5) == 10


@given(FINITE, st.floats(-1e6, 1e6), FINITE)
def test_age_never_goes_down(initial_age: float, one: float, later: float) -> None:
    made = entry(initial_age=initial_age)
    assert initial_age <= freshness.age(made, NOW + one) <= freshness.age(made, NOW + one + later)


def test_a_response_that_says_nothing_of_its_age_was_made_now() -> None:
    assert initial_age() == 0


def test_a_date_in_the_past_is_the_apparent_age() -> None:
    assert initial_age(("date", imf(NOW - 30))) == 30


def test_a_date_in_the_future_makes_nothing_younger() -> None:
    assert initial_age(("date", imf(NOW + 30))) == 0
    assert initial_age(("date", imf(NOW + 30)), ("age", "7")) == 7


def test_a_malformed_date_is_the_time_of_receipt() -> None:
    assert initial_age(("date", "yesterday")) == 0


def test_an_age_is_corrected_by_the_time_its_answer_took() -> None:
    assert initial_age(("age", "10"), requested=NOW - 4) == 14


def test_of_date_and_age_the_larger_counts() -> None:
    assert initial_age(("age", "10"), ("date", imf(NOW - 30))) == 30
    assert initial_age(("age", "40"), ("date", imf(NOW - 30))) == 40


@pytest.mark.parametrize(("value", "age"), [("5, 7", 5), (" 5 ,x", 5), ("99999999999", 2**31)])
def test_of_several_ages_the_first_counts(value: str, age: float) -> None:
    assert initial_age(("age", value)) == age
    assert initial_age(("age", "5"), ("age", "7")) == 5


@pytest.mark.parametrize("value", ["", "x", "-5", "1.5", "5x", "5;a=1"])
def test_a_malformed_age_is_ignored(value: str) -> None:
    assert initial_age(("age", value), ("date", imf(NOW - 30))) == 30
    assert initial_age(("age", value)) == 0


@given(st.binary(max_size=30))
def test_any_bytes_are_an_age(value: bytes) -> None:
    assert initial_age(("age", value)) >= 0


# --- for how long: the precedence of times ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "heard", "seconds"),
    [
        pytest.param(
            [cache_control("s-maxage=5, max-age=4"), targeted("max-age=6"), EXPIRES], notes(7), 7, id="what was said"
        ),
        pytest.param(
            [cache_control("s-maxage=5, max-age=4"), targeted("max-age=6"), EXPIRES], NOTHING_SAID, 6, id="targeted"
        ),
        pytest.param([targeted("max-age=6, s-maxage=3")], NOTHING_SAID, 3, id="s-maxage in targeted"),
        pytest.param([cache_control("max-age=4, s-maxage=5"), EXPIRES], NOTHING_SAID, 5, id="s-maxage"),
        pytest.param([cache_control("max-age=4"), EXPIRES], NOTHING_SAID, 4, id="max-age"),
        pytest.param([cache_control("public"), EXPIRES], NOTHING_SAID, 30, id="Expires"),
        pytest.param([cache_control("public")], NOTHING_SAID, 2, id="default_ttl"),
        pytest.param([targeted("public"), cache_control("max-age=4"), EXPIRES], NOTHING_SAID, 2, id="targeted is mute"),
    ],
)
def test_the_first_time_in_order_counts(lines: list[Line], heard: Notes, seconds: float) -> None:
    assert stored(*lines, heard=heard, default_ttl=2).lifetime == seconds


def test_a_time_of_a_fraction_of_a_second_is_a_time() -> None:
    assert stored(heard=notes(0.5)).lifetime == 0.5


def test_without_an_explicit_time_nothing_is_stored() -> None:
    assert refused() == "no explicit time"
    assert refused(cache_control("public"), ("last-modified", imf(NOW - 9999))) == "no explicit time"


@pytest.mark.parametrize("ttl", [0, -1, -0.5])
def test_a_time_of_0_or_less_stores_nothing(ttl: float) -> None:
    assert refused(cache_control("s-maxage=60"), ("etag", '"a"'), heard=notes(ttl)) == "a time of 0"


def test_a_default_of_0_stores_nothing() -> None:
    assert refused(("etag", '"a"'), ("last-modified", imf(NOW - 9999)), default_ttl=0) == "no explicit time"


@pytest.mark.parametrize("ttl", [0.5, 1, 60])
def test_a_default_is_for_what_says_no_time_itself(ttl: float) -> None:
    assert stored(default_ttl=ttl).lifetime == ttl


@pytest.mark.parametrize("status", [200, 203, 204, 300, 301, 308, 404, 410])
def test_the_default_is_for_responses_that_may_be_stored_by_default(status: int) -> None:
    assert stored(status=status, default_ttl=5).lifetime == 5


@pytest.mark.parametrize("status", [201, 202, 205, 302, 303, 307, 400, 500])
def test_the_default_is_not_for_other_responses(status: int) -> None:
    assert refused(status=status, default_ttl=5, cacheable_errors=True) == "no explicit time"


def test_expires_counts_from_date() -> None:
    assert stored(EXPIRES, ("date", imf(NOW - 10))).lifetime == 40
    assert stored(EXPIRES, ("date", imf(NOW + 10))).lifetime == 20


def test_expires_counts_from_receipt_where_there_is_no_date() -> None:
    assert stored(EXPIRES).lifetime == 30
    assert stored(EXPIRES, ("date", "yesterday")).lifetime == 30


def test_expires_and_date_may_be_in_the_obsolete_format() -> None:
    expires, date = "Friday, 15-Jan-27 08:00:30 GMT", "Friday, 15-Jan-27 07:59:50 GMT"
    assert stored(("expires", expires), ("date", date)).lifetime == 40


@pytest.mark.parametrize(
    "lines",
    [
        [("expires", "0")],
        [("expires", "-1")],
        [("expires", "")],
        [("expires", imf(NOW))],
        [("expires", imf(NOW - 1))],
        [EXPIRES, EXPIRES],
        [EXPIRES, ("date", imf(NOW + 31))],
    ],
)
def test_an_expires_that_has_passed_or_is_malformed_or_repeated_is_a_time_of_0(lines: list[Line]) -> None:
    assert refused(*lines) == "no time to be fresh"
    assert stored(*lines, ("etag", '"a"')).lifetime == 0


@pytest.mark.parametrize("directive", ["max-age=0", "s-maxage=0", "max-age=x", "s-maxage", "no-cache", "s-maxage=-1"])
def test_what_is_never_fresh_is_stored_only_if_it_can_be_validated(directive: str) -> None:
    line = cache_control(directive)
    assert refused(line) == "no time to be fresh"
    assert stored(line, ("etag", '"a"')).lifetime == 0
    assert stored(line, ("last-modified", imf(NOW - 999))).lifetime == 0


@pytest.mark.parametrize("window", ["stale-while-revalidate", "stale-if-error"])
def test_what_is_never_fresh_is_stored_if_it_may_be_served_stale(window: str) -> None:
    assert stored(cache_control(f"max-age=0, {window}=1")).lifetime == 0


def test_no_cache_comes_before_any_time_of_the_response() -> None:
    assert stored(cache_control("no-cache, s-maxage=60, max-age=60"), EXPIRES, ("etag", '"a"')).lifetime == 0
    assert stored(cache_control('no-cache="x-name", max-age=60'), ("etag", '"a"')).lifetime == 0
    assert stored(targeted("no-cache, max-age=60"), ("etag", '"a"')).lifetime == 0


def test_no_cache_in_cache_control_speaks_to_browsers_where_a_time_was_said_here() -> None:
    assert stored(cache_control("no-cache"), heard=notes(60)).lifetime == 60
    assert stored(cache_control("no-cache"), targeted("max-age=60")).lifetime == 60


CODES = [status for status in range(200, 600) if status not in {206, 304}]


# --- heuristic freshness: RFC 9111 §4.2.2 -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        pytest.param([changed(1000)], 100, id="until receipt"),
        pytest.param([changed(1000), ("date", imf(NOW - 500))], 50, id="until Date"),
        pytest.param([changed(5)], 0.5, id="less than a second"),
        pytest.param([changed(863990)], 86399, id="almost a day"),
        pytest.param([changed(864010)], 86400, id="a day at most"),
        pytest.param([("last-modified", "Friday, 15-Jan-27 07:00:00 GMT")], 360, id="the obsolete format"),
    ],
)
def test_a_guess_is_a_tenth_of_the_time_since_the_last_change(lines: list[Line], seconds: float) -> None:
    assert stored(*lines, heuristic=True).lifetime == pytest.approx(seconds)
    assert refused(*lines) == "no explicit time"


@pytest.mark.parametrize(
    "line", [("x-a", "1"), ("last-modified", "then"), changed(0), changed(-10)], ids=["none", "bad", "now", "later"]
)
def test_there_is_no_guess_without_a_change_in_the_past(line: Line) -> None:
    assert refused(line, ("etag", '"a"'), heuristic=True) == "no explicit time"


def test_a_guess_is_for_statuses_that_are_heuristically_cacheable() -> None:
    made = {status: plan(changed(1000), status=status, heuristic=True, cacheable_errors=True) for status in CODES}
    guessed = {200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501}
    assert {status for status, planned in made.items() if isinstance(planned, Plan)} == guessed
    assert {made[status] for status in CODES if status not in guessed} == {"no explicit time"}


def test_public_allows_a_guess_for_any_status() -> None:
    public: dict[str, Any] = {"heuristic": True, "cacheable_errors": True}
    assert {plan(cache_control("public"), changed(1000), status=status, **public).lifetime for status in CODES} == {100}


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [([cache_control("max-age=4")], 4), ([EXPIRES], 30), ([targeted("public")], 2), ([], 2)],
    ids=["max-age", "Expires", "default_ttl beside a mute targeted field", "default_ttl"],
)
def test_any_other_time_comes_before_a_guess(lines: list[Line], seconds: float) -> None:
    assert stored(*lines, changed(1000), heuristic=True, default_ttl=2).lifetime == seconds
