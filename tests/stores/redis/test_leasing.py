"""What a process does with leases on a server: it keeps its own alive, is told of the ends of those of others."""

from __future__ import annotations

import asyncio
import math
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from redis.exceptions import RedisError

from accelerator import ASGIAccelerator, RedisStore
from accelerator.engine import flight
from accelerator.stores import Lease, TakenLease
from accelerator.stores.loop_thread import loop_thread
from accelerator.stores.redis import ends, leasing
from accelerator.stores.redis import server as redis_server
from accelerator.stores.redis.ends import Awaited, Ends
from accelerator.stores.redis.leasing import OthersLease
from accelerator.stores.redis.link import Link
from accelerator.stores.redis.scripts import END_LEASE, RENEW_LEASE, TAKE_LEASE
from tests.asgi.test_collapsing import SHARED, Gated, crowd
from tests.stores.redis.support import OpenStore, StartServer, state
from tests.stores.tiered.support import become

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from accelerator.demo.redis_server import RedisServer
    from accelerator.stores.redis.scripts import Script

pytestmark = pytest.mark.anyio

NAME = b"the name of one."
OTHER = b"the other's name"
PATIENCE = 600.0


@pytest.fixture(autouse=True)
def _long_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine does meanwhile, nothing runs out, is renewed or looked for unless a test says so."""
    monkeypatch.setattr(leasing, "LEASE_SECONDS", PATIENCE)
    monkeypatch.setattr(leasing, "RENEWAL_SECONDS", PATIENCE)
    monkeypatch.setattr(leasing, "LOOK_SECONDS", PATIENCE)
    monkeypatch.setattr(flight, "PATIENCE", PATIENCE)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases are renewed at once."""
    monkeypatch.setattr(leasing, "RENEWAL_SECONDS", 0.01)


@pytest.fixture
def one(server: RedisServer, prefix: str, open_store: OpenStore) -> RedisStore:
    """The store of one process."""
    return open_store(server.url, prefix)


@pytest.fixture
def other(server: RedisServer, prefix: str, open_store: OpenStore) -> RedisStore:
    """That of another one."""
    return open_store(server.url, prefix)


@pytest.fixture
def admin(server: RedisServer) -> Iterator[Any]:
    with server.client() as admin:
        yield admin


async def granted(store: RedisStore, name: bytes = NAME) -> Lease:
    turn = await store.lease(name)
    assert isinstance(turn, Lease)
    return turn


async def taken(store: RedisStore, name: bytes = NAME) -> OthersLease:
    turn = await store.lease(name)
    assert isinstance(turn, OthersLease)
    return turn


async def gained(store: RedisStore, name: bytes = NAME) -> Lease:
    """Return the lease as soon as it is to be had."""
    async with asyncio.timeout(30):
        while not isinstance(turn := await store.lease(name), Lease):  # noqa: ASYNC110 - it may run out, untold
            await asyncio.sleep(0.005)
    return turn


async def told(store: RedisStore, name: bytes = NAME) -> OthersLease:
    """Return the lease that another process has, once its end will be told."""
    async with asyncio.timeout(30):
        while not (turn := await taken(store, name))._seen.is_told:  # noqa: ASYNC110 - the subscription takes a moment
            await asyncio.sleep(0.005)
    return turn


async def wait(turn: TakenLease, seconds: float = PATIENCE) -> float:
    async def sleep(seconds: float) -> None:
        raise AssertionError

    async with asyncio.timeout(60):
        return await turn.wait(seconds, sleep)


def key_of(store: RedisStore, name: bytes = NAME) -> bytes:
    return store.keys.lease(name)


def answering(monkeypatch: pytest.MonkeyPatch, script: Script, then: Callable[[Link], Any]) -> None:
    """Let what follows upon the answer to a script be another thing."""
    run = Link.run

    async def run_and_then(link: Link, asked: Script, *arguments: Any, **more: Any) -> Any:
        reply = await run(link, asked, *arguments, **more)
        if asked is script:
            await then(link)
        return reply

    monkeypatch.setattr(Link, "run", run_and_then)


# --- waiting ----------------------------------------------------------------------------------------------------------


