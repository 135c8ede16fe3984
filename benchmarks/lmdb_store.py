"""What LMDBStore costs in process, beside MemoryStore and beside the bare transactions of LMDB that it stands on.

An entry has 10 KB and five tags. The cases take turns in one run.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from time import process_time
from typing import TYPE_CHECKING, Any, Final

import lmdb

from accelerator import LMDBStore, MemoryStore
from accelerator.http.request import Request
from accelerator.stores.finish import finish_now
from accelerator.testing import make_entry, make_request

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from accelerator import Lookup, Store

    Case = Callable[[], object]

BODY: Final = bytes(10_000)
TAGS: Final = [f"tag:{number}" for number in range(5)]
URLS: Final = 400
MAX_BYTES: Final = 64 * 1024 * 1024
TURNS: Final = 25


def done(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that never waits, and return its result."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits")


def cases_of_store(store: MemoryStore | LMDBStore) -> dict[str, Case]:
    """Return what is done with a store, each time the same."""
    request = make_request("https://www.example.org/hit")
    found: Lookup = done(store.lookup(request))
    assert done(store.commit(make_entry(request, found.mark, TAGS, body=BODY)))
    pages = [make_request(f"https://www.example.org/{number}") for number in range(URLS)]
    entries = itertools.cycle([make_entry(page, found.mark, TAGS, body=BODY) for page in pages])
    hit = partial(store.ready_entry, request.key, request, Request.selecting_values)
    return {
        "hit": hit,
        "lookup": lambda: done(store.lookup(request)),
        "invalidation": lambda: finish_now(store.invalidate_tag("other")),
        "invalidation, then lookup": partial(_invalidate_and_look_up, store, request),
        "commit of 10 KB": lambda: done(store.commit(next(entries))),
    }


def _invalidate_and_look_up(store: Store, request: Request) -> None:
    finish_now(store.invalidate_tag("other"))
    done(store.lookup(request))


def cases_of_lmdb(env: lmdb.Environment) -> dict[str, Case]:
    """Return the bare transactions: those of a hit, of an invalidation and of a commit."""
    numbers = itertools.cycle(range(URLS))

    def look() -> None:
        txn = env.begin()
        txn.id()
        txn.abort()

    def invalidate() -> None:
        with env.begin(write=True) as txn:
            txn.put(b"m", bytes(60))
            txn.put(b"t" + bytes(16), bytes(20))

    def commit() -> None:
        with env.begin(write=True) as txn:
            txn.put(b"m", bytes(60))
            txn.put(b"e%d" % next(numbers), BODY)

    return {"hit": look, "invalidation": invalidate, "commit of 10 KB": commit}


def measure(case: Case, calls: int) -> float:
    """Return the microseconds of CPU that a call takes."""
    start = process_time()
    for _ in range(calls):
        case()
    return (process_time() - start) / calls * 1e6


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--path", default="/dev/shm", help="where the files are made for a while (/dev/shm)")  # noqa: S108 - one's own directory in it
    parser.add_argument("--calls", type=int, default=500, help="calls in a row (500)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.path) as folder:
        store = LMDBStore(Path(folder) / "store", MAX_BYTES)
        bare = lmdb.open(f"{folder}/bare", map_size=MAX_BYTES, sync=False, metasync=False, max_spare_txns=1)
        cases = {
            "MemoryStore": cases_of_store(MemoryStore(MAX_BYTES)),
            "LMDBStore": cases_of_store(store),
            "bare LMDB": cases_of_lmdb(bare),
        }
        spent: dict[tuple[str, str], list[float]] = {}
        for _ in range(TURNS):
            for name, named in cases.items():
                for what, case in named.items():
                    spent.setdefault((what, name), []).append(measure(case, arguments.calls))
        print(f"{'µs of CPU':42}{'least':>8}{'median':>8}  quartiles")
        for (what, name), times in sorted(spent.items()):
            low, _, high = quantiles(times)
            print(f"{what:28}{name:14}{min(times):8.2f}{median(times):8.2f}  {low:.2f}-{high:.2f}")
        store.close()
        bare.close()


if __name__ == "__main__":
    main()
