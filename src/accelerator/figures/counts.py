"""What one accelerator counts in one process.

A plain hit adds one to a number, see `tally.py`; what that means is worked out when figures are read, or when its
prepared answer is over. Whatever else happens to a request is counted at once, under a lock.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeAlias, TypeVar

from accelerator.figures.histogram import Histogram
from accelerator.figures.hottest import Hottest
from accelerator.figures.tally import Repeated

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Hashable, Iterable

    from accelerator.figures.snapshot import Figures, InvalidationFigures, RequestLine, StoreFigures
    from accelerator.figures.tally import Served, Tally

MAX_TEXT: Final = 256
"""Characters of a URL, a tag or a reason that figures show."""

MAX_REASONS: Final = 64
"""Number of reasons that are told apart for one outcome. More can come of a status, or of a field's name."""

OTHER: Final = "other"
"""What stands for all further reasons."""

MAX_LATEST: Final = 100
"""Number of lines of the latest requests."""

EntryT = TypeVar("EntryT")

SHOWN: Final = 50
"""Number of URLs, tags and unstored responses that figures show."""

MAX_TAGS: Final = 32
"""Number of tags of a response that are counted."""

SLOT_SECONDS: Final = 5
"""Seconds in one slot of the traffic over time."""

SLOTS: Final = 120
"""Number of slots."""

MIN_TALLIES: Final = 256
"""From so many tallies on, those that are over are looked for."""

FROM_STORE: Final = frozenset({"hit", "stale"})
"""The outcomes for which the application was not waited for."""

MAX_REPEATED: Final = 256
"""Number of different answers from the store that wait to be counted."""

STORED: Final = "stored"


def shown(text: str) -> str:
    """Return a text as figures show it: what is not UTF-8 is escaped, and a long one is cut."""
    return text[:MAX_TEXT].encode(errors="backslashreplace").decode()


class Answered(NamedTuple):
    """What happened to a request, or to several of the same kind.

    Attributes:
        outcome: see `CacheEvent.kind`.
        reason: `stored`, or why the response was not stored, or the request forwarded; `""` for a hit.
        method: the request method.
        age: the age in seconds of a response from the store, else None.
        number: how many they are.
        sent: the bytes of the bodies that were sent from the store.
        collapsed: whether they had waited for the fill of another request.
    """

    outcome: str
    reason: str
    method: str
    age: float | None = None
    number: int = 1
    sent: int = 0
    collapsed: bool = False


Alike: TypeAlias = "tuple[str, str, bool, int, Hashable]"
"""What answers from the store have in common that are counted together: outcome, method, whether they had waited for
another fill, whole seconds of the age, and what tells the responses apart. A plain tuple is made soonest."""


class Noted(Protocol):
    """What the application says about its response."""

    is_counted: bool


