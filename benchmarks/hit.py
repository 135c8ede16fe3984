"""What a request costs in process, without a server: the cache beside the simplest Starlette route.

Every case gets the same request: a fresh scope with the header lines of a browser, each object new as from a parser.
The cases take turns in one run, so that a busy machine slows all of them; the ratio is the median over the rounds of
the ratio to the Starlette route in the same round. Nothing waits, so CPU time is measured. The garbage collector is off
while a batch is timed.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import sys
from statistics import median, quantiles
from time import process_time
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from accelerator import ASGIAccelerator, MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from accelerator.asgi_types import Application, Message, Receive, Scope, Send

    Case = tuple[Application, Callable[[], Scope]]

BATCH = 300
WARM_UP = 3
BASELINE = "Starlette route"
BODY = "Hello, world! " * 10
BROWSER = (
    ("host", "www.example.org"),
    ("connection", "keep-alive"),
    ("sec-ch-ua", '"Chromium";v="136", "Not.A/Brand";v="99"'),
    ("sec-ch-ua-mobile", "?0"),
    ("sec-ch-ua-platform", '"Linux"'),
    ("upgrade-insecure-requests", "1"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/136.0 Safari/537.36"),
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"),
    ("sec-fetch-site", "same-origin"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-dest", "document"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("accept-language", "en-GB,en;q=0.9,de;q=0.8"),
)


def browser_scope(query: str = "", *more: tuple[str, str]) -> Scope:
    """Return the scope of a browser's request, made of new objects."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": b"/hello".decode("ascii"),
        "raw_path": "/hello".encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "root_path": "",
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in (*BROWSER, *more)],
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 40000),
        "state": {},
    }


async def receive() -> Message:
    """Give the one message of a request without a body."""
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(message: Message) -> None:
    """Take what a server would write out."""


async def bare(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Answer as the Starlette route does, with nothing around it: the floor."""
    headers = [(b"content-length", b"%d" % len(BODY)), (b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": BODY.encode()})


async def hello(_request: Request) -> PlainTextResponse:
    """Answer with a text."""
    return PlainTextResponse(BODY)


async def hello_varying(_request: Request) -> PlainTextResponse:
    """Answer with a text that was chosen by a field of the request."""
    return PlainTextResponse(BODY, headers={"vary": "Accept-Encoding"})


def site(view: Callable[[Request], Any]) -> Starlette:
    """Return an application of one route."""
    return Starlette(routes=[Route("/hello", view)])


async def ask(app: Application, scope: Scope) -> tuple[int, dict[str, str]]:
    """Return status and header fields of one answer."""
    messages: list[Message] = []

    async def keep(message: Message) -> None:
        messages.append(message)

    await app(scope, receive, keep)
    return messages[0]["status"], {name.decode(): value.decode() for name, value in messages[0]["headers"]}


async def cases() -> dict[str, Case]:
    """Return the cases by name, each tried once: it does what its name says."""
    route = site(hello)
    hits = ASGIAccelerator(route, default_ttl=3600)
    varying = ASGIAccelerator(site(hello_varying), default_ttl=3600)
    misses = ASGIAccelerator(route, default_ttl=3600, store=MemoryStore(max_bytes=1_000_000))
    unstorable = ASGIAccelerator(route)
    numbers = itertools.count(1)
    for app in (hits, varying):
        await ask(app, browser_scope())
    etag = (await ask(hits, browser_scope()))[1]["etag"]
    made: dict[str, Case] = {
        "bare ASGI application": (bare, browser_scope),
        BASELINE: (route, browser_scope),
        "hit": (hits, browser_scope),
        "hit, Vary: Accept-Encoding": (varying, browser_scope),
        "hit, answered 304": (hits, lambda: browser_scope("", ("if-none-match", etag))),
        "miss, stored, another one evicted": (misses, lambda: browser_scope(f"page={next(numbers)}")),
        "response that may not be stored": (unstorable, browser_scope),
        "request the cache passes by": (hits, lambda: browser_scope("", ("if-match", "*"))),
    }
    expected = {
        "hit": (200, "accelerator; hit; ttl="),
        "hit, Vary: Accept-Encoding": (200, "accelerator; hit; ttl="),
        "hit, answered 304": (304, "accelerator; hit; ttl="),
        "miss, stored, another one evicted": (200, "accelerator; fwd=uri-miss; stored"),
        "response that may not be stored": (200, 'accelerator; fwd=uri-miss; detail="no explicit time"'),
    }
    for name, (application, make_scope) in made.items():
        status, fields = await ask(application, make_scope())
        wanted_status, wanted_line = expected.get(name, (200, ""))
        assert status == wanted_status, name
        assert fields.get("cache-status", "").startswith(wanted_line), name
    return made


async def seconds_of_batch(app: Application, make_scope: Callable[[], Scope]) -> float:
    """Return what a request takes, from a batch of them."""
    scopes = [make_scope() for _ in range(BATCH)]
    gc.collect()
    gc.disable()
    start = process_time()
    for scope in scopes:
        await app(scope, receive, send)
    taken = process_time() - start
    gc.enable()
    return taken / BATCH


async def calls_of_request(app: Application, make_scope: Callable[[], Scope]) -> tuple[int, int]:
    """Return how many functions one request calls, those in Python and those in C; `send` is among them."""
    scope = make_scope()
    seen = {"call": 0, "c_call": 0}

    def count(_frame: object, event: str, _argument: object) -> None:
        if event in seen:
            seen[event] += 1

    request = app(scope, receive, send)
    sys.setprofile(count)
    await request
    sys.setprofile(None)
    return seen["call"], seen["c_call"] - 1  # the last is setprofile itself


async def main(rounds: int) -> None:
    """Measure every case in turn, round by round, and print the table."""
    made = await cases()
    times: dict[str, list[float]] = {name: [] for name in made}
    for turn in range(WARM_UP + rounds):
        for name in list(made) if turn % 2 else reversed(made):
            taken = await seconds_of_batch(*made[name])
            if turn >= WARM_UP:
                times[name].append(taken)
    print(f"Python {sys.version.split()[0]}; {rounds} rounds of {BATCH} requests a case; * is the baseline")
    print(f"{'':35}{'µs':>7}{'quartiles':>15}{'ratio':>8}{'calls':>7}{'in C':>6}")
    for name, case in made.items():
        low, _, high = quantiles((1e6 * taken for taken in times[name]), n=4)
        ratio = median(taken / base for taken, base in zip(times[name], times[BASELINE], strict=True))
        python, c = await calls_of_request(*case)
        mark = "*" if name == BASELINE else " "
        middle = 1e6 * median(times[name])
        print(f"{name:34}{mark}{middle:7.2f}{f'{low:.2f}-{high:.2f}':>15}{ratio:8.2f}{python:7}{c:6}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=60, help="rounds of each case (60)")
    asyncio.run(main(parser.parse_args().rounds))
