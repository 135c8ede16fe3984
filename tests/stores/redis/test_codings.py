"""What a RedisStore has of a URL whose responses have codings, some of which say so, is found by all whom it suits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from accelerator import ASGIAccelerator
from tests.codings import COMPRESSED, Step, asked, coded, compressing, given

if TYPE_CHECKING:
    from accelerator.demo.redis_server import RedisServer
    from tests.stores.redis.support import OpenStore

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("steps", COMPRESSED.values(), ids=COMPRESSED)
async def test_each_client_gets_what_the_application_would_give_it(
    steps: list[Step], server: RedisServer, prefix: str, open_store: OpenStore
) -> None:
    cached = ASGIAccelerator(compressing(), store=open_store(server.url, prefix))
    for step in steps:
        answer = await asked(cached, step)
        assert given(answer, step) == step
        assert answer.body == (b"" if step.method == "HEAD" else coded(step.accepted)[1])
