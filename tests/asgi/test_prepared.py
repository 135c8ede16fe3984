"""What is prepared for plain hits is sent only as long as it is what would be prepared anew."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from accelerator.engine.prepared import PreparedHit
from accelerator.engine.report import Reporter
from accelerator.options import checked
from accelerator.testing import make_entry, make_request

REPORTER = Reporter(checked({"clock": lambda: 0.0}))  # no answer is over at that time
SECONDS = st.one_of(st.integers(0, 10**9).map(float), st.floats(0, 10**9, allow_nan=False))


@settings(max_examples=300, derandomize=True, database=None)
@given(
    received=SECONDS,
    initial_age=st.one_of(st.just(0.0), st.floats(0, 100)),
    lifetime=st.one_of(st.integers(1, 1000).map(float), st.floats(0.001, 1000)),
    passed=st.one_of(st.integers(-3, 999).map(float), st.floats(-3, 1000)),
    share=st.floats(0, 1),
)
def test_at_every_moment_up_to_its_end_it_is_what_would_be_prepared_then(
    received: float, initial_age: float, lifetime: float, passed: float, share: float
) -> None:
    entry = make_entry(make_request(), 0, received=received, initial_age=initial_age, lifetime=lifetime)
    now = received + passed
    if initial_age + max(0.0, passed) >= lifetime:
        return
    prepared = PreparedHit(entry, now, REPORTER, {})
    assert prepared.since == now <= prepared.until
    later = now + share * (prepared.until - now)
    for moment in (now, later, math.nextafter(prepared.until, now), prepared.until):
        if now <= moment <= prepared.until:
            assert PreparedHit(entry, moment, REPORTER, {}).headers == prepared.headers


def test_within_a_second_it_is_prepared_once() -> None:
    entry = make_entry(make_request(), 0, received=1000.25, initial_age=0.0, lifetime=60.0)
    prepared = PreparedHit(entry, 1001.5, REPORTER, {})
    assert 1002.249 < prepared.until < 1002.25
    assert (b"age", b"1") in prepared.headers
    assert (b"cache-status", b"accelerator; hit; ttl=58") in prepared.headers


def test_what_is_retired_is_not_used_any_more_and_what_is_gone_is_left_alone() -> None:
    entry = make_entry(make_request(), 0, received=1000.0, lifetime=60.0)
    prepared = PreparedHit(entry, 1001.0, REPORTER, {})
    gone = PreparedHit(entry, 1001.0, REPORTER, {}).tally
    for tally in (prepared.tally, gone):
        tally.retire()
    assert prepared.until == -math.inf
