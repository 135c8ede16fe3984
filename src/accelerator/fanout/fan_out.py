"""What a store has taken back is passed on to the caches downstream."""

from __future__ import annotations

import atexit
import os
from time import monotonic
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from anyio import to_thread

from accelerator.fanout.sender import Sender
from accelerator.fanout.targets import Target
from accelerator.notes import seconds
from accelerator.rules.sent_tags import key_of
from accelerator.stores.observed import Downstream, Invalidated
from accelerator.tags import ALL
from accelerator.uncopied import Uncopied

if TYPE_CHECKING:
    from collections.abc import Collection

    from accelerator.figures.snapshot import DownstreamFigures
    from accelerator.stores.protocol import Store

CLOSE_SECONDS: Final = 5.0
"""Seconds that the end of a process, or of a store, waits until all was told."""


class FanOut(Uncopied, Downstream):
    """Tells caches downstream what a store has taken back in this process, after it holds in the store.

    Invalidations do not wait for it, and do not fail by it: each cache is told in a thread of its own. A call that
    failed is repeated until it succeeds. Where too much waits for that, everything is purged by one call.

    Args:
        targets: the caches.
        again_after: seconds after which each purge is made a second time. A response that was under way when the first
            came may have been stored after it. None makes none a second time.

    Raises:
        TypeError: one of them is no `Target`, or `again_after` is no number.
        ValueError: there are none, two have the same name, or `again_after` is not positive.
    """

    def __init__(self, *targets: Target, again_after: float | None = 10.0) -> None:
        for target in targets:
            if not isinstance(target, Target):
                raise TypeError(
                    f"caches are told by Fastly(), Cloudflare() or Varnish(), not by a {type(target).__name__}"
                )
        names = [target.name for target in targets]
        if not targets or len({*names}) < len(names):
            raise ValueError(
                "there is at least one cache, and each has a name of its own, such as Varnish(url, name='b')"
            )
        if again_after is not None and seconds("again_after", again_after) <= 0:
            raise ValueError(f"again_after is a positive number of seconds, or None, not {again_after}")
        self._targets = targets
        self._again_after = again_after
        self._senders: dict[int, dict[str, Sender]] = {}  # by the number of the process
        _all.add(self)

    def __repr__(self) -> str:
        return f"<FanOut: {', '.join(target.name for target in self._targets)}>"

    def _present(self) -> dict[str, Sender]:
        """Return the senders. A child process has new ones: its parent's tell what the parent was asked for."""
        process = os.getpid()
        return self._senders.get(process) or self._senders.setdefault(process, self._made())

    def _made(self) -> dict[str, Sender]:
        return {target.name: Sender(target, self._again_after) for target in self._targets}

    def follow(self, store: Store) -> None:
        """Pass on what this store takes back from now on, whoever asks it. A store has one `FanOut`, the last one.

        Args:
            store: the store, such as `app.store` of a middleware.

        Raises:
            TypeError: it is a store of another kind than the library's own, which does not tell what it takes back.
        """
        invalidated = getattr(store, "invalidated", None)
        if not isinstance(invalidated, Invalidated):
            raise TypeError(f"a {type(store).__name__} does not tell what it takes back: it has no `invalidated`")
        invalidated.follow(self)

    def take_back(self, tags: Collection[str], *, soft: bool) -> None:
        """Let the caches take back what has one of these tags. This waits for nothing.

        Args:
            tags: the tags; the library's own may be among them.
            soft: what has them becomes stale there.
        """
        if not tags:
            return
        keys = () if ALL in tags else tuple(map(key_of, tags))
        for sender in self._present().values():
            sender.add(keys, soft=soft)

    def figures(self) -> dict[str, DownstreamFigures]:
        """Return what each cache was told in this process, by their names."""
        return {name: sender.figures() for name, sender in self._present().items()}

    def close(self) -> None:
        """Wait until all was told, for five seconds at most. A later use begins anew."""
        ends_at = monotonic() + CLOSE_SECONDS
        senders = self._present().values()
        for sender in senders:
            sender.begin_to_close(ends_at)
        for sender in senders:
            sender.join(ends_at)

    async def aclose(self) -> None:
        """Do what `close` does, without blocking the event loop."""
        await to_thread.run_sync(self.close)


_all: Final[WeakSet[FanOut]] = WeakSet()


def _close_all() -> None:
    for fan_out in [*_all]:
        fan_out.close()


atexit.register(_close_all)
