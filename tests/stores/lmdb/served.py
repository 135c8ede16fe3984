"""An application on an LMDBStore, for servers: each page says which process made it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from accelerator import LMDBStore, WSGIAccelerator, cache_for, tag

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

MOMENT = 0.02
"""Seconds in which the next request is another worker's to take."""


def page(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    cache_for(60)
    tag("page")
    time.sleep(MOMENT)
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Made-By", str(os.getpid()))])
    return [b"page"]


store = LMDBStore(os.environ["STORE"])
app = WSGIAccelerator(page, store=store)
if os.environ.get("CLEAR"):
    app.clear()  # the parent of the workers has the file open when it forks
