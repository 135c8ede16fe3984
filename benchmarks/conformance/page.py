"""docs/conformance.md: what passes, and why the rest does not."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Set

    from benchmarks.conformance.suite import Suite, Test

REASONS: Final = Path(__file__).with_name("reasons.toml")
KINDS: Final = ("required", "optimal", "check")
SORTS: Final = {
    "safety": "Safety comes first",
    "choice": "Not worth its cost",
    "protocol": "Impossible over HTTP/1.1 or ASGI",
    "suite": "Errors of the tests",
    "answer": "Questions answered with no",
}
"""The sorts of reasons, and their headings."""

PROXIES: Final = {
    "trafficserver": "Apache Traffic Server",
    "apache": "Apache",
    "squid": "Squid",
    "varnish": "Varnish",
    "nginx": "nginx",
    "fastly": "Fastly",
}
"""The shared caches whose results come with the suite."""

CURRENT: Final = {
    "trafficserver": (132, 70),
    "apache": (131, 68),
    "squid": (122, 59),
    "varnish": (119, 45),
    "nginx": (99, 59),
    "fastly": (96, 49),
}
"""What they were published to pass of the suite's repository, of 160 and 105."""

HEAD: Final = """\
# Conformance

[http-cache-tests](https://github.com/http-tests/cache-tests) is the public test suite for HTTP caches.
`nox -s conformance` installs its release {release} from npm (node has to be there), runs it against the gateway, and
writes this page.

**Passed: {required} required and {optimal} optimal tests.** Each test that does not pass has its reason below; the
session fails where a reason is missing, or is given for a test that passes:

{why}

The gateway runs with what RFC 9111 permits a cache but does not ask of it: `python -m accelerator gateway ORIGIN` with
`{options}`.
A test counts as passed only where all the tests it depends on do, as on the suite's own site. Tests for browsers are
left out.

## Others

The results that come with the release, counted in the same way. The last column is what was published later, for the
suite's repository, which has 40 more tests.

| cache | required | optimal | repository: of 160 required, of 105 optimal |
|---|--:|--:|--:|
"""


class Reason(NamedTuple):
    """Why a test does not pass: one of SORTS, and the words."""

    sort: str
    words: str


def reasons() -> dict[str, Reason]:
    """Return the reason of each test that has one.

    Raises:
        ValueError: a test has two reasons, or one of an unknown sort.
    """
    found: dict[str, Reason] = {}
    for given in tomllib.loads(REASONS.read_text())["reason"]:
        reason = Reason(given["sort"], " ".join(given["words"].split()))
        if reason.sort not in SORTS:
            raise ValueError(f"there is no sort {reason.sort}")
        for test in given["tests"]:
            if test in found:
                raise ValueError(f"{test} has two reasons")
            found[test] = reason
    return found


def faults(
    suite: Suite, given: Mapping[str, Reason], passed: Set[str], succeeded: Set[str], ran: Iterable[str]
) -> list[str]:
    """Say which tests lack a reason, and which have one without need.

    Args:
        suite: has the tests.
        given: the reasons.
        passed: those that count as passed.
        succeeded: those that passed themselves, whatever those they depend on did.
        ran: those that were to be run.
    """
    missing = [f"{test} does not pass, and has no reason" for test in ran if test not in succeeded | given.keys()]
    needless = [f"{test} passes, and has a reason" for test in ran if test in passed & given.keys()]
    unknown = [f"{test} has a reason, and does not exist" for test in given if test not in suite.tests]
    return [*missing, *needless, *unknown]


def page(suite: Suite, given: Mapping[str, Reason], passed: Set[str], release: str, options: str) -> str:
    """Return the page."""
    required, optimal = (_of(suite.tests.values(), passed, kind) for kind in ("required", "optimal"))
    why = "\n".join(_why(suite, given, passed))
    parts = [HEAD.format(release=release, options=options, required=required, optimal=optimal, why=why)]
    parts += [f"| accelerator | {required} | {optimal} | |\n", *_others(suite)]
    parts += [
        "\n## By group\n\n| group | required | optimal | questions: yes |\n|---|--:|--:|--:|\n",
        *_groups(suite, passed),
    ]
    return "".join([*parts, *_failed(suite, given, passed)])


def _of(tests: Iterable[Test], passed: Set[str], kind: str) -> str:
    ids = {test.id for test in tests if test.kind == kind}
    return f"{len(passed & ids)} of {len(ids)}" if ids else ""


def _why(suite: Suite, given: Mapping[str, Reason], passed: Set[str]) -> Iterable[str]:
    for sort, heading in SORTS.items():
        tests = [suite.tests[test].kind for test in given.keys() - passed if given[test].sort == sort]
        if found := [f"{tests.count(kind)} {kind}" for kind in KINDS[:2] if kind in tests]:
            yield f"* {heading}: {' and '.join(found)}."


def _others(suite: Suite) -> Iterable[str]:
    for name, words in PROXIES.items():
        theirs = suite.passed(suite.published[name])
        required, optimal = (_of(suite.tests.values(), theirs, kind) for kind in ("required", "optimal"))
        yield f"| {words} | {required} | {optimal} | {CURRENT[name][0]}, {CURRENT[name][1]} |\n"


def _groups(suite: Suite, passed: Set[str]) -> Iterable[str]:
    for group in dict.fromkeys(test.group for test in suite.tests.values()):
        tests = [test for test in suite.tests.values() if test.group == group]
        yield f"| {group} | {' | '.join(_of(tests, passed, kind) for kind in KINDS)} |\n"


def _failed(suite: Suite, given: Mapping[str, Reason], passed: Set[str]) -> Iterable[str]:
    failed = [test for test in suite.tests.values() if test.id not in passed]
    for sort, heading in SORTS.items():
        if tests := [test for test in failed if given.get(test.id, Reason("", "")).sort == sort]:
            yield f"\n## {heading}\n\n"
            yield from (f"* `{test.id}` ({test.kind}): {_sentence(test)} {given[test.id].words}\n" for test in tests)
    if tests := [test for test in failed if test.id not in given]:
        yield "\n## Dependent on one of those\n\n"
        for test in tests:
            needed = " and ".join(f"`{need}`" for need in test.needs if need not in passed)
            yield f"* `{test.id}` ({test.kind}): {_sentence(test)} It passes, but depends on {needed}.\n"


def _sentence(test: Test) -> str:
    words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", test.name).strip()
    return words if words[-1] in ".?" else words + "."
