from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelerator.http.response import is_event_stream
from accelerator.options import Options
from accelerator.rules import (
    stored_fields,
    storing,
)
from accelerator.rules.candidate import Candidate
from accelerator.rules.plan import Plan, Refusal
from tests.rules.support import (
    COOKIE,
    CREDENTIALS,
    EXPIRES,
    NOTHING_SAID,
    cache_control,
    changed,
    plan,
    refused,
    stored,
    targeted,
    windows,
)
from tests.samples import Line, notes, request, response

if TYPE_CHECKING:
    from accelerator.http.fields import HeaderLines
    from accelerator.http.request import Request
    from accelerator.notes import Notes


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


# --- what is never stored ---------------------------------------------------------------------------------------------


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


EVENTS: Line = ("content-type", "text/event-stream")


# --- event streams ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "is_one"),
    [
        ("text/event-stream", True),
        ("text/event-stream; charset=utf-8", True),
        (" Text/Event-Stream\t; x=;", True),
        ("multipart/x-mixed-replace;boundary=a", True),
        ("text/event-stream-like", False),
        ("text/event-stream\x0b", False),
        ("multipart/mixed; boundary=a", False),
        ("text/html; x=text/event-stream", False),
        ("", False),
    ],
)
def test_an_event_stream_is_known_by_its_media_type(value: str, is_one: bool) -> None:
    assert is_event_stream(value.encode()) is is_one


def test_what_has_no_media_type_is_no_event_stream() -> None:
    assert not is_event_stream(None)


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


ASKED = "stale-while-revalidate=30, stale-if-error=600"
SAID: dict[str, Any] = {"stale_while_revalidate": 3.0, "stale_if_error": 4.0}
DEFAULT: dict[str, Any] = {"stale_while_revalidate": 1, "stale_if_error": 2}


# --- stale serving: RFC 9111 §4.2.4, RFC 5861 -------------------------------------------------------------------------


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


# --- unsafe methods ---------------------------------------------------------------------------------------------------


def asked_by_post() -> Notes:
    made = notes()
    made.allow_methods(frozenset({"POST"}))
    return made


def test_the_answer_to_an_unsafe_request_is_stored_only_where_its_view_says_that_it_only_asks() -> None:
    post = request(method="POST")
    assert refused(EXPLICIT, of=post) == "an unsafe request"
    assert refused(EXPLICIT, of=request(method="PUT"), heard=asked_by_post()) == "an unsafe request"
    assert stored(EXPLICIT, of=post, heard=asked_by_post()).lifetime == 60


def test_the_answer_to_a_post_needs_a_time_of_its_own() -> None:
    post = request(method="POST")
    assert refused(of=post, heard=asked_by_post(), default_ttl=60) == "no explicit time"
    assert stored(default_ttl=60).lifetime == 60


def test_cookies_are_shared_by_vary_where_the_option_says_so() -> None:
    line = cache_control("max-age=60")
    assert refused(line, of=request(COOKIE)) == "a request with Cookie needs a word for shared caches"
    assert stored(line, of=request(COOKIE), cookies="vary").for_cookies


def test_a_targeted_field_counts_as_such_and_cache_control_does_not() -> None:
    lines = [targeted("max-age=5")], [cache_control("max-age=5")]
    made = [Candidate(request(), response(*line), NOTHING_SAID, Options()).directives() for line in lines]
    assert [directives.is_targeted for directives in made] == [True, False]
