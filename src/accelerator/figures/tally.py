"""The plain hits of one prepared answer, counted without a lock by the one thread that gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class Served(NamedTuple):
    """What a response from the store is.

    Attributes:
        url: its URL.
        tags: those of its tags that are counted.
        made_in: the seconds that the application took to make it.
    """

    url: str
    tags: tuple[str, ...] = ()
    made_in: float = 0.0


class Hits(NamedTuple):
    """How often an answer was given.

    Attributes:
        whole: with its body, to a GET.
        unchanged: as a 304.
        head: to a HEAD.
    """

    whole: int
    unchanged: int
    head: int


class Tally:
    """Counts the plain hits of one prepared answer.

    Only the thread that gives the answers adds to it, and the numbers only grow. Whoever reads them, in whatever
    thread, does so under one lock, and notes what was read.

    Args:
        served: returns what is served.
        size: the bytes of its body.
        age: the age of the response in seconds, as long as it is prepared.
        since: the moment from which it is prepared, in seconds since the epoch.
        until: the moment after which it is not used any more.
        retire: sees to it that it is not used any more, even if the clock is set back.

    Attributes:
        served: the given function.
        size: the given number.
        age: the given age.
        since: the given moment.
        until: the given moment.
        retire: the given function.
    """

    __slots__ = ("_head", "_read", "_unchanged", "_whole", "age", "retire", "served", "since", "size", "until")

    def __init__(
        self,
        served: Callable[[], Served],
        size: int,
        age: float,
        since: float,
        until: float,
        retire: Callable[[], None],
    ) -> None:
        self._whole = self._unchanged = self._head = 0
        self._read = Hits(0, 0, 0)
        self.served = served
        self.size = size
        self.age = age
        self.since = since
        self.until = until
        self.retire = retire

    def whole(self) -> None:
        """Count an answer with its body."""
        self._whole += 1

    def unchanged(self) -> None:
        """Count a 304."""
        self._unchanged += 1

    def head(self) -> None:
        """Count an answer to a HEAD."""
        self._head += 1

    def read(self) -> Hits:
        """Return what was counted since this was called last."""
        now, before = Hits(self._whole, self._unchanged, self._head), self._read
        self._read = now
        return Hits(now.whole - before.whole, now.unchanged - before.unchanged, now.head - before.head)


class Repeated:
    """Answers from the store that are alike, given within a second. They are counted under a lock.

    Args:
        served: returns what is served.
        age: the age of the response in seconds.
        since: when the first one was given, in seconds since the epoch.
        sent: the bytes of the body that was sent with that.

    Attributes:
        served: the given function.
        age: the given age.
        since: the given moment.
        number: how many they are.
        sent: the bytes of the bodies that were sent.
    """

    __slots__ = ("age", "number", "sent", "served", "since")

    def __init__(self, served: Callable[[], Served], age: float, since: float, sent: int) -> None:
        self.served = served
        self.age = age
        self.since = since
        self.number = 1
        self.sent = sent
