"""POST /invalidate: what it takes back, what it answers, and what the log says of it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from accelerator import ASGIAccelerator, CacheEvent, InvalidationError, MemoryStore
from accelerator.ops import OpsApp, taking_back
from accelerator.ops.orders import MAX_CONTENT_BYTES, MAX_NAMES
from accelerator.tags import ALL
from tests.ops.support import JSON, URL, Operators, order, said
from tests.support import Client, Message, app_saying, ask, http_scope

if TYPE_CHECKING:
    from collections.abc import Collection

pytestmark = pytest.mark.anyio

DONE = {"done": True}
MANY = [f"tag:{number}" for number in range(MAX_NAMES)]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"tags": ["a", "b"]}, [({"a", "b"}, False)]),
        ({"tags": ["a"], "soft": True}, [({"a"}, True)]),
        ({"tags": ["a"], "urls": [], "all": False, "soft": False}, [({"a"}, False)]),
        ({"tags": ["a", "a", "a"]}, [({"a"}, False)]),
        ({"tags": ["é", "a b", "<b>", "x" * 1024]}, [({"é", "a b", "<b>", "x" * 1024}, False)]),
        ({"tags": MANY}, [({*MANY}, False)]),
        ({"urls": [URL]}, [({"@url:example.org/p"}, False)]),
        ({"urls": [f"{URL}?x=%2f", "http://EXAMPLE.org/p?x=%2F"]}, [({"@url:example.org/p?x=%2F"}, False)] * 2),
        ({"urls": [URL], "soft": True}, [({"@url:example.org/p"}, True)]),
        ({"urls": ["https://bücher.example/é"]}, [({"@url:xn--bcher-kva.example/%C3%A9"}, False)]),
        ({"tags": ["a"], "urls": [URL]}, [({"a"}, False), ({"@url:example.org/p"}, False)]),
        ({"all": True}, [({ALL}, False)]),
    ],
    ids=lambda value: f"{value:.40}" if isinstance(value, str) else "",
)
async def test_what_is_named_is_taken_back(content: Any, expected: list[tuple[set[str], bool]]) -> None:
    operators = Operators()
    answer = await operators.order(content)
    assert (answer.status, said(answer)) == (200, DONE)
    assert sorted(operators.store.taken_back, key=repr) == sorted(expected, key=repr)


async def test_the_pages_made_from_it_are_made_anew() -> None:
    site = ASGIAccelerator(app_saying(("cache-control", "s-maxage=60"), ("cache-tag", "a")))
    assert [(await ask(site, "/p")).body for _ in range(2)] == [b"answer 1"] * 2
    assert said(await order(OpsApp(site, authorize=lambda request: True), {"tags": ["a"]})) == DONE
    assert (await ask(site, "/p")).body == b"answer 2"


async def test_a_url_is_taken_back_without_ignored_parameters_and_reported_as_any_other() -> None:
    events: list[CacheEvent] = []
    options: Any = {"ignore_query": ("utm_*",), "on_event": events.append}
    site = ASGIAccelerator(app_saying(("cache-control", "s-maxage=60")), **options)
    await ask(site, "/p?x=1")
    app = OpsApp(site, authorize=lambda request: True)
    await order(app, {"urls": ["https://example.org/p?x=1&utm_source=hook"]})
    assert (await ask(site, "/p?x=1")).body == b"answer 2"
    assert [(event.url, event.detail) for event in events if event.kind == "invalidate"] == [
        ("https://example.org/p?x=1", "hard")
    ]


EXAMPLE = '{"tags": ["user:42"], "urls": ["https://example.org/p"], "soft": false}'
NO_OBJECT = f"the content is not a JSON object such as {EXAMPLE}"
NO_NAME = 'name what to take back by tags or urls, or say {"all": true}, which is never soft'
NO_URL = "urls[0] is not an absolute http or https URL such as https://example.org/p: "


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", NO_OBJECT),
        (b"{", NO_OBJECT),
        (b"tags=a", NO_OBJECT),
        (b"\xff\xfe{}", NO_OBJECT),
        ('{"all": true}'.encode("utf-16"), NO_OBJECT),
        (b"[" * 1_000_000, NO_OBJECT),
        (b'{"tags":' * 200_000, NO_OBJECT),
        (b'{"soft": ' + b"1" * 10_000 + b"}", NO_OBJECT),
        ([], NO_OBJECT),
        (["a"], NO_OBJECT),
        ("a", NO_OBJECT),
        (None, NO_OBJECT),
        ({}, NO_NAME),
        ({"soft": True}, NO_NAME),
        ({"tags": [], "urls": []}, NO_NAME),
        ({"all": False}, NO_NAME),
        ({"all": True, "tags": ["a"]}, NO_NAME),
        ({"all": True, "urls": [URL]}, NO_NAME),
        ({"all": True, "soft": True}, NO_NAME),
        ({"tag": ["a"]}, "an order has tags, urls, all, soft, not 'tag'"),
        ({"tags": ["a"], "\n" * 1000: 1}, "an order has tags, urls, all, soft, not '\\n"),
        (b'{"all": true, "all": true}', "a name stands twice in the content: say each once"),
        (b'{"tags": [{"x": 1, "x": 2}]}', "a name stands twice in the content: say each once"),
        ({"tags": "a"}, 'tags is a list of strings, not "a"'),
        ({"tags": None}, "tags is a list of strings, not null"),
        ({"tags": {"a": 1}}, 'tags is a list of strings, not {"a": 1}'),
        ({"urls": URL}, f'urls is a list of strings, not "{URL}"'),
        ({"tags": ["a"], "soft": 1}, "soft is true or false, not 1"),
        ({"tags": ["a"], "soft": "false"}, 'soft is true or false, not "false"'),
        ({"all": "yes"}, 'all is true or false, not "yes"'),
        ({"tags": ["a", 42]}, "tags[1]: a tag is a str, not int: 42"),
        ({"tags": ["a", ["b"]]}, "tags[1]: a tag is a str, not list: ['b']"),
        ({"tags": [""]}, "tags[0]: a tag has 1 to 1024 bytes of UTF-8, not 0: ''"),
        ({"tags": ["x" * 1025]}, "tags[0]: a tag has 1 to 1024 bytes of UTF-8, not 1025: 'xxx"),
        ({"tags": ["@all"]}, "tags[0]: names that begin with @ are the library's own: '@all'"),
        ({"tags": ["a\nb"]}, "tags[0]: a tag has no control characters: 'a\\nb'"),
        (b'{"tags": ["\\ud800"]}', "tags[0]: a tag has to be encodable as UTF-8: '\\ud800'"),
        ({"urls": ["/p"]}, f"{NO_URL}'/p'"),
        ({"urls": [42]}, f"{NO_URL}42"),
        ({"urls": [""]}, f"{NO_URL}''"),
        ({"urls": ["ftp://example.org/p"]}, NO_URL),
        ({"urls": ["https://example.org:99999/p"]}, NO_URL),
        ({"urls": ["https://[::1/p"]}, NO_URL),
        ({"urls": ["https://example.org/a b"]}, NO_URL),
        ({"urls": ["https://example.org/a\r\nb"]}, NO_URL),
        ({"urls": [f"https://{'ü' * 70}.example/"]}, NO_URL),
        (b'{"urls": ["https://example.org/\\ud800"]}', f"{NO_URL}'https://example.org/\\ud800'"),
        ({"tags": [*MANY, "a"]}, "tags has at most 1000 names, not 1001: send several requests"),
        ({"urls": [URL] * 50_000}, "urls has at most 1000 names, not 50000: send several requests"),
    ],
    ids=lambda value: f"{value!r:.40}",
)
async def test_what_makes_no_sense_is_said_in_a_sentence_and_nothing_is_taken_back(content: Any, words: str) -> None:
    operators = Operators()
    answer = await operators.order(content)
    error = said(answer)["error"]
    assert (answer.status, operators.store.taken_back) == (400, [])
    assert error.startswith(words)
    assert len(error) < 400
    assert error.isprintable()


async def test_content_without_an_end_is_read_up_to_a_bound() -> None:
    client = Client(body=[b" " * 65536] * 100)
    answer = await client.ask(Operators().app, "/invalidate", method="POST", headers=[JSON])
    assert (answer.status, said(answer)) == (
        413,
        {"error": f"an order has at most {MAX_CONTENT_BYTES} bytes: send several"},
    )
    assert len(client._requests) == 100 - MAX_CONTENT_BYTES // 65536 - 1


async def test_nothing_begins_for_a_client_that_leaves_within_its_content() -> None:
    operators = Operators()
    events: list[Message] = [
        {"type": "http.request", "body": b'{"all": true}', "more_body": True},
        {"type": "http.disconnect"},
    ]
    client = Client()

    async def receive() -> Message:
        return events.pop(0)

    await operators.app(http_scope("/invalidate", method="POST", headers=[JSON]), receive, client.send)
    assert (client.answer.messages, operators.store.taken_back) == ([], [])


async def test_parameters_of_the_content_type_do_not_matter() -> None:
    answer = await Operators().order({"tags": ["a"]}, headers=[("content-type", "Application/JSON; charset=utf-8")])
    assert answer.status == 200


# --- to the end -------------------------------------------------------------------------------------------------------


async def test_once_begun_it_runs_to_its_end_though_the_client_leaves() -> None:
    operators = Operators()
    has_begun, gate, is_over = anyio.Event(), anyio.Event(), anyio.Event()

    async def before(tags: Collection[str]) -> None:
        has_begun.set()
        await gate.wait()
        if len(operators.store.taken_back) == 1:
            is_over.set()

    operators.store.before = before
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(operators.order, {"tags": ["a"], "urls": [URL], "soft": True})
        await has_begun.wait()
        tasks.cancel_scope.cancel()
    assert operators.store.taken_back == []
    gate.set()
    with anyio.fail_after(20):
        await is_over.wait()
    assert sorted(operators.store.taken_back, key=repr) == [({"@url:example.org/p"}, True), ({"a"}, True)]


async def test_one_that_is_being_repeated_is_accepted_with_the_reason(caplog: pytest.LogCaptureFixture) -> None:
    operators = Operators()
    operators.store.fails = InvalidationError("not known to be taken back: no answer; this process goes on trying")
    answer = await operators.order({"tags": ["a"], "urls": [URL]})
    reason = "not known to be taken back: no answer; this process goes on trying"
    assert (answer.status, said(answer)) == (202, {"done": False, "reason": reason})
    assert caplog.messages == [f"not taken back everywhere yet, for 'ada': InvalidationError('{reason}')"] * 2


async def test_one_that_failed_is_no_success_and_keeps_no_other_one_back(caplog: pytest.LogCaptureFixture) -> None:
    operators = Operators()

    async def before(tags: Collection[str]) -> None:
        if "a" in tags:
            raise OSError("/srv/secret is full")

    operators.store.before = before
    answer = await operators.order({"tags": ["a"], "urls": [URL]})
    error = "not all is taken back, send it again: the store raised OSError, see the log"
    assert (answer.status, said(answer)) == (500, {"done": False, "error": error})
    assert operators.store.taken_back == [({"@url:example.org/p"}, False)]
    assert caplog.messages == ["what 'ada' wanted to be taken back is not, and is not repeated"]
    assert "/srv/secret is full" in caplog.text


async def test_one_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taking_back, "LIMIT_SECONDS", 0.01)
    operators = Operators()

    async def before(tags: Collection[str]) -> None:
        await anyio.sleep_forever()

    operators.store.before = before
    answer = await operators.order({"tags": ["a"]})
    assert (answer.status, said(answer)["done"]) == (500, False)
    assert "not all is taken back, send it again: it took more than" in said(answer)["error"]


async def test_only_some_urls_are_taken_back_at_once() -> None:
    operators = Operators()
    running: list[int] = [0]
    most: list[int] = []

    async def before(tags: Collection[str]) -> None:
        running[0] += 1
        most.append(running[0])
        await anyio.lowlevel.checkpoint()
        running[0] -= 1

    operators.store.before = before
    await operators.order({"urls": [f"{URL}?{number}" for number in range(100)]})
    assert (len(operators.store.taken_back), max(most)) == (100, taking_back.AT_ONCE)


# --- who took back what -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"tags": ["user:42", "posts"]}, "tag 'user:42', tag 'posts'"),
        ({"urls": [URL], "soft": True}, f"URL '{URL}' (soft)"),
        ({"tags": ["a"], "urls": [URL]}, f"tag 'a', URL '{URL}'"),
        ({"all": True}, "everything"),
        ({"tags": ["everything"]}, "tag 'everything'"),
        ({"tags": ["a', tag 'b"]}, "tag \"a', tag 'b\""),
        ({"tags": ["\u202egat\u2028"]}, "tag '\\u202egat\\u2028'"),
        ({"tags": [str(number) for number in range(5000 // 5)]}, "tag '0', "),
    ],
    ids=lambda value: f"{value!r:.40}",
)
async def test_the_log_says_who_took_back_what(caplog: pytest.LogCaptureFixture, content: Any, words: str) -> None:
    with caplog.at_level(logging.INFO, "accelerator.ops"):
        await Operators().order(content)
    (message,) = caplog.messages
    assert message.startswith(f"taken back by 'ada': {words}")
    assert message.isprintable()
    assert len(message) < 500


async def test_of_many_names_the_log_has_some_and_how_many_more(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "accelerator.ops"):
        await Operators().order({"tags": MANY[:30], "urls": [URL]})
    assert caplog.messages[0].endswith("tag 'tag:19' and 11 more")


async def test_a_name_cannot_write_a_line_of_its_own_into_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "accelerator.ops"):
        await Operators(lambda request: "ada\nERROR all is lost\x1b[2J" + "x" * 1000).order({"tags": ["a"]})
    (message,) = caplog.messages
    assert message.startswith("taken back by 'ada\\nERROR all is lost\\x1b[2Jxxx")
    assert len(message) < 300


async def test_who_has_no_name_is_somebody(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "accelerator.ops"):
        await Operators(lambda request: True).order({"tags": ["a"]})
    assert caplog.messages == ["taken back by 'somebody': tag 'a'"]


async def test_it_works_with_a_store_that_lists_nothing() -> None:
    site = ASGIAccelerator(app_saying(), store=MemoryStore())
    assert said(await order(OpsApp(site, authorize=lambda request: True), {"tags": ["a"]})) == DONE
