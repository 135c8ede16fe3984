"""What a near store reports of itself: figures, events and the log."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from accelerator import NearEvent
from accelerator.stores.redis import fleet
from accelerator.stores.redis.fleet import Announced
from accelerator.stores.tiered.following import MARGIN
from accelerator.testing import make_request
from tests.stores.redis.support import fill
from tests.stores.tiered.near import LEASE, Near
from tests.stores.tiered.support import become, following

if TYPE_CHECKING:
    from accelerator.demo.redis_server import RedisServer
    from accelerator.testing import ManualClock
    from tests.stores.tiered.support import OpenTiered

A_AND_B = {b"f:a": 0.25, b"f:b": None}


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The lines in the log from warnings on."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_who_does_not_follow_has_no_name_and_no_lease(clock: ManualClock) -> None:
    near = Near()
    near.page.leave()
    assert near.report.figures()[:3] == (None, 0, 0)


def test_figures_say_who_follows_for_how_long_and_up_to_where(near: Near, clock: ManualClock) -> None:
    clock.advance(0.5)
    figures = near.report.figures()
    assert (figures.follower or "").encode() == near.page.follower
    assert figures.lease == pytest.approx(MARGIN * LEASE - 0.5)
    assert figures.sequence == 7
    clock.advance(LEASE)
    assert near.report.figures().lease == 0


def test_a_heartbeat_says_how_long_it_took_and_what_is_still_to_come(near: Near, clock: ManualClock) -> None:
    clock.advance(0.5)
    near.heartbeat(10, sent=1000.25)
    assert (near.report.figures().heartbeat, near.report.figures().behind) == (0.25, 3)
    for sequence in (8, 9, 10):
        near.message(sequence)
    near.heartbeat(9, sent=1000.5)
    assert (near.report.figures().heartbeat, near.report.figures().behind) == (0, 0)


def test_a_near_store_that_begins_to_answer_was_emptied_and_says_so_once(near: Near) -> None:
    near.heartbeat(7)
    assert near.events == [NearEvent("emptied", 7), NearEvent("good")]
    figures = near.report.figures()
    assert (figures.leases, figures.lapsed, figures.emptied) == (1, 0, 1)


def test_each_invalidation_that_was_applied_is_reported_with_its_number_and_tags(near: Near) -> None:
    near.events.clear()
    near.message(8, b"a", "x", "y")
    near.message(8)  # it comes again
    assert near.events == [NearEvent("applied", 8, frozenset({"x", "y"}))]
    assert near.report.figures().applied == 1


def test_a_gap_is_reported_up_to_where_it_goes(near: Near) -> None:
    near.events.clear()
    near.message(12)
    assert near.events == [NearEvent("emptied", 12)]
    assert near.report.figures().emptied == 2


@pytest.mark.parametrize("is_looked_at", [False, True], ids=["while nobody looked", "and was looked at"])
def test_a_lease_that_ran_out_is_reported_once_even_if_it_was_renewed_since(
    near: Near, clock: ManualClock, caplog: pytest.LogCaptureFixture, is_looked_at: bool
) -> None:
    near.events.clear()
    clock.advance(LEASE)
    if is_looked_at:
        near.report.look_at_lease()
        near.report.look_at_lease()
    near.heartbeat(7, sent=1000 + LEASE)
    assert near.events == [NearEvent("lapsed"), NearEvent("good")]
    assert (near.report.figures().leases, near.report.figures().lapsed) == (2, 1)
    assert lines(caplog) == [
        "a near store is not used for now: its lease was not renewed in time, or the server has begun anew"
    ]


def test_a_new_subscription_reports_what_ran_out_while_there_was_none(near: Near, clock: ManualClock) -> None:
    near.events.clear()
    clock.advance(LEASE)
    near.following.subscribed()
    assert near.events == [NearEvent("lapsed")]


def test_who_follows_no_longer_has_lost_no_lease(near: Near, caplog: pytest.LogCaptureFixture) -> None:
    near.events.clear()
    near.page.leave()
    near.report.stopped()
    near.following.subscribed()
    assert (near.events, lines(caplog)) == ([], [])


def test_an_invalidation_says_for_whom_it_waited_and_how_long(near: Near, clock: ManualClock) -> None:
    near.events.clear()
    announced = Announced(b"a", 9, True, {b"f:a": b"1", b"f:b": b"1"}, clock())
    clock.advance(2.5)
    near.report.waited(announced, ["x"], A_AND_B)
    near.report.waited(announced, ["x"], A_AND_B)
    assert near.events == [NearEvent("waited", 9, frozenset({"x"}), 2.5, {"f:a": 0.25, "f:b": None})] * 2
    assert len({*near.events}) == 1
    figures = near.report.figures()
    assert (figures.waited, figures.waiting, figures.silent) == (2, 5.0, 2)


def test_a_listener_that_fails_hinders_nothing(near: Near, caplog: pytest.LogCaptureFixture) -> None:
    def fail(event: NearEvent) -> None:
        raise ZeroDivisionError

    near.report._listener = fail
    assert near.message(8)
    assert near.page.applied == 8
    assert lines(caplog) == ["on_event failed"]


@pytest.mark.anyio
async def test_stores_on_one_server_tell_of_each_others_invalidations(open_tiered: OpenTiered) -> None:
    told: dict[str, list[NearEvent]] = {"one": [], "other": []}
    one, other = (open_tiered(on_event=events.append) for events in told.values())
    await following(one, other)
    await fill(one, "x")
    await one.invalidate_tag("x")
    (waited,) = [event for event in told["one"] if event.kind == "waited"]
    await become(lambda: other.figures().applied)
    assert waited.followers.keys() == {one.figures().follower, other.figures().follower}
    assert None not in waited.followers.values()
    assert NearEvent("applied", waited.sequence, frozenset({"x"})) in told["other"]
    assert not [event for event in told["other"] if event.kind == "waited"]
    assert (one.figures().waited, other.figures().waited) == (1, 0)
    assert one.figures().sequence == other.figures().sequence == waited.sequence


@pytest.mark.anyio
async def test_a_follower_that_does_not_acknowledge_is_named_to_who_waited(
    open_tiered: OpenTiered,
    server: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    events: list[NearEvent] = []
    store = open_tiered(on_event=events.append)
    await following(store)
    with server.client() as admin:
        admin.hset(store._far.keys.near, b"f:\xff\ndead", 0)
    monkeypatch.setattr(fleet, "LEASE_SECONDS", 0.5)
    await store.invalidate_tag("x")
    (waited,) = [event for event in events if event.kind == "waited"]
    silent = [name for name, seconds in waited.followers.items() if seconds is None]
    assert r"f:\xff\ndead" in silent, "whatever stands on the server, it is one line of text"
    assert (waited.seconds or 0) >= fleet.LEASE_SECONDS
    assert store.figures().silent == len(silent)
    assert f"{len(silent)} of 2 near stores did not acknowledge an invalidation: {', '.join(silent)}" in lines(caplog)


def test_of_heartbeats_that_fail_in_a_row_the_first_one_is_logged(near: Near, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        near.report.heartbeat_failed(OSError("no answer"))
    assert lines(caplog) == ["the lease of a near store is not renewed until a heartbeat succeeds: no answer"]
    near.heartbeat(7)
    near.report.heartbeat_failed(OSError("no answer"))
    assert len(lines(caplog)) == 2


@pytest.mark.anyio
async def test_who_may_not_send_heartbeats_is_told_so(
    open_tiered: OpenTiered, server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    with server.client() as admin:
        admin.execute_command("ACL", "SETUSER", "mute", "on", ">secret", "~*", "&*", "+@all", "-hincrby")
        store = open_tiered(server.tcp_url.replace("//", "//mute:secret@"))
        await store.lookup(make_request())
        await become(lambda: "not renewed until a heartbeat succeeds: Redis at" in caplog.text)
        assert "hincrby" in caplog.text
        assert "secret" not in caplog.text
        admin.execute_command("ACL", "DELUSER", "mute")


def test_of_changes_that_fail_in_a_row_the_first_one_is_logged(
    near: Near, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a writer of an `LMDBStore` is stopped while it has the lock: heartbeats go on trying."""

    async def fail(*_: object, **__: object) -> None:
        raise OSError("locked")

    with monkeypatch.context() as patch:
        patch.setattr(near.store, "invalidate", fail)
        near.message(8)
        near.heartbeat(8)
        near.heartbeat(8)
    assert sum("cannot be changed" in line for line in lines(caplog)) == 1
    near.heartbeat(8)
    monkeypatch.setattr(near.store, "invalidate", fail)
    near.message(9)
    assert sum("cannot be changed" in line for line in lines(caplog)) == 2


FORKS = """
import os, signal, threading, time
from accelerator.stores.tiered.page import OwnPage, Page
from accelerator.stores.tiered.report import Report

report = Report(Page(OwnPage().memory), None)
is_held = threading.Event()

def hold():
    with report._lock:
        is_held.set()
        time.sleep(0.1)

threading.Thread(target=hold).start()
is_held.wait()
if child := os.fork():
    print(os.waitpid(child, 0)[1])
else:
    signal.alarm(10)
    report.emptied(7)
    os._exit(0)
"""


def test_a_child_counts_even_if_it_was_forked_while_another_thread_did() -> None:
    said = subprocess.run([sys.executable, "-c", FORKS], capture_output=True, text=True, check=True).stdout  # noqa: S603 - our own
    assert said == "0\n"
