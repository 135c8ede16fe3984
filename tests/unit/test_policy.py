from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from accelerator.http.cache_control import CacheControl
from accelerator.http.fields import MAX_SECONDS, HeaderLines, entity_tags, is_strong
from accelerator.http.response import complete, is_event_stream, promised_size
from accelerator.notes import Notes
from accelerator.options import UNSTORED_FIELDS, Options
from accelerator.rules import (
    conditions,
    freshness,
    invalidation,
    response_tags,
    reuse,
    stored_fields,
    storing,
    validation,
)
from accelerator.rules.candidate import Candidate
from accelerator.rules.plan import Plan, Refusal
from accelerator.rules.reuse import Decision, Purpose
from accelerator.tags import InvalidTagError
from tests.support import raw
from tests.unit.samples import NOW, Line, entry, imf, notes, request, response

if TYPE_CHECKING:
    from accelerator.http.request import Request
    from accelerator.http.response import Response
    from accelerator.rules.entry import Entry

COOKIE: Line = ("cookie", "session=1")
CREDENTIALS: Line = ("authorization", "Bearer x")
NOTHING_SAID = Notes()


def cache_control(value: str) -> Line:
    return ("cache-control", value)


def targeted(value: str) -> Line:
    return ("cdn-cache-control", value)


def plan(
    *lines: Line, of: Request | None = None, heard: Notes = NOTHING_SAID, status: int = 200, **options: Any
) -> Any:
    """What is planned for a response with these lines to a request without credentials."""
    return storing.plan(Candidate(of or request(), response(*lines, status=status), heard, Options(**options)))


def stored(*lines: Line, **more: Any) -> Plan:
    made = plan(*lines, **more)
    assert isinstance(made, Plan), made
    return made


def refused(*lines: Line, **more: Any) -> str:
    made = plan(*lines, **more)
    assert isinstance(made, Refusal), made
    return str(made)


# --- reuse: RFC 9111 §4 -----------------------------------------------------------------------------------------------

GET, HEAD, RANGE = request(), request(method="HEAD"), request(("range", "bytes=0-1"))
STRONG: dict[str, Any] = {"validator": b'"a"'}
WEAK: dict[str, Any] = {"validator": b'W/"a"'}
DATED: dict[str, Any] = {"last_modified": imf(NOW - 999).encode()}


def decide(made: Request, age: float, *, invalidated: bool = False, **fields: Any) -> Decision:
    return reuse.decide(made, entry(**fields), invalidated, NOW + age)


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


FINITE = st.floats(0, 1e6)


@given(FINITE, FINITE, FINITE, FINITE, st.booleans())
def test_only_what_is_younger_than_its_lifetime_and_not_invalidated_is_a_hit(
    passed: float, initial_age: float, lifetime: float, window: float, invalidated: bool
) -> None:
    times: dict[str, Any] = {"initial_age": initial_age, "lifetime": lifetime, "stale_while_revalidate": window}
    decision = decide(GET, passed, invalidated=invalidated, **times)
    is_fresh = freshness.age(entry(**times), NOW + passed) < lifetime and not invalidated
    assert (decision is Decision.HIT) is is_fresh


# --- what a request says itself: RFC 9111 §5.2.1 ----------------------------------------------------------------------


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


# --- age: RFC 9111 §4.2.3 ---------------------------------------------------------------------------------------------


def test_age_is_the_age_on_arrival_and_the_time_since() -> None:
    assert freshness.age(entry(initial_age=10.0), NOW + 5) == 15


def test_a_clock_that_was_set_back_makes_nothing_younger() -> None:
    assert freshness.age(entry(initial_age=10.0), NOW - 5) == 10


@given(FINITE, st.floats(-1e6, 1e6), FINITE)
def test_age_never_goes_down(initial_age: float, one: float, later: float) -> None:
    made = entry(initial_age=initial_age)
    assert initial_age <= freshness.age(made, NOW + one) <= freshness.age(made, NOW + one + later)


def initial_age(*lines: Line, requested: float = NOW, received: float = NOW) -> float:
    return freshness.initial_age(response(*lines, requested=requested, received=received))


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


# --- what is never stored ---------------------------------------------------------------------------------------------

EXPLICIT = cache_control("s-maxage=60")

NEVER = [
    pytest.param([("set-cookie", "a=1")], 200, "Set-Cookie", id="Set-Cookie"),
    pytest.param([("vary", "*")], 200, "Vary", id="Vary *"),
    pytest.param([("vary", "accept, *")], 200, "Vary", id="Vary * in a list"),
    pytest.param([("vary", "accept"), ("Vary", "*")], 200, "Vary", id="Vary * in another line"),
    pytest.param([], 206, "status 206", id="206"),
    pytest.param([], 304, "status 304", id="304"),
    pytest.param([], 199, "status 199", id="1xx"),
    pytest.param([], 101, "status 101", id="101"),
]


@pytest.mark.parametrize(("lines", "status", "reason"), NEVER)
def test_it_is_never_stored_whatever_anyone_says(lines: list[Line], status: int, reason: str) -> None:
    loud = notes(60, public=True, stale_while_revalidate=30.0, stale_if_error=30.0)
    more = {"default_ttl": 60, "cacheable_errors": True, "status": status}
    assert refused(*lines, cache_control("public, s-maxage=60"), heard=loud, **more) == reason
    assert refused(*lines, targeted("public, max-age=60"), heard=loud, **more) == reason


def test_no_store_is_a_veto_nothing_can_lift() -> None:
    loud = notes(60, public=True, no_store=True)
    assert refused(cache_control("public"), targeted("public, max-age=60"), heard=loud, default_ttl=60) == "no_store()"


UNDERSTOOD = {
    *(200, 201, 202, 203, 204, 205, 300, 301, 302, 303, 305, 307, 308),
    *(400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 421, 422, 426),
    *(500, 501, 502, 503, 504, 505),
}


def test_must_understand_stores_only_what_has_a_status_of_rfc_9110() -> None:
    line = cache_control("max-age=60, must-understand")
    made = {status: plan(line, status=status, cacheable_errors=True) for status in range(200, 600)}
    assert {status for status, planned in made.items() if isinstance(planned, Plan)} == UNDERSTOOD
    assert {planned for status, planned in made.items() if status not in UNDERSTOOD} == {"must-understand"}


def test_must_understand_lifts_a_no_store_that_is_for_caches_that_do_not_know_it() -> None:
    assert stored(cache_control("no-store, must-understand, max-age=60")).lifetime == 60
    assert refused(cache_control("no-store, must-understand, max-age=60"), status=299) == "must-understand"
    assert refused(cache_control("no-store, must-understand, private, max-age=60")) == "private"


@pytest.mark.parametrize("directive", ["no-store", "private"])
@pytest.mark.parametrize(
    "value", ["{}", "public, s-maxage=60, {}", "{}=1", "{};x", 'max-age=60, {}="set-cookie"', "MAX-AGE=60,{}"]
)
def test_private_and_no_store_bind_whatever_the_application_says_elsewhere(value: str, directive: str) -> None:
    line = cache_control(value.format(directive))
    assert refused(line, heard=notes(60, public=True), default_ttl=60) == directive
    assert refused(EXPLICIT, line) == directive


@pytest.mark.parametrize("directive", ["no-store", "private"])
def test_private_and_no_store_of_a_targeted_field_bind(directive: str) -> None:
    lines = [cache_control("public, s-maxage=60"), targeted(f"max-age=60, {directive}")]
    assert refused(*lines, heard=notes(60, public=True)) == directive


def test_a_valid_targeted_field_replaces_private_and_no_store() -> None:
    assert stored(cache_control("private, no-store"), targeted("max-age=60")).lifetime == 60


@pytest.mark.parametrize("value", ["", "max-age=", "Max-Age=60", "max-age=60,"])
def test_a_malformed_or_empty_targeted_field_lifts_nothing(value: str) -> None:
    assert refused(cache_control("private"), targeted(value)) == "private"
    assert stored(cache_control("s-maxage=60"), targeted(value)).lifetime == 60


@pytest.mark.parametrize("status", [200, 201, 202, 203, 204, 205, 299, 300, 301, 302, 303, 307, 308, 404, 410])
def test_a_whole_response_that_is_no_error_is_stored_where_it_says_so(status: int) -> None:
    assert stored(EXPLICIT, status=status).lifetime == 60


@pytest.mark.parametrize("status", [400, 401, 403, 405, 409, 411, 429, 500, 502, 503, 504])
def test_an_error_is_not_stored_unless_asked_for(status: int) -> None:
    assert refused(EXPLICIT, status=status) == f"status {status}"
    assert stored(EXPLICIT, status=status, cacheable_errors=True).lifetime == 60


