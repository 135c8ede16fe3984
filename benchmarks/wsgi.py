"""What a request costs a WSGI application with the cache and without: in process, and under gunicorn with threads.

In process, every case gets the environ of a browser's request as gunicorn makes it, a new one for each request. The
cases take turns in one run, so that a busy machine slows all of them; the garbage collector is off while a batch is
timed. What one adds to another is the median over the rounds of the difference in the same round.

From Redis, a hit of 10 KB with five tags stands beside the client's own GET of the bytes of its entry, and beside the
same hit where the lookup crosses to the event loop in another thread.

Under gunicorn, as many clients as the server has threads ask over connections that they keep, on the same machine.
"""

from __future__ import annotations

import argparse
import gc
import io
import itertools
import os
import re
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any

from a2wsgi import ASGIMiddleware, WSGIMiddleware
from flask import Flask
from redis import Redis

from accelerator import ASGIAccelerator, MemoryStore, RedisStore, Store, cache_for, tag
from accelerator.demo.redis_server import RedisServer
from accelerator.wsgi import WSGIAccelerator

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from accelerator import Lookup
    from accelerator.http.request import Request
    from accelerator.rules.entry import Entry

    Case = tuple[WSGIApplication, Callable[[], str]]

BATCH = 200
WARM_UP = 2
SHORT_BATCH = 20
THREADS = 4
REQUESTS = 1000
BODY = "Hello, world! " * 10
BARE, ROUTE, HIT, MISS, CROSSING = "bare WSGI application", "Flask route", "hit", "miss, stored", "hit, through a2wsgi"
GET, REDIS_HIT, REDIS_CROSSING = "redis-py, GET of the same bytes", "hit from Redis", "the same, on the event loop"
BROWSER = {
    "REQUEST_METHOD": "GET",
    "SCRIPT_NAME": "",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "SERVER_SOFTWARE": "gunicorn",
    "SERVER_NAME": "127.0.0.1",
    "SERVER_PORT": "8000",
    "REMOTE_ADDR": "127.0.0.1",
    "REMOTE_PORT": "40000",
    "HTTP_HOST": "www.example.org",
    "HTTP_CONNECTION": "keep-alive",
    "HTTP_SEC_CH_UA": '"Chromium";v="136", "Not.A/Brand";v="99"',
    "HTTP_SEC_CH_UA_MOBILE": "?0",
    "HTTP_SEC_CH_UA_PLATFORM": '"Linux"',
    "HTTP_UPGRADE_INSECURE_REQUESTS": "1",
    "HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/136.0",
    "HTTP_ACCEPT": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "HTTP_SEC_FETCH_SITE": "same-origin",
    "HTTP_SEC_FETCH_MODE": "navigate",
    "HTTP_SEC_FETCH_DEST": "document",
    "HTTP_ACCEPT_ENCODING": "gzip, deflate, br, zstd",
    "HTTP_ACCEPT_LANGUAGE": "en-GB,en;q=0.9,de;q=0.8",
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "http",
    "wsgi.input": io.BytesIO(),
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
}


def bare(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:  # noqa: ARG001 - as PEP 3333 says
    """Answer as the Flask route does, with nothing around it: the floor."""
    body = BODY.encode()
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))])
    return [body]


def route() -> WSGIApplication:
    """Return a Flask application of one route."""
    flask = Flask(__name__)

    @flask.get("/hello")
    def hello() -> tuple[str, dict[str, str]]:
        return BODY, {"Content-Type": "text/plain; charset=utf-8"}

    return flask.wsgi_app


def made() -> dict[str, Case]:
    """Return the cases by name: an application, and what gives the query of its next request."""
    flask = route()
    crossing: Any = ASGIMiddleware(ASGIAccelerator(WSGIMiddleware(flask), default_ttl=3600))  # type: ignore[arg-type]  # a2wsgi has types of its own
    numbers = itertools.count(1)
    return {
        BARE: (bare, str),
        ROUTE: (flask, str),
        HIT: (WSGIAccelerator(flask, default_ttl=3600), str),
        MISS: (WSGIAccelerator(flask, MemoryStore(1_000_000), default_ttl=3600), lambda: f"page={next(numbers)}"),
        "response that may not be stored": (WSGIAccelerator(flask), str),
        CROSSING: (crossing, str),
    }


