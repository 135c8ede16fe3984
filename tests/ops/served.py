"""The site that the tests of real servers ask: its operators have a token, and `slow` is taken back once `open` was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from accelerator.ops import OpsApp
from tests.ops.support import GivenFigures, GivenStore

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.requests import Request
    from starlette.responses import Response

begun: list[str] = []
gates: list[anyio.Event] = []
store = GivenStore()


async def before(tags: Collection[str]) -> None:
    begun.extend(tags)
    if "open" in tags:
        while gates:
            gates.pop().set()
    if "slow" in tags:
        gates.append(anyio.Event())
        await gates[-1].wait()


async def state(request: Request) -> Response:
    """What was begun to be taken back, and what is."""
    return JSONResponse({"begun": begun, "taken": [tag for tags, _ in store.taken_back for tag in tags]})


store.before = before
site = Starlette(routes=[Route("/state", state)])
app = GivenFigures(site, store=store)
ops = OpsApp(app, authorize=lambda request: request.headers.get("x-token") == "ours")
site.router.routes.append(Mount("/ops", ops))
