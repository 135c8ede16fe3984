"""Who asks for which content codings, in which order, and what each is given: for ASGI and WSGI alike.

The application compresses for `gzip` and says `Vary: Accept-Encoding` only on what it compressed, as Gradio and most of
those do that compress.
"""

from __future__ import annotations

import gzip
from typing import Any, NamedTuple

from accelerator import cache_for
from tests.support import Answer, App, Lines, Scope, ask

PAGE = b"all work and no play " * 200
VALIDATOR = "Thu, 14 Jan 2027 08:00:00 GMT"


class Step(NamedTuple):
    """One request.

    Attributes:
        accepted: its Accept-Encoding, None for none.
        coding: the coding of what it is given, None for none.
        is_hit: whether that comes from the store.
        method: its method.
    """

    accepted: str | None
    coding: str | None
    is_hit: bool
    method: str = "GET"


def missed(accepted: str | None, coding: str | None = None, method: str = "GET") -> Step:
    return Step(accepted, coding, False, method)


def hit(accepted: str | None, coding: str | None = None, method: str = "GET") -> Step:
    return Step(accepted, coding, True, method)


BROWSER = "gzip, deflate, br, zstd"

COMPRESSED: dict[str, list[Step]] = {
    "a client without it first": [
        missed(None),
        missed("gzip", "gzip"),
        hit("gzip", "gzip"),
        hit(None),
        missed(BROWSER, "gzip"),
        hit(BROWSER, "gzip"),
        hit(None),
    ],
    "a client with it first": [missed("gzip", "gzip"), missed(None), hit("gzip", "gzip"), hit(None)],
    "identity first": [missed("identity"), missed("gzip", "gzip"), hit("identity"), hit(None), hit("gzip", "gzip")],
    "a wildcard that refuses first": [missed("*;q=0"), missed("gzip", "gzip"), hit("*;q=0"), hit("gzip", "gzip")],
    "gzip refused first": [missed("gzip;q=0"), hit(None), missed("gzip", "gzip"), hit("gzip;q=0"), hit("gzip", "gzip")],
    "a coding that the application lacks first": [missed("br"), missed("gzip", "gzip"), hit("br"), hit("gzip", "gzip")],
    "a wildcard first": [missed("*"), missed("gzip", "gzip"), hit("*"), hit("gzip", "gzip")],
    "what is malformed first": [missed("gzip;;"), missed("gzip", "gzip"), hit("gzip", "gzip")],
    "identity preferred first": [
        missed("identity, gzip;q=0.5"),
        missed("gzip", "gzip"),
        hit("identity, gzip;q=0.5"),
        hit("gzip", "gzip"),
    ],
    "a coding that the application lacks in between": [
        missed(None),
        missed("gzip", "gzip"),
        hit("br"),
        hit("*"),
        hit("gzip", "gzip"),
        hit(None),
    ],
    "HEAD of a client with it": [
        missed(None),
        missed("gzip", "gzip", "HEAD"),
        hit(None, None, "HEAD"),
        missed("gzip", "gzip"),
        hit("gzip", "gzip", "HEAD"),
        hit(None, None, "HEAD"),
    ],
}

UNCOMPRESSED: dict[str, list[Step]] = {
    "a client without it first": [missed(None), missed("gzip"), hit(BROWSER), hit("br"), hit("*"), hit(None)],
    "a client with it first": [missed("gzip"), hit(BROWSER), hit(None), hit("identity"), hit("*;q=0")],
}


def coded(accepted: str | None) -> tuple[list[tuple[str, str]], bytes]:
    """Return the header lines and the body for an Accept-Encoding."""
    codings = [member.strip() for member in (accepted or "").split(",")]
    if "gzip" in codings:
        return [("content-encoding", "gzip"), ("vary", "Accept-Encoding")], gzip.compress(PAGE, mtime=0)
    return [], PAGE


def compressing(*lines: tuple[str, str]) -> App:
    """An application that compresses, and says 304 where it is asked whether a page is as old as this."""

    async def handle(scope: Scope) -> tuple[int, Lines, bytes]:
        cache_for(60)
        fields = {name.decode(): value.decode() for name, value in scope["headers"]}
        if "if-modified-since" in fields:
            return 304, lines, b""
        more, body = coded(fields.get("accept-encoding"))
        return 200, [*lines, *more], b"" if scope["method"] == "HEAD" else body

    return App(handle)


async def asked(app: Any, step: Step) -> Answer:
    return await ask(app, method=step.method, headers=[("accept-encoding", step.accepted)] if step.accepted else [])


def given(answer: Answer, step: Step) -> Step:
    """What a step came to."""
    return step._replace(coding=answer.get("content-encoding"), is_hit="; hit" in str(answer.get("cache-status")))
