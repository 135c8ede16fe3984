"""The suite's origin, and the gateway under each server, as processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx

from accelerator import ASGIAccelerator, RedisStore
from accelerator.demo.redis_server import free_port
from accelerator.gateway import Gateway

if TYPE_CHECKING:
    from collections.abc import Iterator

    from accelerator.options import OptionArguments

PATIENCE: Final = 20.0
"""Seconds in which a server has to answer, and to end."""

OPTIONS: Final[OptionArguments] = {
    "cacheable_errors": True,
    "heuristic": True,
    "obey_request_directives": True,
    "stale_if_error": 3600,
}
"""What RFC 9111 permits a cache, but does not ask of it."""

APP: Final = "benchmarks.conformance.servers:app"
UVICORN: Final = f"uvicorn --factory {APP} --port {{port}} --no-date-header --no-server-header --http"
SERVERS: Final = {
    "uvicorn-httptools": f"{UVICORN} httptools",
    "uvicorn-h11": f"{UVICORN} h11",
    "hypercorn": f"hypercorn --config {Path(__file__).with_name('hypercorn.toml')} --bind 127.0.0.1:{{port}} {APP}()",
    "granian": f"granian --interface asgi --factory {APP} --host 127.0.0.1 --port {{port}}",
}
"""The command of each server, after `python -m`; the first is what `python -m accelerator gateway` runs."""


def app() -> ASGIAccelerator:
    """Return the gateway as the command makes it, but patient with its store: a hundred requests come at once."""
    url = os.environ["CONFORMANCE_STORE"]
    store = RedisStore(url, deadline=PATIENCE) if url else None
    return ASGIAccelerator(Gateway(os.environ["CONFORMANCE_ORIGIN"]), store=store, **OPTIONS)


def flags() -> list[str]:
    """Return the options as those of the command."""
    names = {name.replace("_", "-"): value for name, value in OPTIONS.items()}
    return [f"--{name}" if value is True else f"--{name}={value}" for name, value in names.items()]


@contextmanager
def origin(folder: Path, log: Path) -> Iterator[str]:
    """Serve the suite's origin, and give its URL."""
    port = free_port()
    told = {"npm_config_protocol": "http", "npm_config_port": str(port), "npm_config_pidfile": str(log) + ".pid"}
    with _running(["node", "--no-warnings", "server/server.mjs"], port, log, folder, told):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def gateway(server: str, origin: str, store: str, log: Path) -> Iterator[str]:
    """Serve the origin through the gateway, with the store that has this URL, and give its own URL."""
    port = free_port()
    words = SERVERS[server].format(port=port).split()
    told = {"CONFORMANCE_ORIGIN": origin, "CONFORMANCE_STORE": store}
    with _running([sys.executable, "-m", *words], port, log, None, told):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _running(command: list[str], port: int, log: Path, folder: Path | None, told: dict[str, str]) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - the commands are those above
            command, cwd=folder, env=os.environ | told, stdout=output, stderr=output
        )
    try:
        _wait(process, port, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.poll() is None:
        try:
            httpx.get(f"http://127.0.0.1:{port}/", trust_env=False, timeout=PATIENCE).raise_for_status()
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"it does not answer: {log.read_text(errors='replace')[-2000:]}")
