"""`python -m accelerator explain` asks a running site, and says in words what came of it."""

from __future__ import annotations

import json
import os
import socketserver
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from click.testing import CliRunner

from accelerator import WSGIAccelerator
from accelerator.__main__ import main
from accelerator.commands.explaining import lines_of, reasoning_of
from accelerator.cures import CURES, FORWARDED, NEWER, UNFIT, Cure
from tests.wsgi.support import site_saying

if TYPE_CHECKING:
    from collections.abc import Iterator
    from wsgiref.types import WSGIApplication

TOKEN = "correct-horse-battery"
TELLING = ["--token", TOKEN]


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is that of the base class
        """Say nothing."""


@contextmanager
def running(server: socketserver.TCPServer) -> Iterator[str]:
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.socket.getsockname()[1]}"
        finally:
            server.shutdown()
            thread.join()


def serving(app: WSGIApplication) -> Any:
    return running(make_server("127.0.0.1", 0, app, handler_class=Quiet))


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """A server that answers each request with these bytes, and closes."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                """The request is read to its end."""
            self.wfile.write(answer)

    with running(socketserver.TCPServer(("127.0.0.1", 0), Handler)) as url:
        yield url


def explain(*arguments: str, fails: bool = False, **environment: str) -> str:
    result = CliRunner().invoke(main, ["explain", *arguments], env=environment)
    assert result.exit_code == (1 if fails else 0), result.output
    if fails:
        assert result.output.startswith("Error: ")
        assert result.output.count("\n") == 1
    return result.output


def said(*fields: str) -> bytes:
    lines = "".join(f"{field}\r\n" for field in ("HTTP/1.1 200 OK", "Content-Length: 0", *fields))
    return f"{lines}\r\n".encode()


# --- asking the site --------------------------------------------------------------------------------------------------


def test_a_response_that_is_not_stored_is_explained_with_its_cure() -> None:
    site = site_saying(("Set-Cookie", "sid=SECRET"), ttl=60, tags=["users"])
    with serving(WSGIAccelerator(site, debug=TOKEN)) as url:
        text = explain(f"{url}/users/42?a=\xe9", *TELLING, "-H", "Cookie: a=SECRET; b=1", "-H", "X-API-Key: SECRET")
    lines = text.splitlines()
    assert lines == [
        f"{url}/users/42?a=\xe9: 200",
        "A miss: answered by the application, and not stored: Set-Cookie",
        "  Set-Cookie (RFC 9111 §7.3): The response sets a cookie, which must not reach another visitor.",
        f"    What to do: {CURES['Set-Cookie'].cure}",
        '    More: docs/troubleshooting.md, "Set-Cookie"',
        "  uri-miss: Nothing is stored for this URL.",
        "  decided        fill (RFC 9111 §4)",
        "  in the store   nothing for this URL",
        "  method         GET",
        f"  key            {url}/users/42?a=%C3%A9",
        "  says who asks  Cookie, X-API-Key",
        "  cookies        a, b",
        "  was said       200, set-cookie, cache_for(60)",
        "  tags           users",
    ]
    assert "HTTP_ACCELERATOR_DEBUG" not in site.environ
    assert (site.environ["HTTP_COOKIE"], site.environ["HTTP_X_API_KEY"]) == ("a=SECRET; b=1", "SECRET")


def test_the_token_may_come_from_the_environment_and_asking_fills_the_cache() -> None:
    with serving(WSGIAccelerator(site_saying(ttl=60), debug=TOKEN)) as url:
        first, second = (explain(url, ACCELERATOR_DEBUG_TOKEN=TOKEN) for _ in range(2))
    assert "A miss: answered by the application, and stored: the next request like it may have it" in first
    assert "    What to do: Ask again: this request may have filled the cache." in first
    assert "A hit: answered from the store" in second
    assert "  in the store  a response (age 0 s, ttl 59 s)" in second
    assert "  fresh for     60 s" in second


def test_a_store_in_the_environment_is_not_read_where_there_is_a_token() -> None:
    with serving(WSGIAccelerator(site_saying(ttl=60), debug=TOKEN)) as url:
        assert "A miss" in explain(url, *TELLING, ACCELERATOR_STORE="lmdb:///nowhere")


def test_a_site_that_tells_nothing_is_explained_by_its_cache_status() -> None:
    with serving(WSGIAccelerator(site_saying(), debug=TOKEN)) as url:
        text = explain(url, "--token", "wrong")
    assert "and not stored: no explicit time" in text
    assert "Say `cache_for(60)`" in text
    assert "The site has told no more. Give its middleware debug=TOKEN" in text


@pytest.mark.parametrize(
    ("status", "headline"),
    [
        ("theirs; hit, accelerator; hit; ttl=3", "A hit: answered from the store"),
        ("accelerator; fwd=method", "Passed by: answered by the application, and not for the store"),
        (
            "accelerator; fwd=miss; collapsed",
            "A miss: answered by the application, after it had waited for another request",
        ),
        ("accelerator; fwd=stale; stored", "A miss: answered by the application, and stored: the next"),
    ],
)
def test_what_cache_status_says_is_put_in_words(status: str, headline: str) -> None:
    with answering(said(f"Cache-Status: {status}")) as url:
        assert explain(url).splitlines()[1].startswith(headline)


def test_json_has_the_reasoning_and_the_cures() -> None:
    with serving(WSGIAccelerator(site_saying(("Cache-Control", "private")), debug=True)) as url:
        found = json.loads(explain(f"{url}/p", "--json"))
    assert (found["url"], found["status"]) == (f"{url}/p", 200)
    outcome = {"value": "miss", "fwd": "uri-miss", "detail": "private", "rule": "RFC 9111, section 5.2.2.7"}
    assert found["reasoning"]["outcome"] == outcome
    assert found["reasoning"]["said"] == {"value": ["200", "cache-control: private"]}
    assert [(reason["reason"], reason["heading"]) for reason in found["reasons"]] == [
        ("private", "private"),
        ("uri-miss", ""),
    ]
    assert found["reasons"][0]["cure"] == "Where that is wrong, take it off; nothing lifts it."


def test_what_was_made_for_a_client_without_gzip_is_explained_and_the_next_request_is_answered() -> None:
    with serving(WSGIAccelerator(site_saying(ttl=60), debug=TOKEN)) as url:
        explain(url, *TELLING, "-H", "Accept-Encoding: identity")
        second, third = (explain(url, *TELLING, "-H", "Accept-Encoding: gzip") for _ in range(2))
    assert "  request (RFC 9110 §12.5.3): What is stored was made for a client that does not accept gzip" in second
    assert "    What to do: Nothing needs to be done: the next request with these codings is answered." in second
    assert "not for a request with these codings" in second
    assert "A hit: answered from the store" in third


@pytest.mark.parametrize(
    ("members", "cure"),
    [
        ("found=entry;unfit=codings", UNFIT["codings"]),
        ("found=entry;unfit=cookies", UNFIT["cookies"]),
        ("found=entry;unfit=credentials", UNFIT["credentials"]),
        ('found=entry;unfit=codings, asked="no-cache"', UNFIT["codings"]),
        ('found=entry, asked="no-cache"', NEWER),
        ("found=entry;unfit", FORWARDED["request"]),
        ("tags=()", FORWARDED["request"]),
    ],
)
def test_what_is_stored_and_not_for_the_request_is_explained_by_its_cause(members: str, cure: Cure) -> None:
    said = reasoning_of({"accelerator-debug": f"outcome=miss;fwd=request;stored, {members}"})
    lines = [*lines_of("https://example.org/", 200, said)]
    assert lines[2:4] == [
        f"  request ({cure.rule}): {cure.why}" if cure.rule else f"  request: {cure.why}",
        f"    What to do: {cure.cure}",
    ]


def test_every_member_that_there_is_has_its_words() -> None:
    field = (
        'outcome=miss;fwd=stale;pending, decision=pass;rule="RFC 9111, section 4";range, bypassed-by=("POST"),'
        ' asked="no-cache", found=entry;age=3;ttl=-2;soft;unfit=codings, method="GET", key="https://example.org/",'
        ' keyed-by=("x-a"), selected-by=("accept: a"), cookies=("a"), cookies-ignored=("b"), query-ignored,'
        ' partition=?0, lifetime=1;from="max-age";stale-if-error=9, answers=("cookies"), said=("200"),'
        ' tags=("a" "b");more=98, cut, unheard-of="x"'
    )
    assert [*lines_of("https://example.org/", 200, reasoning_of({"accelerator-debug": field}))] == [
        "https://example.org/: 200",
        "A miss: answered by the application, and it was not known yet whether it can be stored: ask again",
        "  stale (RFC 9111 §4.2.4): What is stored is past its time, or was taken back softly.",
        "    What to do: Say a longer time, or `stale_while_revalidate=60`, which serves it while it is made anew.",
        "  decided           pass (RFC 9111 §4, range)",
        "  passes by for     POST",
        "  the request asks  no-cache",
        "  in the store      a response (age 3 s, ttl -2 s, soft, not for a request with these codings)",
        "  method            GET",
        "  key               https://example.org/",
        "  and in the key    x-a",
        "  chosen by         accept: a",
        "  cookies           a",
        "  cookies ignored   b",
        "  query shortened   yes",
        "  partition         no",
        "  fresh for         1 s (from max-age, stale-if-error 9 s)",
        "  may answer        cookies",
        "  was said          200",
        "  tags              a, b (more 98)",
        "  left out          yes",
    ]


# --- hostile sites ----------------------------------------------------------------------------------------------------


def test_what_a_site_says_shows_as_text() -> None:
    hostile = 'outcome=miss;detail=%"%1b[31m%0a%e2%80%aefake", key=%"%00%7f%c2%9b", tags=(%"%e2%81%a6a" "b")'
    with answering(said(f"Accelerator-Debug: {hostile}")) as url:
        text = explain(url)
    assert "and not stored: \\x1b[31m\\n\\u202efake" in text
    assert "\\x00\\x7f\\x9b" in text
    assert "\\u2066a, b" in text
    assert all(one.isprintable() for line in text.split("\n") for one in line)


def test_what_the_terminal_cannot_write_is_escaped() -> None:
    with serving(WSGIAccelerator(site_saying(("Cache-Control", "private")), debug=True)) as url:
        command = [sys.executable, "-m", "accelerator", "explain", f"{url}/\xe9"]
        environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
        result = subprocess.run(command, capture_output=True, check=True, env=environment)  # noqa: S603 - ours
    assert b"private (RFC 9111 \\xa75.2.2.7)" in result.stdout


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "127.0.0.1 does not answer: "),
        (b"nonsense\x1b[31m\r\n\r\n", "127.0.0.1 does not answer: "),
        (said(*[f"X-{number}: 1" for number in range(200)]), "127.0.0.1 does not answer: got more than 100 headers"),
        (said(), "the site answers 200, and says nothing of a cache"),
        (said("Accelerator-Debug: ((("), "the site's Accelerator-Debug or Cache-Status cannot be read"),
        (said("Accelerator-Debug: a"), "the site's Accelerator-Debug or Cache-Status cannot be read"),
        (said("Cache-Status: \xff"), "the site's Accelerator-Debug or Cache-Status cannot be read"),
    ],
    ids=["nothing", "no HTTP", "many fields", "no cache", "no field", "no outcome", "no status"],
)
def test_a_site_that_answers_nonsense_is_an_error_in_one_line(answer: bytes, words: str) -> None:
    with answering(answer) as url:
        text = explain(url, fails=True)
    assert words in text
    assert "\x1b" not in text


def test_an_event_stream_and_content_that_is_cut_off_do_not_hold_it_up() -> None:
    stream = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Status: a; fwd=uri-miss\r\n\r\ndata: 1\n\n"
    cut = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nCache-Status: a; fwd=uri-miss\r\n\r\ncut"
    for answer in (stream, cut):
        with answering(answer) as url:
            assert "A miss" in explain(url)


# --- what is wrong with the command -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ftp://example.org/"], "a URL is such as https://example.org/users/42, not 'ftp://example.org/'"),
        (["example.org"], "a URL is such as"),
        (["http://[::1"], "a URL is such as"),
        (["http://h:99999/"], "a URL is such as"),
        (["http://\x1b[31m"], "a URL is such as"),
        (["http://ada:SECRET@h/"], "without a user: say it by -H 'Authorization: ...'"),
        (["http://127.0.0.1:9/", "-H", "SECRET"], "a field is such as -H 'Cookie: a=b'"),
        (["http://127.0.0.1:9/", "-H", "a b: SECRET"], "a field is such as -H 'Cookie: a=b'"),
        (["http://127.0.0.1:9/", "-H", "a: SECRET\nb: c"], "the value of a has characters that no field may have"),
        (["http://127.0.0.1:9/", "--token", "SECRET\xe9"], "the token has characters that no field may have"),
        (["http://127.0.0.1:9/"], "127.0.0.1 does not answer: "),
        (["https://127.0.0.1:9/"], "127.0.0.1 does not answer: "),
    ],
)
def test_what_is_wrong_is_said_in_one_line_without_secrets(arguments: list[str], words: str) -> None:
    text = explain(*arguments, fails=True)
    assert words in text
    assert "SECRET" not in text
    assert "\x1b" not in text


def test_the_site_and_the_store_are_not_asked_at_once() -> None:
    result = CliRunner().invoke(main, ["explain", "http://h/", *TELLING, "--store", "lmdb:///nowhere"])
    assert result.exit_code == 2
    assert "take one of them" in result.output
