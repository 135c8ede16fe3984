"""Serves real software bare and behind the cache, and says what differs; `nox -s sites` runs this."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

from accelerator.demo.redis_server import RedisServer
from benchmarks.sites.catalogue import SITES
from benchmarks.sites.compare import Comparison
from benchmarks.sites.differences import DECLARED
from benchmarks.sites.environments import Environment
from benchmarks.sites.report import lines, page
from benchmarks.sites.run import run

if TYPE_CHECKING:
    from benchmarks.sites.visit import Outcome

AT_ONCE: Final = 2
"""How many sites are visited at once."""

PAGE: Final = Path(__file__).parents[2] / "docs" / "sites.md"


def main() -> int:
    """Run it as the arguments say."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sites", description=__doc__)
    parser.add_argument("--environments", type=Path, required=True, help="the folder for the sites' environments")
    parser.add_argument("--sites", nargs="+", choices=SITES, default=list(SITES), help="only these")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    told = parser.parse_args()
    is_whole = told.sites == list(SITES)
    if told.write and not is_whole:
        parser.error("the page is about all of the sites")

    comparison = Comparison()
    outcomes, wrong = _run(told.sites, told.environments.resolve(), comparison)
    if is_whole:
        wrong += [f"declared, and not met: {each}" for each in DECLARED if each.is_sure and each not in comparison.used]
    print(*wrong, sep="\n")
    is_same = not wrong and not any(each.faults for each in outcomes)
    if told.write and is_same:
        PAGE.write_text(page(list(SITES.values()), outcomes))
    return not is_same


def _run(names: list[str], environments: Path, comparison: Comparison) -> tuple[list[Outcome], list[str]]:
    """Run the sites of these names, some at once; return what came of each, and what went to the wrong visitor."""
    outcomes: list[Outcome] = []
    leaks: list[str] = []
    with (
        tempfile.TemporaryDirectory(prefix="sites-") as folder,
        RedisServer() as redis,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):

        def one(name: str) -> tuple[list[Outcome], list[str]]:
            began = time.monotonic()
            environment = Environment(SITES[name], environments)
            environment.make()
            place = Path(folder) / name
            place.mkdir()
            found = run(SITES[name], environment, redis.url, place, comparison)
            print(f"{name} took {time.monotonic() - began:.0f} s", flush=True)
            return found

        for found, leaked in pool.map(one, names):
            print(*(line for each in found for line in lines(each)), sep="\n", flush=True)
            outcomes += found
            leaks += leaked
    return outcomes, leaks


if __name__ == "__main__":
    sys.exit(main())
