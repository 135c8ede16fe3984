"""Runs the test suite for HTTP caches against the gateway, and checks that every test that does not pass has a reason.

`nox -s conformance` installs the suite and runs this.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from accelerator.demo.redis_server import RedisServer
from benchmarks.conformance.page import faults, page, reasons
from benchmarks.conformance.servers import SERVERS, flags, gateway, origin
from benchmarks.conformance.suite import Results, Suite

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"


def run(suite: Suite, server: str, store: str, ids: list[str]) -> Results:
    """Run the suite once, with an origin, a store and a gateway of its own."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="conformance-")))
        redis = stack.enter_context(RedisServer()).url if store == "redis" else ""
        behind = stack.enter_context(origin(suite.folder, folder / "origin.log"))
        base = stack.enter_context(gateway(server, behind, redis, folder / "gateway.log"))
        return suite.run(base, ids)


def flaky(runs: list[Results]) -> list[str]:
    """Say which tests did not end in every run as in the first."""
    first = runs[0]
    return [
        f"{test} is flaky: {', '.join(json.dumps(results[test]) for results in runs)}"
        for test in first
        if any((results[test] is True) != (first[test] is True) for results in runs)
    ]


def main() -> int:
    """Run it as the arguments say."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.conformance", description=__doc__)
    parser.add_argument("--suite", type=Path, required=True, help="the folder of the npm package http-cache-tests")
    parser.add_argument("--runs", type=int, default=1, help="how often; a test that ends differently is an error")
    parser.add_argument("--server", choices=SERVERS, default=next(iter(SERVERS)))
    parser.add_argument("--store", choices=("memory", "redis"), default="memory")
    parser.add_argument("--tests", nargs="+", default=[], metavar="ID", help="only these, and those they depend on")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    told = parser.parse_args()
    if told.write and told.tests:
        parser.error("the page is about all of the tests")

    suite = Suite(told.suite)
    runs = [run(suite, told.server, told.store, told.tests) for _ in range(told.runs)]
    results = runs[-1]
    passed, given = suite.passed(results), reasons()
    succeeded = {test for test, result in results.items() if result is True}
    for test in sorted(set(results) - succeeded):
        print(f"{suite.tests[test].kind:8}  {test}: {': '.join(results[test])}")
    for kind in ("required", "optimal"):
        ran = {test for test in results if suite.tests[test].kind == kind}
        print(f"{kind}: {len(ran & passed)} of {len(ran)}")
    wrong = [*flaky(runs), *faults(suite, given, passed, succeeded, results)]
    for words in wrong:
        print(words)
    if told.write and not wrong:
        release = json.loads((suite.folder / "package.json").read_text())["version"]
        PAGE.write_text(page(suite, given, passed, release, " ".join(flags())))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