@given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=40))
def test_any_bytes_in_a_response_leave_what_is_never_stored_out(
    one: bytes, two: bytes, vary: bytes, age: bytes
) -> None:
    lines: list[Line] = [("cache-control", one), ("cdn-cache-control", two), ("expires", age), ("vary", vary)]
    refused(*lines, ("set-cookie", "a=1"), heard=notes(60, public=True), default_ttl=60)
    refused(*lines, ("vary", "*"), heard=notes(60, public=True), default_ttl=60)
    refused(*lines, status=206, heard=notes(60, public=True), default_ttl=60)


@given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=40))
def test_any_bytes_in_a_response_have_a_plan_or_a_refusal(one: bytes, two: bytes, date: bytes) -> None:
    lines: list[Line] = [("cache-control", one), ("cdn-cache-control", two), ("expires", date), ("date", date)]
    made = plan(*lines, ("etag", two))
    assert isinstance(made, Refusal) or made.lifetime >= 0


GARBAGE = st.text('max-ge=60, privtenosu;"\\', max_size=30)


@given(GARBAGE.filter(lambda text: '"' not in text), GARBAGE, st.sampled_from(["private", "no-store"]))
def test_garbage_around_a_directive_never_makes_storable_what_is_not(before: str, after: str, directive: str) -> None:
    refused(cache_control(f"{before},{directive},{after}"), heard=notes(60, public=True))


# --- for how long: the precedence of times ----------------------------------------------------------------------------

EXPIRES: Line = ("expires", imf(NOW + 30))


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


@pytest.mark.parametrize("ttl", [0, -1])
def test_a_default_of_0_or_less_stores_nothing(ttl: float) -> None:
    assert refused(("etag", '"a"'), ("last-modified", imf(NOW - 9999)), default_ttl=ttl) == "no explicit time"


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


# --- heuristic freshness: RFC 9111 §4.2.2 -----------------------------------------------------------------------------

CODES = [status for status in range(200, 600) if status not in {206, 304}]


def changed(seconds: float) -> Line:
    return ("last-modified", imf(NOW - seconds))


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


# --- event streams ----------------------------------------------------------------------------------------------------

EVENTS: Line = ("content-type", "text/event-stream")


@pytest.mark.parametrize(
    ("value", "is_one"),
    [
        ("text/event-stream", True),
        ("text/event-stream; charset=utf-8", True),
        (" Text/Event-Stream\t; x=;", True),
        ("multipart/x-mixed-replace;boundary=a", True),
        ("text/event-stream-like", False),
        ("multipart/mixed; boundary=a", False),
        ("text/html; x=text/event-stream", False),
        ("", False),
    ],
)
def test_an_event_stream_is_known_by_its_media_type(value: str, is_one: bool) -> None:
    assert is_event_stream(response(("content-type", value)).headers) is is_one


def test_what_has_no_media_type_is_no_event_stream() -> None:
    assert not is_event_stream(())


def test_an_event_stream_needs_a_time_of_its_own() -> None:
    assert refused(EVENTS, default_ttl=2) == "an event stream needs an explicit time"
    assert refused(EVENTS, changed(1000), heuristic=True) == "an event stream needs an explicit time"
    assert [stored(EVENTS, line).lifetime for line in (cache_control("max-age=4"), EXPIRES)] == [4, 30]
    assert stored(EVENTS, heard=notes(60)).lifetime == 60


def test_an_event_stream_is_not_made_anew_for_nobody() -> None:
    made = stored(EVENTS, cache_control("max-age=60, stale-while-revalidate=30, stale-if-error=600"))
    assert (made.stale_while_revalidate, made.stale_if_error) == (0, 600)
    assert stored(EVENTS, heard=notes(60, stale_while_revalidate=30)).stale_while_revalidate == 0


@pytest.mark.parametrize("control", ["no-cache", "max-age=0", "max-age=0, stale-if-error=600"])
def test_an_event_stream_that_is_never_fresh_is_not_kept_for_what_it_could_serve_else(control: str) -> None:
    assert refused(EVENTS, cache_control(control), ("etag", '"a"')) == "no time to be fresh"


# --- whose requests ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "heard", "for_cookies"),
    [
        ([cache_control("max-age=60")], NOTHING_SAID, False),
        ([cache_control("max-age=60, must-revalidate")], NOTHING_SAID, False),
        ([EXPIRES], NOTHING_SAID, False),
        ([], NOTHING_SAID, False),
        ([cache_control("max-age=60, public")], NOTHING_SAID, True),
        ([cache_control("public"), EXPIRES], NOTHING_SAID, True),
        ([cache_control("s-maxage=60")], NOTHING_SAID, True),
        ([targeted("max-age=60")], NOTHING_SAID, True),
        ([cache_control("max-age=60")], notes(60), True),
        ([], notes(60), True),
    ],
)
def test_a_request_with_a_cookie_needs_a_word_for_shared_caches(
    lines: list[Line], heard: Notes, for_cookies: bool
) -> None:
    assert stored(*lines, heard=heard, default_ttl=60).for_cookies is for_cookies
    if for_cookies:
        assert stored(*lines, heard=heard, default_ttl=60, of=request(COOKIE)).for_cookies
    else:
        reason = refused(*lines, heard=heard, default_ttl=60, of=request(COOKIE))
        assert reason == "a request with Cookie needs a word for shared caches"


@pytest.mark.parametrize(
    ("lines", "heard", "for_credentials"),
    [
        ([cache_control("max-age=60")], NOTHING_SAID, False),
        ([cache_control("max-age=60, proxy-revalidate")], NOTHING_SAID, False),
        ([EXPIRES], NOTHING_SAID, False),
        ([], NOTHING_SAID, False),
        ([targeted("max-age=60")], NOTHING_SAID, False),
        ([cache_control("public"), targeted("max-age=60")], NOTHING_SAID, False),
        ([], notes(60), False),
        ([cache_control("max-age=60")], notes(60), False),
        ([], notes(60, public=True), True),
        ([cache_control("max-age=60, public")], NOTHING_SAID, True),
        ([cache_control("s-maxage=60")], NOTHING_SAID, True),
        ([cache_control("max-age=60, must-revalidate")], NOTHING_SAID, True),
        ([cache_control("must-revalidate"), EXPIRES], NOTHING_SAID, True),
        ([cache_control("no-cache, must-revalidate"), ("etag", '"a"')], NOTHING_SAID, True),
        ([targeted("max-age=60, public")], NOTHING_SAID, True),
    ],
)
def test_a_request_with_authorization_needs_what_rfc_9111_3_5_asks_for(
    lines: list[Line], heard: Notes, for_credentials: bool
) -> None:
    assert stored(*lines, heard=heard, default_ttl=60).for_credentials is for_credentials
    if for_credentials:
        assert stored(*lines, heard=heard, default_ttl=60, of=request(CREDENTIALS)).for_credentials
    else:
        reason = refused(*lines, heard=heard, default_ttl=60, of=request(CREDENTIALS))
        assert reason == "a request with Authorization needs public"


def test_cookie_and_authorization_together_need_both_words() -> None:
    both = request(COOKIE, CREDENTIALS)
    assert refused(heard=notes(60), of=both) == "a request with Authorization needs public"
    must = cache_control("max-age=60, must-revalidate")
    assert refused(must, of=both) == "a request with Cookie needs a word for shared caches"
    assert stored(heard=notes(60, public=True), of=both).lifetime == 60


@pytest.mark.parametrize(
    ("of", "who"),
    [
        (request(("x-api-key", "a")), "X-API-Key"),
        (request(("tailscale-user-login", "ada@example.org")), "Tailscale-User-Login"),
        (request(user="ada"), "a user"),
        (request(session={"user": "ada"}), "a session"),
    ],
)
def test_whatever_else_says_who_asks_needs_what_authorization_needs(of: Request, who: str) -> None:
    assert refused(heard=notes(60), of=of) == f"a request with {who} needs public"
    for words in ("max-age=60, public", "s-maxage=60", "max-age=60, must-revalidate"):
        assert stored(cache_control(words), of=of).for_credentials
    assert stored(heard=notes(60, public=True), of=of).for_credentials


def test_who_has_come_while_the_response_was_made_needs_public() -> None:
    reason = "a request with a session needs public"
    plan_at_the_start = stored(heard=notes(60))
    assert refused(heard=joined_by("a session")) == reason
    assert storing.refused_at_end(request(), plan_at_the_start, joined_by("a session")) == reason


def test_who_has_come_counts_for_nothing_where_it_is_public_or_has_a_partition() -> None:
    heard, public = joined_by("a session"), joined_by("a session", public=True)
    apart = request(partition="p")
    assert storing.refused_at_end(request(), stored(heard=public), public) is None
    assert storing.refused_at_end(apart, stored(heard=heard, of=apart), heard) is None