async def test_who_waits_is_told_of_the_end_and_asks_the_server_nothing_meanwhile(
    start_server: StartServer, open_store: OpenStore
) -> None:
    server = start_server()
    one, other, third = (open_store(server.url) for _ in range(3))
    lease = await granted(one)
    turns = [await told(other), await told(third)]
    with server.client() as admin:
        before = admin.info("commandstats")["cmdstat_evalsha"]["calls"]
        waiting = [asyncio.create_task(wait(turn)) for turn in turns]
        await become(lambda: all(len(store._mailbox.ends._awaited) == 1 for store in (other, third)))
        lease.end()
        left = await asyncio.gather(*waiting)
        assert all(0 < seconds < PATIENCE for seconds in left)
        stats = admin.info("commandstats")
    assert (stats["cmdstat_evalsha"]["calls"] - before, stats["cmdstat_publish"]["calls"]) == (1, 2)


async def test_an_end_that_is_told_before_anybody_waits_is_not_waited_for(one: RedisStore, other: RedisStore) -> None:
    lease = await granted(one)
    turn = await told(other)
    lease.end()
    await become(lambda: turn._seen.owner in other._mailbox.ends._heard)
    assert await wait(turn) > 0


async def test_who_does_not_listen_yet_looks_until_it_does(one: RedisStore, other: RedisStore) -> None:
    lease = await granted(one)
    turn = await taken(other)
    assert not turn._seen.is_told
    waiting = asyncio.create_task(wait(turn))
    await become(lambda: turn._seen.is_told)
    lease.end()
    assert await waiting > 0


async def test_those_past_the_bound_are_not_told_and_look(
    one: RedisStore,
    other: RedisStore,
    open_store: OpenStore,
    server: RedisServer,
    prefix: str,
    admin: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leasing, "MAX_WATCHERS", 1)
    third = open_store(server.url, prefix)
    lease = await granted(one)
    first, second = await told(other), await taken(third)
    await become(lambda: third._mailbox.subscription.is_confirmed)
    assert await wait(second, 0.05) == 0
    assert (first._seen.is_told, second._seen.is_told) == (True, False)
    assert len(admin.get(key_of(one)).split()) == 2
    lease.end()
    assert await wait(first) > 0
    assert await wait(second) > 0