def environ_of(query: str) -> WSGIEnvironment:
    """Return the environ of a request, made anew."""
    return {**BROWSER, "PATH_INFO": "/hello", "QUERY_STRING": query, "RAW_URI": f"/hello?{query}".removesuffix("?")}


def ask(app: WSGIApplication, environ: WSGIEnvironment) -> dict[str, str]:
    """Take a response as a server does, and return its header fields."""
    seen: dict[str, str] = {}

    def start_response(_status: str, headers: list[tuple[str, str]], _: object = None) -> Callable[[bytes], object]:
        seen.update((name.lower(), value) for name, value in headers)
        return bytes

    body = app(environ, start_response)
    try:
        assert b"".join(body) == BODY.encode()
    finally:
        if hasattr(body, "close"):
            body.close()
    return seen


def start_response(_status: str, _headers: list[tuple[str, str]], _: object = None) -> Callable[[bytes], object]:
    """Take what a server would write out."""
    return bytes


def seconds_of_batch(app: WSGIApplication, query: Callable[[], str], clock: Callable[[], float]) -> float:
    """Return what a request takes, from a batch of them."""
    environs = [environ_of(query()) for _ in range(BATCH)]
    gc.collect()
    gc.disable()
    start = clock()
    for environ in environs:
        body = app(environ, start_response)
        for _ in body:
            pass
        if hasattr(body, "close"):
            body.close()
    taken = clock() - start
    gc.enable()
    return taken / BATCH


def in_process(rounds: int) -> None:
    """Measure every case in turn, round by round, and print the table."""
    cases = made()
    for name, begins in {
        HIT: "accelerator; hit",
        MISS: "accelerator; fwd=uri-miss; stored",
        CROSSING: "accelerator; hit",
    }.items():
        app, query = cases[name]
        ask(app, environ_of(query()))
        assert ask(app, environ_of(query()))["cache-status"].startswith(begins), name
    times: dict[str, list[float]] = {name: [] for name in cases}
    for turn in range(WARM_UP + rounds):
        for name in list(cases) if turn % 2 else reversed(cases):
            # what crosses threads waits: for it the time on the wall is what a request takes
            taken = seconds_of_batch(*cases[name], perf_counter if name == CROSSING else process_time)
            if turn >= WARM_UP:
                times[name].append(1e6 * taken)
    print(f"Python {sys.version.split()[0]}; {rounds} rounds of {BATCH} requests a case, in process")
    print(f"{'':35}{'µs':>8}{'quartiles':>17}")
    for name, taken_times in times.items():
        low, middle, high = quantiles(taken_times, n=4)
        print(f"{name:35}{middle:8.1f}{f'{low:.1f}-{high:.1f}':>17}")
    for name, base in ((HIT, BARE), (MISS, ROUTE)):
        added = median(one - other for one, other in zip(times[name], times[base], strict=True))
        print(f"{name!r} adds {added:.1f} µs to {base!r}")


class OnTheLoop(Store):
    """A store in which no thread looks up by itself: it does only what every store has to."""

    def __init__(self, behind: Store) -> None:
        self._behind = behind

    async def lookup(self, request: Request) -> Lookup:
        """Do what the other store does."""
        return await self._behind.lookup(request)

    async def commit(self, entry: Entry) -> bool:
        """Do what the other store does."""
        return await self._behind.commit(entry)

    async def invalidate(self, tags: Collection[str], *, soft: bool) -> None:
        """Do what the other store does."""
        await self._behind.invalidate(tags, soft=soft)


