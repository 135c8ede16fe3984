"""One cache downstream: what it is still to be told, and the thread that tells it."""

from __future__ import annotations

import logging
import threading
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple

import httpx

from accelerator.fanout.waiting import Purge, Waiting
from accelerator.rules.sent_tags import MORE

if TYPE_CHECKING:
    from collections.abc import Collection

    from accelerator.fanout.targets import Target
    from accelerator.figures.snapshot import DownstreamFigures

logger = logging.getLogger("accelerator")

CALL_SECONDS: Final = 10.0
"""Seconds for which a call waits for its connection, and for each part of its answer."""

IDLE_SECONDS: Final = 30.0
"""Seconds after which a thread that has nothing to do ends."""

FIRST_PAUSE: Final = 0.5
"""Seconds until a call that failed is repeated. Each further pause is twice as long."""

MAX_PAUSE: Final = 60.0
"""Seconds that such a pause lasts at most, unless the answer's Retry-After says more."""

MAX_RETRY_AFTER: Final = 300.0
"""Seconds that Retry-After may ask for."""

SECOND_PARTS: Final = 10
"""Second calls are gathered for a tenth of the time until they are made, and have each key once."""

_LATER: Final = frozenset({401, 403, 404, 405, 407, 408, 425, 429})
"""Answers 4xx that say nothing against the keys: the same call may succeed once settings or limits are others."""


class _Second(NamedTuple):
    """Keys that are purged a second time.

    Attributes:
        due: when, by the monotonic clock.
        keys: the keys.
    """

    due: float
    keys: Waiting


