"""The peers, their versions and their files."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from benchmarks.peers.catalogue import REQUIREMENTS, Case, cases
from benchmarks.peers.run import DATABASES


@pytest.mark.parametrize("environment", REQUIREMENTS)
def test_each_requirement_names_one_version(environment: str) -> None:
    assert not [each for each in REQUIREMENTS[environment] if "==" not in each and not each.startswith("--editable=")]


@pytest.mark.parametrize("environment", REQUIREMENTS)
def test_no_requirement_names_a_folder_of_this_machine_since_results_have_them(environment: str) -> None:
    assert not [each for each in REQUIREMENTS[environment] if "/" in each]


@pytest.mark.parametrize("case", cases().values(), ids=lambda case: case.name)
def test_a_case_has_its_environment_its_files_and_what_it_is_compared_with(case: Case) -> None:
    assert case.environment in REQUIREMENTS
    assert find_spec(f"benchmarks.peers.frameworks.{case.framework}")
    assert find_spec(f"benchmarks.peers.caches.{case.cache}")
    assert cases()[case.bare].cache == "none"
    if case.has_cache:
        assert cases()[case.ours].cache == "accelerator"


def test_there_is_a_database_for_each_case_that_is_kept_in_redis() -> None:
    assert len([case for case in cases().values() if case.is_shared]) <= DATABASES
