"""Every rule of HTTP caching, one test each."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from accelerator import ASGIAccelerator
from tests.conformance import (
    age,
    authorization,
    cache_status,
    conditions,
    directives,
    fields,
    freshness,
    groups,
    heuristics,
    invalidation,
    methods,
    ranges,
    request_directives,
    stale,
    storing,
    targeted,
    validation,
    vary,
)
from tests.conformance.case import Case, Exchange
from tests.conformance.runner import Broken, Cache, content_of, play
from tests.support import Client, Receive, Scope, Send

if TYPE_CHECKING:
    from types import ModuleType

    from accelerator.testing import ManualClock

MODULES: tuple[ModuleType, ...] = (
    age,
    authorization,
    cache_status,
    conditions,
    directives,
    fields,
    freshness,
    groups,
    heuristics,
    invalidation,
    methods,
    ranges,
    request_directives,
    stale,
    storing,
    targeted,
    validation,
    vary,
)
CASES = [(f"{module.__name__.rpartition('.')[2]}-{case.id}", case) for module in MODULES for case in module.CASES]

each_case = pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES])


def accelerated(app: Any, clock: ManualClock, case: Case) -> Any:
    """The cache under test."""
    return ASGIAccelerator(app, clock=clock, **case.options)


@pytest.mark.anyio
@each_case
async def test_the_rule_holds(case: Case) -> None:
    await play(case, accelerated)


# --- the cases themselves ---------------------------------------------------------------------------------------------


def bare(app: Any, clock: ManualClock, case: Case) -> Any:
    """No cache at all."""
    return app


class Hoarder:
    """A cache that knows no rule: what it has for a path it gives to everyone, for ever."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.kept: dict[str, list[Any]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] not in self.kept:
            client = Client()
            self.kept[scope["path"]] = client.answer.messages
            await self.app(scope, client.receive, client.send)
        for message in self.kept[scope["path"]]:
            await send(message)


def hoarding(app: Any, clock: ManualClock, case: Case) -> Any:
    """A cache that keeps too much."""
    return Hoarder(app)


async def fails(case: Case, cache: Cache) -> bool:
    try:
        await play(case, cache)
    except (AssertionError, Broken):
        return True
    return False


@pytest.mark.anyio
@each_case
async def test_the_case_fails_without_a_cache_or_with_one_that_knows_no_rule(case: Case) -> None:
    assert await fails(case, bare) or await fails(case, hoarding)


def test_each_case_has_a_name_of_its_own() -> None:
    assert [name for name, count in Counter(name for name, _ in CASES).items() if count > 1] == []


@each_case
def test_a_case_states_its_rule_and_where_it_is_written(case: Case) -> None:
    assert re.fullmatch(r"\w[\w-]*\w", case.id)
    assert re.fullmatch(r"[^ ].*[^ ]\.", case.sentence)
    assert re.fullmatch(r"RFC \d{4} §[\d.]*\d|RFC 5861 §[34]|the opt-in|a safety choice", case.section)


@each_case
def test_a_content_is_named_once_and_from_an_exchange_that_is_there(case: Case) -> None:
    for exchange in case.exchanges:
        assert exchange.of is None or (exchange.text is None and 1 <= exchange.of <= len(case.exchanges))
    assert all(isinstance(exchange, Exchange) and content_of(exchange, 1) is not None for exchange in case.exchanges)