class Sender:
    """Tells one cache downstream what to purge, in a thread that runs while there is something to tell.

    Args:
        target: the cache.
        again_after: seconds after which each purge is made a second time, None for never.
    """

    def __init__(self, target: Target, again_after: float | None) -> None:
        self._target = target
        self._again_after = again_after
        self._sent = self._failed = 0
        self._has_work = threading.Condition()
        self._thread: threading.Thread | None = None
        self._waiting = Waiting()
        self._second: deque[_Second] = deque()  # in the order of their times
        self._has_refused = False
        self._in_flight = 0
        self._ends_at: float | None = None  # when to end whatever is left; None while it is not closing

    # --- from any thread ----------------------------------------------------------------------------------------------

    def add(self, keys: Collection[str], *, soft: bool) -> None:
        """Let these keys be purged, or everything if there are none. This waits for nothing."""
        with self._has_work:
            self._waiting.put_back(Purge(tuple(keys), soft))
            self._ends_at = None
            if self._thread is None:
                self._start()
            self._has_work.notify_all()

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name=f"accelerator fan-out to {self._target.name}", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the process has no room for a thread, or is at its end
            logger.warning("%s is not told what was taken back: no thread can be started", self._target.name)
        else:
            self._thread = thread

    def figures(self) -> DownstreamFigures:
        """Return what the cache was told."""
        with self._has_work:
            return {"sent": self._sent, "failed": self._failed, "waiting": len(self._waiting) + self._in_flight}

    def begin_to_close(self, ends_at: float) -> None:
        """Make second calls at once. End the thread when nothing is left, or at that time by the monotonic clock."""
        with self._has_work:
            self._ends_at = ends_at
            self._has_work.notify_all()

    def join(self, ends_at: float) -> None:
        """Wait for the end of the thread until that time, and say in the log what is left."""
        thread = self._thread
        if thread is not None:
            thread.join(max(0.0, ends_at - monotonic()))
        waiting = self.figures()["waiting"]
        if waiting:
            logger.warning("%s was not told all in time: %d keys wait", self._target.name, waiting)

    # --- in the thread ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            with httpx.Client(timeout=CALL_SECONDS) as client:
                self._work(client)
        except Exception as error:  # noqa: BLE001 - such as a proxy in the environment that httpx does not know
            logger.warning("%s is not told what was taken back: %s", self._target.name, type(error).__name__)
            with self._has_work:
                self._thread = None  # the next key to purge starts another one

    def _work(self, client: httpx.Client) -> None:
        pause = 0.0
        while (taken := self._next(pause)) is not None:
            purge, is_second = taken
            pause = self._after(purge, pause, is_second=is_second, failure=self._call(client, purge))

    def _next(self, pause: float) -> tuple[Purge, bool] | None:
        """Wait for the pause to pass, and then for what to purge next; None says that the thread is to end.

        Returns:
            The purge, and whether this is its second call.
        """
        with self._has_work:
            not_before = monotonic() + pause
            idle_until = not_before + IDLE_SECONDS
            while True:
                now = monotonic()
                if self._ends_at is not None and now >= self._ends_at:
                    break
                if now >= not_before and (taken := self._take(now)) is not None:
                    return taken
                has_nothing = not self._waiting and not self._second
                if has_nothing and (self._ends_at is not None or now >= idle_until):
                    break
                self._has_work.wait(self._until(not_before, idle_until) - now)
            self._thread = None
            return None

    def _take(self, now: float) -> tuple[Purge, bool] | None:
        most = self._target.max_keys - 1  # one more is `MORE`
        if (purge := self._waiting.take(most)) is not None:
            self._in_flight = purge.size
            return purge, False
        while self._second and (self._ends_at is not None or now >= self._second[0].due):
            if (purge := self._second[0].keys.take(most)) is not None:
                return purge, True
            self._second.popleft()
        return None

    def _until(self, not_before: float, idle_until: float) -> float:
        """Return when to look again, if nothing comes until then."""
        now = monotonic()
        times = [not_before] if now < not_before else [self._second[0].due] if self._second else [idle_until]
        return min([*times, *([] if self._ends_at is None else [self._ends_at])])

    def _call(self, client: httpx.Client, purge: Purge) -> _Failure | None:
        """Make a call, and return how it failed, None if it did not. Nothing of the call itself is in that."""
        keys = (*purge.keys, MORE) if purge.keys else ()
        try:
            answer = self._target.send(client, purge._replace(keys=keys))
            if self._target.has_taken(answer):
                return None
        except Exception as error:  # noqa: BLE001 - a target of another kind may raise anything
            return _Failure(type(error).__name__)
        asked = answer.headers.get("retry-after", "")
        seconds = min(float(asked), MAX_RETRY_AFTER) if asked.isascii() and asked.isdigit() else 0.0
        is_refused = 400 <= answer.status_code < 500 and answer.status_code not in _LATER
        return _Failure(f"it answered {answer.status_code}", seconds, is_refused=is_refused)

    def _after(self, purge: Purge, pause: float, *, is_second: bool, failure: _Failure | None) -> float:
        """Note how a call went, and return the seconds until the next one."""
        name = self._target.name
        if failure is None:
            self._note_success(purge, is_second=is_second)
            if pause:
                logger.warning("%s takes purges again", name)
            return 0.0
        is_refused = failure.is_refused and bool(purge.keys)
        self._note_failure(purge, is_second=is_second, is_refused=is_refused)
        if is_refused:
            if not self._has_refused:
                logger.warning("%s refuses to purge by keys, %s: everything is purged each time", name, failure.why)
            self._has_refused = True
            return 0.0
        if not pause:
            logger.warning("%s takes no purges, and is asked again until it does: %s", name, failure.why)
        return max(min(2 * pause, MAX_PAUSE) or FIRST_PAUSE, failure.retry_after)

    def _note_success(self, purge: Purge, *, is_second: bool) -> None:
        self._has_refused = self._has_refused and not purge.keys
        with self._has_work:
            self._in_flight = 0
            if not is_second:
                self._sent += purge.size
                self._remember(purge)

    def _note_failure(self, purge: Purge, *, is_second: bool, is_refused: bool) -> None:
        """Let what has failed be purged again, with everything else if its keys were refused."""
        with self._has_work:
            self._in_flight = 0
            self._failed += 1
            if is_refused:
                self._waiting.add_everything()
            elif is_second:
                self._second.appendleft(_Second(monotonic(), Waiting()))
                self._second[0].keys.put_back(purge)
            else:
                self._waiting.put_back(purge)

    def _remember(self, purge: Purge) -> None:
        """Let a purge be made a second time, together with others of about the same time."""
        if self._again_after is None:
            return
        due = monotonic() + self._again_after
        if self._second and self._second[-1].due >= due:
            self._second[-1].keys.put_back(purge)
        else:
            self._second.append(_Second(due + self._again_after / SECOND_PARTS, Waiting()))
            self._second[-1].keys.put_back(purge)


class _Failure(NamedTuple):
    """How a call has failed.

    Attributes:
        why: what to say of it in the log.
        retry_after: the seconds for which the cache wants to be left alone.
        is_refused: the same call will not succeed.
    """

    why: str
    retry_after: float = 0.0
    is_refused: bool = False
