"""What holds where the package is installed and nothing else is: `python -I smoke.py [EXTRAS]`, run by `nox -s build`.

It is a script, for it runs where there is no pytest. With `-I` Python finds what is installed, not what stands beside.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from importlib.metadata import metadata
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any
from wsgiref.util import setup_testing_defaults

import anyio

import accelerator
from accelerator import ASGIAccelerator, WSGIAccelerator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

PAGE = {"type": "http", "method": "GET", "path": "/", "raw_path": b"/", "query_string": b"", "root_path": ""}
SERVER: dict[str, Any] = {"scheme": "https", "http_version": "1.1", "headers": [(b"host", b"example.org")]}


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python as somebody would who has installed the package."""
    command = [sys.executable, "-I", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603 - ours


def check_what_is_installed() -> None:
    where = Path(accelerator.__file__)
    assert where.is_relative_to(sys.prefix), where
    assert files("accelerator").joinpath("py.typed").is_file(), "type checkers would ignore the types"
    assert files("accelerator.demo").joinpath("templates", "home.html").is_file(), "the demo lacks its pages"
    said = metadata("asgi-accelerator")
    assert (said["License-Expression"], said["License-File"]) == ("MIT", "LICENSE")


def check_asgi() -> None:
    """A second request is a hit, and what is taken back is made anew."""
    calls: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        accelerator.cache_for(60)
        accelerator.tag("greeting")
        calls.append(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"answer %d" % len(calls)})

    cached = ASGIAccelerator(app)

    async def ask() -> tuple[bytes, bool]:
        said: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            said.append(message)

        await cached({**PAGE, **SERVER}, receive, send)
        status = dict(said[0]["headers"])[b"cache-status"]
        return b"".join(message["body"] for message in said[1:]), b"; hit" in status

    async def visit() -> None:
        answers = [await ask(), await ask()]
        await cached.invalidate_tag("greeting")
        answers.append(await ask())
        assert answers == [(b"answer 1", False), (b"answer 1", True), (b"answer 2", False)], answers

    anyio.run(visit)


def check_wsgi() -> None:
    """The same for WSGI."""
    calls: list[str] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["accelerator.cache_for"] = 60
        environ["accelerator.tags"] = ["greeting"]
        calls.append(environ["PATH_INFO"])
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"answer %d" % len(calls)]

    cached = WSGIAccelerator(app)

    def ask() -> tuple[bytes, bool]:
        environ: WSGIEnvironment = {}
        setup_testing_defaults(environ)
        said: dict[str, str] = {}

        def start_response(_: str, headers: list[tuple[str, str]], __: Any = None) -> Callable[[bytes], object]:
            said.update((name.lower(), value) for name, value in headers)
            return io.BytesIO().write

        return b"".join(cached(environ, start_response)), "; hit" in said["cache-status"]

    answers = [ask(), ask()]
    cached.invalidate_tag(["greeting"])
    answers.append(ask())
    assert answers == [(b"answer 1", False), (b"answer 1", True), (b"answer 2", False)], answers


def check_without_extras() -> None:
    """What needs an extra says which one, and shows no traceback."""
    told = run_python("-c", "from accelerator import RedisStore")
    assert told.stderr.endswith('RedisStore needs an extra: pip install "asgi-accelerator[redis]"\n'), told
    told = run_python("-m", "accelerator", "--help")
    assert told.returncode == 2, told
    assert 'pip install "asgi-accelerator[cli]"' in told.stderr, told
    assert "Traceback" not in told.stderr, told


def check_with_extras() -> None:
    """Each command is there, and so is the store."""
    from accelerator import LMDBStore, RedisStore
    from accelerator.demo import serve
    from accelerator.gateway import Gateway
    from accelerator.ops import OpsApp

    assert {"LMDBStore", "RedisStore"} <= {*accelerator.__all__}
    with tempfile.TemporaryDirectory() as folder:
        LMDBStore(folder).close()
    assert RedisStore("redis://localhost")  # it opens no connection
    assert Gateway("http://127.0.0.1:9000")
    assert OpsApp(authorize=lambda _: None)  # it reads the files of its page
    assert callable(serve.serve)  # it could be imported
    for arguments in ([], ["purge"], ["gateway"], ["demo"], ["explain"], ["top"], ["stats"], ["ls"]):
        told = run_python("-m", "accelerator", *arguments, "--help")
        assert told.returncode == 0, told
        assert told.stdout.startswith(f"Usage: {' '.join(['python -m accelerator', *arguments])}"), told


if __name__ == "__main__":
    check_what_is_installed()
    check_asgi()
    check_wsgi()
    check_with_extras() if sys.argv[1:] else check_without_extras()
    sys.stdout.write(f"{accelerator.__file__} works {'with all extras' if sys.argv[1:] else 'by itself'}\n")
