"""What breaks the rule is found: each mutation of the source has to make the test that it names fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import accelerator
from tests.consistency.mutations import MUTATIONS, RULES, Mutation

ROOT = Path(__file__).parents[2]


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
        env={**os.environ, "PYTHONPATH": path, "HYPOTHESIS_PROFILE": "aimed"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_the_mutation_is_found(mutation: Mutation, tmp_path: Path) -> None:
    done = run(mutation, tmp_path)
    assert done.returncode == 1, done.stdout[-3000:] + done.stderr[-1000:]
    assert "RuleBrokenError" in done.stdout, done.stdout[-3000:]


def test_without_a_mutation_nothing_is_found(tmp_path: Path) -> None:
    """One of the tests shows that a copy is as good as the package, on which all of them run anyway."""
    done = run(Mutation("nothing", RULES), tmp_path)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
