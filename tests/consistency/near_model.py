"""A model of near stores: a server, and processes that keep copies of what it has and answer from them.

A generator is what one task does; wherever it yields, any other task, the server, time or a fault may come between. A
script of the server is one step, and so is all that a process does between two yields. Near stores stand for those
in the memory of a process and for those in a file that all processes of a machine share, one of which follows.

The server is one, or the primary that Sentinel names, or a cluster, where an invalidation and what an entry needs are
several steps.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeAlias, cast

from tests.consistency.history import History, Invalidation
from tests.consistency.near_tasks import SWITCH, Command, LostError, Waiting

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.consistency.history import Made
    from tests.consistency.near_world import World

LEASE = 10_000
"""How long an invalidation waits for a follower at most, on the clock of whoever waits."""

SHARE = 9_800
"""How long a follower trusts in a heartbeat: less, since the rates of two clocks may differ by 2 %."""

TRUST = 5_000
"""How long a connection is used after Sentinel has named its server. That is less than a lease."""

NEVER = -1


# --- the server -------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Key:
    """All that followers depend on, in one key: it is lost as a whole, or not at all."""

    incarnation: int
    identity: int
    sequence: int = 0
    beats: int = 0
    is_settled: bool = False
    followers: dict[int, int] = field(default_factory=dict)
    """The number of each one's last heartbeat. No number is given twice."""


@dataclass(slots=True)
class Far:
    """The positions of the tags, which say what entries may be used."""

    incarnation: int
    identity: int
    position: int = 0
    positions: dict[str, int] = field(default_factory=dict)


Mark: TypeAlias = tuple[int, int]
"""The incarnation of the positions, and the last one."""


class Looked(NamedTuple):
    """The positions as a lookup finds them."""

    mark: Mark
    moved: int


class Kept(NamedTuple):
    """An entry."""

    made: Made
    mark: Mark


class Taken(NamedTuple):
    """The answer to an invalidation."""

    incarnation: int
    sequence: int
    is_settled: bool
    followers: dict[int, int]


class Beat(NamedTuple):
    """The answer to a heartbeat."""

    incarnation: int
    sequence: int
    is_settled: bool


class Message(NamedTuple):
    """What an invalidation tells the followers."""

    incarnation: int
    sequence: int
    tag: str
    origin: int


class Ack(NamedTuple):
    """What a follower tells an invalidator: all up to here is applied."""

    follower: int
    incarnation: int
    applied: int


@dataclass(slots=True)
class Subscription:
    """What the server sends to a process, in order, until the connection breaks."""

    process: int
    messages: list[Message | Ack] = field(default_factory=list)
    is_broken: bool = False

    def is_ready(self) -> bool:
        return self.is_broken or bool(self.messages)

    def disconnect(self) -> None:
        """The connection breaks, with what was on its way."""
        self.is_broken = True
        self.messages.clear()


class Server:
    """The scripts that the server runs, and what it keeps. It trusts only in what was written under its identity."""

    def __init__(self) -> None:
        self.identity = 0
        self.clock = 0
        self.subscriptions: list[Subscription] = []
        self.key: Key | None = None
        self.far: Far | None = None
        self.entries: dict[str, Kept] = {}
        self._incarnations = count(1)  # no server gives a number that another one has given

    def kept(self) -> tuple[Key | None, Far | None, dict[str, Kept]]:
        """Return what a replica has of it."""
        return deepcopy((self.key, self.far, self.entries))

    def successor(self) -> Server:
        """Return the server that is the primary from now on. It has nothing yet, and an identity of its own."""
        server = Server()
        server.identity, server.clock, server._incarnations = self.identity + 1, self.clock, self._incarnations
        return server

    def read_key(self) -> Key:
        if self.key is None or self.key.identity != self.identity:
            self.key = Key(next(self._incarnations), self.identity)
        return self.key

    def read_far(self) -> Far:
        if self.far is None or self.far.identity != self.identity:
            self.far = Far(next(self._incarnations), self.identity)
        return self.far

    def read(self, tag: str) -> tuple[Looked, Kept | None]:
        return self.look(tag), self.find(tag)

    def look(self, tag: str) -> Looked:
        far = self.read_far()
        return Looked((far.incarnation, far.position), far.positions.get(tag, 0))

    def find(self, tag: str) -> Kept | None:
        return self.entries.get(tag)

    def commit(self, tag: str, kept: Kept) -> None:
        if self.may_keep(tag, kept.mark):
            self.keep(tag, kept)

    def may_keep(self, tag: str, mark: Mark) -> bool:
        return is_usable(self.look(tag), mark)

    def keep(self, tag: str, kept: Kept) -> None:
        self.entries[tag] = kept

    def invalidate(self, tag: str, origin: int) -> Taken:
        self.move(tag)
        return self.publish(tag, origin)

    def move(self, tag: str) -> None:
        far = self.read_far()
        far.position += 1
        far.positions[tag] = far.position

    def publish(self, tag: str, origin: int) -> Taken:
        key = self.read_key()
        key.sequence += 1
        for one in self.subscriptions:
            one.messages.append(Message(key.incarnation, key.sequence, tag, origin))
        return Taken(key.incarnation, key.sequence, key.is_settled, dict(key.followers))

    def heartbeat(self, follower: int, settled: int) -> Beat:
        key = self.read_key()
        key.is_settled |= settled == key.incarnation
        key.beats += 1
        key.followers[follower] = key.beats
        return Beat(key.incarnation, key.sequence, key.is_settled)

    def remove(self, silent: dict[int, int], incarnation: int, settled: int) -> None:
        """Take out followers of which nothing was heard since."""
        key = self.read_key()
        key.is_settled |= settled == key.incarnation
        for follower, beat in silent.items():
            if key.incarnation == incarnation and key.followers.get(follower) == beat:
                del key.followers[follower]

    def leave(self, follower: int) -> None:
        self.read_key().followers.pop(follower, None)

    def acknowledge(self, origin: int, ack: Ack) -> None:
        for one in self.subscriptions:
            if one.process == origin:
                one.messages.append(ack)

    def subscribe(self, process: int) -> Subscription:
        subscription = Subscription(process)
        self.subscriptions.append(subscription)
        return subscription


