"""Garbage in the fields of requests and responses: it is survived, passed on as it is, and has nothing stored."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from accelerator import ASGIAccelerator
from accelerator.testing import ManualClock
from tests.conformance.case import START, Case, Exchange, asks, cc, date
from tests.conformance.runner import play
from tests.conformance.test_cases import accelerated
from tests.support import App, app_saying, ask, raw

if TYPE_CHECKING:
    from tests.conformance.case import Line, Lines
    from tests.support import Answer, Scope

ON: dict[str, Any] = {
    "obey_request_directives": True,
    "heuristic": True,
    "stale_if_error": 60,
    "stale_while_revalidate": 60,
}
"""Options that have the cache look at more fields."""

thorough = settings(
    max_examples=60,
    derandomize=True,  # the same examples in each run, so that what is red was made so by a change
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

SHARED = cc("s-maxage=3600")

# --- what can be sent through the servers -----------------------------------------------------------------------------

TOKEN = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
WORDS = [
    "no-store",
    "private",
    "no-cache",
    "public",
    "max-age=60",
    "s-maxage=60",
    "max-age",
    "must-understand",
    'private="a',
    "stale-while-revalidate=60",
    "*",
    "accept-encoding",
    "foo",
    "gzip;q=0",
    "identity",
    "bytes=0-1",
    "bytes=-",
    "bytes=0-,1-",
    '"v1"',
    'W/"v1"',
    'W/"',
    '"',
    "\\",
    '\\"',
    ",",
    ";",
    "=",
    " ",
    "\t",
    "a=b",
    "close",
    "x-own",
    "cache-control",
    "0",
    "-1",
    "9" * 20,
    "\xb2",
    "\xff",
    "\x7f",
    "\x01",
    date(),
    date(3600),
    "GMT",
    "?1",
    ":AA==:",
    "@1",
    "(",
]
RESPONSE_FIELDS = [
    "age",
    "cache-control",
    "cache-groups",
    "cache-group-invalidation",
    "cache-status",
    "cdn-cache-control",
    "connection",
    "content-encoding",
    "content-location",
    "content-range",
    "content-type",
    "date",
    "etag",
    "expires",
    "last-modified",
    "location",
    "pragma",
    "vary",
    "warning",
]
REQUEST_FIELDS = [
    "accept-encoding",
    "accept-language",
    "authorization",
    "cache-control",
    "connection",
    "content-type",
    "cookie",
    "foo",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "pragma",
    "range",
    "te",
]
TAGS = {b"cache-tag", b"surrogate-key", b"xkey"}
OF_ONE_CONNECTION = {
    b"connection",
    b"keep-alive",
    b"proxy-authenticate",
    b"proxy-authentication-info",
    b"proxy-authorization",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
}

any_text = st.text(st.characters(min_codepoint=1, max_codepoint=255, exclude_characters="\r\n"), max_size=40)
telling = st.lists(st.sampled_from(WORDS) | any_text, max_size=6).flatmap(
    lambda parts: st.sampled_from(["", " ", ",", ", ", ";"]).map(lambda between: between.join(parts))
)
garbage = any_text | telling
names = st.text(TOKEN, min_size=1, max_size=12)


def lines(known: list[str], most: int = 5) -> st.SearchStrategy[list[Line]]:
    """Field lines, most of them with names that mean something."""
    return st.lists(st.tuples(st.sampled_from(known) | names, garbage), max_size=most)


# --- it is survived, and passed on as it is ---------------------------------------------------------------------------


class Alarm(logging.Handler):
    """Hears of exceptions that were logged."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info is not None:
            self.heard.append(record)


def played(work: Any, *arguments: Any) -> Any:
    """Run a coroutine function; nothing may be logged with a traceback."""
    alarm = Alarm()
    logging.getLogger("accelerator").addHandler(alarm)
    try:
        result = anyio.run(work, *arguments)
    finally:
        logging.getLogger("accelerator").removeHandler(alarm)
    assert alarm.heard == []
    return result


def sent(answer: Answer, named: bytes) -> list[bytes]:
    return [value for name, value in answer.headers if name == named]


