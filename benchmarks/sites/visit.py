"""What is asked of a site, by whom and in which order, and what comes of it."""

from __future__ import annotations

import zlib
from collections import Counter
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from benchmarks.sites.cache_status import cache_status
from benchmarks.sites.crawl import matches
from benchmarks.sites.site import NEWCOMER, NOBODY
from benchmarks.sites.wire import Ask, Reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.sites.compare import Comparison
    from benchmarks.sites.side import Side
    from benchmarks.sites.site import Site


@dataclass
class Outcome:
    """What came of one site behind one door with one store.

    Attributes:
        compared: how many answers were compared.
        pages: how many targets nobody is shown.
        kept: how many of them were a hit for the newcomer.
        reasons: why the others were not, in the words of Cache-Status.
        faults: what differed, or went where it may not.
    """

    site: str
    door: str
    store: str
    compared: int = 0
    pages: int = 0
    kept: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


class Visit:
    """All that is asked of a site behind one door, beside the site itself.

    Args:
        site: which.
        bare: the site itself; it is asked once for each request.
        behind: the site behind the cache.
        comparison: compares the two.
        outcome: what came of it.
    """

    def __init__(self, site: Site, bare: Bare, behind: Side, comparison: Comparison, outcome: Outcome) -> None:
        self._site, self._bare, self._behind = site, bare, behind
        self._comparison, self._outcome = comparison, outcome
        self._plain: dict[str, Reply] = {}

    def target(self, target: str, *, of_nobody: bool) -> None:
        """Ask for one target as everybody, at first and again; who asks first depends on the target."""
        plain = Ask("plain", target)
        self._plain.clear()
        for ask in _parts(target):
            self._compare(NOBODY, ask)
        order = _turned([name for name in self._bare.visitors if name != NEWCOMER], zlib.crc32(target.encode()))
        for visitor in order:
            for ask in (plain, _gzip(target)):
                self._compare(visitor, ask)
        for visitor in (NEWCOMER, *order):
            reply = self._compare(visitor, plain)
            if visitor == NEWCOMER and of_nobody:
                self._count(target, reply)
            for ask in (_gzip(target), *_parts(target), *_conditions(target, reply)):
                self._compare(visitor, ask)

    def _compare(self, visitor: str, ask: Ask) -> Reply:
        direct = self._bare.reply(visitor, ask)
        whole = self._plain.get(visitor) or self._bare.reply(visitor, Ask("plain", ask.target))
        reply = self._behind.ask(visitor, ask)
        if ask.kind == "plain":
            self._plain[visitor] = reply
        self._outcome.compared += 1
        words = self._comparison.differences(self._behind.case(ask), direct, reply, whole)
        if cache_status(reply).is_hit and matches(ask.target, self._site.never_hit):
            words.append("it came from the store")
        where, said = f"{visitor}: {ask.method} {ask.target} ({ask.kind})", reply.get("cache-status")
        self._outcome.faults += [f"{where}: {each} [{said}]" for each in words]
        return reply

    def _count(self, target: str, reply: Reply) -> None:
        """Count whether what nobody is shown is a hit for somebody with other cookies."""
        said = cache_status(reply)
        self._outcome.pages += 1
        if said.is_hit:
            self._outcome.kept += 1
            return
        self._outcome.reasons[said.why_not] += 1
        if self._site.must_keep and self._is_for_all(target):
            self._outcome.faults.append(f"{NEWCOMER}: GET {target} (plain): not kept: {said.why_not}")

    def _is_for_all(self, target: str) -> bool:
        """Tell whether nobody is shown a page there that is not private, and may be kept."""
        shown = self._bare.reply(NOBODY, Ask("plain", target))
        is_private = "private" in (shown.get("cache-control") or "") or shown.get("set-cookie") is not None
        return shown.status == HTTPStatus.OK and not is_private and not matches(target, self._site.never_hit)


class Bare:
    """The site itself, asked once for each request to a target.

    Attributes:
        visitors: the names of all who visit it.
    """

    def __init__(self, side: Side, site: Site) -> None:
        self.visitors = (NOBODY, *site.visitors)
        self._side = side
        self._replies: dict[tuple[str, Ask], Reply] = {}

    def reply(self, visitor: str, ask: Ask) -> Reply:
        """Return what it answers."""
        if (visitor, ask) not in self._replies:
            self._replies[visitor, ask] = self._side.ask(visitor, ask)
        return self._replies[visitor, ask]

    def forget(self) -> None:
        """Forget what was answered."""
        self._replies.clear()


def _gzip(target: str) -> Ask:
    return Ask("gzip", target, fields=(("accept-encoding", "gzip"),))


def _parts(target: str) -> tuple[Ask, ...]:
    return Ask("head", target, "HEAD"), Ask("range", target, fields=(("range", "bytes=3-12"),))


def _conditions(target: str, reply: Reply) -> Iterator[Ask]:
    """Ask by the validators that an answer had."""
    for kind, validator, condition in (
        ("etag", "etag", "if-none-match"),
        ("modified", "last-modified", "if-modified-since"),
    ):
        if value := reply.get(validator):
            yield Ask(kind, target, fields=((condition, value),))


def _turned(names: list[str], by: int) -> list[str]:
    at = by % len(names)
    return [*names[at:], *names[:at]]