def page(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer with 10 KB that are made from five things."""
    cache_for(3600)
    tag(*(f"tag:{number}" for number in range(5)))
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(10 * 1024))])
    return [b"x" * 10 * 1024]


def from_redis(rounds: int) -> None:
    """Measure hits from a Redis of this script's own beside a bare GET, batch by batch, and print the table."""
    with RedisServer() as server:
        hit = WSGIAccelerator(page, RedisStore(server.url, deadline=5))
        crossing = WSGIAccelerator(page, OnTheLoop(RedisStore(server.url, deadline=5)))
        client = Redis.from_url(server.url)

        def ask_for(app: WSGIApplication) -> Callable[[], object]:
            return lambda: [*app(environ_of(""), start_response)]

        for app in (hit, hit, crossing):
            ask_for(app)()
        (entry,) = client.keys("accelerator:e:*")
        cases = {GET: lambda: client.get(entry), REDIS_HIT: ask_for(hit), REDIS_CROSSING: ask_for(crossing)}
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
        for _ in range(WARM_UP + 4 * rounds):
            for name, call in cases.items():
                start = perf_counter(), process_time()
                for _ in range(SHORT_BATCH):
                    call()
                taken = perf_counter() - start[0], process_time() - start[1]
                times[name].append((1e6 * taken[0] / SHORT_BATCH, 1e6 * taken[1] / SHORT_BATCH))
        client.close()
    print(f"\n{4 * rounds} rounds of {SHORT_BATCH} requests a case, in process, Redis on a unix socket")
    print(f"{'':35}{'µs':>8}{'times GET':>11}{'µs of CPU':>11}{'times GET':>11}")
    for name, found in times.items():
        line = f"{name:35}"
        for which in (0, 1):
            pairs = [(one[which], base[which]) for one, base in zip(found, times[GET], strict=True)][WARM_UP:]
            line += f"{median(one for one, _ in pairs):{11 if which else 8}.1f}"
            line += f"{median(one / base for one, base in pairs):11.2f}"
        print(line)


class Served:
    """The cases as one application, for gunicorn: the first segment of the path is the number of the case."""

    def __init__(self) -> None:
        self.cases = [app for app, _ in made().values()]

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer as the case does."""
        number, _, rest = environ["PATH_INFO"][1:].partition("/")
        environ["PATH_INFO"] = f"/{rest}"
        environ["RAW_URI"] = environ["RAW_URI"][len(number) + 1 :]
        return self.cases[int(number)](environ, start_response)


def requests_a_second(port: int, number: int, query: Callable[[], str]) -> float:
    """Let clients ask for one case, and return how many requests a second were answered."""

    def client(_: int) -> None:
        with socket.create_connection(("127.0.0.1", port), 30) as connection, connection.makefile("rb") as answers:
            for _ in range(REQUESTS // THREADS):
                connection.sendall(f"GET /{number}/hello?{query()} HTTP/1.1\r\nHost: www.example.org\r\n\r\n".encode())
                length = 0
                while (line := answers.readline()) != b"\r\n":
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.partition(b":")[2])
                assert answers.read(length) == BODY.encode()

    with ThreadPoolExecutor(THREADS) as pool:
        start = perf_counter()
        list(pool.map(client, range(THREADS)))
        return REQUESTS / (perf_counter() - start)


def under_gunicorn(rounds: int) -> None:
    """Ask every case in turn, and print the table."""
    command = [sys.executable, "-m", "gunicorn", "--bind=127.0.0.1:0", f"--threads={THREADS}", "--no-control-socket"]
    here = Path(__file__).resolve().parent
    server = subprocess.Popen(  # noqa: S603 - the command above
        [*command, "--chdir", str(here), f"{Path(__file__).stem}:Served()"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(here)},
    )
    try:
        assert server.stderr is not None
        port = next(int(found[1]) for line in server.stderr if (found := re.search(r"http://127\.0\.0\.1:(\d+)", line)))
        cases = made()
        rates: dict[str, list[float]] = {name: [] for name in cases}
        for turn in range(rounds + 1):
            for number, (name, (_, query)) in enumerate(cases.items()):
                rate = requests_a_second(port, number, query)
                if turn:
                    rates[name].append(rate)
    finally:
        server.terminate()
        server.wait(30)
    print(f"\n{rounds} rounds of {REQUESTS} requests a case, {THREADS} clients, gunicorn with {THREADS} threads")
    print(f"{'':35}{'requests/s':>12}")
    for name, found_rates in rates.items():
        print(f"{name:35}{median(found_rates):12.0f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=30, help="rounds of each case in process (30)")
    arguments = parser.parse_args()
    in_process(arguments.rounds)
    from_redis(arguments.rounds)
    under_gunicorn(3)