def joined_by(who: str, *, public: bool = False) -> Notes:
    heard = notes(60, public=public)
    heard.credential_after_call = who
    return heard


@pytest.mark.parametrize("heard", [notes(60), NOTHING_SAID], ids=["cache_for", "default_ttl"])
def test_must_revalidate_opens_no_time_to_credentials_that_it_did_not_come_with(heard: Notes) -> None:
    # §3.5 lets must-revalidate share an answer because its own time and a validation stand between the users
    line = cache_control("max-age=0, must-revalidate") if heard.ttl else cache_control("must-revalidate")
    refused(line, heard=heard, default_ttl=60, of=request(CREDENTIALS))


# --- stale serving: RFC 9111 §4.2.4, RFC 5861 -------------------------------------------------------------------------


def windows(*lines: Line, **more: Any) -> tuple[float, float]:
    made = stored(*lines, **more)
    return made.stale_while_revalidate, made.stale_if_error


ASKED = "stale-while-revalidate=30, stale-if-error=600"
SAID: dict[str, Any] = {"stale_while_revalidate": 3.0, "stale_if_error": 4.0}
DEFAULT: dict[str, Any] = {"stale_while_revalidate": 1, "stale_if_error": 2}


def test_nothing_is_served_stale_unless_that_was_said() -> None:
    assert windows(cache_control("max-age=60")) == (0, 0)


def test_what_was_said_comes_before_the_directive_and_the_directive_before_the_option() -> None:
    asked = cache_control(f"max-age=60, {ASKED}")
    assert windows(asked, heard=notes(60, **SAID), **DEFAULT) == (3, 4)
    assert windows(asked, heard=notes(60), **DEFAULT) == (30, 600)
    assert windows(asked, **DEFAULT) == (30, 600)
    assert windows(cache_control("max-age=60"), **DEFAULT) == (1, 2)
    assert windows(heard=notes(60), **DEFAULT) == (1, 2)


def test_a_window_of_0_is_a_word_too() -> None:
    none = notes(60, stale_while_revalidate=0.0, stale_if_error=0.0)
    assert windows(heard=none, **DEFAULT) == (0, 0)
    assert windows(cache_control("max-age=60, stale-while-revalidate=0, stale-if-error=0"), **DEFAULT) == (0, 0)


def test_a_negative_or_malformed_window_is_0() -> None:
    negative = notes(60, stale_while_revalidate=-1.0, stale_if_error=-1.0)
    assert windows(heard=negative, **DEFAULT) == (0, 0)
    assert windows(cache_control("max-age=60, stale-while-revalidate=x, stale-if-error"), **DEFAULT) == (0, 0)


@pytest.mark.parametrize("directive", ["must-revalidate", "proxy-revalidate"])
def test_must_revalidate_forbids_stale_answers_whatever_anyone_says(directive: str) -> None:
    line = cache_control(f"max-age=60, {ASKED}, {directive}")
    assert windows(line, **DEFAULT) == (0, 0)
    assert windows(line, heard=notes(60, **SAID), **DEFAULT) == (0, 0)
    assert windows(targeted(f"max-age=60, {directive}"), heard=notes(60, **SAID)) == (0, 0)


def test_must_revalidate_in_cache_control_does_not_count_beside_a_targeted_field() -> None:
    assert windows(cache_control("must-revalidate"), targeted(f"max-age=60, {ASKED}")) == (30, 600)


def test_no_cache_forbids_stale_answers_unless_a_time_was_said_here() -> None:
    line = cache_control(f"no-cache, {ASKED}")
    assert windows(line, ("etag", '"a"'), **DEFAULT) == (0, 0)
    assert windows(line, heard=notes(60, **SAID), **DEFAULT) == (3, 4)


def test_s_maxage_forbids_stale_answers_that_the_response_does_not_ask_for() -> None:
    assert windows(cache_control("s-maxage=60"), **DEFAULT) == (0, 0)
    assert windows(cache_control(f"s-maxage=60, {ASKED}"), **DEFAULT) == (30, 600)
    assert windows(cache_control("s-maxage=60"), heard=notes(60), **DEFAULT) == (1, 2)


@pytest.mark.parametrize(
    ("lines", "heard", "never_stale"),
    [
        pytest.param([cache_control("max-age=60")], NOTHING_SAID, False, id="max-age"),
        pytest.param([cache_control("max-age=60, must-revalidate")], NOTHING_SAID, True, id="must-revalidate"),
        pytest.param([cache_control("max-age=60, proxy-revalidate")], NOTHING_SAID, True, id="proxy-revalidate"),
        pytest.param([cache_control("must-revalidate")], notes(60), True, id="must-revalidate beside cache_for"),
        pytest.param([cache_control("no-cache")], NOTHING_SAID, True, id="no-cache"),
        pytest.param([cache_control("no-cache")], notes(60), False, id="no-cache beside cache_for"),
        pytest.param([cache_control("s-maxage=60")], NOTHING_SAID, True, id="s-maxage"),
        pytest.param([cache_control("s-maxage=60")], notes(60), False, id="s-maxage beside cache_for"),
        pytest.param([targeted("max-age=60, must-revalidate")], NOTHING_SAID, True, id="targeted"),
    ],
)
def test_what_may_never_be_served_stale_is_closed_to_max_stale(
    lines: list[Line], heard: Notes, never_stale: bool
) -> None:
    assert stored(*lines, ("etag", '"a"'), heard=heard).never_stale is never_stale


def hidden_after(stored: Entry, seconds: float, purpose: Purpose = Purpose.ANSWER) -> bool:
    """Whether an error is hidden so long after the entry was received."""
    return reuse.may_hide_error(stored, NOW + seconds, purpose)


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


# --- Vary -------------------------------------------------------------------------------------------------------------


def test_a_plan_has_the_fields_of_all_vary_lines() -> None:
    assert stored(EXPLICIT, ("Vary", "Cookie, accept"), ("vary", "Accept")).vary == (b"accept", b"cookie")
    assert stored(EXPLICIT).vary == ()


@pytest.mark.parametrize("value", ["Accept Cookie", "Accept;Cookie", '"Cookie"', "Co\xf6kie", "*;q=1"])
def test_a_vary_that_names_what_is_no_field_is_not_stored(value: str) -> None:
    # no request has such a field, so it would choose nothing, and everybody would get the first one's answer
    assert refused(EXPLICIT, ("vary", value)) == "Vary"


def told_vary(*names: bytes, ttl: float | None = 60) -> Notes:
    heard = notes(ttl)
    heard.vary = set(names)
    return heard


def test_what_was_said_by_vary_and_by_the_option_chooses_beside_what_the_response_says() -> None:
    heard = told_vary(b"x-plan")
    assert stored(("vary", "Accept"), heard=heard, vary=("X-Tenant",)).vary == (b"accept", b"x-plan", b"x-tenant")
    assert stored(EXPLICIT, vary=("X-Tenant",)).vary == (b"x-tenant",)


@pytest.mark.parametrize(
    ("lines", "heard", "options", "added"),
    [
        ([], told_vary(b"x-plan", b"accept"), {}, ((b"vary", b"accept, x-plan"),)),
        ([("Vary", "Accept")], told_vary(b"x-plan", b"accept"), {}, ((b"vary", b"x-plan"),)),
        ([("vary", "X-Tenant")], NOTHING_SAID, {"vary": ("X-Tenant",)}, ()),
        ([], NOTHING_SAID, {"vary": ("X-Tenant",)}, ((b"vary", b"x-tenant"),)),
        ([], NOTHING_SAID, {}, ()),
    ],
)
def test_clients_are_told_by_vary_what_only_the_cache_was_told(
    lines: list[Line], heard: Notes, options: dict[str, Any], added: HeaderLines
) -> None:
    assert stored_fields.added_vary(response(*lines), heard, Options(**options)) == added


def test_a_field_that_is_named_after_the_start_keeps_the_response_out_of_the_store() -> None:
    heard = told_vary(b"x-plan")
    made = stored(heard=heard)
    assert storing.refused_at_end(request(), made, heard) is None
    heard.vary.add(b"x-tenant")
    assert storing.refused_at_end(request(), made, heard) == "vary() after the start"


def test_a_veto_after_the_start_counts() -> None:
    heard = notes(60)
    made = stored(heard=heard)
    heard.no_store = True
    assert storing.refused_at_end(request(), made, heard) == "no_store()"


GZIP: Line = ("accept-encoding", "gzip")


