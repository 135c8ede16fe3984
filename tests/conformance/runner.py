"""Plays the exchanges of a case to a cache, and compares."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

import http_sf
from anyio import wait_all_tasks_blocked

from accelerator.testing import ManualClock
from tests.conformance.case import START, Case, Exchange
from tests.support import Answer, Client, Receive, Scope, Send, chunk, start

Cache = Callable[[Any, ManualClock, Case], Any]
"""Makes the cache for an application, a clock and a case."""


class Broken(Exception):  # noqa: N818 - what the application raises is no error of the test
    """What the application raises where it fails."""


class Origin:
    """The application of one case: it gives the answer of the exchange that is being played."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.exchange: Exchange
        self.number = 0
        self.heard: list[list[tuple[bytes, bytes]]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.heard.append(list(scope["headers"]))
        exchange = (len(self.heard) > 1 and self.exchange.once_more) or self.exchange
        content = content_of(exchange, self.number)
        self.clock.advance(exchange.takes)
        if exchange.fails == "at once":
            raise Broken
        if scope["method"] == "HEAD" or exchange.status in {204, 304}:
            content = b""
        await send(start(*exchange.answer, status=exchange.status))
        if exchange.fails == "half way":
            await send(chunk(content[:1], more=True))
            raise Broken
        await send(chunk(content))


def content_of(exchange: Exchange, number: int) -> bytes:
    """The content of the answer in the exchange of this number."""
    return b"answer %d" % number if exchange.content is None else exchange.content


@dataclass(frozen=True)
class Outcome:
    """What came of one request.

    Attributes:
        answer: what the client got.
        failed: the application's failure came through.
        asked: how often the application had been asked when the client had its answer; None if nobody can tell.
    """

    answer: Answer
    failed: bool
    asked: int | None


async def in_process(cached: Any, exchange: Exchange, origin: Origin) -> Outcome:
    """Send the request to the cache as a server would."""
    client, failed = Client(body=[exchange.body] if exchange.body else ()), False
    try:
        await client.ask(cached, exchange.url, method=exchange.method, headers=exchange.fields)
    except Broken:
        failed = True
    asked = len(origin.heard)
    await wait_all_tasks_blocked()
    return Outcome(client.answer, failed, asked)


Ask = Callable[[Any, Exchange, Origin], Awaitable[Outcome]]
"""Sends the request of an exchange to a cache, and returns when all that it began is over."""


async def play(case: Case, cache: Cache, ask: Ask = in_process) -> None:
    """Play a case from its first exchange to its last; AssertionError says what was not as it must be."""
    clock = ManualClock(START)
    origin = Origin(clock)
    cached = cache(origin, clock, case)
    for number, exchange in enumerate(case.exchanges, 1):
        clock.advance(exchange.after)
        origin.number, origin.exchange, origin.heard = number, exchange, []
        outcome = await ask(cached, exchange, origin)
        where = f"exchange {number}"
        _compare_asked(exchange, outcome.asked, len(origin.heard), where)
        _compare_answer(case, number, outcome, where)
        for name, value in exchange.sees.items():
            assert _values(origin.heard[0], name) == _expected(value), f"{where}: {name} is seen"


async def play_all(cases: Iterable[Case], cache: Cache, ask: Ask = in_process) -> None:
    """Play each case, whatever comes of those before it.

    Raises:
        ExceptionGroup: what has failed, with the names of the cases.
    """
    failures: list[Exception] = []
    for case in cases:
        try:
            await play(case, cache, ask)
        except Exception as error:  # noqa: BLE001 - raised below
            error.add_note(f"in the case {case.id!r}: {case.sentence}")
            failures.append(error)
    if failures:
        raise ExceptionGroup("rules that do not hold", failures)


def _compare_asked(exchange: Exchange, first: int | None, calls: int, where: str) -> None:
    if exchange.asked == "maybe":
        return
    before, in_all = {"before": (1, 1), "twice": (2, 2), "after": (0, 1), "never": (0, 0)}[exchange.asked]
    assert calls == in_all, f"{where}: how often the application is asked"
    assert first in {before, None}, f"{where}: how often the application is asked before the client has its answer"


def _compare_answer(case: Case, number: int, outcome: Outcome, where: str) -> None:
    exchange, answer = case.exchanges[number - 1], outcome.answer
    assert outcome.failed == (exchange.gets is None), f"{where}: the failure reaches the client"
    if exchange.gets is None:
        return
    assert answer.status == exchange.gets, f"{where}: status"
    assert answer.is_complete, f"{where}: the answer has an end"
    assert answer.body == _text(case, number), f"{where}: content"
    for name, value in exchange.has.items():
        assert _values(answer.headers, name) == _expected(value), f"{where}: {name}"
    if exchange.says:
        said = _said(answer)
        found = {name: said.get(name) for name in exchange.says}
        assert found == dict(exchange.says), f"{where}: Cache-Status, of {said}"


def _text(case: Case, number: int) -> bytes:
    exchange = case.exchanges[number - 1]
    if exchange.text is not None:
        return exchange.text
    if exchange.method == "HEAD" or exchange.gets in {204, 304}:
        return b""
    source = exchange.of or number
    return content_of(case.exchanges[source - 1], source)


def _values(lines: Any, name: str) -> list[str]:
    return [value.decode("latin-1") for line, value in lines if line == name.encode()]


def _expected(value: str | tuple[str, ...] | None) -> list[str]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)


def _said(answer: Answer) -> dict[str, str | int | bool]:
    """The parameters of the last member of Cache-Status: the one nearest to the client (RFC 9211 §2)."""
    lines = _values(answer.headers, "cache-status")
    members: Any = http_sf.parse(lines[-1].encode("latin-1"), tltype="list") if lines else []
    _, parameters = members[-1] if members else (None, {})
    return {name: str(said) if isinstance(said, http_sf.Token) else said for name, said in parameters.items()}
