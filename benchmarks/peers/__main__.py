"""Measures the peers beside this cache and says what came of it; `nox -s bench` runs this."""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from accelerator.demo.redis_server import RedisServer
from benchmarks.peers.catalogue import ROOT, Case, cases
from benchmarks.peers.environments import python_of
from benchmarks.peers.report import lines, write_tables
from benchmarks.peers.results import Results
from benchmarks.peers.run import FULL, QUICK, Run
from benchmarks.peers.servers import held_on, processors

if TYPE_CHECKING:
    from collections.abc import Sequence

KEPT: Final = ROOT / "docs" / "assets" / "benchmarks" / "peers.json"
"""The run that docs/benchmarks.md shows."""


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return what the arguments say."""
    parser = argparse.ArgumentParser(prog="nox -s bench --", description=__doc__)
    parser.add_argument("--environments", type=Path, required=True, help="the folder for the peers' environments")
    parser.add_argument("--full", action="store_true", help="more rounds, up to a million entries, two workers")
    parser.add_argument("--only", nargs="+", metavar="CASE", choices=cases(), help="only these cases")
    parser.add_argument("--write", action="store_true", help="write the tables and plots of the documentation")
    parser.add_argument("--json", type=Path, help="where what was found is written (beside the environments)")
    parser.add_argument("--drawn-from", type=Path, help="a run's JSON: measure nothing, and show that")
    told = parser.parse_args(arguments)
    if told.write and told.only:
        parser.error("the documentation is about all of the cases")
    return told


def main() -> int:
    """Run it as the arguments say."""
    told = parsed()
    if told.drawn_from:
        results = Results.model_validate_json(told.drawn_from.read_text())
    else:
        chosen = [case for name, case in cases().items() if not told.only or name in told.only]
        results = measured(chosen, told)
    print(*lines(results), sep="\n")
    if told.write:
        KEPT.parent.mkdir(parents=True, exist_ok=True)
        KEPT.write_text(results.model_dump_json())
        write_tables(results)
        from benchmarks.peers import plots  # matplotlib is needed for this alone

        plots.draw(results, KEPT.parent)
    return 0


def measured(chosen: Sequence[Case], told: argparse.Namespace) -> Results:
    """Measure, with a bar that shows how far it is."""
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    bar = Progress(*columns, TextColumn("{task.description}"), console=Console(stderr=True))
    with tempfile.TemporaryDirectory(prefix="peers-") as folder, ExitStack() as stack, bar:
        with held_on(processors()[0]):
            redis = stack.enter_context(RedisServer())
        task = bar.add_task("")

        def step(words: str) -> None:
            bar.update(task, advance=1, description=words)

        scale = FULL if told.full else QUICK
        pythons = partial(python_of, folder=told.environments.resolve())
        run = Run(chosen, scale, pythons, Path(folder), redis.tcp_url, step)
        bar.update(task, total=run.steps)
        kept = told.json or told.environments / "found.json"

        def keep(results: Results) -> None:
            kept.write_text(results.model_dump_json())

        return run.measure(keep)


if __name__ == "__main__":
    sys.exit(main())
