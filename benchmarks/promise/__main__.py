"""Check the promise across processes: several uvicorn workers, one store, writers, readers, and faults on demand.

Writers change versioned data and then invalidate. A read is wrong if it was sent after `invalidate_tag` returned, and
is answered with an older version. The exit status is 1 if there was one, or if an answer was no answer.

`--mutation` breaks the rule on purpose, to show that the check finds it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

from benchmarks.promise.check import FAULTS, MUTATIONS, Plan, check

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--store",
        default="redis",
        help="`redis`, `sentinel` for the primary that Sentinels name, or `cluster`; `near`, `near-sentinel` or"
        " `near-cluster` for near stores in front of them; or `near-lmdb:` or `lmdb:` and a directory for its file, as"
        " lmdb:/dev/shm (redis)",
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="how long (10)")
    parser.add_argument("--seed", type=int, default=0, help="of all that is random here (0)")
    parser.add_argument("--workers", type=int, default=4, help="uvicorn processes (4)")
    parser.add_argument("--writers", type=int, default=2, help="who change data and invalidate, one at a time each (2)")
    parser.add_argument("--faults", nargs="*", default=[], help=f"what to break meanwhile: {_listed(FAULTS)}")
    parser.add_argument(
        "--pace", type=float, default=1.0, help="times between faults, longer so many times: more hits (1)"
    )
    parser.add_argument("--mutation", default="", help=f"break the rule itself: {_listed(MUTATIONS)}")
    parser.add_argument("--stop-at-first", action="store_true", help="end with the first violation")
    plan = Plan(**vars(parser.parse_args(arguments)))
    try:
        report = asyncio.run(check(plan))
    except ValueError as error:
        parser.error(str(error))
    print(f"{plan}\n{report}\nhits: {report.hits / max(1, report.reads):.1%} of the reads", end="")
    print(f", read from the shared store: {report.shared_reads:,}" if plan.kind.startswith("near") else "")
    return 1 if report.violations or report.unanswered else 0


def _listed(named: Mapping[str, Sequence[str]]) -> str:
    return "; ".join(f"on {kind} {', '.join(names)}" for kind, names in named.items())


if __name__ == "__main__":
    sys.exit(main())
