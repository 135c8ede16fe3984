"""What is known of a near store, in a page of memory: its own, or one that all processes of a machine share.

One process writes it. The others look at the lease alone, which one store of eight bytes changes. What a killed process
leaves here is true at each moment: who follows next goes on from there.
"""

from __future__ import annotations

from hashlib import sha1
from typing import TYPE_CHECKING, Final

from accelerator.forks import wiped_by_forks
from accelerator.stores.protocol import SharedPage, SharesPage
from accelerator.stores.redis import fleet

if TYPE_CHECKING:
    from mmap import mmap

    from accelerator.stores.protocol import Store

_LEASE: Final = slice(0, 8)
_APPLIED: Final = slice(8, 16)
_FOLLOWER: Final = slice(16, 48)
_INCARNATION: Final = slice(48, 80)


class OwnPage(SharedPage):
    """A page of one process, which a child does not inherit, by whomever it was forked."""

    def __init__(self) -> None:
        self.memory = wiped_by_forks()

    def acquire(self) -> bool:
        """Return that nobody else has it."""
        return True

    def release(self) -> None:
        """Leave it as it is."""


def page_for(near: Store, far: str) -> SharedPage:
    """Return the page of a near store: that of all processes which share it, or one of its own.

    Args:
        near: the near store.
        far: what tells the far one from others. To follow one says nothing of what another has taken back.

    Raises:
        OSError, ValueError: see `SharesPage.shared_page`.
    """
    if not isinstance(near, SharesPage):
        return OwnPage()
    return near.shared_page(sha1(far.encode(), usedforsecurity=False).hexdigest())


class Page:
    """What is known of a near store. It is zeros at first: nobody follows, and the lease has passed.

    Args:
        memory: the page.
    """

    def __init__(self, memory: mmap) -> None:
        self._memory = memory
        self._lease = memoryview(memory)[_LEASE].cast("d")
        self._applied = memoryview(memory)[_APPLIED].cast("q")

    # --- the lease ----------------------------------------------------------------------------------------------------

    @property
    def is_good(self) -> bool:
        """Whether the near store may answer. It is asked at each use: after a pause of the process no timer ran yet."""
        return fleet.clock() < self._lease[0]

    @property
    def left(self) -> float:
        """The seconds for which it is good from now on, 0 if it is not."""
        return max(0.0, self._lease[0] - fleet.clock())

    def extend(self, until: float) -> None:
        """Let the lease last until then by `clock`, if it does not last longer already."""
        self._lease[0] = max(until, self._lease[0])

    def end(self) -> None:
        """Let the lease have passed."""
        self._lease[0] = 0.0

    # --- up to where it follows ---------------------------------------------------------------------------------------

    @property
    def follower(self) -> bytes | None:
        """The name under which it follows, None if it does not. Another one is never used again."""
        return self._memory[_FOLLOWER].rstrip(b"\0") or None

    @property
    def incarnation(self) -> bytes | None:
        """The name of the order of messages that it follows, None if it has none yet."""
        return self._memory[_INCARNATION].rstrip(b"\0") or None

    @property
    def applied(self) -> int:
        """The number of the last message that was applied."""
        return self._applied[0]

    def begin(self, follower: bytes) -> None:
        """Follow under a name."""
        self.forget()
        self._write(_FOLLOWER, follower)

    def join(self, incarnation: bytes, applied: int) -> None:
        """Follow an order of messages from a number on."""
        self.forget()
        self._applied[0] = applied
        self._write(_INCARNATION, incarnation)

    def advance(self, applied: int) -> None:
        """Note that all messages up to a number were applied."""
        self._applied[0] = max(applied, self._applied[0])

    def forget(self) -> None:
        """Believe nothing until an order of messages is joined again."""
        self.end()
        self._write(_INCARNATION, b"")

    def leave(self) -> None:
        """Follow no longer."""
        self.forget()
        self._write(_FOLLOWER, b"")

    def _write(self, where: slice, name: bytes) -> None:
        self._memory[where] = name.ljust(where.stop - where.start, b"\0")
