"""A process with a crowd of requests for one page, whose application waits until it is told to go on.

It says on stdout how far it is: `made` when the application was called, `waiting` when all requests wait, and at last
`answered`, with the number of answers and the processes that made them. A line on stdin begins, another one lets the
application go on.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from accelerator import ASGIAccelerator, LMDBStore, cache_for
from accelerator.engine import flight
from accelerator.stores.lmdb import leasing
from tests.support import ask, chunk, start

if TYPE_CHECKING:
    from tests.support import Receive, Scope, Send


def say(*words: object) -> None:
    print(*words, flush=True)  # noqa: T201 - the other process reads it


async def page(scope: Scope, receive: Receive, send: Send) -> None:
    say("made")
    await anyio.to_thread.run_sync(sys.stdin.readline)
    cache_for(3600)
    await send(start(("x-made-by", str(os.getpid()))))
    await send(chunk(b"page"))


async def main(path: str, count: str, lease_seconds: str) -> None:
    flight.PATIENCE = 1000.0  # type: ignore[misc]  # however slow the machine is
    leasing.LEASE_SECONDS = float(lease_seconds)  # type: ignore[misc]
    leasing.RENEWAL_SECONDS = leasing.LEASE_SECONDS / 10  # type: ignore[misc]
    cached = ASGIAccelerator(page, store=LMDBStore(Path(path), 16 * 1024 * 1024))
    made_by: Counter[str | None] = Counter()

    async def one() -> None:
        made_by[(await ask(cached)).get("x-made-by")] += 1

    say("ready")
    sys.stdin.readline()
    async with anyio.create_task_group() as tasks:
        for _ in range(int(count)):
            tasks.start_soon(one)
        await anyio.wait_all_tasks_blocked()
        say("waiting")
    say("answered", made_by.total(), *made_by)


if __name__ == "__main__":
    anyio.run(partial(main, *sys.argv[1:]))
