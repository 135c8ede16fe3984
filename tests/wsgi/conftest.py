"""Servers that are started by the first test that asks them, and run until the last test of its module."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.wsgi.servers import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="module")
def serve() -> Iterator[Callable[..., Server]]:
    """Return a running server of a kind for an application, the same one each time."""
    running: dict[tuple[str, str], Server] = {}

    with ExitStack() as stack:

        def serve(kind: str, target: str, **environment: str) -> Server:
            if (kind, target) not in running:
                running[kind, target] = stack.enter_context(Server(kind, target, **environment))
            return running[kind, target]

        yield serve
