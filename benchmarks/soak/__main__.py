"""Run hits, fills, invalidations, clears and `kill -9` on one file for long, with new workers for those killed.

Meanwhile it is looked at what the file and the processes take. The exit status is 1 if anything was not within its
bounds, a hit was older than what was promised, or not all operations were done in time.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.soak.run import Plan, soak
from benchmarks.soak.worker import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.soak.run import Look

MIB = 1024 * 1024


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", default="lmdb:/dev/shm", help="`lmdb:` and a directory for its file (lmdb:/dev/shm)")
    parser.add_argument("--operations", type=int, default=Plan.operations, help=f"how many ({Plan.operations})")
    parser.add_argument("--seconds", type=float, default=Plan.seconds, help=f"at most ({Plan.seconds:g})")
    parser.add_argument("--workers", type=int, default=Plan.workers, help=f"processes ({Plan.workers})")
    parser.add_argument("--max-bytes", type=int, default=Plan.max_bytes, help=f"of the file ({Plan.max_bytes})")
    parser.add_argument("--kills", type=float, default=Plan.kills, help=f"seconds between two kills ({Plan.kills:g})")
    parser.add_argument("--seed", type=int, default=Plan.seed, help=f"of all that is random here ({Plan.seed})")
    told = vars(parser.parse_args(arguments))
    kind, _, folder = told.pop("store").partition(":")
    if kind != "lmdb" or not Path(folder).is_dir():
        parser.error(
            f"a store is lmdb:DIRECTORY, such as lmdb:/dev/shm, and the directory is there, not {kind}:{folder}"
        )
    plan = Plan(folder=Path(folder), **told)
    print(f"{'operations':>11}{'file, MiB':>11}{'entries':>9}{'ghosts':>8}{'records':>9}{'readers':>9}", end="")
    print(f"{'largest process, MiB':>22}{'kills':>7}")
    outcome = soak(plan, show)
    done = sum(outcome.counts[what] for what in OPERATIONS)
    counts = ", ".join(f"{number:,} {what.name.lower()}" for what, number in outcome.counts.items())
    print(f"{done:,} operations in {outcome.seconds:.0f} s: {counts}; {outcome.kills:,} workers killed", end="")
    print(f"; {outcome.files} files seen")
    print(*outcome.breaches or ["all within its bounds"], sep="\n")
    return 1 if outcome.breaches or done < plan.operations else 0


def show(look: Look, kills: int) -> None:
    """Print a row."""
    found = look.found
    print(f"{look.operations:11,}{found.file_bytes / MIB:11.1f}{found.entries:9,}{found.ghosts:8,}", end="")
    print(f"{found.records:9,}{found.readers:9}{max(look.memory) / MIB:22.1f}{kills:7,}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