@pytest.mark.parametrize(
    ("lines", "known", "of", "vary", "for_codings"),
    [
        pytest.param([], (), request(), (), False, id="made for no coding"),
        pytest.param([], (), request(GZIP), (), True, id="made for who takes one, and without one"),
        pytest.param([("content-encoding", "gzip")], (), request(GZIP), (b"accept-encoding",), True, id="with one"),
        pytest.param([], (b"accept-encoding",), request(), (b"accept-encoding",), True, id="another one has had one"),
        pytest.param([("vary", "Accept-Encoding")], (), request(), (b"accept-encoding",), True, id="it says so"),
        pytest.param([], (b"accept",), request(), (), False, id="another one was chosen by something else"),
    ],
)
def test_accept_encoding_tells_responses_apart_where_a_response_of_the_url_has_had_a_coding(
    lines: list[Line], known: tuple[bytes, ...], of: Request, vary: tuple[bytes, ...], for_codings: bool
) -> None:
    made = storing.plan(Candidate(of, response(EXPLICIT, *lines), NOTHING_SAID, Options(), known))
    assert isinstance(made, Plan)
    assert (made.vary, made.for_codings) == (vary, for_codings)


# --- what clients get -------------------------------------------------------------------------------------------------


TAG_LINES: list[Line] = [("Cache-Tag", "a"), ("surrogate-key", "b"), ("XKEY", "c")]
PLAIN_LINES: list[Line] = [("X-A", "1"), ("x-b", "\xe9"), ("X-A", "2")]


def client_lines(*lines: Line, **options: Any) -> list[tuple[bytes, bytes]]:
    return list(stored_fields.without_tags(response(*lines).headers, Options(**options)))


def test_tag_headers_are_taken_off_and_the_rest_is_as_it_was_sent() -> None:
    lines = [TAG_LINES[0], *PLAIN_LINES, *TAG_LINES[1:]]
    assert client_lines(*lines) == [(b"X-A", b"1"), (b"x-b", b"\xe9"), (b"X-A", b"2")]


def test_tag_headers_are_those_of_the_option() -> None:
    kept = client_lines(*TAG_LINES, ("Edge-Tag", "d"), tag_headers=("edge-TAG",))
    assert [name for name, _ in kept] == [b"Cache-Tag", b"surrogate-key", b"XKEY"]


@pytest.mark.parametrize("lines", [[], PLAIN_LINES, [targeted("max-age=60")]], ids=["nothing", "others", "targeted"])
def test_a_browser_that_was_told_nothing_is_told_to_ask(lines: list[Line]) -> None:
    assert stored_fields.added_for_browsers(response(*lines)) == ((b"cache-control", b"no-cache"),)


@pytest.mark.parametrize("line", [("Cache-Control", "max-age=5"), ("Expires", imf(NOW))])
def test_a_browser_that_was_told_something_is_told_nothing_else(line: Line) -> None:
    assert stored_fields.added_for_browsers(response(line)) == ()


# --- tags of a response -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "tags"),
    [
        ([], []),
        ([("Cache-Tag", "a b, c ,,d")], ["a b", "c", "d"]),
        ([("Surrogate-Key", "a b,c \t d")], ["a", "b", "c", "d"]),
        ([("xkey", "a"), ("XKEY", "b")], ["a", "b"]),
        ([("cache-tag", "a"), ("xkey", "b")], ["a", "b"]),
        ([("cache-tag", "")], []),
        ([("cache-tag", "é".encode())], ["é"]),
        ([("cache-tag", b"\xe9")], ["\udce9"]),
        ([("x-other", "a")], []),
    ],
)
def test_tags_are_named_in_the_tag_headers(lines: list[Line], tags: list[str]) -> None:
    assert response_tags.header_tags(response(*lines), Options()) == tags


def test_tag_headers_of_the_option_are_read_whatever_their_case() -> None:
    lines: list[Line] = [("cache-tag", "a b"), ("edge-tag", "c d")]
    assert response_tags.header_tags(response(*lines), Options(tag_headers=("Edge-Tag",))) == ["c", "d"]
    assert response_tags.header_tags(response(*lines), Options(tag_headers=("Cache-Tag",))) == ["a b"]


def test_the_tags_of_the_application_are_those_without_the_librarys_own() -> None:
    assert response_tags.application_tags(entry(tags=frozenset({"a", "b@c", "@all", "@url:x"}))) == {"a", "b@c"}


# --- an entry is made -------------------------------------------------------------------------------------------------

MADE = Plan(
    vary=(b"accept",),
    lifetime=60.0,
    stale_while_revalidate=30.0,
    stale_if_error=600.0,
    never_stale=False,
    for_cookies=True,
    for_credentials=False,
    for_codings=True,
)


def new_entry(
    *lines: Line,
    status: int = 200,
    tags: tuple[str, ...] = (),
    unstored_fields: tuple[str, ...] = UNSTORED_FIELDS,
    **more: Any,
) -> Entry:
    of = request(("accept", "a , b"), url="/p?x=1")
    answer = response(*lines, status=status, **more)
    options = Options(unstored_fields=unstored_fields)
    return storing.new_entry(Candidate(of, answer, Notes(), options), MADE, b"body", frozenset(tags), 7)


def test_an_entry_has_what_was_planned() -> None:
    made = new_entry(("X-A", "1"), status=404, tags=("a",), received=NOW + 5)
    assert (made.key, made.status, made.body, made.mark) == (request(url="/p?x=1").key, 404, b"body", 7)
    assert {field.name: getattr(made, field.name) for field in fields(Plan)} == {
        field.name: getattr(MADE, field.name) for field in fields(Plan)
    }
    assert made.selected_by == (b"a,b",)
    assert made.received == NOW + 5
    assert (made.headers, made.added) == (((b"X-A", b"1"),), ((b"cache-control", b"no-cache"),))


def test_an_entry_has_the_tags_that_were_said_and_the_librarys_own() -> None:
    assert new_entry(tags=("a", "b")).tags == {"a", "b", "@all", "@url:example.org/p?x=1"}


def test_an_entry_without_tags_can_still_be_taken_back_by_its_url() -> None:
    assert new_entry().tags == {"@all", "@url:example.org/p?x=1"}


def test_tag_headers_are_not_stored() -> None:
    assert new_entry(*TAG_LINES, ("x-a", "1")).headers == ((b"x-a", b"1"),)


def test_an_age_on_arrival_is_taken_over_and_taken_off() -> None:
    made = new_entry(("AGE", "30"), ("x-a", "1"), status=404, requested=NOW - 2)
    assert made.initial_age == 32
    assert b"age" not in [name.lower() for name, _ in made.headers]


@pytest.mark.parametrize(
    "lines",
    [
        [("Connection", "close")],
        [("connection", "X-Hop, keep-alive"), ("X-Hop", "1"), ("Keep-Alive", "timeout=5")],
        [("proxy-authenticate", "Basic")],
        [("Proxy-Authentication-Info", "x")],
    ],
    ids=["Connection", "what Connection names", "Proxy-Authenticate", "Proxy-Authentication-Info"],
)
def test_fields_of_one_connection_are_not_stored(lines: list[Line]) -> None:
    assert new_entry(*lines, ("x-a", "1")).headers == ((b"x-a", b"1"),)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        *[
            (name, {})
            for name in ("X-Request-ID", "x-runtime", "RateLimit", "RateLimit-Remaining", "X-RateLimit-Reset")
        ],
        ("X-My-Id", {"unstored_fields": ("X-My-*",)}),
    ],
)
def test_fields_that_speak_of_one_request_are_not_stored(name: str, options: dict[str, Any]) -> None:
    made = new_entry((name, "1"), ("x-a", "1"), ("x-idle", "2"), **options)
    assert made.headers == ((b"x-a", b"1"), (b"x-idle", b"2"))


def test_what_is_not_named_among_the_unstored_fields_is_stored() -> None:
    assert new_entry(("x-request-id", "1"), unstored_fields=()).headers == ((b"x-request-id", b"1"),)


def test_an_etag_of_the_application_is_etag_and_validator() -> None:
    made = new_entry(("ETag", '"a"'), cache_control("max-age=60"))
    assert (made.etag, made.validator) == (b'"a"', b'"a"')
    assert (made.headers[0], made.added) == ((b"ETag", b'"a"'), ())


def test_a_weak_etag_is_added_where_there_is_none_and_is_no_validator() -> None:
    made = new_entry(cache_control("max-age=60"))
    assert made.etag == stored_fields.weak_etag(b"body")
    assert made.headers == ((b"cache-control", b"max-age=60"),)
    assert made.added == ((b"etag", made.etag),)
    assert made.validator is None


def test_the_word_for_browsers_and_the_etag_are_added_together() -> None:
    assert new_entry().added == ((b"cache-control", b"no-cache"), (b"etag", stored_fields.weak_etag(b"body")))


