"""What goes on for longer than an answer: an event stream, and a WebSocket."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, NamedTuple

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from benchmarks.sites.differences import Case
from benchmarks.sites.site import PATIENCE
from benchmarks.sites.wire import open_client

if TYPE_CHECKING:
    from benchmarks.sites.compare import Comparison
    from benchmarks.sites.site import Site

SUBSCRIBERS: Final = 3
SWITCHING: Final = 101
PROMPT: Final = 4.0
"""Seconds in which all subscribers have their first event; one that waits for another's answer waits longer."""


class Heard(NamedTuple):
    """What one side said, from the status on."""

    status: int
    said: tuple[object, ...]


def faults(site: Site, door: str, channel: str, bare: str, behind: str, comparison: Comparison) -> list[str]:
    """Follow event streams and talk by WebSocket, at the site and behind the cache, and say what differs.

    Args:
        site: which has `/events/…`, `/tell/…` and `/talk`.
        door: that of the cache.
        channel: a name that no other call has.
        bare: the URL of the site itself.
        behind: its URL behind the cache.
        comparison: knows what may differ.
    """
    found = []
    for kind, hear in (("events", hear_events), ("websocket", hear_socket)):
        wanted, given = hear(bare, f"bare-{channel}"), hear(behind, channel)
        case = Case(site.name, door, kind)
        if wanted != given and not comparison.may_answer(case, wanted[0].status, given[0].status):
            found += [f"{kind}: {each} became {other}" for each, other in zip(wanted, given, strict=True)]
    return found


def hear_events(base: str, channel: str) -> list[Heard]:
    """Subscribe several times to one stream: each has its first event before it is told to go on, then the others."""
    with ExitStack() as stack:
        client = stack.enter_context(open_client(base))
        target, began = f"/events/{channel}", time.monotonic()
        answers = [stack.enter_context(client.stream("GET", target)) for _ in range(SUBSCRIBERS)]
        parts = [answer.iter_raw() for answer in answers]
        firsts = [next(each) for each in parts]
        is_prompt = time.monotonic() - began < PROMPT
        client.post(f"/tell/{channel}").raise_for_status()
        heard = []
        for answer, first, rest in zip(answers, firsts, parts, strict=True):
            is_hit = "; hit" in answer.headers.get("cache-status", "")
            said = (answer.headers["content-type"], is_hit, is_prompt, first, b"".join(rest))
            heard.append(Heard(answer.status_code, said))
        return heard


def hear_socket(base: str, _: str) -> list[Heard]:
    """Say something by WebSocket, and hear it as text, as bytes, and how it ends."""
    try:
        with connect(f"{base.replace('http', 'ws', 1)}/talk", proxy=None, open_timeout=PATIENCE) as socket:
            socket.send("hello, world")
            said = [socket.recv(PATIENCE), socket.recv(PATIENCE)]
            try:
                socket.recv(PATIENCE)
            except ConnectionClosed as end:
                return [Heard(SWITCHING, (*said, end.rcvd and (end.rcvd.code, end.rcvd.reason)))]
            return [Heard(SWITCHING, (*said, "it goes on"))]
    except InvalidStatus as refused:
        return [Heard(refused.response.status_code, ())]
