"""What breaks the rule is found: each mutation of the source has to make the test that it names fail."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import accelerator
from tests.consistency.forking import Done, ForkingServer
from tests.consistency.mutations import MUTATIONS, RULES, Mutation

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def forks() -> Iterator[ForkingServer]:
    forks = ForkingServer("tests/consistency", HYPOTHESIS_PROFILE="aimed")
    yield forks
    forks.close()


def run(mutation: Mutation, directory: Path, forks: ForkingServer) -> Done:
    """Run the test of a mutation against a changed copy of the package."""
    package = directory / "accelerator"
    shutil.copytree(Path(accelerator.__file__).parent, package, ignore=shutil.ignore_patterns("demo"))
    mutation.apply(package)
    return forks.run(directory, "-x", "--tb=short", f"tests/consistency/{mutation.found_by}")


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_the_mutation_is_found(mutation: Mutation, tmp_path: Path, forks: ForkingServer) -> None:
    done = run(mutation, tmp_path, forks)
    assert done.status == 1, done.output[-3000:]
    assert "RuleBrokenError" in done.output, done.output[-3000:]


def test_without_a_mutation_nothing_is_found(tmp_path: Path, forks: ForkingServer) -> None:
    """One of the tests shows that a copy is as good as the package, on which all of them run anyway."""
    done = run(Mutation("nothing", RULES), tmp_path, forks)
    assert done.status == 0, done.output[-3000:]
