"""A folder of files of many kinds."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

if TYPE_CHECKING:
    from pathlib import Path

PAGE: Final = """\
<!doctype html><title>files</title><link rel="stylesheet" href="style.css"><script src="/script.js"></script>
<img src="picture.png" srcset="picture.png 1x, large.png 2x">
<a href="sub/">a folder</a> <a href="sub">without its slash</a> <a href="empty.txt">nothing</a>
<a href="one">one byte</a> <a href="a%20b.html">a blank</a> <a href="\u00e9t\u00e9.html">letters</a>
<a href="archive.tar.gz">an archive</a> <a href="gone.html">what is not there</a> <a href="?page=2">a query</a>
<a href="https://elsewhere.example/">elsewhere</a>
"""

FILES: Final = {
    "index.html": PAGE.encode(),
    "sub/index.html": b"<!doctype html><title>sub</title><a href='../style.css'>style</a>",
    "style.css": b"p { color: red }\n" * 500,
    "script.js": b"console.log('script')\n" * 200,
    "picture.png": bytes(range(256)) * 30,
    "large.png": bytes(range(256)) * 3000,
    "archive.tar.gz": bytes(reversed(range(256))) * 10,
    "empty.txt": b"",
    "one": b"1",
    "a b.html": b"a blank",
    "\u00e9t\u00e9.html": "\u00e9t\u00e9".encode() * 300,
    "404.html": b"<!doctype html><title>not there</title>",
}


def prepare(home: Path) -> None:
    """Write the files."""
    for name, content in FILES.items():
        path = home / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (1_000_000_000, 1_000_000_000))


def application(home: Path) -> Starlette:
    """Serve the folder."""
    files = StaticFiles(directory=home, html=True)
    return Starlette(routes=[Mount("/", files)], middleware=[Middleware(GZipMiddleware)])
