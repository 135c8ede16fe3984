"""The cases themselves: each can fail, has a name of its own, and says what it stands for."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.cases import CASES, each_subject
from tests.conformance.runner import Broken, Cache, play
from tests.support import Client, Receive, Scope, Send

if TYPE_CHECKING:
    from accelerator.testing import ManualClock
    from tests.conformance.case import Case


@pytest.fixture
def anyio_backend() -> str:
    """The data is the same on every backend."""
    return "asyncio"


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
@each_subject
async def test_each_case_fails_without_a_cache_or_with_one_that_knows_no_rule(cases: list[Case]) -> None:
    assert [case.id for case in cases if not (await fails(case, bare) or await fails(case, hoarding))] == []


def test_each_case_has_a_name_of_its_own() -> None:
    assert [name for name, count in Counter(name for name, _ in CASES).items() if count > 1] == []


@pytest.mark.parametrize(
    ("attribute", "pattern"),
    [
        ("id", r"\w[\w-]*\w"),
        ("sentence", r"[^ ].*[^ ]\."),
        ("section", r"RFC \d{4} §[\d.]*\d|the opt-in|a safety choice"),
    ],
)
def test_each_case_says_what_it_stands_for(attribute: str, pattern: str) -> None:
    assert [name for name, case in CASES if not re.fullmatch(pattern, getattr(case, attribute))] == []


def test_a_content_comes_from_an_exchange_that_is_there() -> None:
    for name, case in CASES:
        for exchange in case.exchanges:
            assert exchange.of is None or 1 <= exchange.of <= len(case.exchanges), name
            assert exchange.of is None or exchange.text is None, name