def is_usable(looked: Looked, mark: Mark) -> bool:
    """Tell whether nothing was taken back since the mark."""
    return mark[0] == looked.mark[0] and mark[1] >= looked.moved


# --- a process --------------------------------------------------------------------------------------------------------


class Near:
    """A near store: its entries, and how far it is with the invalidations of others.

    Args:
        follower: a number that no other near store has had.
        rate: of the machine's clock.
        is_shared: all processes of its machine use it.
    """

    def __init__(self, follower: int, rate: int, *, is_shared: bool) -> None:
        self.follower = follower
        self.rate = rate
        self.is_shared = is_shared
        self.incarnation = 0
        self.applied = 0
        self.lease_until = NEVER
        self.followed_by = 0  # the process that has this role
        self.position = 0
        self.floor = 0
        self.positions: dict[str, int] = {}
        self.entries: dict[str, Made] = {}

    def invalidate(self, tag: str) -> None:
        self.position += 1
        self.positions[tag] = self.position
        self.entries.pop(tag, None)

    def empty(self) -> None:
        """Take back everything, which also refuses what is on its way into the store."""
        self.position += 1
        self.floor = self.position
        self.entries.clear()

    def commit(self, tag: str, made: Made, mark: int) -> None:
        if mark >= self.floor and mark >= self.positions.get(tag, 0):
            self.entries[tag] = made


@dataclass(slots=True)
class Breaker:
    """Connections that fail together: where one does, or leads to another server, Sentinel is asked again for all."""

    failed_at: int = NEVER
    met: Any = None

    def meet(self, server: Any, now: int) -> None:
        """Note who the server is."""
        if self.met not in {None, server}:
            self.failed_at = now
        self.met = server


@dataclass(slots=True)
class Connection:
    """Leads to the server that Sentinel named when it was asked, which may have been replaced since."""

    breaker: Breaker
    server: Any = None
    asked: int = NEVER


