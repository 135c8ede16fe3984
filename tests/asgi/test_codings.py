"""Accept-Encoding tells responses apart where any response of the URL has had a coding, said or not."""

from __future__ import annotations

import pytest

from accelerator import ASGIAccelerator, cache_for
from accelerator.testing import ManualClock
from tests.codings import COMPRESSED, PAGE, UNCOMPRESSED, VALIDATOR, Step, asked, coded, compressing, given
from tests.support import App, Lines, Scope

pytestmark = pytest.mark.anyio


async def plain(scope: Scope) -> tuple[int, Lines, bytes]:
    cache_for(60)
    return 200, [], PAGE


@pytest.mark.parametrize("steps", COMPRESSED.values(), ids=COMPRESSED)
async def test_each_client_gets_what_the_application_would_give_it(steps: list[Step]) -> None:
    cached = ASGIAccelerator(compressing())
    for step in steps:
        answer = await asked(cached, step)
        assert given(answer, step) == step
        assert answer.body == (b"" if step.method == "HEAD" else coded(step.accepted)[1])


@pytest.mark.parametrize("steps", UNCOMPRESSED.values(), ids=UNCOMPRESSED)
async def test_what_never_has_a_coding_is_one_response_for_all_who_take_some(steps: list[Step]) -> None:
    cached = ASGIAccelerator(App(plain))
    for step in steps:
        answer = await asked(cached, step)
        assert (given(answer, step), answer.body) == (step, PAGE)


@pytest.mark.parametrize("order", [(None, "gzip"), ("gzip", None)], ids=["without it first", "with it first"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_what_is_freshened_refuses_nobody_what_was_kept(order: tuple[str | None, ...], method: str) -> None:
    app, clock = compressing(("last-modified", VALIDATOR)), ManualClock()
    cached = ASGIAccelerator(app, clock=clock)
    await asked(cached, Step(order[0], None, False))
    clock.advance(30)
    await asked(cached, Step(order[1], None, False))
    clock.advance(30)
    await asked(cached, Step(order[0], None, False, method))
    calls = app.calls
    for accepted in ("gzip", None, "br", "gzip", None):
        assert (await asked(cached, Step(accepted, None, False))).body == coded(accepted)[1]
    assert app.calls == calls + 1, "only for the coding that nobody had asked for before"
