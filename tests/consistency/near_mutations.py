"""The ways to break the protocol of near stores, as changes of its model; and changes that break nothing."""

from __future__ import annotations

from typing import Final

from tests.consistency.mutations import Change, Mutation

MODEL: Final = "near_model.py"
ANY: Final = "any schedule"


def mutation(name: str, plot: str, *changes: tuple[str, str]) -> Mutation:
    """Name changes of the model, and the plot in which they show."""
    return Mutation(name, plot, *(Change(MODEL, old, new) for old, new in changes))


LISTED: Final = (
    "    def heartbeat(self, follower: int,",
    """
    def listed(self) -> dict[int, int]:
        return dict(self.read_key().followers)

    def heartbeat(self, follower: int,""",
)
"""A script that tells who follows, and does nothing else."""
MOVED_AND_TOLD: Final = """
            yield from self.run(self.writing, "move", tag)
            taken = yield from self.run(self.writing, "publish", tag, self.number)
"""
"""The steps of an invalidation on a cluster."""

LEASES: Final = [
    mutation(
        "lease from receipt",
        "a heartbeat that is answered late",
        (
            "self._is_fresh, self._awaited = False, (sent, beat",
            "self._is_fresh, self._awaited = False, (self.clock(), beat",
        ),
    ),
    mutation(
        "lease as a flag",
        "a heartbeat that is answered late",
        ("has_lease = self.clock() < self.near.lease_until", "has_lease = self.near.lease_until != NEVER"),
        (
            "        sent, follower = self.clock(), near.follower\n",
            """
        if self.clock() >= near.lease_until:
            near.lease_until = NEVER
        sent, follower = self.clock(), near.follower
""",
        ),
    ),
    mutation(
        "lease by a clock that stands still while the machine sleeps",
        "a machine that sleeps while its follower is waited for",
        ("has_lease = self.clock() < self", "has_lease = self.clock() - self.slept < self"),
    ),
    mutation(
        "lease without a margin for the rates of clocks",
        "a clock that is faster than the follower's",
        ("SHARE = 9_800", "SHARE = LEASE"),
    ),
    mutation(
        "renewal without looking at the sequence",
        "a heartbeat while messages are late",
        (
            "if self._awaited is not None and near.incarnation and self._awaited[1] <= near.applied:",
            "if self._awaited is not None and near.incarnation:",
        ),
    ),
    mutation(
        "L counted from when the invalidation was sent",
        "a lease that is renewed while an invalidation is on its way to the server",
        (
            """
        taken = yield from self._announce(tag)
        since = self.clock()
""",
            """
        since = self.clock()
        taken = yield from self._announce(tag)
""",
        ),
    ),
    mutation(
        "L by the server's clock",
        "the server's clock is set while an invalidation waits",
        (
            "        since = self.clock()\n        self.near",
            "        since = self.world.server.clock * self.near.rate\n        self.near",
        ),
        ("yield Waiting(self.clock, since", "yield Waiting(lambda: self.world.server.clock * self.near.rate, since"),
    ),
    mutation(
        "no acknowledgement awaited",
        "a message that comes after one was lost",
        (
            "        yield Waiting(self.clock, since + LEASE, lambda: taken.is_settled and not silent())\n",
            "        yield SWITCH\n",
        ),
    ),
]
ORDER: Final = [
    mutation(
        "ack before applying",
        "a follower that is held up while it applies a message",
        (
            """
        if message.sequence == near.applied + 1:
            near.invalidate""",
            """
        near.applied, applied = max(near.applied, message.sequence), near.applied
        yield from self._acknowledge(message)
        near.applied = applied
        if message.sequence == near.applied + 1:
            near.invalidate""",
        ),
    ),
    mutation(
        "ack over a gap",
        "a message that comes after one was lost",
        (
            "        elif message.sequence > near.applied:\n            near.empty()\n",
            "        elif message.sequence > near.applied:\n            near.invalidate(message.tag)\n",
        ),
    ),
    mutation(
        "near mark after the far read",
        "a read that is under way while the near store is emptied",
        (
            "            near.commit(tag, found.made, mark)\n",
            "            near.commit(tag, found.made, near.position)\n",
        ),
    ),
    mutation(
        "epoch ignored",
        "a read that is under way while the near store is emptied",
        ("        self.position += 1\n        self.floor = self.position\n", ""),
    ),
    mutation(
        "local apply only before",
        "a read before the server has the invalidation of its own process",
        ("        since = self.clock()\n        self.near.invalidate(tag)\n", "        since = self.clock()\n"),
    ),
    mutation(
        "published before the records are moved",
        "a follower that joins while another invalidates",
        (
            "        taken = yield from self._announce(tag)\n",
            """
        taken = yield from self.run(self.writing, "publish", tag, self.number)
        yield from self.run(self.writing, "move", tag)
""",
        ),
    ),
    mutation(
        "what failed is applied only before the call, and judges no hits",
        "an invalidation that fails, and a read before it does",
        ("            self.near.invalidate(tag)\n            self.failed", "            self.failed"),
        ("if has_lease and tag not in self.pending else", "if has_lease else"),
    ),
    mutation(
        "what failed judges no hits of the near store",
        "an invalidation that fails in one of two processes with the same near store",
        ("if has_lease and tag not in self.pending else", "if has_lease else"),
    ),
    mutation(
        "what failed judges nothing that is far",
        "an invalidation that fails, and a read before it does",
        (" and tag not in kept:", ":"),
    ),
]
FOLLOWERS: Final = [
    mutation(
        "followers read apart from the sequence",
        "a follower that joins while another invalidates",
        (
            "        taken = yield from self._announce(tag)\n",
            """
        followers = yield from self.run(self.writing, "listed")
        taken = yield from self._announce(tag)
        taken = taken._replace(followers=followers)
""",
        ),
        LISTED,
    ),
    mutation(
        "followers expiring alone",
        "the server's clock is set while an invalidation waits",
        (
            "        key.followers[follower] = key.beats\n",
            """
        key.followers[follower] = key.beats
        self.__dict__.setdefault("times", {})[follower] = self.clock
""",
        ),
        (
            "key.is_settled, dict(key.followers))",
            "key.is_settled, {one: beat for one, beat in key.followers.items() if self.clock < self.times[one] + 100})",
        ),
    ),
    mutation(
        "removal of a follower without a look at its heartbeats",
        "a follower that is not heard, and goes on",
        ("key.followers.get(follower) == beat:", "follower in key.followers:"),
    ),
    mutation(
        "numbers of heartbeats come again",
        "a follower that is taken out twice, and joins between",
        ("key.followers[follower] = key.beats", "key.followers[follower] = key.followers.get(follower, 0) + 1"),
    ),
    mutation(
        "removal by another incarnation",
        "a follower that is to be taken out where the server began anew",
        ("if key.incarnation == incarnation and key.followers", "if key.followers"),
    ),
    mutation(
        "one id shared after a fork",
        "a process that forks",
        (
            "else Near(follower, self.near.rate, is_shared=False)\n",
            "else __import__('copy').deepcopy(self.near)\n",
        ),
    ),
    mutation(
        "a heartbeat's answer counts after leaving",
        "a heartbeat that is answered after its follower has left",
        ("        if near.follower != follower:\n            return\n", ""),
    ),
    mutation(
        "leaving without ending the lease",
        "a heartbeat that is answered after its follower has left",
        ("        near.lease_until = NEVER\n        near.incarnation = 0\n", "        near.incarnation = 0\n"),
    ),
]
SERVERS: Final = [
    mutation(
        "no settling after a restart",
        "a lease of before the server began anew",
        (
            "self.key = Key(next(self._incarnations), self.identity)",
            "self.key = Key(next(self._incarnations), self.identity, is_settled=True)",
        ),
    ),
    mutation(
        "settled without having waited",
        "a lease of before the server began anew",
        ("has_waited = not self._is_settled and self.clock() >= since + LEASE", "has_waited = True"),
    ),
    mutation(
        "settled in another incarnation than was waited in",
        "a heartbeat that settles what is gone when it comes",
        (
            "        key.is_settled |= settled == key.incarnation\n        key.beats",
            "        key.is_settled |= settled > 0\n        key.beats",
        ),
    ),
    mutation(
        "incarnation ignored",
        "numbers of before the server began anew",
        ("if message.incarnation != near.incarnation:", "if False:"),
        ("if near.incarnation != beat.incarnation:", "if near.incarnation == 0:"),
        (
            "if applied.get((one, incarnation), -1)",
            "if max((at for (who, _), at in applied.items() if who == one), default=-1)",
        ),
    ),
    mutation(
        "incarnation of messages and heartbeats ignored",
        "numbers of before the server began anew",
        ("if message.incarnation != near.incarnation:", "if False:"),
        ("if near.incarnation != beat.incarnation:", "if near.incarnation == 0:"),
    ),
    mutation(
        "incarnation of acknowledgements ignored",
        "numbers of before the server began anew",
        (
            "if applied.get((one, incarnation), -1)",
            "if max((at for (who, _), at in applied.items() if who == one), default=-1)",
        ),
    ),
    mutation(
        "no server identity",
        "a replica takes over that has missed a follower",
        ("if self.key is None or self.key.identity != self.identity:", "if self.key is None:"),
    ),
]
FORMER: Final = [
    mutation(
        "joins what is not settled",
        "a request that reads at a former primary after its follower has heard of the new one",
        ("            if beat.is_settled:  #", "            if True:  #"),
    ),
    mutation(
        "what a former primary has taken counts",
        "a former primary takes an invalidation after the new one has an entry",
        ("            if named is not server:\n", "            if False:\n"),
    ),
    mutation(
        "a server is trusted for longer than a lease",
        "a former primary is read for as long as it is trusted",
        ("TRUST = 5_000", "TRUST = 15_000"),
    ),
    mutation(
        "a server is trusted by a clock that stands still while the machine sleeps",
        "a machine that sleeps while a former primary is trusted",
        ("and self.clock() <= connection.asked + TRUST", "and self.clock() - self.slept <= connection.asked + TRUST"),
    ),
    mutation(
        "who hears of a new primary trusts in the other connections",
        "a reader of a process that repeats what failed",
        ("            self.failed_at = now\n", "            pass\n"),
    ),
]
STEPS: Final = [
    mutation(
        "announced before the positions are moved",
        "a read between the steps of an invalidation",
        (
            MOVED_AND_TOLD,
            """
            taken = yield from self.run(self.writing, "publish", tag, self.number)
            yield from self.run(self.writing, "move", tag)
""",
        ),
    ),
    mutation(
        "followers listed before the positions are moved",
        "a follower that joins between the steps of an invalidation",
        (
            MOVED_AND_TOLD,
            """
            followers = yield from self.run(self.writing, "listed")
            yield from self.run(self.writing, "move", tag)
            taken = yield from self.run(self.writing, "publish", tag, self.number)
            taken = taken._replace(followers=followers)
""",
        ),
        LISTED,
    ),
]
PROGRESS: Final = [
    mutation(
        "its own invalidations hide from a process that it is deaf",
        "a connection is deaf",
        (
            "        self.near.invalidate(tag)\n        return taken, since\n",
            """
        self.near.invalidate(tag)
        if taken.incarnation == self.near.incarnation and self.near.applied == taken.sequence - 1:
            self.near.applied = taken.sequence
            self._renew()
        return taken, since
""",
        ),
    ),
    mutation(
        "a lost last message leaves a follower without a lease",
        "a connection is deaf",
        (
            "was_missed = self._is_fresh or (self._awaited is not None and self._awaited[1] > near.applied)",
            "was_missed = self._is_fresh",
        ),
    ),
    mutation(
        "a deaf connection is kept",
        "a connection is deaf",
        (
            "                self.subscription.is_broken = True  # it may have been deaf for long\n",
            "                pass\n",
        ),
    ),
    mutation(
        "no bound on the wait for acknowledgements",
        "a process that dies",
        ("yield Waiting(self.clock, since + LEASE,", "yield Waiting(self.clock, since + 10**9,"),
    ),
    mutation(
        "a silent follower stays in the list",
        "a process that dies",
        ("                del key.followers[follower]\n", "                pass\n"),
    ),
    mutation(
        "nobody settles",
        "a lease of before the server began anew",
        ("        settled = taken.incarnation if not taken.is_settled else 0\n", "        settled = 0\n"),
        ("has_waited = not self._is_settled and self.clock() >= since + LEASE", "has_waited = False"),
    ),
]
BREAKING: Final = [*LEASES, *ORDER, *FOLLOWERS, *SERVERS, *FORMER, *STEPS]
HARMLESS: Final = [
    mutation(
        "a message of its own is not applied again",
        ANY,
        (
            "        self.near.invalidate(tag)\n        return taken, since\n",
            """
        self.near.invalidate(tag)
        self._acks[-1, taken.incarnation, taken.sequence] = 0
        return taken, since
""",
        ),
        (
            "            near.invalidate(message.tag)\n",
            """
            if (-1, message.incarnation, message.sequence) not in self._acks:
                near.invalidate(message.tag)
""",
        ),
    ),
    mutation(
        "after a gap it waits for the next heartbeat",
        ANY,
        (
            "            near.empty()\n        near.applied = max",
            "            near.empty()\n            return\n        near.applied = max",
        ),
    ),
    mutation(
        "messages of another incarnation end the lease at once",
        ANY,
        (
            "message.incarnation != near.incarnation:\n            return\n",
            "message.incarnation != near.incarnation:\n            near.lease_until = NEVER\n            return\n",
        ),
    ),
    mutation(
        "what failed judges hits of the near store, and is applied only before the call",
        ANY,
        ("            self.near.invalidate(tag)\n            self.failed", "            self.failed"),
    ),
]