def listed(own: list[tuple[bytes, bytes]]) -> set[bytes]:
    """What Connection lists, whatever parts the list."""
    value = b",".join(value for name, value in own if name == b"connection")
    return {part.strip(b" \t").lower() for part in value.split(b",")}


async def two_answers(own: Lines, asked: Lines) -> tuple[Answer, Answer, int]:
    async def handle(scope: Scope) -> tuple[int, Lines, bytes]:
        return 200, own, b"whole"

    app = App(handle)
    cached = ASGIAccelerator(app, clock=ManualClock(START), **ON)
    first = await ask(cached, headers=asked)
    return first, await ask(cached), app.calls


@thorough
@given(own=lines(RESPONSE_FIELDS), asked=lines(REQUEST_FIELDS), says=st.sampled_from([(), (SHARED,)]))
@example(own=[("cache-control", '\xb2=,"')], asked=[("range", "bytes=\xb2-")], says=(SHARED,))
def test_lines_of_the_application_reach_the_client_unchanged(own: list[Line], asked: list[Line], says: Lines) -> None:
    own = [*says, *own]
    first, second, calls = played(two_answers, own, asked)
    told = raw(own)
    dropped = TAGS | {b"content-length"}
    for answer, is_hit in ((first, False), (second, calls == 1)):
        assert answer.status in {200, 206, 304, 416}
        if answer.status != 200:
            continue
        assert answer.body == b"whole"
        gone = dropped | (OF_ONE_CONNECTION | listed(told) | {b"age"} if is_hit else set())
        for name in {name for name, _ in told} - gone:
            expected = [value for other, value in told if other == name]
            assert sent(answer, name)[: len(expected)] == expected, name
            added = sent(answer, name)[len(expected) :]
            assert len(added) <= (name in {b"cache-status", b"age", b"etag"}), name


NOT_FOR_THE_APPLICATION = {
    b"accept-encoding",  # shown as it is in the key
    b"accept-language",
    b"host",
    b"if-match",
    b"if-modified-since",
    b"if-none-match",
    b"if-range",
    b"if-unmodified-since",
    b"range",
}
"""What the cache answers itself, or tells the application in its own words."""


