"""What breaks the rule is found: each mutation of the source has to make the test that it names fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

import accelerator
from tests.consistency.mutations import MODEL, MUTATIONS, PROMISE, RULES, SCHEDULES, THREADS, Mutation

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
AT_ONCE = 2
NOTHING = [Mutation(f"nothing, {test}", test) for test in (MODEL, PROMISE, RULES, SCHEDULES, THREADS)]


def run(mutation: Mutation, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run the test of a mutation against a changed copy of the package."""
    package = directory / "accelerator"
    shutil.copytree(Path(accelerator.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__", "demo"))
    mutation.apply(package)
    path = os.pathsep.join([str(directory), str(ROOT)])
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", "--tb=short"]
    return subprocess.run(  # noqa: S603 - our own tests
        [*command, f"tests/consistency/{mutation.found_by}"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "HYPOTHESIS_PROFILE": "aimed"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[subprocess.CompletedProcess[str]]]]:
    """The runs of all mutations that are asked for, as many at once as there are processors to count on."""
    items = [item for item in request.session.items if isinstance(item, pytest.Function) and item.path == request.path]
    asked_for = [cast("Mutation", item.callspec.params["mutation"]) for item in items]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {mutation.name: pool.submit(run, mutation, tmp_path_factory.mktemp("mutated")) for mutation in asked_for}


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_the_mutation_is_found(mutation: Mutation, runs: dict[str, Future[subprocess.CompletedProcess[str]]]) -> None:
    done = runs[mutation.name].result()
    assert done.returncode == 1, done.stdout[-3000:] + done.stderr[-1000:]
    assert "RuleBrokenError" in done.stdout, done.stdout[-3000:]


@pytest.mark.parametrize("mutation", NOTHING, ids=lambda mutation: mutation.name)
def test_without_a_mutation_nothing_is_found(
    mutation: Mutation, runs: dict[str, Future[subprocess.CompletedProcess[str]]]
) -> None:
    done = runs[mutation.name].result()
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