def test_no_etag_is_added_to_what_is_no_200() -> None:
    made = new_entry(cache_control("max-age=60"), status=404)
    assert (made.etag, made.validator, made.added) == (None, None, ())


def test_the_last_modified_of_the_application_is_kept() -> None:
    assert new_entry(("last-modified", imf(NOW - 999))).last_modified == imf(NOW - 999).encode()
    assert new_entry().last_modified is None


@pytest.mark.parametrize("value", ["a", '"a', '"a", "b"', '"a" ,', 'w/"a"', ""])
def test_a_malformed_etag_is_no_validator(value: str) -> None:
    made = new_entry(("etag", value))
    assert (made.etag, made.validator) == (value.encode(), None)
    assert refused(cache_control("no-cache"), ("etag", value)) == "no time to be fresh"


@pytest.mark.parametrize("value", ["yesterday", "", "Fri, 15 Jan 2027 08:00:00 CET"])
def test_a_malformed_last_modified_is_no_validator(value: str) -> None:
    assert new_entry(("last-modified", value)).last_modified is None
    assert refused(cache_control("no-cache"), ("last-modified", value)) == "no time to be fresh"


def test_a_last_modified_in_the_obsolete_format_is_kept_as_it_was_sent() -> None:
    value = b"Friday, 15-Jan-27 07:00:00 GMT"
    assert new_entry(("last-modified", value)).last_modified == value


def test_a_weak_etag_is_a_well_formed_one_of_the_body_alone() -> None:
    tag = stored_fields.weak_etag(b"body")
    assert entity_tags(tag) == [tag]
    assert not is_strong(tag)
    assert tag == stored_fields.weak_etag(b"body")
    assert tag != stored_fields.weak_etag(b"bodies")
    assert len(tag) == len('W/""') + 24


# --- is it whole: RFC 9112 §8 -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "is_complete"),
    [
        ([], True),
        ([("content-length", "4")], True),
        ([("Content-Length", "004")], True),
        ([("content-length", "4"), ("content-length", "4")], True),
        ([("content-length", "5")], False),
        ([("content-length", "3")], False),
        ([("content-length", "40")], False),
        ([("content-length", "4"), ("content-length", "5")], False),
        ([("content-length", "4, 4")], False),
        ([("content-length", "+4")], False),
        ([("content-length", "x")], False),
        ([("content-length", "X4")], False),
        ([("content-length", "")], False),
    ],
)
def test_a_body_is_whole_if_it_is_as_long_as_was_said(lines: list[Line], is_complete: bool) -> None:
    assert complete(response(*lines), 4) is is_complete


def test_an_empty_body_is_whole_if_nothing_else_was_said() -> None:
    assert complete(response(), 0)
    assert complete(response(("content-length", "0")), 0)
    assert complete(response(("content-length", "00")), 0)
    assert not complete(response(("content-length", "1")), 0)


@pytest.mark.parametrize(("lines", "size"), [([], 0), ([("content-length", "12")], 12), ([("content-length", "x")], 0)])
def test_a_promised_size_is_the_content_length(lines: list[Line], size: int) -> None:
    assert promised_size(response(*lines)) == size


# --- validation: RFC 9111 §4.3 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("validators", "invalidated", "possible"),
    [
        ({}, False, False),
        (STRONG, False, True),
        (WEAK, False, True),
        (DATED, False, True),
        ({}, True, False),
        (STRONG, True, True),
        (WEAK, True, False),
        (DATED, True, False),
        ({**STRONG, **DATED}, True, True),
        ({**WEAK, **DATED}, True, False),
        ({"validator": b"unquoted"}, True, False),
    ],
)
def test_only_a_strong_etag_lifts_an_entry_over_a_soft_invalidation(
    validators: dict[str, Any], invalidated: bool, possible: bool
) -> None:
    assert validation.can_validate(entry(**validators), invalidated) is possible


def test_an_etag_that_the_cache_added_validates_nothing() -> None:
    assert not validation.can_validate(entry(etag=b'W/"a"'), False)


def test_the_conditions_are_the_validators_of_the_application() -> None:
    none_match, since = (b"if-none-match", b'"a"'), (b"if-modified-since", DATED["last_modified"])
    assert validation.conditions(entry(**STRONG)) == [none_match]
    assert validation.conditions(entry(**DATED)) == [since]
    assert validation.conditions(entry(**STRONG, **DATED)) == [none_match, since]
    assert validation.conditions(entry(etag=b'W/"a"')) == []


MODIFIED: Line = ("last-modified", imf(NOW - 999))
OTHER_MODIFIED: Line = ("last-modified", imf(NOW - 998))


@pytest.mark.parametrize(
    ("validators", "lines", "same"),
    [
        pytest.param(STRONG, [], True, id="it names none"),
        pytest.param(STRONG, [("etag", '"a"')], True, id="the same"),
        pytest.param(STRONG, [("etag", '"b"')], False, id="another"),
        pytest.param(STRONG, [("etag", 'W/"a"')], True, id="weakly the same"),
        pytest.param(STRONG, [("etag", 'W/"b"')], False, id="weakly another"),
        pytest.param(WEAK, [("etag", 'W/"a"')], True, id="the same weak one"),
        pytest.param(WEAK, [("etag", '"a"')], False, id="a strong one of which only a weak one is stored"),
        pytest.param({}, [("etag", '"a"')], False, id="one where none is stored"),
        pytest.param(DATED, [("etag", '"a"'), MODIFIED], False, id="one beside the stored date"),
        pytest.param(DATED, [MODIFIED], True, id="the same date"),
        pytest.param(DATED, [OTHER_MODIFIED], False, id="another date"),
        pytest.param({}, [MODIFIED], False, id="a date where none is stored"),
        pytest.param({**STRONG, **DATED}, [("etag", '"a"'), OTHER_MODIFIED], True, id="the etag decides"),
        pytest.param({**STRONG, **DATED}, [OTHER_MODIFIED], False, id="the date decides where there is no etag"),
    ],
)
def test_a_304_is_of_the_entry_whose_validator_it_names(
    validators: dict[str, Any], lines: list[Line], same: bool
) -> None:
    assert validation.same_representation(entry(**validators), response(*lines, status=304)) is same


# --- freshening: RFC 9111 §3.2, §4.3.4 --------------------------------------------------------------------------------

STORED_LINES = (
    (b"Content-Type", b"text/plain"),
    (b"content-length", b"6"),
    (b"Date", b"then"),
    (b"X-A", b"old"),
    (b"x-a", b"old too"),
    (b"X-B", b"kept"),
    (b"ETag", b'"a"'),
)
FRESHENED = entry(headers=STORED_LINES, status=203, **STRONG)


def freshened(*lines: Line, of: Entry = FRESHENED) -> Response:
    return validation.freshened(of, response(*lines, status=304, requested=NOW + 99, received=NOW + 100))


def test_a_304_freshens_the_stored_status_and_lines() -> None:
    merged = freshened()
    assert merged.status == 203
    assert merged.headers == tuple(line for line in STORED_LINES if line[0] != b"Date")


def test_fields_of_a_304_replace_all_stored_lines_of_the_same_name() -> None:
    merged = freshened(("x-A", "new"), ("X-a", "newer"), ("x-c", "added"))
    lines = [line for line in merged.headers if line[0].lower().startswith(b"x-")]
    assert lines == [(b"X-B", b"kept"), (b"x-A", b"new"), (b"X-a", b"newer"), (b"x-c", b"added")]


@pytest.mark.parametrize(
    "name",
    [
        "Content-Length",
        "content-encoding",
        "content-range",
        "content-MD5",
        "content-digest",
        "ETag",
        "Transfer-Encoding",
    ],
)
def test_a_304_does_not_change_what_the_stored_content_depends_on(name: str) -> None:
    assert freshened((name, "0")).headers == freshened().headers


@pytest.mark.parametrize("name", ["content-type", "content-language", "content-location"])
def test_a_304_changes_all_other_fields(name: str) -> None:
    assert freshened((name, "new")).headers[-1] == (name.encode(), b"new")


@pytest.mark.parametrize("name", ["content-location", "content-security-policy", "x-content-type"])
def test_a_304_changes_what_only_sounds_like_content(name: str) -> None:
    assert (name.encode(), b"x") in freshened((name, "x")).headers


def test_the_stored_date_does_not_outlive_a_validation() -> None:
    assert freshened().get(b"date") is None
    assert freshened(("date", imf(NOW + 98))).get(b"date") == imf(NOW + 98).encode()


def test_the_age_of_what_was_freshened_counts_from_the_304() -> None:
    assert (freshened().requested, freshened().received) == (NOW + 99, NOW + 100)
    assert freshness.initial_age(freshened()) == 0
    assert freshness.initial_age(freshened(("date", imf(NOW + 90)))) == 10
    assert freshness.initial_age(freshened(("age", "5"))) == 6


