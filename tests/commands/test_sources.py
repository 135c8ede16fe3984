"""Where `top`, `stats` and `ls` get their data: from the store that the workers share, or from the operator's page."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import uvicorn
from redis import Redis
from starlette.applications import Starlette
from starlette.routing import Mount

from accelerator import ASGIAccelerator, LMDBStore, MemoryStore, RedisStore
from accelerator.demo.redis_server import RedisServer
from accelerator.ops import OpsApp
from tests.commands.support import HOSTILE, cache_at, in_terminal, is_shown_as_text, page, run, visit
from tests.commands.test_explain import answering
from tests.ops.test_listener import gateway
from tests.support import App, ask, drive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "s3cr3t"
COMMANDS: dict[str, list[str]] = {"top": ["top", "--count", "1"], "stats": ["stats"], "ls": ["ls"]}

each_command = pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)


# --- what is named ----------------------------------------------------------------------------------------------------


@each_command
def test_one_of_them_has_to_be_named(command: list[str]) -> None:
    text = " ".join(run(*command, fails=2).split())
    assert "name the store that the workers share by --store or ACCELERATOR_STORE, such as" in text
    assert "the address of the operator's page by --ops or ACCELERATOR_OPS" in text


@each_command
def test_both_are_too_many(command: list[str], tmp_path: Path) -> None:
    text = run(*command, "--store", f"lmdb:{tmp_path}", "--ops", "http://127.0.0.1:9/", fails=2)
    assert "take one of them" in " ".join(text.split())


@each_command
def test_a_field_is_for_the_page(command: list[str], tmp_path: Path) -> None:
    text = run(*command, "--store", f"lmdb:{tmp_path}", "-H", f"Authorization: {SECRET}", fails=2)
    assert "-H is for the operator's page, which --ops names" in " ".join(text.split())
    assert SECRET not in text


@each_command
@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nowhere", "the URL of a store begins with"),
        ("memory:", "memory: is a store in the memory of one process"),
        ("lmdb:///nowhere/at/all", "there is no cache in /nowhere/at/all"),
        (f"redis://ada:{SECRET}@127.0.0.1:9", "Redis at 127.0.0.1:9, user 'ada': "),
    ],
)
def test_a_store_that_is_not_there_is_said_in_one_line(command: list[str], url: str, words: str) -> None:
    text = run(*command, ACCELERATOR_STORE=url, fails=1)
    assert words in text
    assert SECRET not in text


def test_the_command_line_goes_before_the_environment(tmp_path: Path) -> None:
    visit(cache_at(tmp_path), "/a")
    url = f"lmdb:{tmp_path}"
    assert "miss, stored" in run("stats", "--store", url, ACCELERATOR_OPS="http://127.0.0.1:9/")
    assert "does not answer" in run("stats", "--ops", "http://127.0.0.1:9/", ACCELERATOR_STORE=url, fails=1)
    both = {"ACCELERATOR_STORE": url, "ACCELERATOR_OPS": "http://127.0.0.1:9/"}
    assert "does not answer" in run("stats", fails=1, **both)


# --- a Redis ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


async def fill(url: str, prefix: str) -> None:
    """Do what a worker does that has a Redis."""
    store = RedisStore(url, prefix=prefix, deadline=20.0)
    cache = ASGIAccelerator(App(page), store=store)
    for path in ("/a", "/a", f"/{HOSTILE}?hostile", "/private"):
        await ask(cache, path)
    publishing = cache._publishing
    assert publishing._board is not None
    await publishing._board.publish(publishing._note(publishing._adopted))
    await store.aclose()


def test_figures_and_entries_of_a_redis_are_shown_and_left_as_they_are(redis: RedisServer) -> None:
    asyncio.run(fill(redis.url, "shown:"))
    url = f"{redis.url}?prefix=shown:"
    with Redis.from_url(redis.url) as client:
        before = {key: client.dump(key) for key in client.keys("shown:*")}
        said = json.loads(run("stats", "--store", url, "--json"))
        assert said["requests"] == {"miss": {"stored": 2, "private": 1}, "hit": {"": 1}}
        assert (said["workers"], said["store"]["kind"]) == (1, "RedisStore")
        text = run("ls", "--store", url)
        assert "tags: page:a, pages" in text
        assert "tags: pages, \\u202e[red]\\u2066[/]" in text
        assert len(run("ls", "--store", url, "--tag", "page:a").splitlines()) == 1
        lines = run("top", "--store", url, "--json", "--count", "2", "--every", "0.1").splitlines()
        assert [json.loads(line)["requests"]["hit"][""] for line in lines] == [1, 0]
        assert {key: client.dump(key) for key in client.keys("shown:*")} == before
    with in_terminal("top", "--store", url) as ran:
        ran.wait_for("(?s)RedisStore.*q ends it")
        ran.press(b"q")
        assert ran.end() == 0


@each_command
def test_a_redis_with_nothing_in_it_is_said_to_have_nothing(redis: RedisServer, command: list[str]) -> None:
    fails = command[0] != "ls"
    text = run(*command, "--store", f"{redis.url}?prefix=none:", fails=int(fails))
    assert ("nobody has put figures in" if fails else "nothing is stored") in text


# --- the operator's page ----------------------------------------------------------------------------------------------


@contextmanager
def serving(cache: ASGIAccelerator) -> Iterator[str]:
    """The operator's page at /ops, for who has the token, on a server."""
    ops = OpsApp(cache, authorize=lambda request: request.headers.get("authorization") == f"Bearer {SECRET}")
    config = uvicorn.Config(Starlette(routes=[Mount("/ops", ops)]), port=0, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    with config.bind_socket() as listening:
        listening.listen()
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/ops"
        finally:
            server.should_exit = True
            thread.join()


LET_IN = ["-H", f"Authorization: Bearer {SECRET}"]


def test_what_one_process_has_in_its_memory_is_shown_by_the_page() -> None:
    cache = ASGIAccelerator(App(page), store=MemoryStore())
    for path in ("/a", "/a", f"/{HOSTILE}?hostile", f"/{HOSTILE}?hostile", "/private"):
        drive(ask(cache, path))
    with serving(cache) as address:
        said = json.loads(run("stats", "--ops", address, *LET_IN, "--json"))
        assert said["requests"] == {"miss": {"stored": 2, "private": 1}, "hit": {"": 2}}
        text = run("stats", "--ops", f"{address}/", *LET_IN)
        assert text.startswith(f"{address.removesuffix('/ops')}, counting for ")
        assert "\\u202e[red]\\u2066[/]" in text
        text = run("ls", "--ops", address, *LET_IN)
        assert len(text.splitlines()) == 2
        assert "tags: pages, \\u202e[red]\\u2066[/]" in text
        text = run("ls", "--ops", address, *LET_IN, "--tag", "page:a", "--url", "https://example.org/a")
        assert "https://example.org/a  tags: page:a, pages" in text
        (entry,) = json.loads(run("ls", *LET_IN, "--tag", "page:a", "--json", ACCELERATOR_OPS=address))["entries"]
        assert entry["hits"] == 1
        part = json.loads(run("ls", "--ops", address, *LET_IN, "--json", "--limit", "1"))
        rest = json.loads(run("ls", "--ops", address, *LET_IN, "--json", "--cursor", part["cursor"]))
        assert len(part["entries"] + rest["entries"]) == 2
        text = run("ls", "--ops", address, *LET_IN, "--url", "/page", fails=1)
        assert text.startswith("Error: the operator's page says 400: ")
        with in_terminal("top", "--ops", address, *LET_IN) as ran:
            ran.wait_for(r"(?s)1 worker, .+40.0 %  hit.*q ends it")
            ran.press(b"q")
            assert ran.end() == 0


def test_the_address_that_a_gateway_prints_is_enough() -> None:
    with gateway("--ops", "0") as ran, httpx.Client(trust_env=False) as client:
        for _ in range(3):
            client.get(f"{ran.site}/p")
        assert json.loads(run("stats", "--json", ACCELERATOR_OPS=ran.ops))["requests"]["hit"] == {"": 2}
        assert run("ls", "--ops", ran.ops.rstrip("/")).count(f"{ran.site}/p") == 1
        assert "hit" in run("top", "--ops", ran.ops, "--count", "1")


@each_command
def test_who_is_not_let_in_is_told_what_lets_in(command: list[str]) -> None:
    with serving(ASGIAccelerator(App(page))) as address:
        text = run(*command, "--ops", address, fails=1)
        assert "the operator's page is closed to this: give its whole address by --ops or ACCELERATOR_OPS" in text
        text = run(*command, "--ops", address.removesuffix("/ops"), *LET_IN, fails=1)
        assert "there is no operator's page at this address" in text
        assert text.endswith("It answers 404.\n")


@each_command
@pytest.mark.parametrize(
    ("address", "words"),
    [
        (f"htp://host/{SECRET}/", "the address of an operator's page is such as https://example.org/ops/\n"),
        (f"{SECRET}", "the address of an operator's page is such as"),
        (f"http://ada:{SECRET}@host/", "without a user: say it by -H"),
        (f"http://127.0.0.1:9/{SECRET}/", "127.0.0.1 does not answer: "),
    ],
)
def test_an_address_that_cannot_be_asked_is_not_repeated(command: list[str], address: str, words: str) -> None:
    text = run(*command, "--ops", address, fails=1)
    assert words in text
    assert SECRET not in text


def test_a_field_that_is_none_is_not_repeated() -> None:
    text = run("stats", "--ops", "http://127.0.0.1:9/", "-H", SECRET, fails=1)
    assert "a field is such as" in text
    assert SECRET not in text


def saying(status: str, content: bytes) -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(content), content)


