"""What breaks the rule between processes is found: each mutation has to make the test that it names fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.consistency.lmdb_mutations import MUTATIONS
from tests.consistency.test_mutations import forks, run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.consistency.forking import ForkingServer
    from tests.consistency.mutations import Mutation

__all__ = ["forks"]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_the_mutation_is_found(mutation: Mutation, tmp_path: Path, forks: ForkingServer) -> None:
    done = run(mutation, tmp_path, forks)
    assert done.status == 1, done.output[-3000:]
    assert "RuleBrokenError" in done.output, done.output[-3000:]
