"""An answer of a site beside that of the site behind the cache."""

from __future__ import annotations

import gzip
import re
from typing import TYPE_CHECKING

import pytest

from benchmarks.sites import differences as declared
from benchmarks.sites.compare import Comparison
from benchmarks.sites.differences import Changing, Free, Recompressed
from tests.sites.support import CASE, HIT, MISS, differences, reply

if TYPE_CHECKING:
    from benchmarks.sites.wire import Reply

TYPE = ("content-type", "text/html")
TAG = ("etag", '"v1"')
WHOLE = reply(b"0123456789", TYPE, ("content-length", "10"), TAG)


def part(said: str, body: bytes) -> Reply:
    return reply(body, TYPE, TAG, ("content-range", said), ("content-length", str(len(body))), status=206)


def test_the_same_is_the_same() -> None:
    assert differences(WHOLE, WHOLE) == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (WHOLE._replace(status=404), "status 200 became 404"),
        (WHOLE._replace(lines=WHOLE.lines[1:]), "content-type: 'text/html' is gone"),
        (WHOLE._replace(lines=(*WHOLE.lines, ("x-more", "1"))), "x-more: '1' is new"),
        (WHOLE._replace(lines=WHOLE.lines[::-1]), "lines in another order or number"),
        (WHOLE._replace(lines=(*WHOLE.lines, TYPE)), "lines in another order or number"),
        (WHOLE._replace(body=b"01234x6789"), "content differs at byte 5"),
        (WHOLE._replace(body=b"0123"), "content differs at byte 4"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_difference_is_said(given: Reply, words: str) -> None:
    [said] = differences(WHOLE, given)
    assert said.startswith(words)


def test_what_is_of_one_answer_may_differ_on_either_side() -> None:
    direct = reply(b"", ("date", "now"), TYPE)
    given = reply(b"", TYPE, ("date", "then"), ("age", "7"))
    assert differences(direct, given) == []


def test_the_cache_may_add_an_etag_only_where_there_is_none() -> None:
    assert differences(reply(b"", TYPE), reply(b"", TYPE, ("etag", 'W/"a"'))) == []
    assert differences(WHOLE, WHOLE._replace(lines=(*WHOLE.lines, ("etag", 'W/"a"')))) == ["etag: 'W/\"a\"' is new"]


def test_a_304_may_say_more_but_not_less() -> None:
    direct = reply(b"", TAG, status=304)
    assert differences(direct, reply(b"", TYPE, TAG, status=304), WHOLE, "etag") == []


def test_a_condition_that_the_site_does_not_know_is_a_304_without_content() -> None:
    assert differences(WHOLE, reply(b"", TAG, MISS, status=304), WHOLE, "etag") == []
    assert differences(WHOLE, reply(b"x", TAG, MISS, status=304), WHOLE, "etag") == ["a 304 to etag with other content"]
    assert differences(WHOLE, reply(b"", ("etag", '"v2"'), MISS, status=304), WHOLE, "etag") == [
        "etag: '\"v1\"' is gone",
        "etag: '\"v2\"' is new",
    ]


def test_a_304_of_the_cache_has_what_it_has_to_have_and_not_what_is_of_the_content() -> None:
    direct = reply(b"", *WHOLE.lines, status=304)
    assert differences(direct, reply(b"", TAG, status=304), WHOLE, "etag") == []
    assert differences(direct, reply(b"", status=304), WHOLE, "etag") == ["etag: '\"v1\"' is gone"]


def test_a_condition_by_a_young_last_modified_gets_the_whole() -> None:
    direct = reply(b"", TAG, status=304)
    assert differences(direct, WHOLE, WHOLE, "modified") == []
    assert differences(direct, WHOLE._replace(body=b"x"), WHOLE, "modified") == ["a 200 to modified with other content"]
    assert differences(direct, WHOLE, WHOLE, "etag") == ["status 304 became 200"]


def test_a_head_has_the_lines_of_the_get_where_that_is_stored() -> None:
    direct = reply(b"", TYPE)
    assert differences(direct, reply(b"", *WHOLE.lines), WHOLE, "head") == []
    assert differences(direct, reply(b"", *WHOLE.lines, MISS), WHOLE, "head") == ["content-length: '10' is new"]


def test_a_head_that_the_route_does_not_know_has_the_status_of_the_get() -> None:
    direct = reply(b"", status=405)
    assert differences(direct, reply(b"", *WHOLE.lines), WHOLE, "head") == []
    assert differences(direct, reply(b"", *WHOLE.lines, status=204), WHOLE, "head") == ["status 405 became 204"]


@pytest.mark.parametrize("direct", [WHOLE, reply(b"345", ("content-range", "bytes 3-5/10"), status=206)])
def test_a_part_is_that_part_of_the_whole(direct: Reply) -> None:
    assert differences(direct, part("bytes 3-5/10", b"345"), WHOLE, "range") == []
    for said, body in (("bytes 3-5/10", b"346"), ("bytes 3-5/11", b"345"), ("bytes 3-6/10", b"345")):
        [words] = differences(direct, part(said, body), WHOLE, "range")
        assert words == f"not the part that it says it is: {said} of 10 bytes"
    [words] = differences(direct, part("bytes 3-", b"345"), WHOLE, "range")
    assert words == "a 206 with content-range 'bytes 3-'"


@pytest.mark.parametrize("status", [200, 416])
def test_a_part_that_is_not_there_is_a_416_with_the_length_of_the_whole(status: int) -> None:
    direct = reply(b"", status=status)
    assert differences(direct, reply(b"", ("content-range", "bytes */10"), status=416), WHOLE, "range") == []
    assert differences(direct, reply(b"", ("content-range", "bytes */9"), status=416), WHOLE, "range") == [
        "10 bytes, and content-range 'bytes */9'"
    ]


def test_what_changes_from_answer_to_answer_does_not_count_nor_what_follows_from_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    token = Changing(pattern=re.compile(rb"token=(\w+)"), reason="a token")
    monkeypatch.setattr(declared, "CHANGING", (token,))
    comparison = Comparison()
    direct, given = (
        reply(b"a token=%s!" % value, ("content-length", str(len(value))), ("x-token", f"token={value.decode()}"), HIT)
        for value in (b"one", b"another")
    )
    assert comparison.differences(CASE, direct, given, direct) == []
    assert comparison.used == {token, declared.FREE[2]}
    assert comparison.differences(CASE, direct, given._replace(body=b"a token=x?"), direct) == [
        "content differs at byte 8: b'a token=!' became b'a token=?'"
    ]


def test_the_same_content_in_other_bytes_is_a_difference_unless_it_is_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    direct, given = (
        reply(gzip.compress(b"content", mtime=time), ("content-encoding", "gzip"), ("content-length", "27"))
        for time in (1, 2)
    )
    assert differences(direct, given) == ["the same content in other bytes"]
    monkeypatch.setattr(declared, "RECOMPRESSED", (Recompressed(sites=(CASE.site,), reason="a time"),))
    assert differences(direct, given) == []


def test_a_difference_holds_only_where_it_is_declared() -> None:
    assert Free(field="x", reason="").holds(CASE)
    assert Free(field="x", reason="", sites=(CASE.site,), doors=(CASE.door,), kinds=(CASE.kind,)).holds(CASE)
    for elsewhere in (
        Free(field="x", reason="", sites=("another",)),
        Free(field="x", reason="", doors=("another",)),
        Free(field="x", reason="", kinds=("another",)),
    ):
        assert not elsewhere.holds(CASE)


def test_every_declared_difference_has_a_reason() -> None:
    assert all(each.reason for each in (*declared.DECLARED, *declared.LEFT_OUT))