class Process:
    """What one process does: it answers, takes back, and may be the one that follows for its near store."""

    def __init__(self, world: World, number: int, near: Near) -> None:
        self.world = world
        self.number = number
        self.near = near
        self.pending: dict[str, int] = {}  # the tags whose invalidation failed, and the last call of each
        self.failed = History()  # of these the promise holds within this process
        self.reading = Connection(Breaker())
        self.writing = Connection(self.reading.breaker)  # a request may use another connection than the one before
        self.following = Connection(Breaker())
        self.slept = 0  # what a clock would lack that stands still while the machine sleeps
        self.subscription: Subscription | None = None
        self._acks: dict[tuple[int, int], int] = {}
        self._is_fresh = False
        self._awaited: tuple[int, int] | None = None  # when the last heartbeat was sent, and the sequence it found
        self._born = (0, 0)  # the incarnation, and a time when it was there
        self._is_settled = False

    def clock(self) -> int:
        return self.near.rate * self.world.now

    # --- the server ---------------------------------------------------------------------------------------------------

    def call(self, connection: Connection, script: str, *arguments: Any) -> Generator[Command, None, Any]:
        """Have the server run a script that tells nobody anything, or changes nothing that has to be known."""
        server = yield from self._server(connection)
        return (yield from self._exchange(connection, Command(getattr(server, script), arguments)))

    def run(self, connection: Connection, script: str, *arguments: Any) -> Generator[Command, None, Any]:
        """Have the server run a script, which counts only if Sentinel names this server afterwards."""
        server = yield from self._server(connection)
        reply = yield from self._exchange(connection, Command(getattr(server, script), arguments))
        if self.world.has_sentinels:
            named = yield from self._exchange(connection, Command(self.world.primary, ()))
            if named is not server:
                self._lose(connection)
        return reply

    def _server(self, connection: Connection) -> Generator[Command, None, Any]:
        if not self.world.has_sentinels:
            return self.world.primary()
        is_known = connection.asked > connection.breaker.failed_at and self.clock() <= connection.asked + TRUST
        if not is_known:
            asked = self.clock()
            connection.server = yield from self._exchange(connection, Command(self.world.primary, ()))
            connection.asked = asked
            connection.breaker.meet(connection.server, self.clock())
        return connection.server

    def _exchange(self, connection: Connection, command: Command) -> Generator[Command, None, Any]:
        yield command
        if command.is_lost:
            self._lose(connection)
        return command.reply

    def _lose(self, connection: Connection) -> NoReturn:
        connection.breaker.failed_at = self.clock()
        raise LostError

    # --- requests -----------------------------------------------------------------------------------------------------

    def hit(self, tag: str) -> Made | None:
        """Return what a request that has arrived is answered with at once."""
        has_lease = self.clock() < self.near.lease_until
        return self.near.entries.get(tag) if has_lease and tag not in self.pending else None

    def answer(self, tag: str, arrived: int) -> Generator[Any, None, None]:
        near = self.near
        hit = self.hit(tag)
        if hit is not None:
            self.world.check(self, hit, arrived)
            return
        kept = frozenset(self.pending)
        mark = near.position
        looked, found = yield from self._read(tag)
        if found is not None and is_usable(looked, found.mark) and tag not in kept:
            near.commit(tag, found.made, mark)
            self.world.check(self, found.made, arrived)
            return
        made = self.world.make(tag)
        yield SWITCH  # the application runs
        near.commit(tag, made, mark)
        if tag not in self.pending:
            yield from self._commit(tag, Kept(made, looked.mark))

    def _read(self, tag: str) -> Generator[Command, None, tuple[Looked, Kept | None]]:
        if self.world.is_cluster:
            looked = yield from self.call(self.reading, "look", tag)
            found = yield from self.call(self.reading, "find", tag)
        else:
            looked, found = yield from self.call(self.reading, "read", tag)
        return looked, found

    def _commit(self, tag: str, kept: Kept) -> Generator[Command, None, None]:
        if not self.world.is_cluster:
            yield from self.run(self.writing, "commit", tag, kept)
        elif (yield from self.run(self.writing, "may_keep", tag, kept.mark)):
            yield from self.run(self.writing, "keep", tag, kept)

    # --- invalidations ------------------------------------------------------------------------------------------------

    def invalidate(self, tag: str) -> Generator[Any, None, None]:
        call = self.world.history.call(frozenset([tag]), soft=False)
        try:
            taken, since = yield from self._take_back(tag)
        except LostError:
            self.pending[tag] = call.called
            self.near.invalidate(tag)
            self.failed.invalidations.append(Invalidation(call.tags, False, call.called, self.world.history.tick()))
            return
        silent = yield from self._wait(taken, since)
        call.returned = self.world.history.tick()
        self.world.note_wait(self.clock() - since)
        settled = taken.incarnation if not taken.is_settled else 0
        if silent or settled:
            yield from self.run(self.writing, "remove", silent, taken.incarnation, settled)

    def _take_back(self, tag: str) -> Generator[Any, None, tuple[Taken, int]]:
        self.near.invalidate(tag)
        taken = yield from self._announce(tag)
        since = self.clock()
        self.near.invalidate(tag)
        return taken, since

    def _announce(self, tag: str) -> Generator[Command, None, Taken]:
        if self.world.is_cluster:
            yield from self.run(self.writing, "move", tag)
            taken = yield from self.run(self.writing, "publish", tag, self.number)
        else:
            taken = yield from self.run(self.writing, "invalidate", tag, self.number)
        return cast("Taken", taken)

    def _wait(self, taken: Taken, since: int) -> Generator[Any, None, dict[int, int]]:
        """Wait for the acknowledgements, or as long as a lease lasts; return the followers that stayed silent."""
        others = {follower: beat for follower, beat in taken.followers.items() if follower != self.near.follower}

        def silent() -> dict[int, int]:
            applied, incarnation = self._acks, taken.incarnation
            return {one: others[one] for one in others if applied.get((one, incarnation), -1) < taken.sequence}

        yield Waiting(self.clock, since + LEASE, lambda: taken.is_settled and not silent())
        return silent()

    def repeat(self) -> Generator[Any, None, None]:
        """Repeat what failed; nobody waits for it any more."""
        for tag, call in list(self.pending.items()):
            yield from self._take_back(tag)
            if self.pending.get(tag) == call:
                del self.pending[tag]

    # --- following ----------------------------------------------------------------------------------------------------

    @property
    def follows(self) -> bool:
        return self.near.followed_by == self.number

    def follow(self) -> Generator[Any, None, None]:
        """Receive messages until the connection breaks."""
        subscription = yield from self.call(self.following, "subscribe", self.number)
        self.subscription = subscription
        self.begin_to_follow()
        try:
            while not subscription.is_broken:
                yield subscription
                if subscription.messages:
                    message = subscription.messages.pop(0)
                    if isinstance(message, Ack):
                        self._note(message)
                    elif self.follows:
                        yield from self._receive(message)
        finally:
            self.subscription = None

    def begin_to_follow(self) -> None:
        """Messages may have been missed before."""
        self._is_fresh, self._awaited = True, None

    def _note(self, ack: Ack) -> None:
        one = ack.follower, ack.incarnation
        self._acks[one] = max(self._acks.get(one, 0), ack.applied)

    def _receive(self, message: Message) -> Generator[Any, None, None]:
        near = self.near
        if message.incarnation != near.incarnation:
            return
        if message.sequence == near.applied + 1:
            near.invalidate(message.tag)
        elif message.sequence > near.applied:
            near.empty()
        near.applied = max(near.applied, message.sequence)
        self._renew()
        yield from self._acknowledge(message)

    def _acknowledge(self, message: Message) -> Generator[Any, None, None]:
        near = self.near
        ack = Ack(near.follower, near.incarnation, near.applied)
        yield from self.call(self.following, "acknowledge", message.origin, ack)

    def heartbeat(self) -> Generator[Any, None, None]:
        near = self.near
        incarnation, since = self._born
        has_waited = not self._is_settled and self.clock() >= since + LEASE
        sent, follower = self.clock(), near.follower
        beat = yield from self.run(self.following, "heartbeat", follower, incarnation if has_waited else 0)
        if near.follower != follower:
            return
        if self._born[0] != beat.incarnation:
            self._born = beat.incarnation, self.clock()
        self._is_settled = beat.is_settled
        self._take_up(beat)
        self._is_fresh, self._awaited = False, (sent, beat.sequence)
        self._renew()

    def _take_up(self, beat: Beat) -> None:
        """Begin anew if messages were missed that no message tells of."""
        near = self.near
        was_missed = self._is_fresh or (self._awaited is not None and self._awaited[1] > near.applied)
        if near.incarnation != beat.incarnation:
            near.lease_until, near.incarnation = NEVER, 0
            if beat.is_settled:  # before, a request of this process may still read at a former primary
                near.empty()
                near.incarnation, near.applied = beat.incarnation, beat.sequence
        elif beat.sequence > near.applied and was_missed:
            near.empty()
            near.applied = beat.sequence
            if not self._is_fresh and self.subscription is not None:
                self.subscription.is_broken = True  # it may have been deaf for long

    def _renew(self) -> None:
        """Trust in the last heartbeat once all is applied that the server had sent before it."""
        near = self.near
        if self._awaited is not None and near.incarnation and self._awaited[1] <= near.applied:
            near.lease_until = max(near.lease_until, self._awaited[0] + SHARE)
            self._awaited = None

    # --- comings and goings -------------------------------------------------------------------------------------------

    def leave(self, successor: int) -> Generator[Any, None, None]:
        """Stop to follow; whoever follows again does so under another number."""
        near = self.near
        follower, near.follower = near.follower, successor
        near.lease_until = NEVER
        near.incarnation = 0
        yield from self.call(self.following, "leave", follower)

    def fork(self, number: int, follower: int) -> Process:
        """Return the child, which has nothing of its parent but a file that both use."""
        near = self.near if self.near.is_shared else Near(follower, self.near.rate, is_shared=False)
        return Process(self.world, number, near)