class Counts:
    """Counts what happens to requests. Any thread may use it, but plain hits are for the thread of one loop.

    Args:
        clock: returns seconds since the epoch.
        lock: a lock that nobody else holds.
    """

    def __init__(self, clock: Callable[[], float], lock: threading.Lock) -> None:
        self._clock = clock
        self._lock = lock
        self._tallies: list[Tally] = []
        self._tell: Callable[[], None] = _nothing
        self.reset()

    def tell(self, listener: Callable[[], None]) -> None:
        """Call a function from now on before something is counted, but for what comes again within a second."""
        self._tell = listener

    def reset(self) -> None:
        """Begin anew, with nothing counted, as in a child process."""
        self._since = self._clock()
        self._requests: dict[str, dict[str, int]] = {}
        self._refreshes: dict[str, int] = {}
        self._collapsed = 0
        self._bytes_served = 0
        self._seconds_saved = 0.0
        self._ages = Histogram(1.0)
        self._fills = Histogram(0.001)
        self._filling: set[Noted] = set()
        self._urls: Hottest[str] = Hottest()
        self._tags: Hottest[str] = Hottest()
        self._unstored: Hottest[tuple[str, str]] = Hottest()
        self._latest: deque[RequestLine] = deque(maxlen=MAX_LATEST)
        self._slots: dict[float, tuple[int, int]] = {}
        self._repeated: dict[Alike, Repeated] = {}
        for tally in self._tallies:
            tally.retire()
        self._tallies = []
        self._enough = MIN_TALLIES

    # --- counting -----------------------------------------------------------------------------------------------------

    def answered(self, answered: Answered, served: Served) -> None:
        """Count what happened to a request.

        Args:
            answered: what happened.
            served: the URL of the request, with what was served if it was answered from the store.
        """
        self._tell()
        with self._lock:
            self._answered(answered, served, self._clock())

    def refreshed(self, reason: str) -> None:
        """Count a refresh in the background: `stored`, or why its response was not stored."""
        with self._lock:
            _count(self._refreshes, reason, 1)

    def served(
        self, alike: Alike, age: float, sent: int, entry: EntryT, served: Callable[[EntryT], Callable[[], Served]]
    ) -> None:
        """Count an answer from the store.

        Args:
            alike: what it has in common with others.
            age: the age of the response in seconds.
            sent: the bytes of the body that was sent.
            entry: what was served.
            served: returns what tells figures of that.
        """
        with self._lock:
            if self._has_repeated(alike, sent):
                return
        self._tell()
        with self._lock:
            if not self._has_repeated(alike, sent):
                if len(self._repeated) >= MAX_REPEATED:
                    self._look_at_repeated()
                self._repeated[alike] = Repeated(served(entry), age, self._clock(), sent)

    def _has_repeated(self, alike: Alike, sent: int) -> bool:
        """Count an answer with those that are alike, if there are any yet."""
        repeated = self._repeated.get(alike)
        if repeated is None:
            return False
        repeated.number += 1
        repeated.sent += sent
        return True

    def tally(self, tally: Tally) -> None:
        """Count plain hits by a tally from now on. It is called by the thread that gives these answers."""
        self._tell()
        with self._lock:
            self._tallies.append(tally)
            if len(self._tallies) > self._enough:
                self._look_at_tallies()
                now = self._clock()
                for over in [tally for tally in self._tallies if tally.until < now]:
                    over.retire()
                self._tallies = [tally for tally in self._tallies if tally.until >= now]
                self._enough = max(MIN_TALLIES, 2 * len(self._tallies))

    def filled(self, seconds: float) -> None:
        """Count a complete response of the application, and the seconds that it took."""
        with self._lock:
            self._fills.add(seconds)

    def begin_fill(self, notes: Noted) -> None:
        """Count a call of the application as one that is under way.

        Args:
            notes: what the application says meanwhile: it may leave its request out of the figures.
        """
        with self._lock:
            self._filling.add(notes)

    def end_fill(self, notes: Noted) -> None:
        """Note that a call of the application has ended."""
        with self._lock:
            self._filling.discard(notes)

    def _look_at_tallies(self) -> None:
        """Count what was added to the tallies."""
        for tally in self._tallies:
            whole, unchanged, head = tally.read()
            if gets := whole + unchanged:
                found = Answered("hit", "", "GET", tally.age, gets, whole * tally.size)
                self._answered(found, tally.served(), tally.since)
            if head:
                self._answered(Answered("hit", "", "HEAD", tally.age, head), tally.served(), tally.since)

    def _look_at_repeated(self) -> None:
        """Count the answers that are alike."""
        for (outcome, method, collapsed, *_), found in self._repeated.items():
            answered = Answered(outcome, "", method, found.age, found.number, found.sent, collapsed)
            self._answered(answered, found.served(), found.since)
        self._repeated.clear()

    def _answered(self, answered: Answered, served: Served, now: float) -> None:
        outcome, reason, method, age, number, sent, collapsed = answered
        url, is_from_store = shown(served.url), outcome in FROM_STORE
        reason = _count(self._requests.setdefault(outcome, {}), reason, number)
        if collapsed:
            self._collapsed += number
        if age is not None:
            self._ages.add(age, number)
        if is_from_store:
            self._seconds_saved += number * served.made_in
            self._urls.add(url, number, now)
            for tag in served.tags:
                self._tags.add(shown(tag), number, now)
        elif reason != STORED and method in {"GET", "HEAD"}:
            self._unstored.add((reason, url), number, now)
        self._bytes_served += sent
        self._latest.append(
            {
                "time": now,
                "outcome": outcome,
                "reason": reason,
                "method": shown(method),
                "url": url,
                "age": age,
                "number": number,
            }
        )
        self._count_in_slot(now, number if is_from_store else 0, 0 if is_from_store else number)

    def _count_in_slot(self, now: float, from_store: int, others: int) -> None:
        slot = now // SLOT_SECONDS * SLOT_SECONDS
        before = self._slots.get(slot, (0, 0))
        self._slots[slot] = before[0] + from_store, before[1] + others
        if len(self._slots) > SLOTS:
            del self._slots[min(self._slots)]

    # --- reading ------------------------------------------------------------------------------------------------------

    def number(self) -> int:
        """Return the number of requests and refreshes until now: as long as it is the same, so is what was counted."""
        with self._lock:
            self._look_at_tallies()
            self._look_at_repeated()
            return sum([sum(reasons.values()) for reasons in (*self._requests.values(), self._refreshes)])

    def figures(self, store: StoreFigures, invalidations: InvalidationFigures) -> Figures:
        """Return what was counted, with the figures of the store and of its invalidations."""
        with self._lock:
            self._look_at_tallies()
            self._look_at_repeated()
            now = self._clock()
            return {
                "since": self._since,
                "until": now,
                "workers": 1,
                "complete": True,
                "requests": {outcome: dict(reasons) for outcome, reasons in self._requests.items()},
                "refreshes": dict(self._refreshes),
                "collapsed": self._collapsed,
                "bytes_served": self._bytes_served,
                "seconds_saved": self._seconds_saved,
                "ages": self._ages.as_dict(),
                "fills": self._fills.as_dict(),
                "filling": sum([notes.is_counted for notes in self._filling]),
                **invalidations,
                "store": store,
                "urls": self._urls.most(SHOWN, now),
                "tags": self._tags.most(SHOWN, now),
                "unstored": [(*names, number) for names, number in self._unstored.most(SHOWN, now)],
                "latest": newest_first(self._latest),
                "traffic": [(slot, *numbers) for slot, numbers in sorted(self._slots.items())],
            }


def newest_first(lines: Iterable[RequestLine]) -> list[RequestLine]:
    """Return lines of requests by their times; of those at the same time the one that was counted last is first."""
    found = [*lines]
    found.reverse()
    found.sort(key=lambda line: -line["time"])  # it keeps the order of those that are equal
    return found


def _nothing() -> None:
    """Be called in vain."""


def _count(reasons: dict[str, int], reason: str, number: int) -> str:
    """Count a reason, and return the name by which it is counted."""
    name = shown(reason)
    if name not in reasons and len(reasons) >= MAX_REASONS:
        name = OTHER
    reasons[name] = reasons.get(name, 0) + number
    return name


def counted_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Return those of an entry's tags that are counted."""
    return tuple(islice((tag for tag in tags if not tag.startswith("@")), MAX_TAGS))
