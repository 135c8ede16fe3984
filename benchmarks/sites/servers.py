"""Servers as processes of their own, on a port of this machine, ended by their id."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx

from accelerator.demo.redis_server import free_port
from benchmarks.sites.site import PATIENCE
from benchmarks.sites.wire import open_client

if TYPE_CHECKING:
    from types import TracebackType

    from benchmarks.sites.site import Site

ROOT: Final = Path(__file__).parents[2]

START: Final = 180.0
"""Seconds in which a server has to answer for the first time."""

ALIKE: Final = {"PYTHONHASHSEED": "0", "TZ": "UTC"}
"""What lets two processes answer alike: sets are gone through in the same order."""

APP: Final = "benchmarks.sites.serve:app"
COMMANDS: Final = {
    "uvicorn": f"uvicorn --factory {APP} --port {{port}} --no-access-log --timeout-keep-alive 120",
    "gunicorn": f"gunicorn {APP}() --bind 127.0.0.1:{{port}} --worker-class gthread --threads 4 --keep-alive 120"
    " --no-control-socket",
    "waitress": f"waitress --listen=127.0.0.1:{{port}} --call {APP}",
}
"""The command of each server, after `python -m`."""

GATEWAY: Final = (
    "uvicorn --factory benchmarks.sites.serve:gateway --port {port} --no-access-log --timeout-keep-alive 120"
    " --no-date-header --no-server-header"  # as `python -m accelerator gateway` runs it
)


class Server:
    """A process that begins to serve; enter it to have it ended.

    Args:
        command: the words after `python`, `{port}` among them.
        python: which one.
        told: what its environment says besides.
        log: where it writes what it has to say.

    Attributes:
        url: where it serves.
        log: where it writes.
    """

    def __init__(self, command: str, python: Path, told: dict[str, str], log: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - the commands are those above
                [str(python), "-m", *command.format(port=port).split()],
                cwd=ROOT,
                env={**os.environ, **ALIKE, "PYTHONPATH": str(ROOT), **told},
                stdout=output,
                stderr=output,
            )

    def wait(self) -> None:
        """Wait until it answers.

        Raises:
            RuntimeError: it does not.
        """
        until = time.monotonic() + START
        with open_client(self.url) as client:
            while time.monotonic() < until and self._process.poll() is None:
                try:
                    client.get("/not-there")
                except httpx.TransportError:
                    time.sleep(0.05)
                else:
                    return
        raise RuntimeError(f"it does not answer: {self.log.read_text(errors='replace')[-4000:]}")

    def complaints(self) -> list[str]:
        """Return the lines of its log that tell of an exception."""
        return [line for line in self.log.read_text(errors="replace").splitlines() if "Traceback" in line]

    def __enter__(self) -> Server:
        """Have it ended."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def serve(site: Site, python: Path, home: Path, store: str) -> Server:
    """Serve a site.

    Args:
        site: which.
        python: that of the site's environment.
        home: the site's data, its own.
        store: `memory`, a Redis' URL, or nothing for the bare site.
    """
    told = {"SITE_NAME": site.name, "SITE_HOME": str(home), "SITE_STORE": store}
    return Server(COMMANDS[site.server], python, told, home.with_suffix(".log"))


def serve_gateway(site: Site, origin: str, store: str, log: Path) -> Server:
    """Serve the gateway to an origin, with the options of a site."""
    told = {"SITE_NAME": site.name, "SITE_ORIGIN": origin, "SITE_STORE": store}
    return Server(GATEWAY, Path(sys.executable), told, log)