def test_what_the_cache_added_is_no_part_of_the_freshened_response() -> None:
    added = entry(headers=((b"x-b", b"kept"),), added=((b"etag", b'W/"x"'),), etag=b'W/"x"')
    assert freshened(of=added).headers == ((b"x-b", b"kept"),)


@pytest.mark.parametrize(
    ("stored_lines", "lines", "vary"),
    [
        ([], [], b"x-plan, x-tenant"),
        ([("vary", "X-Plan")], [], b"X-Plan, x-tenant"),
        ([("vary", "X-Plan")], [("vary", "Accept")], b"Accept, x-plan, x-tenant"),
        ([], [("vary", "X-Tenant, X-Plan")], b"X-Tenant, X-Plan"),
    ],
)
def test_what_the_stored_content_was_chosen_by_chooses_it_still(
    stored_lines: list[Line], lines: list[Line], vary: bytes
) -> None:
    # the view that said vary("X-Tenant") may not run for a 304
    said_before = entry(vary=(b"x-plan", b"x-tenant"), headers=tuple(raw(stored_lines)), **STRONG)
    assert freshened(*lines, of=said_before).get(b"vary") == vary
    made = after_304(*lines, of=said_before)
    assert isinstance(made, Plan)
    assert {b"x-plan", b"x-tenant"} <= {*made.vary}


RETAINED = entry(
    vary=(b"accept",),
    selected_by=(b"a",),
    headers=((b"vary", b"Accept"),),
    added=((b"cache-control", b"no-cache"),),
    lifetime=61.0,
    stale_while_revalidate=31.0,
    stale_if_error=601.0,
    for_cookies=True,
    for_credentials=True,
    **STRONG,
)


def after_304(*lines: Line, of: Entry = RETAINED, heard: Notes = NOTHING_SAID, **options: Any) -> Plan | Refusal:
    answer = Candidate(request(), response(*lines, status=304), heard, Options(**options))
    return validation.plan_after_304(of, answer)


@pytest.mark.parametrize("retained", [RETAINED, replace(RETAINED, for_cookies=False, for_credentials=False)])
def test_a_304_that_says_nothing_retains_the_plan(retained: Entry) -> None:
    assert after_304(("etag", '"a"'), ("x-a", "1"), of=retained) == Plan(
        vary=(b"accept",),
        lifetime=61.0,
        stale_while_revalidate=31.0,
        stale_if_error=601.0,
        never_stale=False,
        for_cookies=retained.for_cookies,
        for_credentials=retained.for_credentials,
        for_codings=True,
    )


@pytest.mark.parametrize(
    ("lines", "heard", "seconds"),
    [
        pytest.param([cache_control("max-age=5")], NOTHING_SAID, 5, id="Cache-Control"),
        pytest.param([targeted("max-age=5")], NOTHING_SAID, 5, id="targeted"),
        pytest.param([("Expires", imf(NOW + 5))], NOTHING_SAID, 5, id="Expires"),
        pytest.param([], notes(5), 5, id="cache_for"),
    ],
)
def test_a_304_that_says_something_is_planned_by_that(lines: list[Line], heard: Notes, seconds: float) -> None:
    made = after_304(*lines, heard=heard)
    assert isinstance(made, Plan)
    assert (made.lifetime, made.stale_while_revalidate, made.stale_if_error) == (seconds, 0, 0)
    assert made.vary == (b"accept",)
    assert not made.for_credentials


def test_an_expires_of_a_304_is_news() -> None:
    kept = entry(headers=((b"expires", imf(NOW + 99).encode()),), **STRONG)
    made = after_304(("expires", imf(NOW + 5)), of=kept)
    assert isinstance(made, Plan)
    assert (made.lifetime, made.vary) == (5, ())


def test_an_expires_that_was_stored_does_not_move_with_a_304() -> None:
    kept = entry(headers=((b"expires", imf(NOW - 40).encode()),), lifetime=60.0, received=NOW - 100, **STRONG)
    made = after_304(of=kept)
    assert isinstance(made, Refusal) or made.lifetime == 0


@pytest.mark.parametrize(
    ("line", "default_ttl"),
    [
        pytest.param(cache_control("no-cache"), None, id="no-cache"),
        pytest.param(cache_control("max-age=0"), None, id="a shorter max-age"),
        pytest.param(cache_control("max-age=86400"), None, id="a longer max-age"),
        pytest.param(cache_control("public, s-maxage=86400"), None, id="s-maxage"),
        pytest.param(targeted("max-age=86400"), None, id="targeted"),
        pytest.param(("expires", imf(NOW + 86400)), None, id="Expires"),
        pytest.param(("x-a", "1"), 86400, id="default_ttl"),
    ],
)
def test_a_time_that_was_said_of_the_entry_is_retained_beside_what_its_own_lines_say(
    line: Line, default_ttl: float | None
) -> None:
    kept = entry(headers=response(line).headers, lifetime=5.0, **STRONG)
    made = after_304(of=kept, default_ttl=default_ttl)
    assert isinstance(made, Plan)
    assert made.lifetime == 5


@pytest.mark.parametrize("directive", ["max-age=60", "s-maxage=60"])
def test_an_expires_that_was_stored_does_not_count_after_a_304_beside_a_time_that_comes_before_it(
    directive: str,
) -> None:
    lines = (cache_control(directive), ("expires", imf(NOW - 40)))
    made = after_304(of=entry(headers=response(*lines).headers, lifetime=60.0, **STRONG))
    assert isinstance(made, Plan)
    assert made.lifetime == 60


@pytest.mark.parametrize("directive", ["must-revalidate", "proxy-revalidate"])
def test_a_304_that_says_must_revalidate_ends_stale_answers(directive: str) -> None:
    made = after_304(cache_control(directive))
    assert isinstance(made, Refusal) or (made.stale_while_revalidate, made.stale_if_error) == (0, 0)


@pytest.mark.parametrize("vary", ["Accept, Cookie", "Cookie"])
def test_a_304_that_varies_on_more_is_stored_so(vary: str) -> None:
    made = after_304(("vary", vary))
    assert isinstance(made, Refusal) or b"cookie" in made.vary


@pytest.mark.parametrize("lines", [[], [cache_control("max-age=5")]], ids=["mute", "with a time"])
@pytest.mark.parametrize(("was", "newest"), [((b"accept-encoding",), ()), ((), (b"accept-encoding",))])
def test_what_a_304_freshens_is_chosen_by_codings_where_it_was_or_the_newest_is(
    lines: list[Line], was: tuple[bytes, ...], newest: tuple[bytes, ...]
) -> None:
    made, answer = replace(RETAINED, vary=was), response(*lines, status=304)
    planned = validation.plan_after_304(made, Candidate(request(), answer, NOTHING_SAID, Options(), newest))
    assert isinstance(planned, Plan)
    assert b"accept-encoding" in planned.vary


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([("set-cookie", "a=1")], "Set-Cookie"),
        ([("vary", "*")], "Vary"),
        ([cache_control("private")], "private"),
        ([cache_control("no-store, max-age=60")], "no-store"),
        ([targeted("private")], "private"),
    ],
)
def test_a_304_may_forbid_what_was_allowed_before(lines: list[Line], reason: str) -> None:
    assert after_304(*lines) == Refusal(reason)


def test_a_veto_or_a_time_of_0_said_with_a_304_stores_nothing() -> None:
    assert after_304(heard=notes(no_store=True)) == Refusal("no_store()")
    assert after_304(heard=notes(60, no_store=True)) == Refusal("no_store()")
    assert after_304(heard=notes(0)) == Refusal("a time of 0")


@pytest.mark.parametrize("status", [404, 200])
def test_a_304_of_what_may_be_stored_by_its_status_is_stored(status: int) -> None:
    assert isinstance(after_304(of=replace(RETAINED, status=status)), Plan)


def test_a_304_of_an_error_is_stored_only_while_errors_are() -> None:
    kept = replace(RETAINED, status=500)
    assert after_304(of=kept) == Refusal("status 500")
    assert isinstance(after_304(of=kept, cacheable_errors=True), Plan)


def test_a_private_of_the_stored_cache_control_does_not_bind_where_a_targeted_field_replaced_it() -> None:
    kept = entry(
        headers=((b"cache-control", b"private"), (b"cdn-cache-control", b"max-age=60")), lifetime=60.0, **STRONG
    )
    retained = after_304(of=kept)
    assert isinstance(retained, Plan)
    assert (retained.lifetime, retained.vary) == (60, ())
    news = after_304(cache_control("private"), of=kept)
    assert isinstance(news, Plan)
    assert news.lifetime == 60