async def test_an_end_that_is_not_told_is_found(
    one: RedisStore, other: RedisStore, admin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await granted(one)
    turn = await told(other)
    monkeypatch.setattr(leasing, "LOOK_SECONDS", 0.05)
    admin.delete(key_of(one))
    assert await wait(turn) > 0


async def test_who_waits_in_vain_has_asked_the_server_nothing(one: RedisStore, other: RedisStore) -> None:
    await granted(one)
    turn = await told(other)
    seen = turn._seen
    assert await wait(turn, 0.05) == 0
    assert turn._seen is seen


async def test_a_lease_that_nobody_lets_run_out_is_not_looked_for_all_the_time(
    one: RedisStore, other: RedisStore, admin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody has taken the time from its key."""
    await granted(one)
    await told(other)
    admin.persist(key_of(one))
    turn = await taken(other)
    assert turn._seen.seconds < 0
    pauses: list[float] = []
    comes_within = Awaited.comes_within

    async def note(end: Awaited, seconds: float) -> bool:
        pauses.append(seconds)
        return await comes_within(end, seconds)

    monkeypatch.setattr(Awaited, "comes_within", note)
    assert await wait(turn, 0.05) == 0
    assert pauses[0] == leasing.FIRST_PAUSE


async def test_a_wait_fails_where_the_server_does(start_server: StartServer, open_store: OpenStore) -> None:
    server = start_server()
    one, other = open_store(server.url), open_store(server.url)
    await granted(one)
    turn = await taken(other)
    server.kill()
    with pytest.raises(RedisError, match=r"redis\.sock"):
        await wait(turn)


async def test_who_waits_for_one_lease_is_not_woken_by_the_end_of_another(one: RedisStore, other: RedisStore) -> None:
    first, second = await granted(one), await granted(one, OTHER)
    turns = [await told(other), await told(other, OTHER)]
    waiting = [asyncio.create_task(wait(turn)) for turn in turns]
    await become(lambda: len(other._mailbox.ends._awaited) == 2)
    first.end()
    assert await waiting[0] > 0
    assert not waiting[1].done()
    second.end()
    assert await waiting[1] > 0


def test_who_waited_on_a_loop_that_is_closed_is_told_nothing() -> None:
    async def begin() -> Awaited:
        return Awaited(b"token")

    asyncio.run(begin()).note()


async def test_a_bounded_number_of_ends_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ends, "MAX_HEARD", 2)
    heard = Ends()
    for token in (b"1", b"2", b"3"):
        heard.take(token)
    came = []
    for token in (b"1", b"2", b"3"):
        with heard.awaited(token) as end:
            came.append(await end.comes_within(0.01))
    assert (came, heard._awaited) == ([False, True, True], set())


# --- who has it -------------------------------------------------------------------------------------------------------


async def test_a_lease_that_ran_out_is_another_ones(
    one: RedisStore, other: RedisStore, admin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = await granted(one)
    turn = await told(other)
    admin.pexpire(key_of(one), 50)
    turn = await told(other)
    assert await wait(turn) > 0
    await granted(other)
    lease.end(3600)
    await one.aclose()
    assert isinstance(await one.lease(NAME), TakenLease), "that one is not its own any more"


async def test_eviction_of_a_lease_costs_a_second_fill_and_no_more(
    one: RedisStore, other: RedisStore, admin: Any
) -> None:
    app = Gated(SHARED)
    first, second = ASGIAccelerator(app, store=one), ASGIAccelerator(app, store=other)
    async with crowd(first, 5) as of_one:
        await become(lambda: app.calls == 1)
        (key,) = admin.keys(one._prefix + b"l:*")
        admin.delete(key)
        async with crowd(second, 5) as of_other:
            await become(lambda: app.calls == 2)
            app.gate.set()
    assert len([*of_one, *of_other]) == 10
    assert {answer.status for answer in [*of_one, *of_other]} == {200}
    assert app.calls == 2
    await become(lambda: not admin.keys(one._prefix + b"l:*"))


async def test_to_take_it_twice_by_the_same_token_is_to_take_it_once(one: RedisStore) -> None:
    """A command is sent again where a connection breaks."""
    arguments = [b"0" * 16, 1, b"1" * 16, 60_000]
    for _ in range(2):
        assert await one.links.here().run(TAKE_LEASE, [key_of(one)], arguments) == [b"1" * 16, 0, 0]


async def test_what_is_not_storable_is_remembered_no_longer_than_a_day(one: RedisStore, admin: Any) -> None:
    (await granted(one)).end(math.inf)
    await become(lambda: admin.get(key_of(one)) == b"")
    assert 0 < admin.pttl(key_of(one)) <= 24 * 3600 * 1000


@pytest.mark.parametrize("is_cancelled", [True, False], ids=["cancelled", "late"])
async def test_what_nobody_got_is_given_back(
    is_cancelled: bool, one: RedisStore, other: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = asyncio.Event()

    async def hold(_: Link) -> None:
        answered.set()
        if not is_cancelled:
            raise TimeoutError
        await asyncio.Event().wait()

    with monkeypatch.context() as patch:
        answering(patch, TAKE_LEASE, hold)
        asking = asyncio.create_task(one.lease(NAME))
        await answered.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError if is_cancelled else TimeoutError):
            await asking
    await gained(other)


async def test_a_store_that_is_closed_gives_its_leases_back(one: RedisStore, other: RedisStore, admin: Any) -> None:
    lease = await granted(one)
    await asyncio.gather(one.aclose(), one.aclose())
    await granted(other)
    lease.end()
    await one.aclose()
    assert isinstance(await one.lease(NAME), TakenLease)


async def test_closing_leaves_the_leases_of_other_loops_alone(one: RedisStore, other: RedisStore) -> None:
    lease = await asyncio.wrap_future(loop_thread.begin(granted(one)))
    await one.aclose()
    await taken(other)
    lease.end()
    await gained(other)
    await asyncio.wrap_future(loop_thread.begin(one.aclose()))


async def test_closing_does_not_wait_long_for_a_server_that_is_away(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leasing, "RENEWAL_SECONDS", 1.0)
    server = start_server()
    store = RedisStore(server.url, deadline=0.5)
    await granted(store)
    server.kill()
    async with asyncio.timeout(60):
        await store.aclose()
    await become(lambda: not store._leasing._ending)


FORKS = """
import os, sys
from accelerator import RedisStore
from accelerator.stores.loop_thread import loop_thread

store = RedisStore(sys.argv[1], sys.argv[2], deadline=20)
ask = lambda name: loop_thread.run(store.lease(name))
kind = lambda name: type(ask(name)).__name__

async def listen():
    store._mailbox.subscription.start()
    assert await store._mailbox.subscription.confirmed(20)

lease = ask(b"of the parent...")
loop_thread.run(listen())
if not os.fork():
    is_confirmed = store._mailbox.subscription.is_confirmed
    lease.end()
    print(is_confirmed, kind(b"of the parent..."), kind(b"of the child...."), flush=True)
    loop_thread.run(store.aclose())
    print(kind(b"of the child...."), flush=True)
    os._exit(0)
os.wait()
print(kind(b"of the parent..."), flush=True)
lease.end()
loop_thread.run(store.aclose())
print(kind(b"of the parent..."), flush=True)
loop_thread.run(store.aclose())
"""


def test_leases_of_a_parent_are_not_those_of_its_child(server: RedisServer, prefix: str) -> None:
    command = [sys.executable, "-c", FORKS, server.url, prefix]
    said = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)  # noqa: S603 - our own
    assert said.stdout.split() == ["False", "OthersLease", "OwnLease", "OwnLease", "OthersLease", "OwnLease"]


async def test_leases_from_before_a_fork_are_not_those_of_the_child(
    one: RedisStore, other: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = await granted(one)
    monkeypatch.setattr(one._leasing, "_pid", os.getppid())  # as it stands there when a child begins
    lease.end()
    assert not one._leasing._ending
    await taken(other)
    (await granted(one, OTHER)).end()
    await gained(other, OTHER)


# --- renewal ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick")
async def test_leases_are_renewed_until_they_end_and_nothing_runs_on_after_that(one: RedisStore, admin: Any) -> None:
    for _ in range(2):
        both = await granted(one), await granted(one, OTHER)
        for name in (NAME, OTHER):
            admin.pexpire(key_of(one, name), 60_000)
        await become(lambda: min(admin.pttl(key_of(one, name)) for name in (NAME, OTHER)) > 60_000)
        for lease in both:
            lease.end()
        await become(lambda: not one._leasing._is_renewing)
        await become(lambda: not admin.exists(key_of(one), key_of(one, OTHER)))


@pytest.mark.usefixtures("quick")
async def test_an_application_that_blocks_its_loop_keeps_its_lease(one: RedisStore, admin: Any) -> None:
    lease = await granted(one)
    admin.pexpire(key_of(one), 60_000)
    while admin.pttl(key_of(one)) <= 60_000:
        pass  # the loop stands still
    lease.end()


@pytest.mark.usefixtures("quick")
async def test_a_lease_that_was_lost_is_not_renewed(one: RedisStore, other: RedisStore, admin: Any) -> None:
    await granted(one)
    admin.delete(key_of(one))
    await become(lambda: not one._leasing._is_renewing)
    await granted(other)


@pytest.mark.usefixtures("quick")
async def test_the_lease_of_a_fill_that_hangs_runs_out(
    one: RedisStore, other: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leasing, "RENEWED_SECONDS", 0.0)
    monkeypatch.setattr(leasing, "LEASE_SECONDS", 0.05)
    lease = await granted(one)
    await become(lambda: not one._leasing._is_renewing)
    monkeypatch.setattr(leasing, "LEASE_SECONDS", PATIENCE)
    await gained(other)
    lease.end()
    await one.aclose()
    await taken(one)


@pytest.mark.usefixtures("quick")
async def test_a_renewal_that_fails_is_followed_by_another(
    one: RedisStore, admin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [TimeoutError()]

    async def fail(_: Link) -> None:
        if failures:
            raise failures.pop()

    answering(monkeypatch, RENEW_LEASE, fail)
    lease = await granted(one)
    await become(lambda: not failures)
    admin.pexpire(key_of(one), 60_000)
    await become(lambda: admin.pttl(key_of(one)) > 60_000)
    lease.end()


@pytest.mark.usefixtures("quick")
async def test_an_end_that_fails_is_repeated(
    one: RedisStore, other: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[Link] = []
    run = Link.run

    async def fail_at_first(link: Link, script: Script, *arguments: Any, **more: Any) -> Any:
        if script is END_LEASE:
            tries.append(link)
            if len(tries) < 3:
                raise TimeoutError
        return await run(link, script, *arguments, **more)

    monkeypatch.setattr(Link, "run", fail_at_first)
    (await granted(one)).end()
    await gained(other)
    assert len(tries) == 3


@pytest.mark.usefixtures("quick")
async def test_an_end_is_not_repeated_when_the_lease_has_run_out(
    one: RedisStore, admin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[Link] = []

    async def fail(link: Link) -> None:
        tries.append(link)
        raise TimeoutError

    lease = await granted(one)
    monkeypatch.setattr(leasing, "LEASE_SECONDS", 0.0)
    answering(monkeypatch, END_LEASE, fail)
    lease.end()
    await become(lambda: tries and not one._leasing._ending)
    assert len(tries) == 1


# --- a server that fails ----------------------------------------------------------------------------------------------


async def test_where_the_server_is_away_there_is_no_lease_and_it_is_left_alone(
    start_server: StartServer, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_server, "BREAK_SECONDS", PATIENCE)
    server = start_server()
    store = open_store(server.url)
    await state(store)
    server.kill()
    with pytest.raises(RedisError, match=r"Redis at .*redis\.sock: "):
        await store.lease(NAME)
    with pytest.raises(RedisError, match="failed a moment ago"):
        await store.lease(NAME)
    assert not store._leasing._ending, "nothing was asked for that could be given back"


async def test_where_leases_are_refused_each_process_fills_for_itself(
    server: RedisServer,
    prefix: str,
    open_store: OpenStore,
    admin: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    name = f"reader-{prefix[:-1]}"
    admin.execute_command("ACL", "SETUSER", name, "on", ">pw", "~*", "+mget", "+info")
    app = Gated(SHARED)
    url = f"redis://{name}:pw@127.0.0.1:{server.port}"
    first, second = (ASGIAccelerator(app, store=open_store(url, prefix)) for _ in range(2))
    writer = open_store(server.url, prefix)
    await state(writer)  # an order of positions
    async with crowd(first, 10) as one, crowd(second, 10) as two:
        await become(lambda: app.calls == 2)
        app.gate.set()
    assert {answer.status for answer in [*one, *two]} == {200}
    assert caplog.text.count("the store's lease fails") == 2
    admin.execute_command("ACL", "DELUSER", name)


async def test_a_server_that_dies_while_its_leases_are_waited_for_loses_no_request(
    start_server: StartServer, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leasing, "LOOK_SECONDS", 0.1)
    server = start_server()
    app = Gated(SHARED)
    one, other = (open_store(server.url) for _ in range(2))
    first, second = ASGIAccelerator(app, store=one), ASGIAccelerator(app, store=other)
    async with crowd(first, 10) as of_one:
        await become(lambda: app.calls == 1)
        async with crowd(second, 10) as of_other:
            await become(lambda: other._mailbox.ends._awaited)
            server.kill()
            await become(lambda: app.calls > 1)
            app.gate.set()
    assert [answer.status for answer in [*of_one, *of_other]] == [200] * 20


async def test_a_full_server_grants_no_leases_and_ends_those_it_has_granted(
    start_server: StartServer, open_store: OpenStore
) -> None:
    server = start_server("--maxmemory-policy", "noeviction")
    one, other = open_store(server.url), open_store(server.url)
    lease = await granted(one)
    turn = await told(other)
    with server.client() as admin:
        admin.config_set("maxmemory", 1)
        with pytest.raises(RedisError, match="OOM"):
            await other.lease(OTHER)
        lease.end(3600)
        assert await wait(turn) > 0
        assert admin.get(key_of(one)) == b""
