from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from accelerator.http.fields import entity_tags, is_strong
from accelerator.notes import Notes
from accelerator.options import UNSTORED_FIELDS, Options
from accelerator.rules import (
    stored_fields,
    storing,
)
from accelerator.rules.candidate import Candidate
from accelerator.rules.plan import Plan
from tests.rules.support import TAG_LINES, cache_control, refused
from tests.samples import NOW, Line, imf, request, response

if TYPE_CHECKING:
    from accelerator.rules.entry import Entry


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
    assert {name: getattr(made, name) for name in Plan._fields} == MADE._asdict()
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


def test_the_answer_to_a_post_has_no_validators_that_the_application_would_judge() -> None:
    answer = response(("etag", '"a"'), ("last-modified", imf(NOW - 999)))
    of_get, of_post = (
        storing.new_entry(Candidate(of, answer, Notes(), Options()), MADE, b"body", frozenset(), 7)
        for of in (request(), request(method="POST"))
    )
    assert of_get.validator is not None
    assert of_get.last_modified is not None
    assert (of_post.validator, of_post.last_modified, of_post.etag) == (None, None, b'"a"')
