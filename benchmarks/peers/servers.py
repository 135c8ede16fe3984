"""Servers as processes of their own on one processor, with the CPU time that they take.

It needs Linux, where a process can be held on a processor and be asked for its time.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Final

import psutil

from accelerator.demo.redis_server import free_port
from benchmarks.peers import proxies
from benchmarks.peers.catalogue import ROOT, Case
from benchmarks.peers.site import path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.peers.site import Site

PATIENCE: Final = 30.0
"""Seconds in which a server has to answer, and to end."""

APP: Final = "benchmarks.peers.site:app"
UVICORN: Final = (
    f"-m uvicorn --factory {APP} --port {{port}} --workers {{workers}} --loop auto --http httptools --no-access-log"
    " --log-level warning --timeout-keep-alive 300"
)
GUNICORN: Final = (
    f"-m gunicorn {APP}() --bind 127.0.0.1:{{port}} --workers {{workers}} --worker-class gthread --threads 64"
    " --keep-alive 300 --no-control-socket --log-level warning"
)
"""The words after `python`. Environments have uvloop, which `auto` takes. There are more threads than connections."""

IS_WSGI: Final = ("flask", "django")


class Server:
    """What answers on a port; `serve` makes it.

    Attributes:
        port: of 127.0.0.1.
        processes: those that the answers are made by, and the CPU time of each when it was last asked for.
    """

    def __init__(self, port: int, processes: list[int]) -> None:
        self.port = port
        self.processes = dict.fromkeys(processes, 0.0)

    def cpu_seconds(self) -> float:
        """Return the CPU time that its processes took so far; one that has ended, as nginx's cache loader does, too."""
        for pid in self.processes:
            with suppress(OSError):
                self.processes[pid] = _cpu_seconds(pid)
        return sum(self.processes.values())


def processors() -> tuple[set[int], set[int]]:
    """Return the processors of the client and those of servers: one each where there are two."""
    usable = sorted(os.sched_getaffinity(0))
    return {usable[0]}, {usable[-1]}


@contextmanager
def held_on(chosen: set[int]) -> Iterator[None]:
    """Run this process, and the processes that it starts, on these processors."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, chosen)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def is_installed(proxy: str) -> bool:
    """Return whether a proxy is on this machine; nginx comes from its environment."""
    return proxy != "varnish" or shutil.which("varnishd") is not None


@contextmanager
def serve(case: Case, site: Site, python: Path, workers: int = 1) -> Iterator[Server]:
    """Serve a site, behind its proxy if it has one, and give the server.

    Raises:
        RuntimeError: it does not answer; what it wrote.
    """
    with ExitStack() as stack:
        words = GUNICORN if case.framework in IS_WSGI else UVICORN
        folder = site.calls.parent
        port = free_port()
        command = [str(python), *words.format(port=port, workers=workers).split(), *case.options]
        started = [stack.enter_context(_running(command, port, folder / "log", site.told()))]
        if case.proxy:
            origin, port = port, free_port()
            command = proxies.command(case.proxy, python, folder, port, origin)
            started.append(stack.enter_context(_running(command, port, folder / "proxy.log", {})))
        yield Server(port, [each.pid for process in started for each in _family(process.pid)])


@contextmanager
def _running(command: list[str], port: int, log: Path, told: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - the commands are those above
            command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT), **told}, stdout=output, stderr=output
        )
    try:
        _wait(process, port, log)
        yield process
    finally:
        family = _family(process.pid)
        process.terminate()
        _, alive = psutil.wait_procs(family, PATIENCE)
        for each in alive:
            each.kill()
        process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.poll() is None:
        connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        with suppress(OSError), closing(connection):
            connection.request("GET", path(1, 0, 0))
            if connection.getresponse().status == 200:
                return
        time.sleep(0.05)
    raise RuntimeError(f"it does not answer: {log.read_text(errors='replace')[-2000:]}")


def _family(pid: int) -> list[psutil.Process]:
    """Return a process and those that it started; none if it has ended."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process with all its threads; the clock's number is that of clock_getcpuclockid(3)."""
    return time.clock_gettime((~pid << 3) | 2)
