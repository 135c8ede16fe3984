"""The tests of the suite, and how it counts them."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeAlias

DRIVER: Final = Path(__file__).with_name("suite.mjs")
SECONDS: Final = 300
"""In which one run of the client has to end; it takes 20 to 60."""

Results: TypeAlias = dict[str, Any]
"""By test: True, or what went wrong, as a kind and a message."""


@dataclass(frozen=True)
class Test:
    """One test.

    Attributes:
        kind: `required`, `optimal`, or `check`, which asks a question and cannot fail.
        needs: tests without which this one says nothing.
    """

    id: str
    group: str
    name: str
    kind: str
    needs: tuple[str, ...]


class Suite:
    """The suite in a folder into which npm has put it; what only a browser's cache can do is left out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        if not (self.folder / "package.json").is_file():
            raise FileNotFoundError(f"no http-cache-tests in {folder}: npm install http-cache-tests puts it there")

    @cached_property
    def _listed(self) -> dict[str, Any]:
        listed: dict[str, Any] = json.loads(self._driven("list"))
        return listed

    @cached_property
    def tests(self) -> dict[str, Test]:
        """All tests by id, in the suite's order."""
        return {
            test["id"]: Test(
                test["id"], suite["name"], test["name"], test.get("kind", "required"), tuple(test.get("depends_on", ()))
            )
            for suite in self._listed["suites"]
            for test in suite["tests"]
            if not test.get("browser_only")
        }

    @cached_property
    def published(self) -> dict[str, Results]:
        """The results of other caches that come with the suite."""
        published: dict[str, Results] = self._listed["published"]
        return published

    def run(self, base: str, ids: list[str]) -> Results:
        """Run all tests, or those with these ids and what they need, against a cache at the URL `base`."""
        if unknown := sorted(set(ids) - set(self.tests)):
            raise ValueError(f"no such test: {', '.join(unknown)}")
        results: Results = json.loads(self._driven("run", base, *sorted(self._with_needs(ids))))
        return results

    def passed(self, results: Results) -> set[str]:
        """Return the ids of the tests that count as passed: what they need has to have passed as well."""
        return {test for test in self.tests if all(results.get(name) is True for name in self._with_needs([test]))}

    def _with_needs(self, ids: list[str]) -> set[str]:
        found: set[str] = set()
        while ids:
            found.update(ids)
            ids = [need for test in ids for need in self.tests[test].needs if need not in found]
        return found

    def _driven(self, *words: str) -> str:
        command = ["node", "--no-warnings", str(DRIVER), str(self.folder), *words]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=SECONDS)  # noqa: S603 - ours
        return done.stdout
