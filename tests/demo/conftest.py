from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import httpx
import pytest

from accelerator.demo.database import create
from accelerator.demo.site import create_site

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from fastapi import FastAPI


@pytest.fixture
def anyio_backend() -> str:
    """The demo is served by uvicorn, so it runs on asyncio alone."""
    return "asyncio"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database with everybody in it."""
    path = tmp_path / "site.sqlite3"
    create(path)
    return path


@pytest.fixture
def site(database: Path) -> FastAPI:
    """The site, without its delays."""
    return create_site(database, slowness=0)


@pytest.fixture
async def browser(site: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who looks at it, and does not follow redirects by itself."""
    transport = httpx.ASGITransport(app=site)
    async with httpx.AsyncClient(transport=transport, base_url="http://porch.example") as client:
        yield client


@pytest.fixture
def _handlers_come_back() -> Iterator[None]:
    before = {name: signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for name, handler in before.items():
        signal.signal(name, handler)
