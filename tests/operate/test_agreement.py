"""Under load, with four workers, all that operators are shown agrees with what the client counted, to the request."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.stores.memory.test_workers import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WORKERS = 4
REQUESTS = 1200
PATIENCE = 60.0
UVICORN = f"uvicorn --host 127.0.0.1 --port {{port}} --log-level warning --workers {WORKERS} tests.operate.site:app"
OF_CLIENT = ("hit", "stored", "private", "method")
"""What the requests of the client come to. Those of operators, which are counted as well, come to other reasons."""


class Crowd:
    """Clients who ask for pages, and count what `Cache-Status` says."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.counted: Counter[str] = Counter()
        self.bytes = 0

    async def ask(self, number: int) -> None:
        """Send a request on a connection of its own, which any worker may take."""
        method, path = "GET", f"/page/{number % 37}"
        if number % 11 == 0:
            path = "/private"
        elif number % 97 == 0:
            method = "POST"
        async with httpx.AsyncClient(timeout=PATIENCE) as client:
            answer = await client.request(method, self.url + path)
        status = answer.headers["cache-status"]
        what = next(
            name for name in OF_CLIENT if re.search(rf"\b{name}\b|collapsed" if name == "hit" else name, status)
        )
        self.counted[what] += 1
        if what == "hit":
            self.bytes += len(answer.content)

    async def ask_much(self, requests: int) -> None:
        """Send so many requests, a dozen at a time."""
        gate = asyncio.Semaphore(12)

        async def one(number: int) -> None:
            async with gate:
                await self.ask(number)

        async with asyncio.TaskGroup() as tasks:
            for number in range(requests):
                tasks.create_task(one(number))


def of_figures(figures: Any) -> Counter[str]:
    counted: Counter[str] = Counter()
    for outcome, reasons in figures["requests"].items():
        for reason, number in reasons.items():
            counted[reason or outcome] += number
    return Counter({name: counted[name] for name in OF_CLIENT if counted[name]})


def of_scrape(text: str) -> Counter[str]:
    counted: Counter[str] = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "accelerator_requests_total":
                counted[sample.labels["reason"] or sample.labels["outcome"]] += int(sample.value)
    return Counter({name: counted[name] for name in OF_CLIENT if counted[name]})


@pytest.fixture(params=["lmdb", "prometheus directory"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    is_shared = request.param == "lmdb"
    (tmp_path / "multiproc").mkdir()
    environment = (
        {"STORE": f"lmdb://{tmp_path}/site"} if is_shared else {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "multiproc")}
    )
    server = Server(UVICORN, tmp_path / "log", **environment)
    server.ask("metrics")  # it waits until a worker listens
    yield server
    server.end()
    assert "Traceback" not in server.log


async def agreed(read: Callable[[], Any], counted: Counter[str]) -> Counter[str]:
    """Return what is shown, once it is what was counted, or does not become so."""
    deadline = time.monotonic() + PATIENCE
    while (shown := await read()) != counted and time.monotonic() < deadline:  # noqa: ASYNC110 - processes tell each other
        await asyncio.sleep(0.1)
    assert isinstance(shown, Counter)
    return shown


async def said_by_command(*arguments: str) -> Any:
    command = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "accelerator", *arguments), stdout=asyncio.subprocess.PIPE, env=os.environ
    )
    output, _ = await command.communicate()
    assert command.returncode == 0
    return json.loads(output)


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_page_scrape_and_command_line_say_what_the_client_counted(server: Server, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{server.port}"
    crowd = Crowd(url)
    await crowd.ask_much(REQUESTS)
    assert crowd.counted.total() == REQUESTS
    assert min(crowd.counted[name] for name in OF_CLIENT) > 0
    async with httpx.AsyncClient(timeout=PATIENCE, headers={"x-operator": "me"}) as client:

        async def page() -> Counter[str]:
            return of_figures((await client.get(f"{url}/ops/figures")).json())

        async def scrape() -> Counter[str]:
            return of_scrape((await client.get(f"{url}/metrics")).text)

        assert await agreed(page, crowd.counted) == crowd.counted
        assert await agreed(scrape, crowd.counted) == crowd.counted
        figures = (await client.get(f"{url}/ops/figures")).json()
    assert 1 < figures["workers"] <= WORKERS  # those that any request has come to
    assert figures["complete"]
    assert figures["bytes_served"] == crowd.bytes
    sources: list[tuple[str, ...]] = [("--ops", f"{url}/ops/", "-H", "x-operator: me")]
    if (tmp_path / "site").exists():
        sources.append(("--store", f"lmdb://{tmp_path}/site"))
    for source in sources:

        async def command(*source: str) -> Counter[str]:
            return of_figures(await said_by_command("stats", *source, "--json"))

        assert await agreed(partial(command, *source), crowd.counted) == crowd.counted
