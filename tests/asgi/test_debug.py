"""The option `debug`: who is told the reasoning of a request, that it is right, and what it never tells."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any

import anyio
import http_sf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelerator import ASGIAccelerator, MemoryStore, cache_for, tag, vary
from accelerator.cures import cure_of
from accelerator.engine.debugging import FIELD
from accelerator.engine.reasoning import MAX_BYTES
from accelerator.testing import ManualClock
from tests.refusals import Failing, cases, notes, once
from tests.support import (
    BROWSER,
    Answer,
    Client,
    Listening,
    Message,
    Scope,
    Script,
    app_saying,
    ask,
    chunk,
    http_scope,
    start,
)

pytestmark = pytest.mark.anyio

TOKEN = "correct-horse-battery"
ASKING = [("accelerator-debug", TOKEN)]
SECRETS = ("SECRET-COOKIE", "SECRET-KEY", "SECRET-PARTITION", "SECRET-BEARER")


def parsed(field: str) -> dict[str, Any]:
    """The members of a reasoning: their values as plain Python, and their parameters."""
    members: Any = http_sf.parse(field.encode("ascii"), tltype="dictionary")
    return {
        name: (
            [str(one) for one, _ in value] if isinstance(value, list) else value if type(value) is bool else str(value),
            {key: plain if isinstance(plain, bool | int) else str(plain) for key, plain in parameters.items()},
        )
        for name, (value, parameters) in members.items()
    }


def reasoning(answer: Answer) -> dict[str, Any]:
    return parsed(answer.get("accelerator-debug") or "")


def outcome(answer: Answer) -> tuple[str, dict[str, Any]]:
    return reasoning(answer)["outcome"]  # type: ignore[no-any-return]


def values(answer: Answer) -> dict[str, Any]:
    return {name: value for name, (value, _) in reasoning(answer).items()}


# --- who is told ------------------------------------------------------------------------------------------------------


async def test_nobody_is_told_unless_the_option_says_so() -> None:
    app = app_saying(("cache-control", "s-maxage=60"))
    cached = ASGIAccelerator(app)
    answers = [await ask(cached, headers=[("accelerator-debug", "")]) for _ in range(2)]
    assert [answer.get("accelerator-debug") for answer in answers] == [None, None]
    assert (b"accelerator-debug", b"") in app.scope["headers"], "without the option it is a field like any other"


async def test_true_tells_every_request_and_warns_once_when_it_is_made(caplog: pytest.LogCaptureFixture) -> None:
    cached = ASGIAccelerator(app_saying(("cache-control", "s-maxage=60")), debug=True)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "development" in caplog.text
    answers = [await ask(cached) for _ in range(3)]
    assert [outcome(answer)[0] for answer in answers] == ["miss", "hit", "hit"]
    assert len(caplog.records) == 1


async def test_a_token_tells_only_requests_that_carry_it(caplog: pytest.LogCaptureFixture) -> None:
    cached = ASGIAccelerator(app_saying(("cache-control", "s-maxage=60")), debug=TOKEN)
    told = [await ask(cached, headers=ASKING) for _ in range(2)]
    assert [outcome(answer)[0] for answer in told] == ["miss", "hit"]
    for wrong in ("", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "\xff", f"{TOKEN}, {TOKEN}"):
        assert (await ask(cached, headers=[("accelerator-debug", wrong)])).get("accelerator-debug") is None, wrong
    assert (await ask(cached, headers=[*ASKING, *ASKING])).get("accelerator-debug") is None
    assert (await ask(cached, headers=[("Accelerator-Debug", f" {TOKEN}\t")])).get("accelerator-debug") is not None
    assert caplog.records == []


@pytest.mark.parametrize("asked", [[], [("accelerator-debug", "wrong")]], ids=["no token", "a wrong token"])
async def test_others_get_the_very_bytes_that_they_get_without_the_option(asked: list[tuple[str, str]]) -> None:
    for kind in cases():
        messages = []
        for options in ({}, {"debug": TOKEN}):
            case = cases()[kind]
            cached = ASGIAccelerator(case.app, clock=ManualClock(), **{**case.options, **options})
            for request in case.requests:
                client = case.client()
                with suppress(OSError):  # the client has left
                    await client.ask(cached, **{**request, "headers": [*request.get("headers", ()), *asked]})
            messages.append(client.answer.messages)
        assert messages[0] == messages[1], kind


async def test_a_hit_for_others_still_takes_the_short_way() -> None:
    cached = ASGIAccelerator(app_saying(("cache-control", "s-maxage=60")), debug=TOKEN)
    await ask(cached, headers=BROWSER)
    assert cached.answer_at_once(http_scope(headers=BROWSER)) is not None
    assert cached.answer_at_once(http_scope(headers=[*BROWSER, *ASKING])) is None
    everybody = ASGIAccelerator(cached.app, store=cached.store, debug=True)
    assert everybody.answer_at_once(http_scope(headers=BROWSER)) is None


async def test_the_token_is_no_part_of_the_key_and_reaches_no_application() -> None:
    app = app_saying(("cache-control", "s-maxage=60"), ("vary", "accelerator-debug"))
    cached = ASGIAccelerator(app, debug=TOKEN)
    assert outcome(await ask(cached, headers=ASKING))[0] == "miss"
    assert (await ask(cached)).get("cache-status") == "accelerator; hit; ttl=59"
    assert outcome(await ask(cached, headers=ASKING))[0] == "hit"
    for method in ("POST", "HEAD"):
        for headers in (ASKING, [("accelerator-debug", "wrong")]):
            await ask(cached, "/other", method=method, headers=headers)
            assert FIELD not in dict(app.scope["headers"])


async def test_an_outer_middleware_finds_its_scope_as_it_was() -> None:
    cached = ASGIAccelerator(app_saying(), debug=TOKEN)
    scope = http_scope(headers=ASKING)
    before = {**scope, "headers": [*scope["headers"]]}
    await Client().ask(lambda _, receive, send: cached(scope, receive, send))
    assert scope == before


async def test_what_a_token_is_told_is_stored_nowhere() -> None:
    lines = [("cache-control", "s-maxage=60"), ("CDN-Cache-Control", "max-age=60"), ("expires", "0")]
    more = [("surrogate-control", "max-age=60"), ("x-accel-expires", "60"), ("content-type", "text/plain")]
    cached = ASGIAccelerator(app_saying(*lines, *more), debug=TOKEN, targeted_fields=())
    for answer in (await ask(cached, headers=ASKING), await ask(cached, headers=ASKING)):
        named = [name for name, _ in answer.headers if name not in {b"cache-status", b"etag", b"age"}]
        assert named == [b"content-type", b"cache-control", b"accelerator-debug"]
        assert answer.get("cache-control") == "no-store"
    assert (await ask(cached)).get("cache-control") == "s-maxage=60"


async def test_true_leaves_the_other_fields_alone() -> None:
    lines = [("cache-control", "s-maxage=60"), ("expires", "0")]
    cached = ASGIAccelerator(app_saying(*lines), debug=True)
    plain = ASGIAccelerator(app_saying(*lines))
    for _ in range(2):
        told, other = await ask(cached), await ask(plain)
        assert [line for line in told.headers if line[0] != FIELD] == other.headers


async def test_the_reasoning_of_a_cache_behind_is_neither_stored_nor_mixed_in() -> None:
    app = app_saying(("cache-control", "s-maxage=60"), ("accelerator-debug", "outcome=pass, theirs"))
    plain = ASGIAccelerator(app)
    first, second = await ask(plain), await ask(plain)
    assert (first.get("accelerator-debug"), second.get("accelerator-debug")) == ("outcome=pass, theirs", None)
    told = await ask(ASGIAccelerator(app, debug=True))
    assert outcome(told)[0] == "miss"
    assert "theirs" not in reasoning(told)


# --- what they are told -----------------------------------------------------------------------------------------------


async def test_a_fill_tells_what_the_application_said_and_what_came_of_it() -> None:
    async def say() -> None:
        cache_for(60, stale_while_revalidate=5, stale_if_error=7, public=True, vary=["X-Tenant"])
        vary("Accept-Language")
        tag("user:42", "users")

    cached = ASGIAccelerator(
        Script(say, start(("cache-control", "max-age=5"), ("etag", '"1"')), chunk(b"a")), debug=True
    )
    answer = await ask(cached, "/p?a=1", headers=[("accept-language", "en;q=0.5, de"), ("x-tenant", "7")])
    assert reasoning(answer) == {
        "outcome": ("miss", {"fwd": "uri-miss", "stored": True}),
        "decision": ("fill", {"rule": "RFC 9111, section 4"}),
        "found": ("nothing", {}),
        "method": ("GET", {}),
        "key": ("https://example.org/p?a=1", {}),
        "selected-by": (["accept-language: de,en;q=0.5", "x-tenant"], {}),
        "lifetime": ("60", {"from": "cache_for", "stale-while-revalidate": 5, "stale-if-error": 7}),
        "answers": (["cookies", "credentials"], {}),
        "said": (
            [
                *("200", "cache-control: max-age=5", 'etag: "1"'),
                "cache_for(60, stale_while_revalidate=5, stale_if_error=7, public=True)",
                "vary(accept-language, x-tenant)",
            ],
            {},
        ),
        "tags": (["user:42", "users"], {}),
    }


@pytest.mark.parametrize(
    ("lines", "options", "lifetime"),
    [
        ([("cache-control", "s-maxage=60, max-age=5")], {}, ("60", "s-maxage")),
        ([("cache-control", "max-age=5")], {}, ("5", "max-age")),
        ([("cache-control", "no-cache"), ("etag", '"1"')], {}, ("0", "no-cache")),
        ([("cdn-cache-control", "max-age=7"), ("cache-control", "private")], {}, ("7", "max-age")),
        (
            [("date", "Sun, 29 Nov 2026 10:00:00 GMT"), ("expires", "Sun, 29 Nov 2026 10:01:00 GMT")],
            {},
            ("60", "Expires"),
        ),
        ([], {"default_ttl": 9}, ("9", "default_ttl")),
        ([("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT")], {"heuristic": True}, ("86400", "heuristic")),
    ],
    ids=["s-maxage", "max-age", "no-cache", "a targeted field", "Expires", "default_ttl", "heuristic"],
)
async def test_a_fill_tells_what_gives_its_time(
    lines: list[tuple[str, str]], options: dict[str, Any], lifetime: tuple[str, str]
) -> None:
    clock = ManualClock(1_800_000_000)
    answer = await ask(ASGIAccelerator(app_saying(*lines), clock=clock, debug=True, **options))
    value, parameters = reasoning(answer)["lifetime"]
    assert (value, parameters["from"]) == lifetime


@pytest.mark.parametrize("detail", cases())
async def test_each_reason_for_not_storing_is_told_with_its_rule(detail: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    case, clock = cases()[detail], ManualClock()
    cached = ASGIAccelerator(case.app, clock=clock, debug=True, **case.options)
    for request in case.requests:
        clock.advance(60)
        client = case.client()
        with suppress(OSError):  # the client has left
            await client.ask(cached, **request)
    said = [dict(message.get("headers", ())).get(FIELD, b"").decode() for message in client.answer.messages]
    logged = [record.getMessage().partition("start: ")[2] for record in caplog.records]
    last = [field for field in [*said, *logged] if field][-1]
    kind, parameters = parsed(str(last))["outcome"]
    cure = cure_of(detail)
    assert cure is not None
    assert kind in {"miss", "pass", "stale", "validated"}
    assert parameters["detail"] == detail
    assert parameters.get("rule", "") == cure.rule.replace(" §", ", section ")


async def test_what_a_response_could_not_say_at_its_start_is_logged_at_its_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)

    async def say() -> None:
        cache_for(60)

    async def name() -> None:
        tag("late")

    streamed = Script(say, start(), chunk(b"a", more=True), name, chunk(b"b"))
    cached = ASGIAccelerator(streamed, debug=TOKEN)
    answer = await ask(cached, headers=ASKING)
    assert outcome(answer) == ("miss", {"fwd": "uri-miss", "pending": True})
    (record,) = caplog.records
    assert record.levelname == "INFO"
    end = parsed(record.getMessage().partition("start: ")[2])
    assert end["outcome"] == ("miss", {"fwd": "uri-miss", "stored": True})
    assert end["tags"] == (["late"], {})
    await ask(cached, headers=ASKING)
    assert len(caplog.records) == 1, "a hit says all of it at once"


async def test_a_hit_tells_age_and_time_left_and_what_was_said_when_it_was_made() -> None:
    clock = ManualClock()
    cached = ASGIAccelerator(
        app_saying(("cache-control", "s-maxage=60"), ("cache-tag", "b,a")), clock=clock, debug=True
    )
    await ask(cached)
    clock.advance(20)
    told = reasoning(await ask(cached, headers=[("cookie", "a=b")]))
    assert told["outcome"] == ("hit", {})
    assert told["decision"] == ("hit", {"rule": "RFC 9111, section 4.2"})
    assert told["found"] == ("entry", {"age": 20, "ttl": 40})
    assert told["said"] == (["200", "cache-control: s-maxage=60"], {})
    assert (told["lifetime"], told["tags"]) == (("60", {}), (["a", "b"], {}))
    assert (told["asks"], told["cookies"]) == ((["Cookie"], {}), (["a"], {}))


async def test_a_304_a_head_and_a_range_are_told_as_well() -> None:
    cached = ASGIAccelerator(app_saying(("cache-control", "s-maxage=60"), ("etag", '"1"'), body=b"page"), debug=True)
    await ask(cached)
    not_modified = await ask(cached, headers=[("if-none-match", '"1"')])
    part = await ask(cached, headers=[("range", "bytes=0-1")])
    head = await ask(cached, method="HEAD")
    assert [answer.status for answer in (not_modified, part, head)] == [304, 206, 200]
    assert [outcome(answer)[0] for answer in (not_modified, part, head)] == ["hit"] * 3
    for request in ({"headers": [("range", "bytes=0-1")]}, {"method": "HEAD"}):
        passed = reasoning(await ask(cached, "/other", **request))
        assert passed["outcome"][0] == "pass"
        assert passed["decision"][0] == "pass"
        assert passed["decision"][1].get("range", False) == ("headers" in request)


async def test_stale_and_validated_responses_and_those_behind_errors_are_told() -> None:
    clock = ManualClock()

    async def validating(scope: Scope, receive: Any, send: Any) -> None:
        if any(name == b"if-none-match" for name, _ in scope["headers"]):
            await send(start(("etag", '"1"'), status=304))
        else:
            await send(start(("etag", '"1"'), ("cache-control", "s-maxage=10")))
        await send(chunk())

    cached = ASGIAccelerator(validating, clock=clock, debug=True)
    await ask(cached)
    clock.advance(20)
    told = reasoning(await ask(cached))
    assert told["outcome"] == ("validated", {"fwd": "stale", "stored": True})
    assert told["decision"] == ("validate", {"rule": "RFC 9111, section 4.3"})
    assert told["found"] == ("entry", {"age": 20, "ttl": -10})
    assert told["lifetime"] == ("10", {}), "the 304 said no time: it is as it was"

    fill_once = notes(lambda: cache_for(10, stale_if_error=600))
    failing = ASGIAccelerator(once(fill_once, app_saying(status=500)), clock=clock, debug=True)
    await ask(failing)
    clock.advance(20)
    assert outcome(await ask(failing)) == (
        "stale",
        {"fwd": "stale", "detail": "stale-if-error", "rule": "RFC 5861, section 4"},
    )


async def test_a_stale_response_that_is_refreshed_behind_is_told_as_stale() -> None:
    clock = ManualClock()
    cached = ASGIAccelerator(notes(lambda: cache_for(10, stale_while_revalidate=600)), clock=clock, debug=True)
    await ask(cached)
    clock.advance(20)
    told = reasoning(await ask(cached))
    assert (told["outcome"], told["decision"]) == (("stale", {}), ("stale", {"rule": "RFC 5861, section 3"}))
    await cached.invalidate_url("https://example.org/", soft=True)
    await anyio.wait_all_tasks_blocked()
    found = reasoning(await ask(cached))["found"]
    assert found[0] == "entry"


async def test_a_soft_invalidation_shows_in_what_was_found() -> None:
    cached = ASGIAccelerator(notes(lambda: cache_for(60), lambda: tag("x")), debug=True)
    await ask(cached)
    await cached.invalidate_tag("x", soft=True)
    told = reasoning(await ask(cached))
    assert told["found"][1]["soft"] is True
    assert told["outcome"] == ("miss", {"fwd": "stale", "stored": True})
    await cached.invalidate_tag("x")
    assert reasoning(await ask(cached))["found"] == ("taken-back", {})


async def test_other_variants_and_what_is_not_for_this_request_are_told_apart() -> None:
    cached = ASGIAccelerator(notes(lambda: cache_for(60, vary=["X-Tenant"])), debug=True)
    await ask(cached, headers=[("x-tenant", "1")])
    told = reasoning(await ask(cached, headers=[("x-tenant", "2")]))
    assert (told["found"], told["outcome"][1]["fwd"]) == (("others", {}), "vary-miss")
    unfit = reasoning(await ask(cached, headers=[("x-tenant", "1"), ("authorization", "SECRET-BEARER")]))
    assert unfit["found"][1]["unfit"] == "credentials"
    assert unfit["outcome"][1]["detail"] == "a request with Authorization needs public"


@pytest.mark.parametrize(
    ("said", "line", "by"),
    [
        ("s-maxage=60", ("accept-encoding", "gzip"), "codings"),
        ("max-age=60", ("cookie", "sid=SECRET"), "cookies"),
        ("max-age=60", ("authorization", "SECRET"), "credentials"),
    ],
)
async def test_by_what_a_stored_response_is_not_for_a_request_is_told(
    said: str, line: tuple[str, str], by: str
) -> None:
    cached = ASGIAccelerator(app_saying(("cache-control", said)), debug=True)
    await ask(cached)
    told = reasoning(await ask(cached, headers=[line]))
    assert told["outcome"][1]["fwd"] == "request"
    assert told["found"][1]["unfit"] == by


async def test_what_was_not_for_these_codings_is_stored_for_the_next_request_with_them() -> None:
    cached = ASGIAccelerator(app_saying(("cache-control", "s-maxage=60")), debug=True)
    await ask(cached)
    told = [reasoning(await ask(cached, headers=[("accept-encoding", "gzip")])) for _ in range(2)]
    assert [one["outcome"][0] for one in told] == ["miss", "hit"]
    assert "unfit" not in told[1]["found"][1]


async def test_a_request_that_waited_for_another_tells_so() -> None:
    app = Listening(("cache-control", "s-maxage=60"))
    cached = ASGIAccelerator(app, debug=True)
    answers: list[Answer] = []

    async def asking() -> None:
        answers.append(await ask(cached))

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(asking)
            tasks.start_soon(asking)
            await anyio.wait_all_tasks_blocked()
            app.gate.set()
    assert sorted(outcome(answer)[1].get("collapsed", False) for answer in answers) == [False, True]


@pytest.mark.parametrize(
    ("request_", "options", "by"),
    [
        ({"method": "POST"}, {}, ["POST"]),
        ({"method": "DELETE", "headers": [("if-match", "*")]}, {}, ["DELETE", "if-match"]),
        ({"headers": [("upgrade", "h2c")]}, {}, ["upgrade"]),
        ({"headers": [("content-length", "3")]}, {}, ["content-length"]),
        ({"headers": [("content-length", "0"), ("transfer-encoding", "chunked")]}, {}, ["transfer-encoding"]),
        ({"headers": [("x-http-method-override", "PUT")]}, {}, ["x-http-method-override"]),
        ({}, {"enabled": False}, ["enabled"]),
        ({}, {"partition": lambda _: None}, ["partition"]),
        ({}, {"partition": lambda _: 7}, ["partition"]),
    ],
    ids=["POST", "DELETE", "upgrade", "content", "chunks", "override", "off", "no partition", "a wrong partition"],
)
async def test_what_lets_a_request_pass_by_is_named(
    request_: dict[str, Any], options: dict[str, Any], by: list[str]
) -> None:
    told = reasoning(
        await ask(ASGIAccelerator(app_saying(("cache-control", "max-age=5")), debug=True, **options), **request_)
    )
    assert told["outcome"][0] == "pass"
    assert told["bypassed-by"] == (by, {})
    assert told["said"] == (["200", "cache-control: max-age=5"], {})
    assert "decision" not in told


async def test_a_store_that_fails_is_told() -> None:
    told = reasoning(await ask(ASGIAccelerator(app_saying(), store=Failing("lookup"), debug=True)))
    assert told["outcome"] == ("pass", {"fwd": "miss", "detail": "the store's lookup failed"})
    assert told["bypassed-by"] == ([], {})


async def test_what_the_request_itself_asks_is_told_where_it_is_obeyed() -> None:
    cached = ASGIAccelerator(app_saying(("cache-control", "s-maxage=60")), debug=True, obey_request_directives=True)
    await ask(cached)
    told = reasoning(await ask(cached, headers=[("cache-control", "no-cache")]))
    assert told["asked"] == ("no-cache", {})
    assert told["decision"] == ("fill", {"rule": "RFC 9111, section 5.2.1"})
    assert told["outcome"][1]["fwd"] == "request"
    nothing = await ask(cached, "/other", headers=[("cache-control", "only-if-cached")])
    assert nothing.status == 504
    assert outcome(nothing) == ("miss", {"detail": "only-if-cached", "rule": "RFC 9111, section 5.2.1.7"})
    assert reasoning(nothing)["decision"] == ("unavailable", {"rule": "RFC 9111, section 5.2.1.7"})


async def test_a_question_in_the_content_is_told_by_its_content() -> None:
    cached = ASGIAccelerator(notes(lambda: cache_for(60)), debug=True, cacheable_posts=("/ask",))
    told = [reasoning(await Client(body=[b"SECRET"]).ask(cached, "/ask", method="POST")) for _ in range(2)]
    assert [one["outcome"][0] for one in told] == ["miss", "hit"]
    assert told[0]["keyed-by"] == (["content"], {})
    assert told[0]["method"] == ("POST", {})


async def test_names_of_what_counts_are_told_and_what_is_ignored() -> None:
    cached = ASGIAccelerator(
        app_saying(),
        debug=True,
        ignore_query=("utm_*",),
        ignore_cookies=("_ga*",),
        vary_cookies=("lang",),
        partition=lambda scope: "SECRET-PARTITION",
    )
    answer = await ask(
        cached,
        "/p?a=1&utm_source=x",
        headers=[
            ("cookie", "sid=SECRET-COOKIE; _ga=SECRET-COOKIE; SECRET-COOKIE; lang=de; SECRET-COOKIE="),
            *(("x-api-key", "SECRET-KEY"), ("x-forwarded-proto", "https"), ("authorization", "SECRET-BEARER")),
        ],
    )
    told = values(answer)
    assert told["key"] == "https://example.org/p?a=1"
    assert told["query-ignored"] is True
    assert told["keyed-by"] == ["x-forwarded-proto", "cookie lang"]
    assert told["cookies"] == ["sid", "(no name)", "lang"]
    assert told["cookies-ignored"] == ["_ga"]
    assert told["partition"] is True
    assert told["asks"] == ["Cookie"], "in a partition no credential counts but cookies"
    assert not [secret for secret in SECRETS if secret in (answer.get("accelerator-debug") or "")]


# --- what it never does -----------------------------------------------------------------------------------------------


async def test_no_secret_appears_wherever_it_comes_from() -> None:
    async def saying(scope: Scope, receive: Any, send: Any) -> None:
        cache_for(60, public=True, vary=["cookie", "authorization", "x-api-key"])
        await send(start(*[("set-cookie", "SECRET-COOKIE=SECRET-KEY")] if scope["path"] == "/set" else []))
        await send(chunk(b"a"))

    cached = ASGIAccelerator(saying, debug=TOKEN)
    secret = [("cookie", "a=SECRET-COOKIE"), ("authorization", "SECRET-BEARER"), ("x-api-key", "SECRET-KEY")]
    for path in ("/", "/", "/set"):
        answer = await ask(cached, path, headers=[*secret, *ASKING])
        field = answer.get("accelerator-debug") or ""
        assert field
        assert not [word for word in (*SECRETS, TOKEN) if word in field]
    assert TOKEN not in repr(cached._engine._options)


HOSTILE = st.text(max_size=3000) | st.sampled_from(
    ['"', "\\", "\r\nSet-Cookie: a=b", "\x1b[31m", "\u202e", "\x00", "é", "ß" * 2000, "a" * 9000, ", cut", "\U0001f600"]
)


@given(
    path=HOSTILE, query=HOSTILE, cookie=HOSTILE, language=HOSTILE, said=HOSTILE, named=st.lists(HOSTILE, max_size=40)
)
async def test_hostile_text_is_visible_ascii_of_bounded_length(
    path: str, query: str, cookie: str, language: str, said: str, named: list[str]
) -> None:
    async def saying(scope: Scope, receive: Any, send: Any) -> None:
        scope["accelerator.tags"].extend(named)
        cache_for(60, vary=["accept-language"])
        await send(start(("cache-control", said.encode("utf-8", "surrogatepass")), ("content-type", "text/plain")))
        await send(chunk(b"a"))

    cached = ASGIAccelerator(saying, debug=True, store=MemoryStore())
    lines = [
        ("cookie", cookie.encode("utf-8", "surrogatepass")),
        ("accept-language", language.encode("utf-8", "surrogatepass")),
    ]
    scope = http_scope("/", headers=lines)
    scope["path"], scope["raw_path"] = "/" + path, b"/" + path.encode("utf-8", "surrogatepass")
    scope["query_string"] = query.encode("utf-8", "surrogatepass")
    for _ in range(2):
        client = Client()
        await cached(dict(scope), client.receive, client.send)
        field = dict(client.answer.headers)[FIELD]
        assert len(field) <= MAX_BYTES
        assert all(0x20 <= octet < 0x7F for octet in field)
        assert parsed(field.decode())["outcome"]


async def test_a_malformed_start_passes_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    cached = ASGIAccelerator(Script({"type": "http.response.start", "status": "200"}, chunk()), debug=TOKEN)
    messages: list[Message] = (await ask(cached, headers=ASKING)).messages
    assert messages[0] == {"type": "http.response.start", "status": "200"}


async def test_an_application_that_fails_raises_as_without() -> None:
    cached = ASGIAccelerator(Script(ZeroDivisionError()), debug=TOKEN)
    with pytest.raises(ZeroDivisionError):
        await ask(cached, headers=ASKING)


async def test_a_partition_that_fails_raises_as_without() -> None:
    def fail(_: object) -> str:
        raise ZeroDivisionError

    app = app_saying()
    cached = ASGIAccelerator(app, debug=TOKEN, partition=fail)
    with pytest.raises(ZeroDivisionError):
        await ask(cached, headers=ASKING)
    assert app.calls == 0
