"""What a peer's store costs as it fills, in process; it runs in the peer's environment.

Looking up, memory, taking back, and whether a page that was taken back while it was being made comes back.

It prints a line of JSON for each series: what was measured, at how many entries, and the values.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.peers.drive import driver
from benchmarks.peers.site import Pages, Site, path, serve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.peers.drive import Driver

SIZE: Final = 100
"""Bytes of a page: what an entry takes beyond them is to be seen."""

SLOW: Final = 200
"""Milliseconds that a page takes during which its data changes."""

FEW: Final = 10_000
"""Entries from which on what they take is seen beside all that a process has."""

LOOKUPS: Final = 200
ROUNDS: Final = 7
REPEATED: Final = 500
"""Entries taken back in all at each number of entries, once at the least."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--entries", type=int, required=True, help="how many pages are kept")
    told = parser.parse_args(arguments)
    site = Site.from_environment()
    pages = Pages(site.calls)
    served = serve(site, pages)
    asking = driver(served)
    _say("after a change", 1, [float(_is_old_after_a_change(asking, pages))])
    _measure(asking, told.entries, is_shared=bool(site.redis))


def _is_old_after_a_change(asking: Driver, pages: Pages) -> bool:
    """Return whether a page is old after its data changed and it was taken back, all while it was being made."""
    target = path(SIZE, SLOW, 0)

    def change() -> None:
        pages.edition = "second"

    asking.take_back_meanwhile(target, pages.was_read, change)
    is_old = asking.ask(target).startswith(b"first")
    asking.take_back([target])
    return is_old


def _measure(asking: Driver, entries: int, *, is_shared: bool) -> None:
    targets = [path(SIZE, 0, number) for number in range(entries)]
    gc.collect()
    before = _resident()
    asking.ask_all(targets)
    gc.collect()
    if not is_shared and entries >= FEW:
        _say("memory", entries, [(_resident() - before) / entries - SIZE])
    if not is_shared:
        asking.ask_all(targets)  # what an entry's first hit costs besides is not what its number does
        _say("lookup", entries, [_lookup(asking, targets) for _ in range(ROUNDS)])
    times = []
    for turn in range(min(20, max(1, REPEATED // entries))):
        if turn:
            asking.ask_all(targets)
        times.append(1e6 * asking.take_back(targets))
    _say("take back", entries, times)


def _lookup(asking: Driver, targets: Sequence[str]) -> float:
    """Return the microseconds of CPU time that a hit takes, on pages in no order."""
    chosen = random.choices(targets, k=LOOKUPS)  # noqa: S311 - nothing secret
    gc.disable()
    start = time.process_time()
    asking.ask_all(chosen)
    taken = time.process_time() - start
    gc.enable()
    return 1e6 * taken / LOOKUPS


def _resident() -> int:
    """Return the bytes of memory that this process has; see proc_pid_statm(5)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _say(measure: str, at: int, values: list[float]) -> None:
    print(json.dumps({"measure": measure, "at": at, "values": values}), flush=True)


if __name__ == "__main__":
    main()