@pytest.mark.parametrize("line", [COOKIE, CREDENTIALS], ids=["Cookie", "Authorization"])
def test_the_fields_of_a_304_for_one_user_are_shared_only_where_it_says_so(line: Line) -> None:
    made = request(line)
    mute, shared = response(status=304), response(cache_control("public, max-age=5"), status=304)
    for_one, for_all = (Candidate(made, answer, NOTHING_SAID, Options()) for answer in (mute, shared))
    assert validation.plan_after_304(RETAINED, for_one) == Refusal(
        "a request with credentials needs a word for shared caches"
    )
    planned = validation.plan_after_304(RETAINED, for_all)
    assert isinstance(planned, Plan)
    assert planned.lifetime == 5


# --- what a 304 proves: CONSISTENCY §1.4 ------------------------------------------------------------------------------


def proves(validators: dict[str, Any], *lines: Line) -> bool:
    return validation.proves_unchanged(entry(**validators), response(*lines, status=304))


def test_a_304_that_names_the_strong_etag_proves_that_nothing_changed() -> None:
    assert proves(STRONG, ("etag", '"a"'))
    assert proves({**STRONG, **DATED}, ("etag", '"a"'), MODIFIED)


@pytest.mark.parametrize(
    ("validators", "lines"),
    [
        pytest.param(WEAK, [], id="weak, none named"),
        pytest.param(WEAK, [("etag", 'W/"a"')], id="weak"),
        pytest.param(DATED, [], id="dated, none named"),
        pytest.param(DATED, [MODIFIED], id="dated"),
        pytest.param({}, [], id="none"),
        pytest.param(STRONG, [("etag", '"b"')], id="strong, another named"),
        pytest.param(STRONG, [("etag", 'W/"a"')], id="strong, a weak one named"),
        pytest.param({"validator": b"unquoted"}, [("etag", "unquoted")], id="malformed"),
    ],
)
def test_a_304_by_a_weak_validator_proves_nothing(validators: dict[str, Any], lines: list[Line]) -> None:
    assert not proves(validators, *lines)


def test_a_304_that_names_no_etag_may_have_answered_the_date_and_proves_nothing() -> None:
    assert not proves({**STRONG, **DATED})
    assert not proves({**STRONG, **DATED}, MODIFIED)


# --- clients' conditions: RFC 9110 §13, CONSISTENCY §1.6 --------------------------------------------------------------


def has_it(*lines: Line, etag: bytes | None = None, headers: tuple[tuple[bytes, bytes], ...] = ()) -> bool:
    tagged = headers if etag is None else (*headers, (b"ETag", etag))
    return conditions.not_modified(request(*lines), tagged, NOW)


def since(seconds: float) -> Line:
    return ("if-modified-since", imf(NOW - seconds))


def modified(seconds: float, *more: tuple[bytes, bytes]) -> tuple[tuple[bytes, bytes], ...]:
    return ((b"Last-Modified", imf(NOW - seconds).encode()), *more)


def test_a_client_without_conditions_gets_it_all() -> None:
    assert not has_it(etag=b'"a"', headers=modified(999))


@pytest.mark.parametrize(
    ("value", "etag", "has"),
    [
        ('"a"', b'"a"', True),
        ('"b"', b'"a"', False),
        ('"b", "a"', b'"a"', True),
        ('"b", "c"', b'"a"', False),
        ('W/"a"', b'"a"', True),
        ('"a"', b'W/"a"', True),
        ('"a"', None, False),
        ("a", b"a", False),
        ("", b'"a"', False),
        ("*", b'"a"', True),
        ("*", None, False),
        ('"*"', b'"a"', False),
    ],
)
def test_if_none_match_compares_weakly(value: str, etag: bytes | None, has: bool) -> None:
    assert has_it(("if-none-match", value), etag=etag) is has


def test_if_none_match_in_several_lines_is_one_list() -> None:
    assert has_it(("if-none-match", '"b"'), ("if-none-match", '"a"'), etag=b'"a"')


def test_if_modified_since_does_not_count_beside_if_none_match() -> None:
    assert not has_it(("if-none-match", '"b"'), since(0), etag=b'"a"', headers=modified(999))
    assert not has_it(("if-none-match", '"b"'), since(0), headers=modified(999))


@pytest.mark.parametrize(("asked", "has"), [(999, True), (998, True), (0, True), (1000, False)])
def test_if_modified_since_compares_with_last_modified(asked: float, has: bool) -> None:
    assert has_it(since(asked), headers=modified(999)) is has


def test_if_modified_since_counts_only_where_last_modified_is_60_seconds_older_than_date() -> None:
    date = (b"Date", imf(NOW - 40).encode())
    assert has_it(since(0), headers=modified(100, date))
    assert not has_it(since(0), headers=modified(99, date))
    assert conditions.DATE_IS_SURE_AFTER == 60


def test_if_modified_since_counts_from_receipt_where_there_is_no_date() -> None:
    assert has_it(since(0), headers=modified(60))
    assert not has_it(since(0), headers=modified(59))
    assert has_it(since(0), headers=modified(60, (b"date", b"then")))


@pytest.mark.parametrize(
    "headers", [(), ((b"last-modified", b"then"),), ((b"date", imf(NOW - 999).encode()),)], ids=["none", "bad", "date"]
)
def test_if_modified_since_needs_a_last_modified(headers: tuple[tuple[bytes, bytes], ...]) -> None:
    assert not has_it(since(0), headers=headers)


@pytest.mark.parametrize("lines", [[("if-modified-since", "then")], [since(0), since(0)], [("if-modified-since", "")]])
def test_a_malformed_or_repeated_if_modified_since_is_ignored(lines: list[Line]) -> None:
    assert not has_it(*lines, headers=modified(999))


def test_the_obsolete_format_of_a_date_is_placed_by_the_time_of_receipt() -> None:
    line = ("if-modified-since", "Friday, 15-Jan-27 08:00:00 GMT")
    assert has_it(line, headers=((b"last-modified", b"Friday, 15-Jan-27 07:00:00 GMT"),))
    date = (b"date", b"Friday, 15-Jan-27 07:30:00 GMT")
    assert has_it(line, headers=((b"last-modified", b"Friday, 15-Jan-27 07:00:00 GMT"), date))


@given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=40))
def test_any_bytes_in_conditions_are_answered(one: bytes, two: bytes, three: bytes) -> None:
    assume(b"*" not in one)
    assert not has_it(("if-none-match", one), ("if-modified-since", two), etag=None, headers=((b"date", three),))
    has_it(("if-modified-since", two), headers=((b"last-modified", three), (b"date", one)))


def test_a_304_has_every_line_but_those_of_the_content_it_does_not_carry() -> None:
    kept = [
        (b"ETag", b'"a"'),
        (b"Vary", b"accept"),
        (b"date", b"then"),
        (b"content-location", b"/a"),
        (b"cache-control", b"no-cache"),
        (b"Expires", b"0"),
        (b"x-a", b"1"),
        (b"x-a", b"2"),
    ]
    dropped = [
        (name, b"x")
        for name in (
            b"Content-Type",
            b"CONTENT-LENGTH",
            b"content-encoding",
            b"content-language",
            b"content-range",
            b"transfer-encoding",
        )
    ]
    assert stored_fields.without_content_fields((*dropped, *kept)) == tuple(kept)


# --- what an unsafe request takes back: RFC 9111 §4.4 -----------------------------------------------------------------

TARGET = request(url="/a/b?x=1", method="POST")


def test_an_unsafe_request_takes_back_its_target() -> None:
    assert invalidation.invalidated_by(TARGET, response()) == {"@url:example.org/a/b?x=1"}


@pytest.mark.parametrize("name", ["Location", "content-location"])
@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("/c", "/c"),
        ("c", "/a/c"),
        ("https://example.org:443/c", "/c"),
        ("/caf\xc3\xa9", "/caf%C3%A9"),
        ("/caf\xe9", "/caf%E9"),
    ],
)
def test_an_unsafe_request_takes_back_what_its_response_points_to(name: str, value: str, path: str) -> None:
    taken = invalidation.invalidated_by(TARGET, response((name, value)))
    assert taken == {"@url:example.org/a/b?x=1", f"@url:example.org{path}"}


@pytest.mark.parametrize("value", ["https://example.com/c", "http://example.org/c", "https://[", "//example.com/c"])
def test_an_unsafe_request_takes_nothing_of_another_origin_back(value: str) -> None:
    taken = invalidation.invalidated_by(TARGET, response(("location", value), ("content-location", value)))
    assert taken == {"@url:example.org/a/b?x=1"}


