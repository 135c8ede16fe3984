"""What happened, in order, and the promise that has to hold of it."""

from __future__ import annotations

from dataclasses import dataclass, field


class RuleBrokenError(AssertionError):
    """The invalidation rule does not hold; other failures of a test are none of the rule."""


@dataclass
class Invalidation:
    """A call that takes tags back; it holds for requests that arrive after it returned."""

    tags: frozenset[str]
    soft: bool
    called: int
    returned: int | None = None


@dataclass(frozen=True)
class Made:
    """A response as it can come out of the cache: what it was made from, and when its making began."""

    number: int
    tags: frozenset[str]
    begun: int


@dataclass
class History:
    """Events in order; each has the number of its moment."""

    now: int = 0
    invalidations: list[Invalidation] = field(default_factory=list)

    def tick(self) -> int:
        """Return a new moment, later than all before."""
        self.now += 1
        return self.now

    def call(self, tags: frozenset[str], *, soft: bool) -> Invalidation:
        """An invalidation is called; the caller says when it has returned."""
        invalidation = Invalidation(tags, soft, self.tick())
        self.invalidations.append(invalidation)
        return invalidation

    def check(self, made: Made, arrived: int, *, stale: bool) -> None:
        """Hold an answer against the promise.

        Args:
            made: the response that was answered with.
            arrived: when the request came.
            stale: the answer says that it is stale.
        """
        for one in self.invalidations:
            has_returned = one.returned is not None and one.returned < arrived
            if has_returned and made.begun < one.called and one.tags & made.tags and not (one.soft and stale):
                raise RuleBrokenError(f"{made} answers, as {'stale' if stale else 'fresh'}, after {one}")
