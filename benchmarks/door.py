"""How many hits a second uvicorn answers: with `AcceleratedProtocol`, without it, and a bare application beside them.

The bare application sends the cache's own messages, each line and byte, and does nothing else. uvicorn serves all of
them with uvloop and httptools, each in a process of its own, on one processor; wrk asks from another one, over
connections that it keeps, with the header lines of a browser. The servers take turns in one run, so that a busy machine
slows all of them: the ratio is the median over the rounds of the ratio to the bare application in the same round. `CPU`
is what the server's process takes for a request, in microseconds, the kernel's part included.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Final, NamedTuple

import uvicorn

from accelerator import ASGIAccelerator

if TYPE_CHECKING:
    from accelerator.asgi_types import Message, Receive, Scope, Send

CONNECTIONS: Final = 32
BARE: Final = "bare ASGI application"
PLAIN, DOOR = "httptools", "accelerator.servers.uvicorn:AcceleratedProtocol"
CASES: Final = {BARE: (PLAIN, "bare"), "hit": (PLAIN, "cached"), "hit, AcceleratedProtocol": (DOOR, "cached")}
TARGET: Final = "/page?a=1"
BROWSER: Final = (
    ("connection", "keep-alive"),
    ("sec-ch-ua", '"Chromium";v="136", "Not.A/Brand";v="99"'),
    ("sec-ch-ua-mobile", "?0"),
    ("upgrade-insecure-requests", "1"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/136.0 Safari/537.36"),
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"),
    ("sec-fetch-site", "same-origin"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-dest", "document"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("accept-language", "en-GB,en;q=0.9,de;q=0.8"),
)
LINES: Final = (
    (b"content-type", b"text/html; charset=utf-8"),
    (b"cache-control", b"public, s-maxage=86400, max-age=0"),
    (b"cache-tag", b"a, b, c, d, e"),
    (b"vary", b"accept-encoding"),
    (b"x-frame-options", b"DENY"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'self'; img-src * data:"),
)
BODY: Final = b"x" * 10_000


async def page(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Answer with a page, as any application might."""
    lines = [*LINES, (b"content-length", b"%d" % len(BODY))]
    await send({"type": "http.response.start", "status": 200, "headers": lines})
    await send({"type": "http.response.body", "body": BODY})


def messages_of_a_hit() -> list[Message]:
    """Return what the cache answers with."""
    app = ASGIAccelerator(page)
    lines = [(b"host", b"127.0.0.1"), *((name.encode(), value.encode()) for name, value in BROWSER)]
    scope = {"type": "http", "method": "GET", "path": "/page", "raw_path": b"/page", "query_string": b"a=1"}
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def keep(message: Message) -> None:
        sent.append(message)

    async def ask_twice() -> None:
        for _ in range(2):
            sent.clear()
            await app({**scope, "scheme": "http", "http_version": "1.1", "headers": lines}, receive, keep)

    asyncio.run(ask_twice())
    return sent


async def bare(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Answer what the cache answers, with nothing around it."""
    await send({**start, "headers": list(start["headers"])})
    await send({**content})


cached = ASGIAccelerator(page)


class Server(NamedTuple):
    """A server that was started."""

    port: int
    process: subprocess.Popen[bytes]

    def processor_seconds(self) -> float:
        """Return what the process has taken so far, in the kernel and outside of it."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def started(http: str, app: str) -> Server:
    """Start a server on one processor, and return once it listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = ["uvicorn", "--loop", "uvloop", "--http", http, "--port", str(port), "--lifespan", "off"]
    words += ["--log-level", "warning", f"benchmarks.door:{app}"]
    process = subprocess.Popen(  # noqa: S603 - these words
        ["taskset", "-c", "0", sys.executable, "-m", *words],  # noqa: S607 - wherever it is
        cwd=Path(__file__).parents[1],
    )
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            assert process.poll() is None, "the server has ended"
            time.sleep(0.05)
        else:
            return Server(port, process)


def slice_of(server: Server, seconds: int) -> tuple[float, float]:
    """Ask a server for that long; return requests a second, and the processor's microseconds for each."""
    lines = [word for name, value in BROWSER for word in ("-H", f"{name}: {value}")]
    words = ["taskset", "-c", "1", "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", *lines]
    before = server.processor_seconds()
    done = subprocess.run(  # noqa: S603 - these words
        [*words, f"http://127.0.0.1:{server.port}{TARGET}"], capture_output=True, text=True, check=True
    )
    taken = server.processor_seconds() - before
    assert "Non-2xx" not in done.stdout, done.stdout
    requests, rate = re.search(r"(\d+) requests in", done.stdout), re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    assert requests is not None
    assert rate is not None
    assert int(requests[1]), "no request was answered"
    return float(rate[1]), taken / int(requests[1]) * 1e6


def main(rounds: int, seconds: int) -> None:
    """Measure the servers in turn, round by round, and print the table."""
    if missing := [program for program in ("taskset", "wrk") if shutil.which(program) is None]:
        raise SystemExit(f"This needs {' and '.join(missing)}; Debian has the packages util-linux and wrk.")
    rates: dict[str, list[float]] = {name: [] for name in CASES}
    costs: dict[str, list[float]] = {name: [] for name in CASES}
    with ExitStack() as ends:
        servers = {name: started(*words) for name, words in CASES.items()}
        for server in servers.values():
            ends.callback(server.process.wait)
            ends.callback(server.process.terminate)
            slice_of(server, 1)
        for turn in range(rounds):
            for name in list(servers) if turn % 2 else reversed(servers):
                rate, cost = slice_of(servers[name], seconds)
                rates[name].append(rate)
                costs[name].append(cost)
    print(f"Python {sys.version.split()[0]}, uvicorn {uvicorn.__version__}; {len(BODY)} bytes; {rounds} rounds", end="")
    print(f" of {seconds} s, {CONNECTIONS} connections")
    print(f"{'':30}{'a second':>10}{'quartiles':>15}{'ratio':>8}{'CPU':>8}{'ratio':>8}")
    for name in CASES:
        low, _, high = quantiles(rates[name], n=4)
        ratio = median(rate / base for rate, base in zip(rates[name], rates[BARE], strict=True))
        saved = median(base / cost for cost, base in zip(costs[name], costs[BARE], strict=True))
        spread = f"{low:.0f}-{high:.0f}"
        print(f"{name:30}{median(rates[name]):10.0f}{spread:>15}{ratio:8.2f}{median(costs[name]):8.1f}{saved:8.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=15, help="rounds of each server (15)")
    parser.add_argument("--seconds", type=int, default=2, help="seconds of each slice (2)")
    arguments = parser.parse_args()
    main(arguments.rounds, arguments.seconds)
else:
    start, content = messages_of_a_hit()  # where uvicorn imports it