def shown(own: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Lines that are passed on, without the blanks that are no part of a value (RFC 9110 §5.5, §5.6.1)."""
    return [
        (name, b",".join(part.strip(b" \t") for part in value.split(b",")))
        for name, value in own
        if name not in NOT_FOR_THE_APPLICATION
    ]


@thorough
@given(asked=lines(REQUEST_FIELDS))
def test_lines_of_the_client_reach_the_application_unchanged(asked: list[Line]) -> None:
    assume(all("only-if-cached" not in value for _, value in asked))
    assume(len({name for name, _ in asked}) == len(asked))  # several lines may be shown as one

    async def seen() -> list[tuple[bytes, bytes]]:
        app = app_saying(SHARED)
        await ask(ASGIAccelerator(app, clock=ManualClock(START), **ON), headers=asked)
        return shown(app.scope["headers"])

    assert played(seen) == shown(raw(asked))


@thorough
@given(value=garbage, other=garbage)
def test_what_varies_on_garbage_is_given_to_the_same_garbage_only(value: str, other: str) -> None:
    def bones(text: str) -> list[str]:
        return [part.strip(" \t") for part in text.split(",")]

    assume(bones(value) != bones(other) and '"' not in value + other)
    one, two = (("foo", value),), (("foo", other),)
    exchanges = (asks(SHARED, ("vary", "foo"), fields=one), asks(SHARED, ("vary", "foo"), fields=two))
    played(play, Case("varies", "", "", exchanges), accelerated)


# --- it has nothing stored --------------------------------------------------------------------------------------------


def is_silent(value: str) -> bool:
    """It does not itself say a time, in any form."""
    word = value.lower()
    return not any(notes in word for notes in ("maxage", "max-age", "gmt", ":", "revalidate", "stale-if"))


def no_word_lifts(value: str) -> bool:
    """It is not the one word that has no-store ignored."""
    return "must-understand" not in value.lower()


def never_stored(*answer: Line, fields: Lines = (), options: dict[str, Any], **more: Any) -> None:
    """Neither is it said to be stored, nor does it answer a plain request."""
    text = {"text": b""} if more.get("status") == 304 else {}
    first = Exchange(
        **{"answer": answer, "fields": fields, "asked": "maybe", "gets": more.get("status", 200), **text, **more}
    )
    case = Case("garbage", "", "", (Exchange(**{**vars(first), "says": {"stored": None}}), asks()), options)
    played(play, case, accelerated)


FORBIDDING: list[Any] = [
    pytest.param((cc("no-store"), SHARED), {}, id="no-store"),
    pytest.param((cc("private"), SHARED), {}, id="private"),
    pytest.param((("set-cookie", "a=1"), SHARED), {}, id="set-cookie"),
    pytest.param((("vary", "*"), SHARED), {}, id="vary"),
    pytest.param((SHARED,), {"status": 206}, id="206"),
    pytest.param((SHARED,), {"status": 500}, id="an error"),
    pytest.param((("content-length", "100"), SHARED), {}, id="too short"),
    pytest.param((), {}, id="nothing said"),
    pytest.param((cc("max-age=0"),), {}, id="max-age=0"),
    pytest.param((("expires", "0"),), {}, id="expires"),
]


@pytest.mark.parametrize(("own", "more"), FORBIDDING)
@thorough
@given(
    noise=st.lists(st.tuples(st.sampled_from(RESPONSE_FIELDS) | names, garbage), max_size=3),
    is_first=st.booleans(),
)
def test_garbage_in_a_response_has_nothing_stored(
    own: Lines, more: dict[str, Any], noise: list[Line], is_first: bool
) -> None:
    assume(all(is_silent(value) and no_word_lifts(value) for _, value in noise))
    assume(all(name != "etag" or '"' not in value for name, value in noise))  # what can be validated may be stored
    answer = (*noise, *own) if is_first else (*own, *noise)
    never_stored(*answer, options=ON | {"heuristic": False, "stale_if_error": 0, "stale_while_revalidate": 0}, **more)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cache-control", "no-store, s-maxage=3600"),
        ("cache-control", "private, s-maxage=3600"),
        ("cdn-cache-control", "no-store, max-age=3600"),
        ("cdn-cache-control", "private, max-age=3600"),
        ("vary", "*"),
        ("expires", "0"),
    ],
)
@thorough
@given(noise=garbage, between=st.sampled_from([",", ", ", " ,\t"]))
def test_garbage_behind_a_word_takes_nothing_from_it(name: str, value: str, noise: str, between: str) -> None:
    assume(is_silent(noise) and no_word_lifts(noise))
    never_stored((name, f"{value}{between}{noise}"), options={})


@pytest.mark.parametrize(
    ("asked", "own"),
    [
        pytest.param((("cookie", "session=1"),), (cc("max-age=3600"),), id="cookie"),
        pytest.param((("authorization", "Basic x"),), (cc("max-age=3600"),), id="authorization"),
        pytest.param((), (), id="nothing said"),
        pytest.param((), (cc("no-store"), SHARED), id="no-store"),
        pytest.param((), (cc("private"), SHARED), id="private"),
        pytest.param((), (("set-cookie", "a=1"), SHARED), id="set-cookie"),
        pytest.param((), (("vary", "*"), SHARED), id="vary"),
    ],
)
@thorough
@given(noise=lines(REQUEST_FIELDS, 3), is_first=st.booleans())
def test_garbage_in_a_request_has_nothing_stored(asked: Lines, own: Lines, noise: list[Line], is_first: bool) -> None:
    fields = (*noise, *asked) if is_first else (*asked, *noise)
    never_stored(*own, fields=fields, options={})


@thorough
@given(value=garbage)
def test_garbage_in_a_range_has_no_part_stored(value: str) -> None:
    part = ("content-range", "bytes 0-1/10")
    never_stored(SHARED, part, fields=(("range", value),), status=206, content=b"01", options={})


@thorough
@given(value=garbage, name=st.sampled_from(["cache-control", "pragma"]))
def test_garbage_in_what_a_request_asks_for_is_no_condition_to_store(value: str, name: str) -> None:
    assume("only-if-cached" not in value)
    never_stored(fields=((name, value),), options={"obey_request_directives": True})
