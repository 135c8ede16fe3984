"""Nobody's page to anyone else, on RedisStore: what an entry may answer is kept in the server, too."""

from __future__ import annotations

import itertools
import logging
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelerator import RedisStore
from accelerator.stores.loop_thread import loop_thread
from tests.identity.doors import ASGIDoor, WSGIDoor
from tests.identity.world import SEARCH, Asked, Site, requests
from tests.stores.redis.test_middleware import Far

if TYPE_CHECKING:
    from accelerator.demo.redis_server import RedisServer
    from tests.identity.doors import Door

_prefixes = (f"who-{number}:" for number in itertools.count())


@pytest.mark.parametrize("of", [ASGIDoor, WSGIDoor], ids=["ASGI", "WSGI"])
def test_no_answer_that_was_made_for_one_identity_is_given_to_another_or_to_nobody(
    of: Door, server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)  # the order of middlewares is warned of, by each of many caches

    @settings(SEARCH, max_examples=30)
    @given(requests(of), st.sampled_from(["strict", "vary"]))
    def check(asked: list[Asked], cookies: str) -> None:
        store = RedisStore(server.url, next(_prefixes), deadline=5)
        near: Any = Far(store) if of is ASGIDoor else store  # the requests of ASGI are driven by hand, without a loop
        site = Site(of, near, cookies=cookies)
        for request in asked:
            site.check(request)
        loop_thread.run(store.aclose())

    check()