@each_command
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (saying("200 OK", b"<html>"), "does not say what an operator's page says"),
        (saying("200 OK", b"null"), "does not say what an operator's page says"),
        (saying("200 OK", b"[]"), "does not say what an operator's page says"),
        (saying("200 OK", b'{"entries": [{}], "cursor": null, "examined": 1}'), "does not say what an operator's page"),
        (saying("200 OK", b"[" * 100_000), "does not say what an operator's page says"),
        (saying("200 OK", b'{"since": NaN}'), "does not say what an operator's page says"),
        (saying("200 OK", b'{"since": 1' + b"0" * 10_000 + b"}"), "does not say what an operator's page says"),
        (saying("503 No", b'{"error": "\\u001b[31m\\u202e[red]"}'), "says 503: \\x1b[31m\\u202e[red]\n"),
        (saying("500 No", b'{"error": 3}'), "there is no operator's page at this address"),
        (saying("307 No", b""), "It answers 307."),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", "does not say what an operator's page says"),
    ],
)
def test_what_is_no_operators_page_is_said_in_one_line(command: list[str], answer: bytes, words: str) -> None:
    with answering(answer) as url:
        text = run(*command, "--ops", url, fails=1)
    assert words in text
    assert is_shown_as_text(text)


def test_hostile_figures_of_a_page_show_as_text() -> None:
    cache: Any = ASGIAccelerator(App(page))
    figures = {**cache.figures(), "urls": [["\x1b[31m\u202e[red]", 3]], "requests": {"\u202ehit": {"\n": 1}}}
    figures["store"] = {"kind": "\x1b[2J", "more": ["\u202e"]}
    with answering(saying("200 OK", json.dumps(figures).encode())) as url:
        for command in (["stats"], ["top", "--count", "1"]):
            text = run(*command, "--ops", url)
            assert "\\x1b[31m\\u202e[red]" in text
            assert is_shown_as_text(text)


def test_the_notes_of_a_store_are_not_changed_by_looking(tmp_path: Path) -> None:
    visit(cache_at(tmp_path), "/a")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "figures").iterdir()}
    for command in COMMANDS.values():
        run(*command, "--store", f"lmdb:{tmp_path}")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "figures").iterdir()} == before
    assert drive(LMDBStore(tmp_path).list_entries()).entries
