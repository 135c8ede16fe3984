from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from accelerator.options import Options
from accelerator.rules import (
    freshness,
    validation,
)
from accelerator.rules.candidate import Candidate
from accelerator.rules.plan import Plan, Refusal
from tests.rules.support import (
    COOKIE,
    CREDENTIALS,
    DATED,
    MODIFIED,
    NOTHING_SAID,
    OTHER_MODIFIED,
    STRONG,
    WEAK,
    cache_control,
    targeted,
)
from tests.samples import NOW, Line, entry, imf, notes, request, response
from tests.support import raw

if TYPE_CHECKING:
    from accelerator.http.response import Response
    from accelerator.notes import Notes
    from accelerator.rules.entry import Entry


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


# --- freshening: RFC 9111 §3.2, §4.3.4 --------------------------------------------------------------------------------


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
    merged = freshened(*lines, of=said_before)
    assert merged.get(b"vary") == vary
    assert {name for name, _ in merged.headers} <= {b"vary"}
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


def planned(of: Entry, answer: Candidate) -> Plan | Refusal:
    merged = answer._replace(response=validation.freshened(of, answer.response))
    return validation.plan_after_304(of, answer.response, merged)


def after_304(*lines: Line, of: Entry = RETAINED, heard: Notes = NOTHING_SAID, **options: Any) -> Plan | Refusal:
    return planned(of, Candidate(request(), response(*lines, status=304), heard, Options(**options)))


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
    kept = planned(made, Candidate(request(), answer, NOTHING_SAID, Options(), newest))
    assert isinstance(kept, Plan)
    assert b"accept-encoding" in kept.vary


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
    assert planned(RETAINED, for_one) == Refusal("a request with credentials needs a word for shared caches")
    kept = planned(RETAINED, for_all)
    assert isinstance(kept, Plan)
    assert kept.lifetime == 5


def proves(validators: dict[str, Any], *lines: Line) -> bool:
    return validation.proves_unchanged(entry(**validators), response(*lines, status=304))


# --- what a 304 proves: CONSISTENCY §1.4 ------------------------------------------------------------------------------


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
