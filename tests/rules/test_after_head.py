from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from accelerator.options import Options
from accelerator.rules import (
    reuse,
    validation,
)
from accelerator.rules.candidate import Candidate
from tests.rules.support import (
    COOKIE,
    CREDENTIALS,
    DATED,
    HEAD,
    MODIFIED,
    NOTHING_SAID,
    OTHER_MODIFIED,
    STRONG,
    cache_control,
)
from tests.samples import NOW, Line, entry, notes, request, response

if TYPE_CHECKING:
    from accelerator.notes import Notes
    from accelerator.rules.entry import Entry


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