def test_what_does_not_count_of_a_url_does_not_count_in_what_is_taken_back() -> None:
    lines: list[Line] = [("location", "/c?utm=1"), ("content-location", "/d?utm=1")]
    taken = invalidation.invalidated_by(TARGET, response(*lines), lambda url: url.removesuffix("?utm=1"))
    assert taken == {"@url:example.org/a/b?x=1", "@url:example.org/c", "@url:example.org/d"}


def test_an_unsafe_request_takes_back_the_groups_that_its_response_names() -> None:
    taken = invalidation.invalidated_by(TARGET, response(("Cache-Group-Invalidation", '"a", "b c"')))
    assert taken == {"@url:example.org/a/b?x=1", "@group:example.org/a", "@group:example.org/b c"}


def test_groups_that_cannot_be_read_take_nothing_back() -> None:
    taken = invalidation.invalidated_by(TARGET, response(("cache-group-invalidation", "a"), ("cache-groups", '"b"')))
    assert taken == {"@url:example.org/a/b?x=1"}


# --- what may have changed something --------------------------------------------------------------------------------


def test_a_success_is_what_may_have_changed_something() -> None:
    assert [status for status in (199, 200, 299, 303, 399, 400, 404, 500) if status in invalidation.SUCCESS] == [
        200,
        299,
        303,
        399,
    ]


# --- groups -----------------------------------------------------------------------------------------------------------


def tags_of(*lines: Line) -> frozenset[str]:
    return response_tags.response_tags(Candidate(request(), response(*lines), NOTHING_SAID, Options()))


def test_a_group_is_a_tag_by_its_name_and_bound_to_its_host() -> None:
    assert tags_of(("cache-groups", '"a", "@b"')) == {"a", "@group:example.org/a", "@group:example.org/@b"}


def test_a_response_may_be_in_128_groups() -> None:
    names = [f"g{number}" for number in range(128)]
    tags = tags_of(("cache-groups", ", ".join(f'"{name}"' for name in names)))
    assert tags == {*names, *(f"@group:example.org/{name}" for name in names)}


@pytest.mark.parametrize("value", ['"a', "a", '"a", 1', ",".join(['"a"'] * 129)])
def test_groups_that_cannot_be_read_or_are_too_many_keep_a_response_out_of_the_store(value: str) -> None:
    with pytest.raises(InvalidTagError, match="Cache-Groups is a list of at most 128 strings"):
        tags_of(("cache-groups", value))


def test_older_tags_are_kept() -> None:
    older = frozenset({"x", "@all", "@group:example.org/a"})
    candidate = Candidate(request(), response(), NOTHING_SAID, Options())
    assert response_tags.response_tags(candidate, older) == older


# --- HEAD: RFC 9111 §4.3.5 --------------------------------------------------------------------------------------------

SIX_BYTES = entry(
    headers=(
        (b"cache-groups", b'"g"'),
        (b"x-a", b"old"),
        (b"x-b", b"kept"),
        (b"etag", b'"a"'),
        (b"last-modified", DATED["last_modified"]),
    ),
    tags=frozenset({"said", "g", "@group:example.org/g", "@all", "@url:example.org/"}),
    mark=7,
    stale_while_revalidate=30.0,
    stale_if_error=600.0,
    etag=b'"a"',
    **STRONG,
    **DATED,
)
ETAG: Line = ("etag", '"a"')


def after_head(*lines: Line, of: Entry = SIX_BYTES, status: int = 200, heard: Notes = NOTHING_SAID) -> Entry | None:
    answer = response(*lines, status=status, requested=NOW + 99, received=NOW + 100)
    return validation.entry_after_head(of, Candidate(request(), answer, heard, Options()))


def test_a_head_updates_the_fields_and_the_time_of_what_is_stored_and_leaves_body_tags_and_mark() -> None:
    assert after_head(ETAG, ("x-a", "new"), ("content-length", "6"), cache_control("max-age=9")) == replace(
        SIX_BYTES,
        headers=(
            (b"cache-groups", b'"g"'),
            (b"x-b", b"kept"),
            (b"etag", b'"a"'),
            (b"last-modified", DATED["last_modified"]),
            (b"x-a", b"new"),
            (b"cache-control", b"max-age=9"),
        ),
        received=NOW + 100,
        lifetime=9,
        stale_while_revalidate=0,
        stale_if_error=0,
        for_cookies=False,
        for_credentials=False,
        for_codings=True,
    )


@pytest.mark.parametrize("lines", [[ETAG], [MODIFIED], [ETAG, MODIFIED]], ids=["ETag", "Last-Modified", "both"])
def test_a_head_that_names_a_validator_of_what_is_stored_freshens_it(lines: list[Line]) -> None:
    made = after_head(*lines)
    assert made is not None
    assert (made.received, made.lifetime, made.stale_while_revalidate) == (NOW + 100, 60, 30)


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([("etag", '"b"')], id="ETag"),
        pytest.param([("etag", '"b"'), MODIFIED], id="ETag beside the same Last-Modified"),
        pytest.param([("etag", 'W/"a"')], id="a weak ETag"),
        pytest.param([OTHER_MODIFIED], id="Last-Modified"),
        pytest.param([ETAG, OTHER_MODIFIED], id="Last-Modified beside the same ETag"),
        pytest.param([("content-length", "7")], id="Content-Length"),
        pytest.param([ETAG, MODIFIED, ("content-length", "7")], id="Content-Length beside the same validators"),
    ],
)
def test_a_head_that_names_another_validator_or_length_makes_what_is_stored_stale(lines: list[Line]) -> None:
    assert after_head(*lines) == replace(SIX_BYTES, lifetime=0, stale_while_revalidate=0, stale_if_error=0)


def test_a_head_that_names_no_validator_says_nothing_of_what_is_stored() -> None:
    assert after_head(cache_control("max-age=9"), ("content-length", "6")) is None


@pytest.mark.parametrize(("status", "of"), [(404, 200), (200, 404), (404, 404), (203, 203)])
def test_a_head_of_another_status_says_nothing_of_what_is_stored(status: int, of: int) -> None:
    assert after_head(ETAG, status=status, of=replace(SIX_BYTES, status=of)) is None
    assert after_head(("etag", '"b"'), status=status, of=replace(SIX_BYTES, status=of)) is None


@pytest.mark.parametrize("name", ["etag", "last-modified"])
def test_a_head_that_names_a_malformed_validator_says_nothing_of_what_is_stored(name: str) -> None:
    of = entry(headers=((name.encode(), b"a"),))
    assert after_head((name, "a"), of=of) is None
    assert after_head((name, "b"), of=of) == replace(of, lifetime=0)


def test_an_etag_that_the_cache_added_is_not_what_a_head_names() -> None:
    of = entry(added=((b"etag", b'W/"a"'),), etag=b'W/"a"')
    assert after_head(("etag", 'W/"a"'), of=of) == replace(of, lifetime=0)


@pytest.mark.parametrize(
    ("line", "closed"), [(COOKIE, {"for_cookies": False}), (CREDENTIALS, {"for_credentials": False})]
)
def test_a_head_speaks_only_of_an_entry_that_is_for_its_credentials(line: Line, closed: dict[str, Any]) -> None:
    of, made = entry(**closed), request(line, method="HEAD")
    assert validation.freshenable_by_head(made, of, None) is None
    assert validation.freshenable_by_head(made, entry(), None) == entry()
    assert validation.freshenable_by_head(HEAD, of, None) is of
    assert validation.freshenable_by_head(HEAD, None, None) is None


@pytest.mark.parametrize(("directive", "is_kept"), [("no-store", False), ("no-cache", True)])
def test_nothing_of_a_head_with_no_store_is_kept(directive: str, is_kept: bool) -> None:
    made = request(cache_control(directive), method="HEAD")
    assert validation.freshenable_by_head(made, SIX_BYTES, reuse.request_directives(made)) == (
        SIX_BYTES if is_kept else None
    )


@pytest.mark.parametrize("directive", ["private", "no-store"])
def test_a_head_that_may_not_be_stored_freshens_nothing(directive: str) -> None:
    assert after_head(ETAG, cache_control(directive)) is None
    assert after_head(ETAG, heard=notes(60, no_store=True)) is None


@pytest.mark.parametrize("lines", [[("cache-tag", "new")], [("cache-tag", "a\x01")], [("cache-groups", "a")]])
def test_a_head_that_names_other_tags_freshens_nothing(lines: list[Line]) -> None:
    assert after_head(ETAG, *lines) is None


def test_a_malformed_etag_that_a_head_repeats_says_nothing() -> None:
    malformed: Line = ("etag", "v1")
    of = replace(SIX_BYTES, headers=((b"etag", b"v1"),), validator=None, last_modified=None)
    assert after_head(malformed, of=of) is None
