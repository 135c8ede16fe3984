"""A near store that a test tells messages and heartbeats, by a clock that is wound by hand."""

from __future__ import annotations

from accelerator import MemoryStore, NearEvent
from accelerator.stores.finish import finish_now
from accelerator.stores.redis.fleet import Message
from accelerator.stores.tiered.following import Following, Heartbeat
from accelerator.stores.tiered.page import OwnPage, Page
from accelerator.stores.tiered.report import Report
from accelerator.testing import make_entry, make_request

LEASE = 2.0
REQUEST = make_request()
OTHER = make_request("https://example.org/other")


class Near:
    """A near store with the page of `x` and one of `other`, and what follows for it."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.page = Page(OwnPage().memory)
        self.events: list[NearEvent] = []
        self.report = Report(self.page, self.events.append)
        self.following = Following(self.store, self.page, self.report)
        self.following.subscribed()
        self.fill()

    def fill(self) -> None:
        for request, tag in ((REQUEST, "x"), (OTHER, "other")):
            mark = finish_now(self.store.lookup(request)).mark
            finish_now(self.store.commit(make_entry(request, mark, [tag])))

    @property
    def has(self) -> str:
        """The pages that are still there."""
        found = [finish_now(self.store.lookup(request)) for request in (REQUEST, OTHER)]
        names = zip(found, ("x", "other"), strict=True)
        return " ".join(f"stale {name}" if one.invalidated else name for one, name in names if one.entry is not None)

    def believed(self) -> bool:
        return self.page.is_good

    def heartbeat(self, sequence: int, incarnation: bytes = b"a", *, sent: float = 1000, settled: bool = True) -> bool:
        follower = self.page.follower
        assert follower is not None
        return self.following.heartbeat(follower, sent, Heartbeat(incarnation, sequence, settled))

    def message(self, sequence: int, incarnation: bytes = b"a", *tags: str, soft: bool = False) -> bool:
        return self.following.message(Message(incarnation, sequence, soft, tags or ("x",), b"origin"))
